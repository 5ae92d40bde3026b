"""What the audit finds of masks: each fault planted among whole ones, and silence where there is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from made_data import scene
from PIL import Image
from scipy import ndimage
from shape_files import VOID, colored, save, scenes, write_coco, write_masks, write_pictures, write_voc
from shapes import CLASSES

from striate.core.cache import Cache
from striate.core.errors import DataError
from striate.core.events import Silent
from striate.core.records import Dataset, Mask, MaskCode, Sample, Source
from striate.data.audit import Audit, run_audit
from striate.data.audit_cache import audit_key, find_audit, keep_audit
from striate.data.checks import check_audit
from striate.data.dataset import open_dataset
from striate.data.mask_facts import TINY, _between, _regions, measure_mask
from striate.data.oddities import Oddity
from striate.data.store import Store

SIZE = (32, 48)
MADE = scenes(12, 3, *SIZE)
NAMES = "background\ndisc\nsquare\ntriangle\n"


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Pictures, masks of numbers, and the list of classes."""
    write_masks(tmp_path / "data", MADE)
    (tmp_path / "data/classes.txt").write_text(NAMES)
    return tmp_path / "data"


def audited(data: Path | Dataset, near: bool = False, workers: int = 0) -> Audit:
    dataset = data if isinstance(data, Dataset) else open_dataset(data)
    return run_audit(dataset, workers=workers, reporter=Silent(), near=near)


def findings(data: Path | Dataset, near: bool = False) -> dict[str, Oddity]:
    return {one.name: one for one in audited(data, near).findings}


def change(folder: Path, name: str, how: Callable[[np.ndarray], np.ndarray]) -> None:
    """One mask, changed."""
    save(folder / "masks" / f"{name}.png", how(MADE[name].mask.copy()))


# Figures


def test_shares_are_those_of_the_pixels(written: Path) -> None:
    found = audited(written)
    whole = np.stack([one.mask for one in MADE.values()])
    for place, name in enumerate(CLASSES):
        assert found.pixel_shares[name] == pytest.approx((whole == place).mean())
        assert found.pictures_of_class[name] == (whole == place).any((1, 2)).sum()
    assert sum(found.pixel_shares.values()) == pytest.approx(1)
    assert not found.quarantined
    assert found.classes == {}
    assert Audit.from_dict(found.to_dict()).to_dict() == found.to_dict()
    assert found.to_dict()["pixel_shares"] == found.pixel_shares
    assert "% of the pixels" in found._repr_html_()


def test_void_has_no_share_and_training_alone_counts(tmp_path: Path) -> None:
    write_voc(tmp_path, MADE)
    held = list(MADE)[-1]
    first = MADE["000"].mask.copy()
    first[:10] = VOID
    flat = [number for place in range(256) for number in (place, place, place)]
    for name, one in MADE.items():
        save(tmp_path / "SegmentationClass" / f"{name}.png", first if name == "000" else one.mask, flat)
    found = audited(tmp_path)
    learnt = np.concatenate(
        [first.ravel(), *(one.mask.ravel() for name, one in MADE.items() if name not in (held, "000"))]
    )
    counts = np.bincount(learnt, minlength=256)
    assert list(found.pixel_shares.values()) == pytest.approx((counts[:4] / counts[:4].sum()).tolist())


def test_the_same_whatever_the_workers_and_wherever_it_lies(written: Path, tmp_path: Path) -> None:
    found = audited(written).to_dict()
    assert audited(written, workers=2).to_dict() == found
    written.rename(tmp_path / "moved")
    assert audited(tmp_path / "moved").to_dict() == found
    change(tmp_path / "moved", "003", lambda mask: np.flip(mask, 0))
    assert audited(tmp_path / "moved").fingerprint != found["fingerprint"]


