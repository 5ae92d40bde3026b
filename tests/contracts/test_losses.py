"""What every registered loss keeps to."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from striate.core.errors import UnknownName
from striate.core.records import TargetKind
from striate.core.registry import file_names
from striate.losses import LOSSES

CASES = [(name, kind) for name, loss in LOSSES.items() for kind in loss.kinds]
every_case = pytest.mark.parametrize(("name", "kind"), CASES)


def example(
    kind: TargetKind, rows: int = 6, dtype: torch.dtype = torch.float64, link: str = "identity"
) -> tuple[Tensor, Tensor, Tensor]:
    """Outputs, targets, and outputs that meet the targets."""
    generator = torch.Generator().manual_seed(3)
    outputs = torch.randn(rows, 4, dtype=dtype, generator=generator)
    if kind == "mask":
        outputs = torch.randn(rows, 4, 2, 3, dtype=dtype, generator=generator)
        classes = torch.randint(0, 4, (rows, 2, 3), generator=generator)
        void = torch.rand(classes.shape, generator=generator) < 0.2
        right = (one_hot(classes, 4).movedim(3, 1).to(dtype) * 2 - 1) * 30
        return outputs, classes.masked_fill(void, 255).to(torch.uint8), right
    if kind == "value":
        targets = torch.randn(rows, 4, dtype=dtype, generator=generator)
        return (outputs, targets.exp(), targets) if link == "log" else (outputs, targets, targets)
    if kind == "boxes":
        lacking = torch.rand(rows, 2, dtype=dtype, generator=generator) + 0.1
        return lacking, torch.zeros(rows, 0, dtype=dtype), torch.zeros_like(lacking)
    if kind == "label":
        targets = torch.eye(4, dtype=dtype)[torch.arange(rows) % 4]
    else:
        targets = (torch.rand(rows, 4, generator=generator) < 0.5).to(dtype)
    return outputs, targets, (targets * 2 - 1) * 30


def test_the_registry_holds_each_file_and_no_more() -> None:
    assert LOSSES.names() == file_names("striate.losses")


@every_case
def test_options_are_strict_and_off_by_default(name: str, kind: TargetKind) -> None:
    loss = LOSSES.get(name)
    outputs, targets, _ = example(kind, link=LOSSES.get(name).link)
    for parameter in inspect.signature(loss.function).parameters.values():
        assert parameter.kind is not inspect.Parameter.VAR_KEYWORD
        assert (parameter.kind is inspect.Parameter.KEYWORD_ONLY) == (parameter.default is not inspect.Parameter.empty)
    assert torch.equal(loss(outputs, targets), loss(outputs, targets, **loss.options))
    for value in (0.5, 0, False, None):
        with pytest.raises(UnknownName, match="no_such_option"):
            loss(outputs, targets, no_such_option=value)


@every_case
def test_a_row_has_a_loss_of_its_own(name: str, kind: TargetKind) -> None:
    loss = LOSSES.get(name)
    outputs, targets, _ = example(kind, link=LOSSES.get(name).link)
    whole = loss(outputs, targets)
    assert whole.shape == (len(outputs),)
    alone = torch.cat([loss(outputs[[row]], targets[[row]]) for row in range(len(outputs))])
    torch.testing.assert_close(alone, whole, rtol=1e-14, atol=1e-14)
    assert loss(outputs[:0], targets[:0]).shape == (0,)


@every_case
def test_it_is_least_where_the_outputs_meet_the_targets(name: str, kind: TargetKind) -> None:
    loss = LOSSES.get(name)
    outputs, targets, right = example(kind, link=LOSSES.get(name).link)
    assert loss(right, targets).max() < 1e-9
    assert (loss(outputs, targets) > loss(right, targets)).all()
    if kind != "boxes":  # what is lacking is never less than nothing
        assert (loss(-right, targets) > loss(right, targets)).all()


@every_case
def test_its_gradient_is_that_of_finite_differences(name: str, kind: TargetKind) -> None:
    outputs, targets, _ = example(kind, link=LOSSES.get(name).link)
    assert torch.autograd.gradcheck(lambda x: LOSSES.get(name)(x, targets), outputs.requires_grad_())


@every_case
def test_large_outputs_stay_finite(name: str, kind: TargetKind) -> None:
    _, targets, right = example(kind, dtype=torch.float32, link=LOSSES.get(name).link)
    for outputs in (right * 1e4, -right * 1e4):
        outputs = outputs.clone().requires_grad_()
        found = LOSSES.get(name)(outputs, targets)
        found.sum().backward()
        assert found.isfinite().all()
        assert outputs.grad is not None
        assert outputs.grad.isfinite().all()


@every_case
def test_half_precision_outputs_are_judged_in_single(name: str, kind: TargetKind) -> None:
    outputs, targets, _ = example(kind, dtype=torch.float32, link=LOSSES.get(name).link)
    half = outputs.bfloat16()
    found = LOSSES.get(name)(half, targets)
    assert found.dtype is torch.float32
    assert torch.equal(found, LOSSES.get(name)(half.float(), targets))


@every_case
def test_shapes_that_differ_are_refused(name: str, kind: TargetKind) -> None:
    outputs, targets, _ = example(kind, link=LOSSES.get(name).link)
    if kind == "boxes":
        for wrong in (outputs[:, 0], outputs[:, :1], outputs[1:]):
            with pytest.raises(ValueError, match=r"must be \(N, 2\)"):
                LOSSES.get(name)(wrong, targets)
        return
    expected = r"must be \(N, K, H, W\)" if kind == "mask" else r"must both be \(N, K\)"
    for other in (targets[:, :1], targets[:, 0], targets[:1]):
        with pytest.raises(ValueError, match=expected):
            LOSSES.get(name)(outputs, other)
