"""The pictures of a Run: the sheet of what training saw."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from striate.core.plan import Decision
from striate.data.augment import Augmenter
from striate.workflows.figures import ROWS, SIDE, augmentation_sheet
from striate.workflows.sheet import GAP
from tests.train.toy import toy_recipe


def test_the_sheet_shows_samples_as_the_epochs_showed_them_and_says_what_is_on(tmp_path: Path) -> None:
    recipe = toy_recipe()

    def drawn(epochs: int, **settings: Any) -> tuple[str, np.ndarray]:
        still = {"shift": 0.0, "rotate": 0.0, "scale": 0.0, "color": 0.0}
        decisions = {name: Decision(value, "for the test") for name, value in {**still, **settings}.items()}
        plan = recipe.plan.replace(augment=decisions, train={"epochs": Decision(epochs, "for the test")})
        augmenter = Augmenter(plan.section("augment"), 0, recipe.shape[1:])
        entry = augmentation_sheet(tmp_path, replace(recipe, plan=plan, batches=_with(recipe.batches, augmenter)))
        assert entry["section"] == "augmentation"
        return entry["caption"], np.asarray(Image.open(tmp_path / entry["file"]).convert("RGB"))

    caption, sheet = drawn(2, flip="horizontal", jpeg=30, mixup=0.2)
    assert "as the first 2 epochs showed it" in caption
    assert "On: flip horizontal, jpeg 30." in caption
    assert "not drawn: mixup 0.2" in caption
    side = SIDE // 2 + GAP
    assert sheet.shape == (ROWS * side + GAP, 3 * side + GAP, 3)
    assert (sheet[:, GAP : side + 1] != sheet[:, side + GAP : 2 * side + 1]).any()
    caption, sheet = drawn(1, flip="none", jpeg=100, mixup=0.0)
    assert "Nothing is altered" in caption
    np.testing.assert_array_equal(sheet[:, GAP:side], sheet[:, side + GAP : 2 * side])


def _with(batches: Any, augmenter: Augmenter) -> Any:
    batches.augmenter = augmenter
    return batches
