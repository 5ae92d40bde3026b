"""Slices and hidden parts in the report: the words first, the furthest behind on top, escaped; nothing without them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fake_run import HOSTILE, make_run

from striate.core.artifacts import read_json, write_json
from striate.report import write_report


def slice_of(value: str, difference: float) -> dict[str, Any]:
    ends = {"low": 0.4, "high": 0.6, "difference_low": difference - 0.1, "difference_high": difference + 0.1}
    return {
        "by": "camera",
        "value": value,
        "samples": 40,
        "figure": 0.5,
        "rest": 0.5 - difference,
        "difference": difference,
        "p": 0.01,
        "adjusted": 0.03,
        **ends,
    }


def page(path: Path, **more: object) -> str:
    run = make_run(path, per_class=5)
    write_json(run.metrics, {**read_json(run.metrics), **more})
    return write_report(run).read_text()


def test_slices_are_told_worst_first(tmp_path: Path) -> None:
    rows = [slice_of("new", 0.1), slice_of(HOSTILE, -0.3)]
    found = {"split": "test", "figure": "accuracy", "slices": rows, "words": "The weakest is old.", "too_small": 3}
    text = page(tmp_path / "run", slices=found)
    assert "The weakest is old." in text
    assert "slices are too small" in text
    assert HOSTILE not in text
    assert text.index("&lt;script&gt;") < text.index("<td>new</td>")
    upside = page(tmp_path / "values", slices={**found, "figure": "mean absolute error"})
    assert upside.index("<td>new</td>") < upside.index("&lt;script&gt;")


def test_what_is_kept_with_parts_hidden_is_told(tmp_path: Path) -> None:
    kept = {"accuracy": 0.93, "share": 0.98, "low": 0.95, "high": 1.0, "alarm": True}
    hidden = {"whole": kept, "centre_hidden": kept}
    found = {
        "split": "test",
        "samples": 200,
        "chance": 0.2,
        "hidden": hidden,
        "alarms": ["centre_hidden"],
        "thresholds": {"centre_hidden": 0.7},
        "words": "It may have learnt from a mark.",
    }
    text = page(tmp_path / "run", shortcuts=found)
    assert "It may have learnt from a mark." in text
    assert "the centre, half of the picture" in text
    subjects = {"searched": 200, "clear": 91, "samples": 90, "accuracy": 0.9, "chance": 0.3}
    more = {**found, "hidden": {**hidden, "subject_hidden": kept}, "subjects": subjects}
    text = page(tmp_path / "subjects", shortcuts=more)
    assert "the subject, in its rectangle" in text
    assert '<data value="91">91</data> of <data value="200">200</data> pictures have a clear subject' in text
    more["subjects"] = {"searched": 200, "clear": 3, "samples": 3, "why": "there are <3> samples"}
    assert "is not told: there are &lt;3&gt; samples" in page(tmp_path / "few", shortcuts=more)
    assert "not told" in page(tmp_path / "untold", shortcuts={"why": "few", "words": "That is not told: few."})


def test_a_run_from_before_has_neither(tmp_path: Path) -> None:
    text = page(tmp_path / "run")
    assert "Where it is weak" not in text
    assert "With parts hidden" not in text
