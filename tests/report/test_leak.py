"""What the report says of a leak: a section, a check that it was measured, and the answer where it is large."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from striate.core.artifacts import read_json, write_json
from striate.report import write_report
from tests.fake_run import make_run

ONE: dict[str, Any] = {
    "metric": "accuracy",
    "with": 0.931,
    "without": 0.883,
    "worth": 0.048,
    "interval": [0.021, 0.079],
    "told": True,
    "large": True,
    "words": "By heads on <patches>, a random split would have said more.",
}
ONE["parts"] = {"all": ONE | {"parts": None}, "shared": ONE | {"with": 0.997, "parts": None}}


def written(folder: Path, leak: Any) -> str:
    """The report of a made Run with that under `leak` in its metrics."""
    run = make_run(folder)
    write_json(run.metrics, {**read_json(run.metrics), **({} if leak is None else {"leak": leak})})
    return write_report(run).read_text("utf-8")


def test_a_large_leak_stands_in_the_answer_the_trust_and_a_table(tmp_path: Path) -> None:
    page = written(tmp_path, {"random": ONE, "words": ONE["words"], "method": "By ten divisions."})
    answer, trust, section = (
        page.split(f'id="{name}"')[1].split("</section>")[0] for name in ("scores", "trust", "leak")
    )
    assert "By heads on &lt;patches&gt;" in answer
    assert "The score of this Run has no such leak" in answer
    assert "By heads on &lt;patches&gt;" in trust
    for text in ("0.931", "0.883", "0.048", "0.021", "0.079", "0.997", "what belongs with others", "By ten divisions."):
        assert text in section
    assert page.count('href="#leak"') >= 3


def test_one_that_is_not_large_stays_out_of_the_answer(tmp_path: Path) -> None:
    page = written(tmp_path, {"random": ONE | {"large": False}, "words": ONE["words"], "method": "By ten divisions."})
    assert "The score of this Run has no such leak" not in page
    assert 'id="leak"' in page


def test_where_there_is_none_it_is_said_and_older_runs_say_nothing(tmp_path: Path) -> None:
    said = "No two samples are known to belong together: there is no leak to measure."
    page = written(tmp_path / "none", {"words": said})
    assert said in page
    assert 'id="leak"' not in page
    assert 'href="#leak"' not in page
    untold = written(tmp_path / "untold", {"random": {"words": "not told"}, "words": "not told", "method": "none"})
    assert 'id="leak"' not in untold
    assert 'href="#leak"' not in untold
    old = written(tmp_path / "old", None)
    assert "leak to measure" not in old
    assert 'id="leak"' not in old


def test_a_leak_of_times_that_was_not_measured_is_not_fine(tmp_path: Path) -> None:
    said = "No two samples are known to belong together. The leak of times is not measured."
    levels = {}
    for name, more in (("times", {"unmeasured": "times"}), ("none", {})):
        page = written(tmp_path / name, {"words": said, **more})
        row = next(row for row in page.split('id="trust"')[1].split("</section>")[0].split("<li") if said in row)
        levels[name] = row.split('class="')[1].split('"')[0]
    assert levels == {"times": "careful", "none": "fine"}
