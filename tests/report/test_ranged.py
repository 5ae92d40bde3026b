"""The range test in the report: drawn from its file, over powers of ten, with the chosen rate marked."""

from __future__ import annotations

import json
import re
from pathlib import Path

from fake_run import make_run

from striate.report import write_report

CURVE = [[10.0 ** (-4 + step / 10), 2.0 - abs(step - 15) * -0.05] for step in range(31)]


def test_the_curve_is_drawn_with_the_chosen_rate(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", per_class=5)
    assert "Range test" not in write_report(run).read_text()
    run.range_test.write_text(json.dumps({"curve": CURVE, "rate": 0.00125, "usual": 0.001, "because": "it <fell>"}))
    page = write_report(run).read_text()
    figure = re.search(r"<figure[^>]*><figcaption><h3>Range test.*?</figure>", page, re.DOTALL)
    assert figure is not None
    texts = re.findall(r"<text[^>]*>([^<]+)</text>", figure.group())
    assert [text for text in texts if text.startswith("0.") and float(text) < 0.2] == ["0.0001", "0.001", "0.01", "0.1"]
    assert "chosen: 0.00125" in figure.group()
    (mark,) = re.findall(r'class="mark" x1="([\d.]+)"', figure.group())
    left, right = 52, 420 - 14
    assert abs(float(mark) - (left + (right - left) * 1.0969 / 3)) < 0.2  # log10(0.00125) is -2.9031, from -4 to -1
    assert 'The rate is <data value="0.00125">0.0013</data>: it &lt;fell&gt;.' in page


def test_a_damaged_file_is_said(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", per_class=5)
    run.range_test.write_text("[")
    assert "range_test.json" in write_report(run).read_text()
