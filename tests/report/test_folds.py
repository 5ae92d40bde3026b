"""The folds in the report: a row and a link for each, how far they are apart, and commands that such a Run takes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from fake_run import make_run

from striate.core.artifacts import make_folder, write_json
from striate.core.run import RunFolder
from striate.report import write_report


def of_folds(folder: Path, held_out: str) -> RunFolder:
    """A Run of two folds."""
    run = make_run(folder, names=("cat", "dog"))
    make_folder(run.folds)
    run.history.unlink()
    each = [{"fold": 1, "samples": 80, "accuracy": 0.8125}, {"fold": 2, "samples": 88, "accuracy": 0.9375}]
    apart = {"accuracy": {"mean": 0.875, "deviation": 0.08839, "least": 0.8125, "most": 0.9375}}
    content: dict[str, Any] = json.loads(run.metrics.read_text())
    content["folds"] = {"count": 2, "held_out": held_out, "each": each, "spread": apart}
    if held_out == "test":
        del content["val"]
    write_json(run.metrics, content)
    return run


def text(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).replace("&#x27;", "'")


def test_a_run_without_folds_has_no_such_section(tmp_path: Path) -> None:
    assert "Fold by fold" not in write_report(make_run(tmp_path / "run")).read_text()


@pytest.mark.parametrize(
    ("held_out", "words"),
    [
        ("test", "each scored by the one of 2 networks that was not trained on it"),
        ("val", "kept out of training and of every choice, scored once, by the mean of 2 networks"),
    ],
)
def test_how_the_score_came_about_is_said(tmp_path: Path, held_out: str, words: str) -> None:
    page = text(write_report(of_folds(tmp_path / "run", held_out)).read_text())
    assert words in page
    assert ("No validation score" in page) is False
    assert ("but whose epoch it chose, so a little optimistic" in page) is (held_out == "val")


def test_each_fold_has_a_row_with_a_link_and_the_spread_a_sentence(tmp_path: Path) -> None:
    page = write_report(of_folds(tmp_path / "run", "test")).read_text()
    (section,) = re.findall(r'<section id="folds".*?</section>', page, re.S)
    assert re.findall(r'href="(folds/\d/report.html)"', section) == ["folds/1/report.html", "folds/2/report.html"]
    said = text(section)
    assert "Over the folds accuracy goes from 0.8125 to 0.9375 , with a mean of 0.8750" in said
    assert "Each fold's own test samples" in said
    for figure in ("0.8125", "0.9375", "80", "88"):
        assert figure in said


def test_what_each_fold_has_for_itself_is_not_missed(tmp_path: Path) -> None:
    page = text(write_report(of_folds(tmp_path / "run", "test")).read_text())
    assert "history.jsonl" not in page
    assert "Each fold's own report has its curves." in page
    assert "was scored once, by the network of the fold that held it out" in page


def test_commands_are_those_that_such_a_run_takes(tmp_path: Path) -> None:
    run = of_folds(tmp_path / "run", "test")
    page = text(write_report(run).read_text())
    assert f"striate explain {run.path}/folds/1 PATH" in page
    assert f"striate predict {run.path} PATH" in page
    assert "--epochs +10" not in page
