"""What the rules for masks decide by the names of classes and by what the audit found."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from striate.plan import masks
from striate.plan.context import Context
from striate.plan.rules.views import views_after


class Grey(dict[str, Any]):
    """What the rule sees of grey pictures with classes of these names."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__({"input.channels": 1})
        self.dataset = SimpleNamespace(target_names=("background", *names))
        self.train_samples = range(30)


@pytest.mark.parametrize(
    ("names", "flip", "views", "said"),
    [
        (("cell", "wall"), "both", "flipped", "seldom have an up"),
        (("right_lung", "heart"), "none", "single", "'right_lung' has a side"),
        (("LeftLung", "RightLung"), "none", "single", "'LeftLung' has a side"),
        (("upper_jaw", "lower_jaw"), "horizontal", "mirrored", "turned over, 'upper_jaw' may become another"),
        (("UpperLobe", "leftover"), "horizontal", "mirrored", "turned over, 'UpperLobe' may become another"),
        (("upper left", "cell"), "none", "single", "'upper left' has a side"),
        (("bright", "group"), "both", "flipped", "seldom have an up"),
    ],
)
def test_classes_with_sides_are_not_turned_into_each_other(
    names: tuple[str, ...], flip: str, views: str, said: str
) -> None:
    found, because = masks.augment(cast(Context, Grey(names)), {})["augment.flip"]
    assert (found, views_after(found)[0]) == (flip, views)
    assert said in because


@pytest.mark.parametrize(
    ("shares", "loss", "said"),
    [
        ({"background": 0.97, "cell": 0.03}, "dice_cross_entropy", "of the pixels cell 3.0%, background 97.0%"),
        ({"background": 0.6, "cell": 0.4}, "pixel_cross_entropy", "no class has less than half of an equal share"),
    ],
)
def test_the_audits_shares_of_pixels_choose_the_loss(shares: dict[str, float], loss: str, said: str) -> None:
    seen = SimpleNamespace(
        audit=SimpleNamespace(pixel_shares=shares), dataset=SimpleNamespace(target_names=tuple(shares))
    )
    name, because = masks.loss(cast(Context, seen))["loss.name"]
    assert name == loss
    assert said in because
