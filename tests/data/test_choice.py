"""Which reader takes a folder or an archive that looks like data of several kinds."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from made_boxes import picture

from striate.core.errors import DataError
from striate.data.dataset import open_dataset
from striate.data.readers.masks import Masks


def classes(folder: Path, *parts: str, count: int = 4) -> Path:
    """Folders of pictures, each of a name of its own."""
    for part in parts:
        for number in range(count):
            picture(folder / part / f"{part.replace('/', '-')}{number}.png", 8, 8, seed=number)
    return folder


def zipped(folder: Path, path: Path) -> Path:
    """The files of a folder in an archive."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder))
    return path


@pytest.mark.parametrize(
    "parts",
    [
        ("train/target", "train/clutter", "test/target", "test/clutter"),
        ("train/matte", "train/glossy", "val/matte", "val/glossy"),
        ("train/label", "train/no_label", "test/label", "test/no_label"),
        ("mask", "photo", "text"),
        ("images", "labels", "masks"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_classes_called_like_masks_are_classes(parts: tuple[str, ...], packed: bool, tmp_path: Path) -> None:
    data = classes(tmp_path / "data", *parts)
    found = open_dataset(zipped(data, tmp_path / "data.zip") if packed else data)
    assert found.task == "classify"
    assert set(found.target_names) == {part.split("/")[-1] for part in parts}


def test_pictures_and_masks_that_do_not_pair_are_an_error_and_not_two_classes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has a mask"):
        open_dataset(classes(tmp_path, "images", "masks"))


def test_masks_of_a_few_of_many_pictures_are_masks(tmp_path: Path) -> None:
    """However the disk orders names: those of both folders are all looked at."""
    for number in range(600):
        (tmp_path / "train" / "images").mkdir(parents=True, exist_ok=True)
        (tmp_path / "train" / "images" / f"{number:03}.png").write_bytes(b"")
        (tmp_path / "train" / "previews").mkdir(exist_ok=True)
        (tmp_path / "train" / "previews" / f"p{number:03}.png").write_bytes(b"")
    for number in range(590, 600):
        picture(tmp_path / "train" / "images" / f"{number}.png", 8, 8)
        path = tmp_path / "train" / "masks" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        picture(path, 8, 8)
    assert Masks().accepts(tmp_path)
