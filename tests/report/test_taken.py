"""What is taken for what: a table of few classes, a map of many; bars by class; and a page that stays small."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from fake_run import make_run
from PIL import Image

from striate.report import write_report
from striate.report.bars import NAMED, Part, bars
from striate.report.matrix import LEVELS, matrix_map


def squares(svg: str, kind: str) -> set[tuple[int, int, float]]:
    """The cells of a map as (row, column, shade), read back from its paths."""
    found = set()
    left, side = (float(re.findall(r"M([\d.]+) [\d.]+h([\d.]+)v", svg)[0][place]) for place in (0, 1))
    origin = float(re.findall(r'class="grid" d="M([\d.]+) ', svg)[0])
    assert left >= origin
    for shade, path in re.findall(rf'<path class="{kind}" style="--shade:([\d.]+)" d="([^"]+)"', svg):
        for x, y in re.findall(r"M([\d.]+) ([\d.]+)h", path):
            found.add((round((float(y) - origin) / side), round((float(x) - origin) / side), float(shade)))
    return found


@pytest.mark.parametrize("count", [31, 100, 250])
def test_a_map_has_every_cell_in_its_place_and_shade(count: int) -> None:
    random = np.random.default_rng(count)
    matrix = random.poisson(0.2, (count, count)) + np.diag(random.integers(0, 9, count))
    matrix[3] = 0
    names = [f"a class <{number}>" for number in range(count)]
    svg = str(matrix_map(names, matrix.tolist(), "test"))
    drawn = squares(svg, "right") | squares(svg, "wrong")
    cells = {(int(row), int(column)) for row, column in zip(*np.nonzero(matrix), strict=True)}
    assert {cell[:2] for cell in drawn} == cells
    for row, column, shade in drawn:
        share = matrix[row, column] / matrix[row].sum()
        least = next(level for level in LEVELS if share <= level + 1e-9)
        assert shade == pytest.approx(least**0.5, abs=0.006)
    assert {cell[:2] for cell in squares(svg, "right")} == {cell for cell in cells if cell[0] == cell[1]}
    assert f"{np.trace(matrix):,} of {matrix.sum():,}".replace(",", "\u202f") in svg
    named = svg.count(">a class &lt;")
    assert named == 2 * -(-count // -(-count // 110))
    assert "<1>" not in svg


def test_a_hundred_classes_have_a_map_and_the_twenty_largest_pairs(tmp_path: Path) -> None:
    names = [f"class {number:03d}" for number in range(100)]
    run = make_run(tmp_path / "run", names=names, per_class=40)
    page = write_report(run).read_text()
    matrix = np.array(json.loads(run.metrics.read_text())["confusion"]["test"])
    assert 'class="matrix"' in page
    assert 'class="confusion"' not in page
    body = page.split("<caption>The 20 most confused of")[1].split("</table>")[0]
    rows = re.findall(r'class="name">([^<]+)</th><td>([^<]+)</td><td class="number"><data value="(\d+)"', body)
    assert len(rows) == 20
    np.fill_diagonal(matrix, 0)
    largest = sorted(matrix[matrix > 0].tolist(), reverse=True)[:20]
    assert [int(count) for _, _, count in rows] == largest
    for true, called, count in rows:
        assert matrix[names.index(true), names.index(called)] == int(count)


def test_a_page_of_a_hundred_classes_and_noisy_pictures_stays_below_five_megabytes(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", names=[f"class {number:03d}" for number in range(100)], per_class=100)
    random = np.random.default_rng(0)
    for path in run.figures.glob("*.png"):  # noise is what no format makes smaller
        shape = (168, 672, 3) if path.stem == "augmentation" else (200, 200, 3)
        Image.fromarray(random.integers(0, 256, shape, dtype=np.uint8)).save(path)
    assert write_report(run).stat().st_size < 5_000_000


def test_bars_have_the_lengths_of_their_counts_largest_first() -> None:
    parts = [Part("train", "second"), Part("test", "first")]
    found = str(bars("Samples", [("<few>", (10, 5)), ("many", (30, 10)), ("none", (0, 0))], parts))
    assert re.findall(r'class="name">([^<]+)<', found) == ["many", "&lt;few&gt;", "none"]
    assert re.findall(r"width:([\d.]+)%", found) == ["75.00", "25.00", "25.00", "12.50"]
    assert re.findall(r"<span>(\d+)</span></li>", found) == ["40", "15", "0"]


def test_many_bars_are_a_skyline_that_says_its_ends() -> None:
    rows = [(f"class {number}", (number + 1,)) for number in range(NAMED + 1)]
    found = str(bars("Samples", rows, [Part("train", "second")]))
    heights = [float(height) for height in re.findall(r'<rect class="second"[^>]* height="([\d.]+)"', found)]
    assert len(heights) == NAMED + 1
    assert heights == sorted(heights, reverse=True)
    assert heights[0] / heights[-1] == pytest.approx(NAMED + 1, rel=0.05)
    assert f"class {NAMED} has most, {NAMED + 1}, and class 0 fewest, 1." in found
    assert "Nothing is in them" in str(bars("Samples", [("a", (0,))], [Part("train", "second")]))
