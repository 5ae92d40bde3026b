"""What this machine can do is measured, and agrees with itself."""

import pytest

import striate as st
from striate.core.errors import UnknownName, UsageError
from striate.infer import computes_bfloat16


def test_a_bench_measures_every_figure() -> None:
    found = st.bench("lenet5", size=32, batch=8)
    assert set(found.products) == ({"float32", "bfloat16"} if computes_bfloat16("cpu") else {"float32"})
    assert min(*found.products.values(), found.copied, found.decoded, found.macs) > 0
    for work, rates in (("training", found.training), ("prediction", found.prediction)):
        assert found.chosen[work] in rates
        assert min(rates.values()) > 0
    for name, rate in found.products.items():
        assert found.limits["prediction"][name] == pytest.approx(rate / (2 * found.macs))
        assert found.limits["training"][name] * 3 == pytest.approx(found.limits["prediction"][name])
    assert found.to_dict()["network"] == "lenet5"


def test_a_batch_of_one_is_measured_too() -> None:
    assert st.bench("lenet5", size=32, batch=1).training


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot be"):
        st.bench(batch=0)
    with pytest.raises(UsageError, match="more than a quarter of what is free"):
        st.bench(size=4096, batch=4096)
    with pytest.raises(UnknownName, match="resnet18"):
        st.bench("resnet81", size=32)
