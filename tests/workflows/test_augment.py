"""The sheet shows what training will see, and pictures are written out as it would alter them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import striate as st
from striate.core.errors import RunError, UsageError
from striate.workflows.sheet import GAP

SET = {"augment.shift": 0.25, "augment.flip": "horizontal", "augment.mixup": 0.2}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    draws = np.random.default_rng(0)
    for name in ("cat", "dog/small"):
        for number in range(12):
            path = tmp_path / "photos" / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(draws.integers(0, 256, (32, 32, 3), np.uint8)).save(path)
    return tmp_path / "photos"


def cells(sheet: str, rows: int, columns: int) -> np.ndarray:
    """The pictures on a sheet, (rows, columns, H, W, 3)."""
    whole = np.asarray(Image.open(sheet).convert("RGB"))
    height, width = (whole.shape[0] - GAP) // rows - GAP, (whole.shape[1] - GAP) // columns - GAP
    return np.stack(
        [
            [
                whole[GAP + down * (height + GAP) :, GAP + across * (width + GAP) :][:height, :width]
                for across in range(columns)
            ]
            for down in range(rows)
        ]
    )


def test_the_sheet_shows_samples_as_they_are_and_as_training_alters_them(photos: Path, tmp_path: Path) -> None:
    found = st.augment(photos, sheet=tmp_path / "a.png", rows=3, views=4, label_depth=2, set=SET)
    assert found["settings"]["shift"] == 0.25
    assert found["written"] == 0
    assert len(found["shown"]) == 3
    pictures = cells(found["sheet"], 3, 5)
    for key, row in zip(found["shown"], pictures, strict=True):
        own = np.asarray(Image.open(photos / key))
        times = row.shape[1] // 32
        np.testing.assert_array_equal(row[0][::times, ::times], own)
        assert any((view != row[0]).any() for view in row[1:])
    again = st.augment(photos, sheet=tmp_path / "b.png", rows=3, views=4, label_depth=2, set=SET)
    assert Path(again["sheet"]).read_bytes() == Path(found["sheet"]).read_bytes()


def test_pictures_are_written_in_folders_of_their_classes_and_can_be_trained_on(photos: Path, tmp_path: Path) -> None:
    found = st.augment(photos, sheet=tmp_path / "a.png", out=tmp_path / "out", copies=2, label_depth=2, set=SET)
    files = sorted((tmp_path / "out").rglob("*.png"))
    assert len(files) == found["written"]
    assert found["written"] % 2 == 0
    assert found["written"] >= 2 * 12
    assert {path.parent.relative_to(tmp_path / "out").as_posix() for path in files} == {"cat", "dog/small"}
    assert Image.open(files[0]).size == (32, 32)
    assert st.audit(tmp_path / "out", label_depth=2).samples == len(files)
    with pytest.raises(RunError, match="not empty"):
        st.augment(photos, sheet=tmp_path / "a.png", out=tmp_path / "out", label_depth=2)


def test_values_are_not_written_in_folders_of_classes(tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    arrays = {"x": draws.integers(0, 256, (40, 16, 16, 3), np.uint8), "y": draws.normal(size=40)}
    with pytest.raises(UsageError, match="regress"):
        st.augment(arrays, sheet=tmp_path / "a.png", out=tmp_path / "out", task="regress")
    assert not (tmp_path / "out").exists()
    assert st.augment(arrays, sheet=tmp_path / "a.png", task="regress", rows=2, views=2)["shown"]
