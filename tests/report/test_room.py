"""Room for pictures: a page stays below 5 MB whatever its pictures are, and shows each of them."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.core.run import RunFolder
from striate.report import write_audit, write_report
from striate.report.facts import Figure
from striate.report.room import LARGEST, fitted, share
from tests.fake_run import make_run

ADDRESS = re.compile(r'<img src="data:image/(\w+);base64,([^"]+)" alt="([^"]*)"')


def noise(path: Path, height: int, width: int, seed: int = 0) -> Path:
    """Noise is what no format makes smaller."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, compress_level=0)
    return path


def noisy_run(folder: Path, sides: Sequence[tuple[int, int]]) -> RunFolder:
    """A Run with so many mistakes, each of noise and with a heat map of noise."""
    run = make_run(folder, per_class=10)
    entries = []
    for number, (height, width) in enumerate(sides):
        both = {"section": "mistakes", "predicted": "glass", "true": "metal"}
        for seed, name in enumerate((f"mistakes-{number}.png", f"mistakes-{number}-heat.png")):
            noise(run.figures / name, height, width, seed=2 * number + seed)
            entries.append({"file": name, "caption": f"caption of {name}", **both})
    (run.figures / "index.json").write_text(json.dumps(entries))
    return run


def shown(page: str) -> dict[str, tuple[str, Image.Image]]:
    """By its text alternative, the format and the picture of each image of a page."""
    found = {}
    for kind, content, words in ADDRESS.findall(page):
        picture = Image.open(io.BytesIO(base64.b64decode(content)))
        picture.load()
        found[words] = (kind, picture)
    return found


@pytest.mark.parametrize(
    "sides",
    [[(224, 224)] * 24, [(1000, 1000), (300, 1800)]],
    ids=["many of 224 px", "few large ones"],
)
def test_noise_and_its_heat_maps_stay_below_five_megabytes(tmp_path: Path, sides: list[tuple[int, int]]) -> None:
    run = noisy_run(tmp_path / "run", sides)
    before = {path.name: path.read_bytes() for path in run.figures.iterdir()}
    page = write_report(run).read_text()
    found = shown(page)
    assert len(found) == 2 * len(sides), "each is shown"
    assert len(page.encode()) < 5_000_000
    for number, (height, width) in enumerate(sides):
        for name in (f"mistakes-{number}.png", f"mistakes-{number}-heat.png"):
            kind, picture = found[f"caption of {name}"]
            assert picture.height / picture.width == pytest.approx(height / width, rel=0.1)
            assert max(picture.size) <= max(height, width)
            if len(sides) == 24:
                assert picture.size == (width, height), "a lower quality is enough"
                assert kind == "jpeg"
    assert {path.name: path.read_bytes() for path in run.figures.iterdir()} == before


def test_what_fits_stays_as_it_is(tmp_path: Path) -> None:
    run = noisy_run(tmp_path / "run", [(60, 60)])
    content = base64.b64encode((run.figures / "mistakes-0.png").read_bytes()).decode()
    assert f"data:image/png;base64,{content}" in write_report(run).read_text()


def test_small_pictures_stay_beside_large_ones_that_do_not_fit(tmp_path: Path) -> None:
    run = noisy_run(tmp_path / "run", [(40, 40), (1200, 1200)])
    found = shown(write_report(run).read_text())
    assert found["caption of mistakes-0.png"][0] == "png"
    assert found["caption of mistakes-1.png"][0] == "jpeg"


def test_the_page_of_an_audit_has_the_same_bound(tmp_path: Path) -> None:
    figures = []
    for number in range(3):
        noise(tmp_path / f"{number}.png", 1000, 1000, number)
        figures.append({"file": f"{number}.png", "caption": f"two of {number}", "section": "near_duplicates"})
    audit = {"samples": 6, "classes": {"a": 6}, "near_duplicates": [["a/1.png", "a/2.png"]]}
    page = write_audit(tmp_path / "audit.html", tmp_path / "data", audit, tmp_path, figures)
    assert page.stat().st_size < 5_000_000
    assert len(shown(page.read_text())) == 3


@pytest.mark.parametrize("room", [0, 100, 5_000, 40_000, 200_000, 10_000_000])
def test_all_fit_into_any_room(tmp_path: Path, room: int) -> None:
    sides = [(224, 224), (900, 20), (16, 16), (500, 700)]
    paths = [noise(tmp_path / f"{number}.png", *side, number) for number, side in enumerate(sides)]
    figures = [Figure(path, "caption", "mistakes") for path in paths]
    found = fitted(figures, room)
    taken = [len(one.uri) if one.uri is not None else len(base64.b64encode(one.path.read_bytes())) for one in found]
    assert sum(taken) <= room
    if room == 10_000_000:
        assert all(one.uri is None for one in found)
    if room >= 40_000:
        assert all(one.uri != "" for one in found)


def test_what_cannot_be_read_or_does_not_fit_is_said(tmp_path: Path) -> None:
    run = noisy_run(tmp_path / "run", [(1400, 1400), (30, 30)])
    (run.figures / "mistakes-0.png").write_bytes(b"\x89PNG" + bytes(6_000_000))
    (run.figures / "mistakes-1.png").unlink()
    page = write_report(run).read_text()
    assert len(page.encode()) < 5_000_000
    assert "mistakes-0.png is not shown: the page has no room left for it" in page
    assert "mistakes-1.png cannot be shown: No such file" in page
    assert len(shown(page)) == 2


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "I;16"])
def test_pictures_of_any_mode_can_be_made_smaller(tmp_path: Path, mode: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (200, 200, 4), dtype=np.uint8)
    if mode == "I;16":
        picture = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    else:
        picture = Image.fromarray(pixels if mode == "RGBA" else pixels[..., 0] if mode == "L" else pixels[..., :3])
        picture = picture.quantize(256) if mode == "P" else picture
    picture.save(tmp_path / "a.png")
    (one,) = fitted([Figure(tmp_path / "a.png", "caption", "mistakes")], 12_000)
    assert one.uri
    assert len(one.uri) <= 12_000


def test_no_picture_is_written_again_larger_than_a_screen(tmp_path: Path) -> None:
    Image.new("RGB", (LARGEST + 500, 40)).save(tmp_path / "flat.png")
    (one,) = fitted([Figure(noise(tmp_path / "a.png", 40, LARGEST + 500), "caption", "mistakes")], 150_000)
    assert one.uri
    picture = Image.open(io.BytesIO(base64.b64decode(one.uri.split(",")[1])))
    assert picture.width <= LARGEST


def test_shares_add_up_and_leave_no_room_that_would_be_needed() -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        sizes = random.integers(0, 1000, random.integers(1, 30)).tolist()
        room = int(random.integers(0, 12_000))
        most = share(sizes, room)
        taken = sum(min(size, most) for size in sizes)
        assert taken <= room or most == 0
        if max(sizes) > most:
            assert taken > room - len(sizes), "but for what does not divide"
