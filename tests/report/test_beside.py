"""Several Runs on one page: one axis, curves in one chart, and what makes scores incomparable is said first."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from fake_run import HOSTILE, make_run

import striate
from striate.core.errors import UsageError
from striate.core.plan import Decision, Plan, read_decisions
from striate.core.run import RunFolder
from striate.report import write_beside, write_report
from tests.report.test_page import Page


def two(folder: Path) -> list[RunFolder]:
    runs = [make_run(folder / name, per_class=12) for name in ("first", "second")]
    for run in runs:
        write_report(run)
    return runs


def page(runs: list[RunFolder], folder: Path) -> Page:
    return Page(write_beside(runs, folder / "page.html").read_text())


def test_scores_stand_on_one_axis_in_their_places(tmp_path: Path) -> None:
    runs = two(tmp_path)
    for run, value, half in zip(runs, (0.8, 0.9), (0.05, 0.02), strict=True):
        metrics = json.loads(run.metrics.read_text())
        metrics["test"] |= {"accuracy": value, "accuracy_interval": [value - half, value + half]}
        run.metrics.write_text(json.dumps(metrics))
    found = page(runs, tmp_path)
    dots = [float(str(one["style"])[5:-1]) for one in found.all("span") if one.get("class") == "dot"]
    low, high = 0.75 - 0.017, 0.92 + 0.017  # a tenth of the whole range beside it
    assert dots == pytest.approx([100 * (value - low) / (high - low) for value in (0.8, 0.9)], abs=0.02)
    assert "0.8000 (0.7500 to 0.8500) on 72 test pictures" in found.text
    assert [one["href"] for one in found.all("a") if not str(one["href"]).startswith("#")] == [
        "first/report.html",
        "second/report.html",
    ]
    assert "not comparable" not in found.text


def test_curves_of_all_runs_are_in_one_chart_with_a_legend(tmp_path: Path) -> None:
    found = page(two(tmp_path), tmp_path)
    lines = [str(one["class"]) for one in found.all("path") if "line" in str(one.get("class"))]
    assert lines == ["line second", "line first"] * 2
    assert [text for owner, text in found.texts if owner == "h3" and text.strip()] == [
        "accuracy on one axis",
        "Validation accuracy",
        "Training loss",
    ]


def test_more_runs_than_colours_are_said(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / str(number), names=("a", "b"), per_class=4) for number in range(8)]
    assert "The first 6 are drawn; 2 more would not be told apart." in page(runs, tmp_path).text


def test_other_data_is_said_before_any_score(tmp_path: Path) -> None:
    runs = two(tmp_path)
    audit = json.loads(runs[1].audit.read_text())
    audit["fingerprint"] = "0" * 64
    runs[1].audit.write_text(json.dumps(audit))
    text = page(runs, tmp_path).text
    warning = "The data differ: 2 fingerprints among 2 Runs. The scores are of other pictures, and not comparable."
    assert text.index(warning) < text.index("accuracy on one axis")
    assert "differs" in text.split("data fingerprint")[1][:20]


def test_another_division_an_unknown_one_and_no_test_are_said(tmp_path: Path) -> None:
    runs = two(tmp_path)
    split = runs[1].split.read_text()
    runs[1].split.write_text(split.replace("cardboard_test0001", "cardboard_test9999"))
    assert "The data is the same but divided otherwise" in page(runs, tmp_path).text
    runs[1].split.write_text(split)
    metrics = json.loads(runs[1].metrics.read_text())
    del metrics["test"]
    runs[1].metrics.write_text(json.dumps(metrics))
    assert "some by validation, which also chose" in page(runs, tmp_path).text
    runs[1].audit.unlink()
    assert "Of second the data is not recorded" in page(runs, tmp_path).text
    runs[1].metrics.unlink()
    assert "no score" in page(runs, tmp_path).text


def test_runs_of_two_tasks_share_no_axis(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / "a", per_class=5), make_run(tmp_path / "b", "regress", ("cells",), per_class=5)]
    text = page(runs, tmp_path).text
    assert "The tasks differ (classify, regress)" in text
    assert "These Runs share no metric" in text


def test_only_what_was_decided_otherwise_is_listed_with_whose_it_is(tmp_path: Path) -> None:
    runs = two(tmp_path)
    assert "All 13 decisions are the same." in page(runs, tmp_path).text
    plan = Plan(read_decisions(runs[1].plan))
    plan.replace(train={"epochs": Decision(48, "set by you", "user")}).write(runs[1].plan)
    text = page(runs, tmp_path).text
    assert "1 decision of 13 differ" in text
    assert re.search(r"train\.epochs\s+24\s+48\s+yours", text)


def test_names_that_are_alike_are_told_by_their_folders_and_stay_names(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / part / HOSTILE.replace("/", "_"), per_class=5) for part in "ab"]
    found = page(runs, tmp_path)
    assert len(found.all("script")) == 1
    assert f"{tmp_path}/a/" in found.text
    assert f"{tmp_path}/b/" in found.text


def test_the_page_lies_where_it_is_asked_for_or_beside_the_runs(tmp_path: Path) -> None:
    runs = two(tmp_path / "runs")
    paths = [run.path for run in runs]
    assert striate.side_by_side(paths) == (tmp_path / "runs" / "side-by-side.html").resolve()
    elsewhere = tmp_path / "elsewhere" / "both.html"
    elsewhere.parent.mkdir()
    assert striate.side_by_side(paths, out=elsewhere) == elsewhere
    assert 'href="../runs/first/report.html"' in elsewhere.read_text()
    with pytest.raises(UsageError, match="named twice"):
        striate.side_by_side([paths[0], paths[1], paths[0]])
    with pytest.raises(UsageError, match="cannot stand side by side"):
        striate.side_by_side(paths[:1])