def test_sets_without_masks_have_none_of_it(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_pictures(tmp_path / name, MADE)
    found = audited(tmp_path).to_dict()
    assert not {"pixel_shares", "pictures_of_class"} & set(found)


def test_an_audit_of_masks_is_found_again_until_one_changes(written: Path, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", 10**9)
    key = audit_key(open_dataset(written))
    assert key is not None
    found = audited(written)
    assert keep_audit(key, found, cache) is None
    again = find_audit(key, cache)
    assert again is not None
    assert again.to_dict() == found.to_dict()
    change(written, "003", lambda mask: np.flip(mask, 0))
    assert audit_key(open_dataset(written)) != key


def test_regions_by_hand() -> None:
    picture = np.array(
        [
            [1, 1, 0, 0, 0, 0],
            [1, 1, 0, 1, 1, 1],
            [0, 0, 0, 0, 0, 0],
            [1, 0, 0, 0, 0, 0],
            [0, 1, 0, 1, 1, 1],
            [0, 0, 0, 1, 1, 1],
        ],
        bool,
    )
    assert _regions(picture) == (4, 4, 2), "a line and two pixels that touch at a corner are thin"
    assert _regions(np.zeros((3, 3), bool)) == (0, 0, 0)
    assert _regions(np.ones((5, TINY), bool)) == (1, 0, 0)


@pytest.mark.parametrize("seed", range(5))
def test_regions_against_opening_by_a_square(seed: int) -> None:
    """A region is thin where nothing is left of it when it is opened by 2 × 2 pixels."""
    picture = np.random.default_rng(seed).random((30, 40)) < 0.55
    labels, count = ndimage.label(picture, np.ones((3, 3)))
    thin = sum(not ndimage.binary_opening(labels == one, np.ones((2, 2))).any() for one in range(1, count + 1))
    tiny = sum((labels == one).sum() < TINY for one in range(1, count + 1))
    assert _regions(picture) == (count, tiny, thin)


def test_values_between_by_hand() -> None:
    index = MaskCode("index", tuple((number, number) for number in (0, 1, 2, VOID)))
    assert _between(np.array([[0, 0, 1, 2, 2], [0, 0, 2, 2, 2]]), index) == 1
    assert _between(np.array([[2, 2, 1, 0, 0]]).T, index) == 1
    assert _between(np.array([[0, 1, 1, 2], [2, 0, 0, 2], [0, 1, VOID, VOID]]), index) == 0
    assert _between(np.array([[0, 20, 128, 240, 255]]), MaskCode("threshold")) == 1


# Damage


def test_what_is_wrong_with_a_mask_quarantines_its_picture(written: Path) -> None:
    change(written, "000", lambda mask: mask[:20])
    change(written, "001", lambda mask: np.where(mask == 1, 9, mask).astype(np.uint8))
    (written / "masks/002.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (written / "masks/004.png").write_bytes((written / "masks/004.png").read_bytes()[:-30])
    reasons = {one.key: one.reason for one in audited(written).quarantined}
    assert sorted(reasons) == ["images/000.png", "images/001.png", "images/002.png", "images/004.png"]
    assert all(reason.startswith("its mask: ") for reason in reasons.values())
    assert "has 20 × 48 pixels, its picture 32 × 48" in reasons["images/000.png"]
    assert "stand for no class" in reasons["images/001.png"]
    assert "holds 9 at row" in reasons["images/001.png"]
    found = audited(written)
    assert found.pictures_of_class["disc"] == sum(
        (one.mask == 1).any() for name, one in MADE.items() if name not in ("000", "001", "002", "004")
    )
    with pytest.raises(DataError, match="4 of 12 samples are damaged"):
        check_audit(found, open_dataset(written))


def test_smoothed_colours_are_told_as_such(tmp_path: Path) -> None:
    write_masks(tmp_path, MADE, "color")
    (tmp_path / "class_dict.csv").write_text(
        "name,r,g,b\nbackground,0,0,0\ndisc,128,0,0\nsquare,0,128,0\ntriangle,128,128,0\n"
    )
    blurred = ndimage.uniform_filter(colored(MADE["003"].mask).astype(float), (3, 3, 1)).astype(np.uint8)
    save(tmp_path / "masks/003.png", blurred)
    (reason,) = (one.reason for one in audited(tmp_path).quarantined)
    assert "along borders: it was smoothed, or resized with smoothing" in reason


def test_a_picture_that_is_absent_or_of_another_size_than_its_outlines(tmp_path: Path) -> None:
    write_coco(tmp_path, MADE)
    (tmp_path / "images/002.png").unlink()
    save(tmp_path / "images/003.png", MADE["003"].pixels[:20])
    reasons = {one.key: one.reason for one in audited(tmp_path).quarantined}
    assert reasons == {
        "images/002.png": "the file does not exist",
        "images/003.png": "its mask: the annotations are of 32 × 48 pixels, the picture has 20 × 48",
    }


def test_equal_pictures_with_two_masks_are_in_conflict(written: Path) -> None:
    for name, mask in (("copy", MADE["001"].mask), ("other", np.flip(MADE["001"].mask, 1))):
        save(written / "images" / f"{name}.png", MADE["001"].pixels)
        save(written / "masks" / f"{name}.png", np.ascontiguousarray(mask))
    found = audited(written)
    assert found.duplicates == (("images/001.png", "images/copy.png", "images/other.png"),)
    assert found.conflicts == found.duplicates
    (written / "images/other.png").unlink()
    assert audited(written).conflicts == ()


def test_one_class_alone_cannot_be_learnt(written: Path) -> None:
    for name in MADE:
        change(written, name, np.zeros_like)
    with pytest.raises(DataError, match="all pixels of the training masks are 'background'"):
        check_audit(audited(written), open_dataset(written))
    (written / "classes.txt").write_text("name,value\nbackground,0\nvoid,1\n")
    for name in MADE:
        change(written, name, np.ones_like)
    with pytest.raises(DataError, match="no pixel of the masks has a class"):
        check_audit(audited(written), open_dataset(written))


# Findings


def test_whole_masks_are_silent(written: Path) -> None:
    odd = set(findings(written, near=True))
    assert not odd


def test_missing_masks(written: Path) -> None:
    (written / "masks/000.png").unlink()
    (written / "images/001.png").unlink()
    found = findings(written)["missing masks"]
    assert found.text == "1 file has no mask: images/000.png; 1 file has no picture: masks/001.png"
    assert (found.count, found.severity, found.samples) == (2, "medium", ())


def test_empty_masks(written: Path) -> None:
    change(written, "000", np.zeros_like)
    found = findings(written)["empty masks"]
    assert found.samples == ("images/000.png",)
    assert found.severity == "low"
    change(written, "001", lambda mask: np.full_like(mask, VOID))
    found = findings(written)["empty masks"]
    assert found.samples == ("images/001.png", "images/000.png")
    assert (found.count, found.severity) == (2, "medium")
    assert "1 mask has no class at all" in found.text


def test_classes_of_few_pixels(written: Path) -> None:
    def shrunk(mask: np.ndarray) -> np.ndarray:
        mask[mask == 2] = 0
        return mask

    for name in MADE:
        change(written, name, shrunk)
    assert audited(written).pictures_of_class["square"] == 0

    def spotted(mask: np.ndarray) -> np.ndarray:
        mask = shrunk(mask)
        mask[:4, :5] = 2
        return mask

    change(written, "005", spotted)
    found = findings(written)["classes of few pixels"]
    assert f"square ({20 / (12 * 32 * 48):.2%})" in found.text
    assert found.samples == ("images/005.png",)


def test_classes_in_no_training_mask(written: Path) -> None:
    (written / "classes.txt").write_text(NAMES + "hexagon\n")
    found = findings(written)["classes in no training mask"]
    assert (found.text, found.severity) == ("1 class is in no training mask: hexagon", "low")
    whole = open_dataset(written)
    has = {name for name, one in MADE.items() if (one.mask == 1).any()}
    held = Dataset(
        whole.path,
        "masks",
        "segment",
        tuple(
            Sample(one.key, one.sources, one.target, "test" if Path(one.key).stem in has else "train")
            for one in whole.samples
        ),
        whole.target_names,
    )
    found = findings(held)["classes in no training mask"]
    assert "held-out masks have disc" in found.text
    assert found.severity == "high"
    assert {Path(key).stem for key in found.samples} <= has


def test_tiny_and_thin_regions(written: Path) -> None:
    def crumbled(mask: np.ndarray) -> np.ndarray:
        mask[::4, ::4] = 3
        return mask

    change(written, "006", crumbled)
    found = findings(written)["tiny or thin regions"]
    assert found.samples[0] == "images/006.png"
    assert "most of triangle" in found.text


def test_smoothed_numbers_are_taken_for_other_classes(written: Path) -> None:
    """A resize with smoothing leaves numbers between: between a triangle (3) and the ground (0), discs and squares."""

    def smoothed(mask: np.ndarray) -> np.ndarray:
        image = Image.fromarray(np.where(mask > 0, 3, 0).astype(np.uint8))
        return np.asarray(image.resize((96, 64), Image.Resampling.BILINEAR).resize((48, 32), Image.Resampling.BOX))

    change(written, "007", smoothed)
    found = findings(written)["smoothed masks"]
    assert (found.samples, found.severity) == (("images/007.png",), "high")
    assert "numbers of other classes" in found.text


def test_smoothed_greys_are_parted(tmp_path: Path) -> None:
    write_pictures(tmp_path / "images", MADE)
    for name, one in MADE.items():
        sharp = Image.fromarray(((one.mask > 0) * 255).astype(np.uint8))
        if name < "006":
            sharp = sharp.resize((96, 64), Image.Resampling.BILINEAR).resize((48, 32), Image.Resampling.BOX)
        save(tmp_path / "masks" / f"{name}.png", np.asarray(sharp))
    found = findings(tmp_path)["smoothed masks"]
    assert (found.count, found.severity) == (6, "medium")
    assert "parted by the threshold" in found.text


def test_turned_pictures(written: Path) -> None:
    (written / "images/008.png").unlink()
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    Image.fromarray(MADE["008"].pixels).save(written / "images/008.jpg", exif=exif)
    found = findings(written)["turned pictures with masks"]
    assert (found.samples, found.severity) == (("images/008.jpg",), "high")


def test_pictures_in_a_row(tmp_path: Path) -> None:
    """Views that move over a large picture by an eighth of their side; dealt at random they are not told."""
    large = scene(5, 64, 480)
    views = [(large[:, left : left + 64], (large[:, left : left + 64, 0] > 120) * 1) for left in range(0, 416, 8)]
    order = np.random.default_rng(0).permutation(len(views))
    for name, numbers in (("row", range(len(views))), ("dealt", order.tolist())):
        for place, number in enumerate(numbers):
            save(tmp_path / name / f"images/{place}.png", np.ascontiguousarray(views[number][0]))
            save(tmp_path / name / f"masks/{place}.png", views[number][1].astype(np.uint8))
    found = findings(tmp_path / "row", near=True)["pictures in a row"]
    assert found.flag == "--set split.order=contiguous"
    assert (found.severity, found.samples) == ("high", ("images/0.png", "images/1.png"))
    assert "pictures in a row" not in findings(tmp_path / "dealt", near=True)


def test_membrane_is_a_row(real_data: Path) -> None:
    found = audited(real_data / "membrane", near=True)
    assert {one.name for one in found.findings} == {"pictures in a row"}
    assert found.pixel_shares["foreground"] == pytest.approx(0.78, abs=0.01)


def test_a_large_mask_is_looked_at_in_its_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("striate.data.mask_facts.SIDE", 20)
    mask = np.zeros((60, 80), np.uint8)
    mask[0, 0] = mask[30, 40] = 1
    path = save(tmp_path / "a.png", mask)
    code = MaskCode("index", ((0, 0), (1, 1)))
    found = measure_mask(Store(), Sample("a", (), Mask(code, (Source("file", str(path)),))), (60, 80))
    assert [(one.pixels, one.regions) for one in found.classes] == [(4798, 1), (2, 1)]
