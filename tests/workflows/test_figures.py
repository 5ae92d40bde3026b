"""The pictures of a Run: the sheet of what training saw."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from striate.core.plan import Decision
from striate.core.records import Label, Sample, Source, Value
from striate.data.augment import Augmenter
from striate.data.store import Store
from striate.tasks import make_task
from striate.workflows.figures import LONGEST, ROWS, SIDE, augmentation_sheet, draw_equal, draw_explanations, seen
from striate.workflows.finish import _surest
from striate.workflows.sheet import GAP
from tests.small_models import small_model, write_pictures
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


def test_a_map_is_told_by_place_strength_and_extent() -> None:
    heat = np.zeros((9, 9), np.float32)
    assert seen(heat) == "Heat map: no evidence anywhere."
    assert seen(heat + 0.01) == "Heat map: no evidence anywhere."  # 0.04 logits
    heat[4, 4] = 1 - np.exp(-2 / 4)
    assert (
        seen(heat)
        == "Heat map: the evidence is strongest in the middle, 2.0 logits; 1% of the picture has more than 1."
    )
    heat[8, :3] = 1 - np.exp(-6 / 4)
    assert "at the bottom left, 6.0 logits; 5% of" in seen(heat)
    heat[:] = 1.0  # as float32 has it, beyond all logits
    assert "top left" in seen(heat)
    assert "100% of" in seen(heat)


def test_equal_pictures_are_shown_once_with_all_names(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "pictures", 2)
    model = small_model(tmp_path / "model")
    same = [Sample(f"{name}.png", (Source("file", str(paths[0])),), Label("cat")) for name in "abcde"]
    other = [replace(same[0], key="x.png"), replace(same[0], key="y.png", target=Label("dog"))]
    found = draw_equal(tmp_path / "figures", model, Store(), [other, same])
    assert [entry["caption"] for entry in found] == [
        "x.png (cat), y.png (dog): equal pixels, different targets",
        "a.png, b.png, c.png and 2 more: equal pixels",
    ]
    for entry in found:
        with Image.open(tmp_path / "figures" / entry["file"]) as picture:
            assert min(picture.size) >= 160


def test_pictures_of_a_report_are_small_and_small_ones_crisp(tmp_path: Path) -> None:
    (path,) = write_pictures(tmp_path / "pictures", 1)
    sample = [Sample("a.png", (Source("file", str(path)),), Label("cat"))]
    for size, side in ((16, 160), (240, 200)):
        model = small_model(tmp_path / f"model{size}", size=size)
        entries = draw_explanations(tmp_path / str(size), model, Store(), sample, "mistakes", longest=LONGEST)
        for entry in entries:
            assert entry["true"] == "cat"
            assert entry["words"].endswith(entry["caption"].removeprefix("where the evidence lies (Grad-CAM): "))
            with Image.open(tmp_path / str(size) / entry["file"]) as picture:
                assert max(picture.size) == side or (size == 16 and max(picture.size) == 224)
    assert entries[1]["words"].startswith("Heat map: ")


def test_what_was_right_is_shown_of_every_class_before_a_second_of_any() -> None:
    targets = torch.eye(3)[[0, 0, 1, 0, 1, 2]]
    classes = [Sample(name, (Source("file", "f"),), Label(name)) for name in "abc"]
    task = make_task("classify", ["a", "b", "c"], classes, loss="cross_entropy")
    order = np.arange(6)
    assert _surest(task, order, {np.intp(2)}, targets) == [0, 4, 5, 1, 3]
    values = [Sample(str(value), (Source("file", "f"),), Value((value,))) for value in (1.0, 2.0)]
    task = make_task("regress", ["a"], values, loss="mean_squared")
    assert _surest(task, order, set(map(np.intp, order)), targets) == list(order)
