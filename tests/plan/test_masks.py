"""What the rules for masks decide by the names of classes."""

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
