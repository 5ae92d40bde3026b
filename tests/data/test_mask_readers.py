"""Readers of pictures with masks: each layout comes back as what was written, and what does not fit is said."""

from __future__ import annotations

import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from made_boxes import xml
from PIL import Image
from shape_files import (
    COLORS,
    check,
    colored,
    decoded,
    said,
    save,
    scenes,
    write_camvid,
    write_coco,
    write_masks,
    write_pictures,
    write_voc,
)
from shapes import CLASSES, Scene, scene

from striate.core.errors import DataError
from striate.core.records import VOID, Mask
from striate.data.dataset import open_dataset
from striate.data.decode import decode_sample
from striate.data.masks import decode_mask
from striate.data.readers import ReadOptions
from striate.data.readers._mask_codes import LOOKED_AT
from striate.data.store import Store

MADE = scenes(6, seed=1, height=24, width=40)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Pictures and masks of numbers."""
    return write_masks(tmp_path / "data", MADE)


# Layouts


@pytest.mark.parametrize("kind", ["index", "palette", "color"])
@pytest.mark.parametrize("folders", [("images", "masks"), ("img", "labels"), ("Images", "annotations"), ("rgb", "gt")])
def test_folders_of_pictures_and_masks(tmp_path: Path, kind: str, folders: tuple[str, str]) -> None:
    found = open_dataset(write_masks(tmp_path, MADE, kind, *folders))
    check(found, MADE)
    assert found.reader == "masks"
    assert found.samples[0].key == f"{folders[0]}/000.png"
    assert found.target_names == ("class 0", "class 1", "class 2", "class 3")


@pytest.mark.parametrize("kind", ["stem", "folder"])
def test_a_file_a_class(tmp_path: Path, kind: str) -> None:
    found = open_dataset(write_masks(tmp_path, MADE, kind))
    assert found.target_names == ("background", "disc", "square", "triangle")
    order = [CLASSES.index(name) for name in found.target_names]
    for name, mask in decoded(found).items():
        assert (np.array(order)[mask] == MADE[name].mask).all()


def test_a_file_a_thing(tmp_path: Path) -> None:
    """As nuclei are given: a folder a picture, and in it a mask of each; names that are no classes."""
    random = np.random.default_rng(0)
    for name, one in MADE.items():
        save(tmp_path / name / f"images/{name}.png", one.pixels)
        things = random.integers(0, 12, one.mask.shape) * (one.mask > 0) + (one.mask > 0)
        for number in range(1, 13):
            save(tmp_path / name / f"masks/{name}{number:02}abc.png", ((things == number) * 255).astype(np.uint8))
    found = open_dataset(tmp_path)
    assert found.target_names == ("background", "foreground")
    assert said(found, "72 names of files are no classes but things")
    for name, mask in decoded(found).items():
        assert (mask == (MADE[name].mask > 0)).all()


@pytest.mark.parametrize("ending", ["_mask", "_L", "_seg", "-gt", "_label", "_segmentation"])
def test_masks_may_end_otherwise(tmp_path: Path, ending: str) -> None:
    write_pictures(tmp_path / "images", MADE, ".jpg")
    for name, one in MADE.items():
        save(tmp_path / "masks" / f"{name}{ending}.png", one.mask)
    check(open_dataset(tmp_path), MADE)


def test_masks_may_lie_beside_their_pictures(tmp_path: Path) -> None:
    write_pictures(tmp_path / "scans", MADE)
    for name, one in MADE.items():
        save(tmp_path / "scans" / f"{name}_mask.png", one.mask)
    check(open_dataset(tmp_path), MADE)


@pytest.mark.parametrize("inner", [True, False])
def test_splits_above_or_below(tmp_path: Path, inner: bool) -> None:
    names = list(MADE)
    for split, own in {"train": names[:4], "val": names[4:5], "test": names[5:]}.items():
        part = {name: MADE[name] for name in own}
        folders = (f"images/{split}", f"masks/{split}") if inner else (f"{split}/images", f"{split}/masks")
        write_masks(tmp_path, part, "index", *folders)
    found = open_dataset(tmp_path)
    check(found, MADE)
    assert [sample.split for sample in sorted(found.samples, key=lambda one: Path(one.key).stem)] == [
        *["train"] * 4,
        "val",
        "test",
    ]
    assert said(found, "train 4, val 1, test 1")


def test_camvid_with_a_table_of_colours(tmp_path: Path) -> None:
    names = list(MADE)
    for split, own in (("train", names[:5]), ("test", names[5:])):
        write_pictures(tmp_path / split, {name: MADE[name] for name in own})
        for name in own:
            mask = MADE[name].mask.copy()
            mask[0, :3] = VOID
            save(tmp_path / f"{split}_labels" / f"{name}_L.png", colored(mask))
    rows = [f"{name},{','.join(map(str, COLORS[place]))}" for place, name in [*enumerate(CLASSES), (VOID, "Void")]]
    (tmp_path / "class_dict.csv").write_text("\n".join(["name, r, g, b", *rows]))
    found = open_dataset(tmp_path)
    assert found.target_names == CLASSES
    for name, mask in decoded(found).items():
        assert (mask[0, :3] == VOID).all()
        mask[0, :3] = MADE[name].mask[0, :3]
        assert (mask == MADE[name].mask).all()


def test_lists_of_pairs(tmp_path: Path) -> None:
    found = open_dataset(write_camvid(tmp_path, MADE))
    check(found, MADE)
    assert (found.reader, found.given_splits) == ("mask_lists", {"train", "val", "test"})
    alone = open_dataset(tmp_path / "train.txt")
    check(alone, {name: MADE[name] for name in list(MADE)[:3]})


def test_a_list_with_a_header_says_more(written: Path) -> None:
    rows = [f"masks/{name}.png,images/{name}.png,{'test' if name == '000' else 'train'},{name[1]}" for name in MADE]
    (written / "pairs.csv").write_text("\n".join(["mask,image,split,group", *rows]))
    found = open_dataset(written / "pairs.csv")
    check(found, MADE)
    assert found.given_splits == {"train", "test"}
    assert {sample.group for sample in found.samples} == {"0"}


def test_pascal_voc(tmp_path: Path) -> None:
    found = open_dataset(write_voc(tmp_path, MADE))
    check(found, MADE)
    assert (found.reader, found.target_names) == ("voc", CLASSES)
    assert {sample.split for sample in found.samples} == {"train", "test"}, "the one part held out is the test"


def test_pascal_vocs_own_classes_and_void(tmp_path: Path) -> None:
    made = dict(MADE)
    write_voc(tmp_path, made)
    (tmp_path / "class_names.txt").unlink()
    bordered = np.where(np.pad(made["000"].mask, 1, "edge")[:-2, 1:-1] != made["000"].mask, VOID, made["000"].mask)
    palette = [number for place in range(256) for number in COLORS.get(place, (0, 0, 0))]
    save(tmp_path / "SegmentationClass/000.png", bordered.astype(np.uint8), palette)
    found = open_dataset(tmp_path)
    assert len(found.target_names) == 21
    assert found.target_names[:3] == ("background", "aeroplane", "bicycle")
    assert (decoded(found)["000"] == bordered).all()


def test_voc_in_colours_with_cvats_label_map(tmp_path: Path) -> None:
    write_voc(tmp_path, MADE)
    for name, one in MADE.items():
        save(tmp_path / "SegmentationClass" / f"{name}.png", colored(one.mask))
    (tmp_path / "class_names.txt").unlink()
    lines = [f"{name}:{','.join(map(str, COLORS[place]))}::" for place, name in enumerate(CLASSES)]
    (tmp_path / "labelmap.txt").write_text("\n".join(["# label:color_rgb:parts:actions", *lines]))
    found = open_dataset(tmp_path)
    check(found, MADE)
    assert found.target_names == CLASSES


@pytest.mark.parametrize("layout", ["masks", "camvid", "voc", "coco"])
def test_archives_hold_any_of_them(tmp_path: Path, layout: str) -> None:
    folder = {"masks": write_masks, "camvid": write_camvid, "voc": write_voc, "coco": write_coco}[layout](
        tmp_path / "data", MADE
    )
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.write(path, path.relative_to(folder))
    found = open_dataset(tmp_path / "data.zip")
    check(found, MADE)
    assert found.reader == "archive"
    assert [sample.key for sample in found.samples] == [sample.key for sample in open_dataset(folder).samples]


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_written_comes_back(tmp_path: Path, seed: int) -> None:
    """Pictures of many sizes, in each layout."""
    random = np.random.default_rng(seed)
    made: dict[str, Scene] = {}
    for name in ("a", "b2", "c_d", "e-f", "x.y"):
        made[name] = scene(int(random.integers(1 << 30)), tuple(random.integers(3, 70, 2).tolist()), 5)
    made["all"] = MADE["003"]
    writers = {
        **{kind: partial(write_masks, kind=kind) for kind in ("index", "palette", "color")},
        "camvid": write_camvid,
        "voc": write_voc,
        **{how: partial(write_coco, how=how) for how in ("polygons", "runs", "text")},
    }
    for layout, write in writers.items():
        folder = write(tmp_path / layout, made)
        rows = [",".join(map(str, (name, place, *COLORS[place]))) for place, name in enumerate(CLASSES)]
        (folder / "classes.csv").write_text("\n".join(["name,value,r,g,b", *rows]))
        (folder / "class_names.txt").unlink(missing_ok=True)
        found = open_dataset(folder)
        check(found, made)
        assert found.target_names == CLASSES


# What values stand for


def _two(tmp_path: Path, low: int, high: int) -> dict[str, np.ndarray]:
    masks = {name: np.where(one.mask > 0, high, low).astype(np.uint8) for name, one in MADE.items()}
    write_pictures(tmp_path / "images", MADE)
    for name, mask in masks.items():
        save(tmp_path / "masks" / f"{name}.png", mask)
    return masks


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 255), (0, 128), (1, 2), (1, 255)])
def test_of_two_values_the_lower_is_background(tmp_path: Path, low: int, high: int) -> None:
    masks = _two(tmp_path, low, high)
    found = open_dataset(tmp_path)
    assert found.target_names == ("background", "foreground")
    for name, mask in decoded(found).items():
        assert (mask == (masks[name] == high)).all()


def test_smoothed_masks_of_two_are_parted_halfway(tmp_path: Path) -> None:
    masks = _two(tmp_path, 0, 255)
    for name, mask in masks.items():
        small = Image.fromarray(mask).resize((80, 48), Image.Resampling.BILINEAR)
        small.resize((40, 24), Image.Resampling.BOX).save(tmp_path / "masks" / f"{name}.png")
    found = open_dataset(tmp_path)
    code = found.samples[0].target.code  # type: ignore[union-attr]
    assert (code.kind, code.threshold) == ("threshold", 128)
    assert said(found, "left by smoothing or compression")
    for name, mask in decoded(found).items():
        assert (mask != (masks[name] == 255)).mean() < 0.02


def test_jpeg_masks_are_for_two_classes_alone(tmp_path: Path) -> None:
    masks = _two(tmp_path, 0, 255)
    for name, mask in masks.items():
        (tmp_path / "masks" / f"{name}.png").unlink()
        Image.fromarray(mask).save(tmp_path / "masks" / f"{name}.jpg", quality=95)
    for name, mask in decoded(open_dataset(tmp_path)).items():
        assert (mask != (masks[name] == 255)).mean() < 0.02
    for name, one in MADE.items():
        Image.fromarray(one.mask * 60).save(tmp_path / "masks" / f"{name}.jpg", quality=95)
    with pytest.raises(DataError, match="is a JPEG, which changes the values"):
        open_dataset(tmp_path)


def test_void_and_gaps(written: Path) -> None:
    holed = MADE["000"].mask.copy()
    holed[:2] = VOID
    save(written / "masks/000.png", holed)
    found = open_dataset(written)
    assert len(found.target_names) == 4
    assert said(found, "255 is void")
    assert (decoded(found)["000"] == holed).all()
    for name, one in MADE.items():
        save(written / "masks" / f"{name}.png", one.mask * 50)
    found = open_dataset(written)
    assert found.target_names == ("class 0", "class 50", "class 100", "class 150")
    check(found, MADE)


def test_names_come_from_a_list(written: Path) -> None:
    (written / "classes.txt").write_text("ground\ndisc\nsquare\ntriangle\n")
    found = open_dataset(written)
    check(found, MADE)
    assert found.target_names == ("ground", "disc", "square", "triangle")
    (written / "classes.txt").write_text("disc\nsquare\ntriangle\n")
    found = open_dataset(written)
    check(found, MADE)
    assert found.target_names == CLASSES, "a list without the background begins at 1"
    (written / "classes.txt").write_text("name,value\ntriangle,3\nbackground,0\nsquare,2\ndisc,1\n")
    found = open_dataset(written)
    assert found.target_names == ("background", "triangle", "square", "disc"), "a background is class 0"
    assert (np.array([0, 3, 2, 1])[decoded(found)["003"]] == MADE["003"].mask).all()
    (written / "classes.txt").write_text("1 disc\n2: square\n0 ground floor\n3 triangle\n")
    found = open_dataset(written)
    assert found.target_names == ("disc", "square", "ground floor", "triangle")
    assert (np.array([1, 2, 0, 3])[decoded(found)["003"]] == MADE["003"].mask).all()
    (written / "classes.txt").write_text("disc\ndisc\n")
    with pytest.raises(DataError, match="the name 'disc' twice"):
        open_dataset(written)


def test_a_value_without_a_class_is_said_by_picture(written: Path) -> None:
    (written / "classes.txt").write_text("background\ndisc\nsquare\ntriangle\n")
    wrong = MADE["002"].mask.copy()
    wrong[5, 7] = 77
    save(written / "masks/002.png", wrong)
    found = open_dataset(written)
    assert said(found, "without a class: 77")
    sample = next(one for one in found.samples if one.key.endswith("002.png"))
    with pytest.raises(DataError, match="holds 77 at row 5, column 7"):
        decode_mask(Store(), sample, (24, 40))


def test_colours_without_a_table_are_sorted(tmp_path: Path) -> None:
    other = {0: (10, 10, 10), 1: (250, 0, 3), 2: (0, 99, 0), 3: (7, 7, 99)}
    write_pictures(tmp_path / "images", MADE)
    for name, one in MADE.items():
        save(tmp_path / "masks" / f"{name}.png", colored(one.mask, other))
    found = open_dataset(tmp_path)
    assert found.target_names == ("#006300", "#070763", "#0a0a0a", "#fa0003")
    for name, mask in decoded(found).items():
        assert (np.array([2, 3, 0, 1])[mask] == MADE[name].mask).all()
    noise = np.random.default_rng(0).integers(0, 255, (24, 40, 3), dtype=np.uint8)
    save(tmp_path / "masks/000.png", noise)
    with pytest.raises(DataError, match="different colours"):
        open_dataset(tmp_path)


def test_palettes_that_differ_are_refused(tmp_path: Path) -> None:
    write_masks(tmp_path, MADE, "palette")
    save(tmp_path / "masks/000.png", MADE["000"].mask, list(range(7, 255)))
    with pytest.raises(DataError, match="palettes differ"):
        open_dataset(tmp_path)


def test_many_greys_are_no_classes(tmp_path: Path) -> None:
    write_pictures(tmp_path / "images", MADE)
    for name, one in MADE.items():
        save(tmp_path / "masks" / f"{name}.png", one.pixels[..., 0])
    with pytest.raises(DataError, match="too many for classes"):
        open_dataset(tmp_path)
    for name in MADE:
        save(tmp_path / "masks" / f"{name}.png", np.zeros((24, 40), np.uint8))
    with pytest.raises(DataError, match="nothing but 0"):
        open_dataset(tmp_path)


def test_not_all_of_many_masks_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("striate.data.readers._mask_codes.LOOKED_AT", 2)
    assert said(open_dataset(write_masks(tmp_path, MADE)), "by 2 of 6 masks")
    assert LOOKED_AT >= 100


# Further data, tasks and choices


def test_validation_beside_it_has_the_same_classes(tmp_path: Path) -> None:
    names = list(MADE)
    write_masks(tmp_path / "a", {name: MADE[name] for name in names[:3]}, "stem")
    write_masks(tmp_path / "b", {name: MADE[name] for name in names[3:]}, "folder")
    for mask in (tmp_path / "a/masks").rglob("square.png"):
        mask.unlink()
    found = open_dataset(tmp_path / "a", test=str(tmp_path / "b"))
    assert found.target_names == ("background", "disc", "triangle", "square")
    order = np.array([CLASSES.index(name) for name in found.target_names])
    masks = decoded(found)
    for name in names[3:]:
        assert (order[masks[name]] == MADE[name].mask).all()


def test_the_task_decides_where_it_is_given(written: Path) -> None:
    assert open_dataset(written, ReadOptions(task="classify")).task == "classify"
    assert open_dataset(written, ReadOptions(task="segment")).reader == "masks"
    with pytest.raises(DataError, match="are for the task 'segment'"):
        open_dataset(written, ReadOptions(task="classify"), reader="masks")
    (written / "labels.csv").write_text("".join(f"images/{name}.png,{name[2]}\n" for name in MADE))
    with pytest.raises(DataError, match="can be read in several ways: masks, table"):
        open_dataset(written)
    assert open_dataset(written, ReadOptions(task="segment")).reader == "masks"
    assert open_dataset(written, ReadOptions(task="classify")).reader == "table"


def test_classes_called_mask_are_classes(tmp_path: Path) -> None:
    for name in ("mask", "no_mask"):
        write_pictures(tmp_path / name, MADE)
    assert open_dataset(tmp_path).reader == "folders"
    with pytest.raises(DataError, match="needs a mask for each picture"):
        open_dataset(tmp_path, ReadOptions(task="segment"))


def test_groups_by_name(written: Path) -> None:
    found = open_dataset(written, ReadOptions(group=r"images/(?P<group>\d\d)\d"))
    assert {sample.group for sample in found.samples} == {"00"}


# What is missing or wrong


def test_what_lacks_its_counterpart_is_left_out_and_said(written: Path) -> None:
    (written / "masks/000.png").unlink()
    (written / "images/001.png").unlink()
    write_pictures(written / "unlabelled", {"u": MADE["000"]})
    found = open_dataset(written)
    check(found, {name: one for name, one in MADE.items() if name > "001"})
    assert said(found, "1 picture has no mask and is left out: images/000.png")
    assert said(found, "1 mask has no picture and is left out: masks/001.png")
    assert said(found, "1 picture is in a folder of unlabelled ones")
    assert found.unpaired == {"images/000.png": "no mask", "masks/001.png": "no picture"}
    for name in list(MADE)[2:]:
        (written / "masks" / f"{name}.png").rename(written / "masks" / f"x{name}.png")
    with pytest.raises(DataError, match=r"no picture in .* has a mask"):
        open_dataset(written)


def test_two_masks_of_one_picture(written: Path) -> None:
    save(written / "masks/000.tif", MADE["000"].mask)
    with pytest.raises(DataError, match=r"images/000\.png has two masks: masks/000"):
        open_dataset(written)
    (written / "masks/000.tif").unlink()
    save(written / "images/000.jpg", MADE["000"].pixels)
    with pytest.raises(DataError, match="could both be the picture"):
        open_dataset(written)


def test_listed_but_absent(tmp_path: Path) -> None:
    write_camvid(tmp_path, MADE)
    (tmp_path / "train/000.png").unlink()
    (tmp_path / "trainannot/001.png").unlink()
    found = open_dataset(tmp_path)
    assert said(found, "1 of the pictures are not there")
    assert said(found, "1 picture has no mask and is left out: train/001.png")
    absent = next(one for one in found.samples if one.key.endswith("000.png"))
    with pytest.raises(DataError, match="does not exist"):
        decode_sample(Store(), absent)
    for path in tmp_path.rglob("*.png"):
        path.unlink()
    with pytest.raises(DataError, match=r"none of the 5 pictures|none of the 6 pictures|no picture in"):
        open_dataset(tmp_path)


def test_voc_without_masks_or_pictures(tmp_path: Path) -> None:
    write_voc(tmp_path, MADE)
    (tmp_path / "SegmentationClass/000.png").unlink()
    (tmp_path / "JPEGImages/001.png").unlink()
    write_pictures(tmp_path / "JPEGImages", {"boxed": MADE["000"]})
    found = open_dataset(tmp_path)
    assert found.unpaired == {"JPEGImages/000.png": "no mask"}
    assert said(found, "are not there, and the audit names them: 001")
    assert said(found, "1 picture has no mask and no list names it")
    boxes = tmp_path / "boxes"
    write_pictures(boxes / "JPEGImages", MADE)
    (boxes / "Annotations").mkdir()
    (boxes / "Annotations/000.xml").write_text(xml([("cat", 1, 2, 3, 4)], "000.png"))
    with pytest.raises(DataError, match=r"holds data for the task 'detect' \(--reader voc_boxes\)"):
        open_dataset(boxes, ReadOptions(task="segment"))
    with pytest.raises(DataError, match="no JPEGImages/ with SegmentationClass/ beside it"):
        open_dataset(boxes, reader="voc")


def test_no_pictures(tmp_path: Path) -> None:
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    with pytest.raises(DataError, match="there are no pictures"):
        open_dataset(tmp_path)
    with pytest.raises(DataError, match="there are no pictures"):
        open_dataset(tmp_path, reader="masks")


def test_membrane(real_data: Path) -> None:
    found = open_dataset(real_data / "membrane")
    assert (len(found), found.task, found.target_names) == (30, "segment", ("background", "foreground"))
    assert said(found, "30 pictures are in a folder of unlabelled ones")
    assert all(isinstance(sample.target, Mask) for sample in found.samples)
    assert {one.shape for one in decoded(found).values()} == {(512, 512)}
