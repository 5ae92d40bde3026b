"""What mask values stand for where it could be taken for something else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from shape_files import colored, decoded, save

from striate.core.errors import DataError
from striate.data.classes import BACKGROUNDS
from striate.data.dataset import open_dataset


def _blocks(*values: int) -> NDArray[np.uint8]:
    """A mask of upright bars, 8 pixels wide."""
    return np.repeat(np.array([values], np.uint8), 8, axis=1).repeat(16, axis=0)


def _disc(inside: int, around: int) -> NDArray[np.uint8]:
    """A mask of a disc that was resized with smoothing: greys lie along its border."""
    rows, columns = np.mgrid[:64, :64]
    sharp = np.where((rows - 32) ** 2 + (columns - 32) ** 2 < 400, inside, around).astype(np.uint8)
    return np.asarray(Image.fromarray(sharp).resize((32, 32), Image.Resampling.BILINEAR))


def _write(folder: Path, *masks: NDArray[np.uint8], listed: str = "") -> Path:
    for number, mask in enumerate(masks):
        name = f"{folder.name}{number}.png"
        save(folder / "images" / name, np.zeros((*mask.shape[:2], 3), np.uint8) + number)
        save(folder / "masks" / name, mask)
    if listed:
        (folder / "classes.txt").write_text(listed)
    return folder


def _of(found: object, folder: str) -> NDArray[np.uint8]:
    return decoded(found)[f"{folder}0"]  # type: ignore[arg-type]


def test_a_part_without_the_last_class_has_a_list_that_begins_at_1_too(tmp_path: Path) -> None:
    listed = "cell\nnucleus\ndebris\n"
    data = _write(tmp_path / "data", _blocks(0, 1, 2, 3), _blocks(0, 3), listed=listed)
    part = _write(tmp_path / "part", _blocks(0, 1, 2), listed=listed)
    found = open_dataset(data, test=str(part))
    assert found.target_names == ("background", "cell", "nucleus", "debris")
    assert (_of(found, "part") == _blocks(0, 1, 2)).all()
    assert any("values as in the data" in one for one in found.notes)


def test_a_list_of_which_the_first_value_cannot_be_told_is_asked_for(tmp_path: Path) -> None:
    data = _write(tmp_path / "data", _blocks(0, 1), _blocks(1, 0), listed="cell\nnucleus\ndebris\n")
    with pytest.raises(DataError, match="whether its first class is 0 or 1 cannot be told") as error:
        open_dataset(data)
    assert "1 cell" in error.value.fix
    (data / "classes.txt").write_text("1 cell\n2 nucleus\n3 debris\n0 background\n")
    assert (_of(open_dataset(data), "data") > 0).any()
    for listed in ("background\ncell\nnucleus\n", "void\ncell\nnucleus\n", "cell\nnucleus\n"):
        (data / "classes.txt").write_text(listed)
        open_dataset(data)


@pytest.mark.parametrize("lacks", ["val", "test"])
def test_a_part_that_lacks_a_class_has_the_classes_of_the_data(tmp_path: Path, lacks: str) -> None:
    data = _write(tmp_path / "data", _blocks(0, 1, 2), _blocks(0, 2))
    part = _write(tmp_path / "part", _blocks(0, 2, 0, 2))
    found = open_dataset(data, **{lacks: str(part)})  # type: ignore[arg-type]
    assert found.target_names == ("class 0", "class 1", "class 2")
    assert (_of(found, "part") == _blocks(0, 2, 0, 2)).all()


def test_a_part_of_one_class_or_without_the_list_of_the_data(tmp_path: Path) -> None:
    data = _write(tmp_path / "data", _blocks(0, 1, 2), listed="background\ncell\nnucleus\n")
    empty, bare = _write(tmp_path / "empty", _blocks(0, 0)), _write(tmp_path / "bare", _blocks(0, 1))
    found = open_dataset(data, val=str(empty), test=str(bare))
    assert found.target_names == ("background", "cell", "nucleus")
    assert (_of(found, "bare") == _blocks(0, 1)).all()
    assert not _of(found, "empty").any()


def test_colours_of_a_part_that_lacks_some(tmp_path: Path) -> None:
    data = _write(tmp_path / "data", colored(_blocks(0, 1, 2, 3)))
    part = _write(tmp_path / "part", colored(_blocks(0, 3)))
    found = open_dataset(data, test=str(part))
    assert found.target_names == open_dataset(data).target_names
    assert (_of(found, "part") == _blocks(0, 3)).all()


def test_a_part_with_other_values_or_another_list_is_read_by_itself(tmp_path: Path) -> None:
    data = _write(tmp_path / "data", _blocks(0, 1, 2))
    other = _write(tmp_path / "other", _blocks(0, 1, 2, 3))
    assert open_dataset(data, test=str(other)).target_names == ("class 0", "class 1", "class 2", "class 3")
    named = _write(tmp_path / "named", _blocks(0, 1, 2), listed="name,value\nclass 2,0\nclass 1,1\nclass 0,2\n")
    found = open_dataset(data, test=str(named))
    assert (_of(found, "named") == _blocks(2, 1, 0)).all(), "its own list says what its values are"
    black = _write(tmp_path / "black", _blocks(0, 255))
    white = _write(tmp_path / "white", _blocks(0, 1))
    found = open_dataset(black, test=str(white))
    assert found.target_names == ("background", "foreground")
    assert (_of(found, "white") == _blocks(0, 1)).all()


@pytest.mark.parametrize(
    ("listed", "values", "classes"),
    [
        ("1 cell\n0 background\n2 wall\n", (0, 1, 2), (0, 1, 2)),
        ("cell\nbackground\nwall\n", (0, 1, 2), (1, 0, 2)),
        ("cell\nwall\nbackground\n", (0, 1, 2), (1, 2, 0)),
        ("name,r,g,b\ncell,128,0,0\nwall,0,128,0\nbackground,0,0,0\n", (1, 2, 0), (1, 2, 0)),
        ("void\ncell\nwall\n_background_\n", (0, 1, 2, 3), (255, 1, 2, 0)),
    ],
)
def test_a_background_is_class_0_wherever_the_list_has_it(
    tmp_path: Path, listed: str, values: tuple[int, ...], classes: tuple[int, ...]
) -> None:
    mask = _blocks(*values)
    data = _write(tmp_path / "data", colored(mask) if "r,g,b" in listed else mask, listed=listed)
    found = open_dataset(data)
    assert found.target_names[0] in BACKGROUNDS
    assert found.target_names[1:] == ("cell", "wall")
    assert (_of(found, "data") == _blocks(*classes)).all()
    assert any("background_ is class 0" in one or "background is class 0" in one for one in found.notes)


@pytest.mark.parametrize("values", [(0, 1), (0, 255), (0, 128)])
def test_of_two_classes_the_lower_value_is_the_first_of_the_list(tmp_path: Path, values: tuple[int, int]) -> None:
    data = _write(tmp_path / "data", _blocks(*values), listed="cell\nbackground\n")
    found = open_dataset(data)
    assert found.target_names == ("background", "cell")
    assert (_of(found, "data") == _blocks(1, 0)).all()
    (data / "classes.txt").unlink()
    (data / "class_dict.csv").write_text("name,r,g,b\ncell,200,200,200\nbackground,0,0,0\n")
    if values != (0, 1):
        assert (_of(open_dataset(data), "data") == _blocks(0, 1)).all(), "of greys the lower is the darker"


def test_smoothed_masks_are_turned_where_the_lighter_is_the_background(tmp_path: Path) -> None:
    data = _write(tmp_path / "data", _disc(0, 255), listed="cell\nbackground\n")
    part = _write(tmp_path / "part", _disc(255, 0), listed="background\ncell\n")
    bare = _write(tmp_path / "bare", _disc(255, 0))
    found = open_dataset(data, val=str(part), test=str(bare))
    assert found.target_names == ("background", "cell")
    assert (_of(found, "data") == (_disc(0, 255) < 128)).all()
    assert (_of(found, "part") == (_disc(255, 0) >= 128)).all(), "its own list decides"
    assert (_of(found, "bare") == (_disc(255, 0) < 128)).all()


def test_a_list_of_one_name_is_of_what_is_not_background(tmp_path: Path) -> None:
    data = _write(tmp_path / "data", _blocks(0, 1), listed="cell\n")
    found = open_dataset(data)
    assert found.target_names == ("background", "cell")
    assert (_of(found, "data") == _blocks(0, 1)).all()
    data = _write(tmp_path / "other", _blocks(0, 255), listed="background\n")
    found = open_dataset(data)
    assert found.target_names == ("background", "foreground")
    assert (_of(found, "other") == _blocks(0, 1)).all()


def test_a_part_of_which_the_list_has_the_background_elsewhere_is_read_by_its_own(tmp_path: Path) -> None:
    data = _write(tmp_path / "data", _blocks(0, 1), listed="background\ncell\n")
    part = _write(tmp_path / "part", _blocks(0, 1), listed="cell\nbackground\n")
    found = open_dataset(data, test=str(part))
    assert found.target_names == ("background", "cell")
    assert (_of(found, "part") == _blocks(1, 0)).all()


def _edged(low: int, edge: int, high: int) -> NDArray[np.uint8]:
    """A mask of two areas with a line between them, a pixel wide."""
    mask = _blocks(low, low, high, high)
    mask[:, 16] = edge
    return mask


@pytest.mark.parametrize("edge", [1, 100, 128])
def test_a_class_of_thin_lines_is_not_taken_for_smoothing(tmp_path: Path, edge: int) -> None:
    found = open_dataset(_write(tmp_path / "data", _edged(0, edge, 200)))
    assert found.target_names == ("class 0", f"class {edge}", "class 200")
    assert (_of(found, "data") == _edged(0, 1, 2)).all()


@pytest.mark.parametrize("edge", [1, 128])
def test_void_beside_a_class_of_thin_lines(tmp_path: Path, edge: int) -> None:
    found = open_dataset(_write(tmp_path / "data", _edged(0, edge, 255)))
    assert len(found.target_names) == 2
    assert (_of(found, "data") == _edged(0, 1, 255)).all()
    assert any("255 is void" in one for one in found.notes)


def test_of_a_list_a_class_of_thin_lines_stays_too(tmp_path: Path) -> None:
    data = _write(tmp_path / "data", _edged(0, 1, 255), listed="background\nborder\n")
    found = open_dataset(data)
    assert (_of(found, "data") == _edged(0, 1, 255)).all()
    assert any("255 is void" in one for one in found.notes)


def test_little_smoothing_is_parted_where_two_classes_are_known(tmp_path: Path) -> None:
    data = _write(tmp_path / "data", _disc(255, 0))
    part = _write(tmp_path / "part", _edged(0, 200, 255))
    listed = _write(tmp_path / "listed", _edged(0, 200, 255), listed="background\ncell\n")
    assert (_of(open_dataset(data, test=str(part)), "part") == (_edged(0, 200, 255) > 128)).all()
    assert (_of(open_dataset(listed), "listed") == (_edged(0, 200, 255) > 128)).all()
