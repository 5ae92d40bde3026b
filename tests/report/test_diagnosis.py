"""The diagnosis in the report: read from its file, escaped, layers of one kind together; nothing without a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fake_run import HOSTILE, make_run

from striate.report import write_report

FINDING = {
    "name": "over-fitting",
    "figures": "accuracy is 0.99 here and 0.70 there",
    "advice": "more samples (`--val DIR`)",
    "flag": "--set augment.mixup=0.2",
}


def alarm(layer: str, epoch: int) -> dict[str, Any]:
    return {
        "epoch": epoch,
        "kind": "dead units",
        "layer": layer,
        "finding": f"{layer}: 8 of 8",
        "remedy": "a `lower` rate",
    }


def page(path: Path, content: object) -> str:
    run = make_run(path, per_class=5)
    run.diagnosis.write_text(json.dumps(content))
    return write_report(run).read_text()


def test_findings_and_alarms_are_told(tmp_path: Path) -> None:
    alarms = [alarm("conv1", 0), alarm(HOSTILE, 4)]
    text = page(tmp_path / "run", {"findings": [FINDING], "alarms": alarms, "looked_for": ["moons"]})
    assert "<h3>Over-fitting</h3><p>Accuracy is 0.99 here and 0.70 there.</p>" in text
    assert "Try: more samples (<code>--val DIR</code>) <code>--set augment.mixup=0.2</code>." in text
    assert text.count("<h3>Dead units</h3>") == 1
    assert "conv1: 8 of 8 (at the first step)" in text
    assert "(after epoch 4)" in text
    assert "What helps: a <code>lower</code> rate." in text
    assert HOSTILE not in text
    assert "moons" not in text
    assert text.index('id="diagnosis"') < text.index('id="unchecked"')


def test_what_was_looked_for_is_said_where_nothing_was_found(tmp_path: Path) -> None:
    text = page(tmp_path / "run", {"findings": [], "alarms": [], "looked_for": ["moons", "stars"]})
    assert "What was looked for: moons, stars." in text


def test_a_run_that_was_not_diagnosed_has_no_such_section(tmp_path: Path) -> None:
    text = write_report(make_run(tmp_path / "run", per_class=5)).read_text()
    assert 'id="diagnosis"' not in text
    assert "diagnosis.json" not in text
