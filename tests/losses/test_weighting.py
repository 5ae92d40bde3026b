"""Weights of classes: the worked example, scikit-learn's, and a mean of one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from striate.core.errors import UnknownName
from striate.losses import WEIGHTINGS, balanced_weights, class_weights, inverse_frequency, positive_ratios


def test_inverse_frequency_is_total_over_count() -> None:
    # Worked example; 27, 25 and 20 samples as in the confusion matrix of cats, dogs and birds.
    assert inverse_frequency([27, 25, 20]) == (72 / 27, 72 / 25, 72 / 20)


def test_balanced_equals_scikit_learn_which_divides_by_the_classes_too() -> None:
    labels = np.repeat([0, 1, 2], [27, 25, 20])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(balanced_weights([27, 25, 20]), expected, rtol=1e-14)
    np.testing.assert_allclose(balanced_weights([27, 25, 20]), np.array(inverse_frequency([27, 25, 20])) / 3)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=20))
def test_balanced_weights_are_one_in_the_mean_over_samples(counts: list[int]) -> None:
    weights = balanced_weights(counts)
    if sum(counts):
        assert np.dot(weights, counts) / sum(counts) == pytest.approx(1.0)
    assert all((weight > 0) == (count > 0) for weight, count in zip(weights, counts, strict=True))


def test_positive_ratios_are_negatives_over_positives() -> None:
    assert positive_ratios([10, 80, 0, 100], 100) == (9.0, 0.25, 1.0, 1.0)


@pytest.mark.parametrize("name", WEIGHTINGS[1:])
@given(counts=st.lists(st.integers(0, 5000), min_size=1, max_size=8))
def test_every_weighting_has_a_mean_of_one_over_the_samples(name: str, counts: list[int]) -> None:
    weights = class_weights(name, counts)
    assert all((weight > 0) == (count > 0) for weight, count in zip(weights, counts, strict=True))
    if sum(counts):
        mean = sum(weight * count for weight, count in zip(weights, counts, strict=True)) / sum(counts)
        assert mean == pytest.approx(1)
        rarer = sorted((count, weight) for count, weight in zip(counts, weights, strict=True) if count)
        assert [weight for _, weight in rarer] == sorted((weight for _, weight in rarer), reverse=True)


def test_the_effective_number_is_the_papers() -> None:
    # Cui et al. 2019, eq. 2 and 4: (1 - β) / (1 - β^n), up to a factor.
    first, second = class_weights("effective", [5000, 50])
    assert second / first == pytest.approx((1 - 0.999**5000) / (1 - 0.999**50))


def test_a_weighting_that_is_none_is_said() -> None:
    with pytest.raises(UnknownName, match="square_root"):
        class_weights("squareroot", [1, 2])
