"""The charts: ticks that are round and inside, lines that break where nothing was measured."""

from __future__ import annotations

import itertools
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.report.charts import HEIGHT, WIDTH, Line, interval_bar, line_chart, scatter, ticks
from striate.report.html import Html

NUMBERS = st.floats(-1e9, 1e9, allow_nan=False)


def svg(chart: Html) -> ElementTree.Element:
    """The parsed drawing: an error unless it is well-formed."""
    found = re.search(r"<svg.*</svg>", chart, re.DOTALL)
    assert found is not None
    return ElementTree.fromstring(found.group())


@given(NUMBERS, st.floats(1e-6, 1e9))
def test_ticks_lie_inside_and_are_evenly_spaced(low: float, width: float) -> None:
    high = low + width
    found = ticks(low, high)
    room = 1e-6 * (abs(low) + abs(high) + 1)
    assert all(low - room <= value <= high + room for value in found)
    assert len(found) <= 12
    steps = [b - a for a, b in itertools.pairwise(found)]
    if steps and width > 1e-3 * abs(low):
        assert min(steps) > 0
        assert max(steps) == pytest.approx(min(steps), rel=1e-3)


def test_ticks_are_round_numbers() -> None:
    assert ticks(0, 1.7) == [0.0, 0.5, 1.0, 1.5]
    assert ticks(0.93, 0.99) == [0.94, 0.96, 0.98]
    assert ticks(0, 60) == [0.0, 20.0, 40.0, 60.0]


def test_a_missing_value_breaks_the_line() -> None:
    points = [(1, 0.5), (2, 0.4), (3, None), (4, 0.3), (5, 0.2), (6, None), (7, 0.1)]
    drawn = svg(line_chart("loss", [Line("a", points, "first")], x_name="epoch"))
    assert len(drawn.findall(".//path")) == 2
    assert len(drawn.findall(".//circle")) == 1


def test_the_line_goes_where_the_values_are() -> None:
    drawn = svg(line_chart("x", [Line("a", [(0, 0.0), (1, 1.0), (2, 0.0)], "first")], x_name="epoch"))
    (path,) = drawn.findall(".//path")
    places = [tuple(map(float, pair.split())) for pair in path.attrib["d"][1:].split("L")]
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places)
    (left, low), (middle, high), (right, low_again) = places
    assert left < middle < right
    assert high < low == low_again  # up is less in SVG
    assert middle - left == pytest.approx(right - middle, abs=0.2)


def test_charts_of_one_value_and_of_none() -> None:
    assert svg(line_chart("x", [Line("a", [(1, 0.25)], "first")], x_name="epoch")).findall(".//circle")
    assert svg(line_chart("x", [Line("a", [(1, 0.0), (2, 0.0)], "first")], x_name="epoch")).findall(".//path")
    assert "Nothing was recorded" in line_chart("x", [Line("a", [(1, None)], "first")], x_name="epoch")
    assert "Nothing was recorded" in scatter("x", [], x_name="true", y_name="predicted")


def test_a_chart_tells_its_figures_without_being_seen() -> None:
    drawn = svg(line_chart("Loss", [Line("training", [(1, 2.5), (2, 0.5)], "first")], x_name="epoch"))
    assert drawn.attrib["role"] == "img"
    assert drawn.findtext("title") == "Loss. training: from 2.5000 to 0.5000, lowest 0.5000, highest 2.5000"


def test_a_scatter_has_a_point_each_on_equal_axes() -> None:
    drawn = svg(scatter("x", [(0, 0), (10, 10), (0, 10)], x_name="true", y_name="predicted"))
    points = [(float(one.attrib["cx"]), float(one.attrib["cy"])) for one in drawn.findall(".//circle")]
    assert len(points) == 3
    (x0, y0), (x1, y1), (x2, y2) = points
    assert (x0, y1) == (x2, y2)
    assert x1 > x0
    assert y1 < y0


def test_the_interval_bar_stays_on_its_scale() -> None:
    bar = interval_bar(0.9, 0.8, 1.2, 0, 1)
    assert "left:90.00%" in bar
    assert "100.00% - 80.00%" in bar
