"""The report of a detector: what is found and right, thresholds, mistakes by kind, the data's boxes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_run import TRASH, make_run

from striate.core.artifacts import read_json
from striate.report import read_facts
from striate.report.facts import Facts, names_in
from striate.report.sections.answer import in_words
from striate.report.sections.boxes import STYLES, box_ranking, boxes, kinds
from striate.report.sections.calibration import calibration
from striate.report.sections.classes import classes
from striate.report.sections.data import data
from striate.report.sections.limits import limits
from striate.report.sections.pictures import mistakes
from striate.report.sections.taken import taken
from striate.report.sections.trust import checked


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    return read_facts(make_run(tmp_path_factory.mktemp("boxes") / "run", "detect", TRASH, per_class=40))


def changed(facts: Facts, **metrics: Any) -> Facts:
    return replace(facts, metrics={**facts.metrics, **metrics})


def test_the_answer_counts_things_of_all_classes(facts: Facts) -> None:
    rows = [
        {"class": "paper", "support": 40, "found": 30, "missed": 10, "invented": 2},
        {"class": "glass", "support": 10, "found": 10, "missed": 0, "invented": 8},
    ]
    told = changed(facts, per_class={"test": rows})
    expected = "Of 100 things in new pictures like these, about 80 are found; of 100 findings, about 80 are right."
    assert in_words(told) == expected
    nothing = [{**row, "found": 0, "invented": 0} for row in rows]
    assert in_words(changed(facts, per_class={"test": nothing})) == expected.split(";")[0].replace("80", "0") + "."
    assert in_words(changed(facts, per_class={"test": [{**rows[0], "support": 0}]})) is None


def test_kinds_are_in_the_order_of_what_they_cost(facts: Facts) -> None:
    counts = {"place": 3, "class": 0, "duplicate": 1, "background": 2, "both": 0, "missed": 7}
    costs = {"place": 0.125, "class": 0.0, "duplicate": 0.0625, "background": 0.25, "both": 0.0, "missed": None}
    told = changed(facts, boxes={"test": {"errors": {"counts": counts, "costs": costs, "precision": 0.5}}})
    page = kinds(told)
    assert page is not None
    order = [page.index(f">{name}<") for name in ("background", "wrong place", "found twice", "wrong class", "missed")]
    assert order == sorted(order)
    assert "0.2500" in page
    assert "0.2500</data> of mAP50: <b>background: nothing is there</b>" in (limits(told) or "")
    free = dict.fromkeys(costs, 0.0)
    level = changed(facts, boxes={"test": {"errors": {"counts": counts, "costs": free, "precision": 0.5}}})
    assert "of mAP50" not in (limits(level) or "")
    assert kinds(changed(facts, boxes={})) is None


def test_each_class_has_a_line_and_a_dot_at_its_threshold(facts: Facts) -> None:
    page = box_ranking(facts)
    assert page is not None
    assert page.count('class="line ') == 2 * len(TRASH)
    assert page.count("<circle") == len(TRASH)
    assert "0.4500" in page  # from where each is shown
    assert "0.61 → 0.72" in page
    assert calibration(facts) is None  # thresholds stand once


def test_of_many_classes_the_best_and_the_weakest_are_told(facts: Facts) -> None:
    curves = {
        f"c{place}": {"points": [[0.1, 1.0], [0.5, 0.5]], "area": place / 10, "held": [0.1, 1.0]}
        for place in range(len(STYLES) + 2)
    }
    page = box_ranking(changed(facts, boxes={"test": {"curves": curves}}))
    assert page is not None
    assert "best: c7" in page
    assert "weakest: c0" in page
    assert page.count(">each class<") == 1


def test_a_class_that_shows_nothing_has_no_dot(facts: Facts) -> None:
    curves = {"c": {"points": [[0.1, 1.0], [0.5, 0.5]], "area": 0.5, "held": [0.0, None]}}
    page = box_ranking(changed(facts, boxes={"test": {"curves": curves}}))
    assert page is not None
    assert "<circle" not in page
    assert box_ranking(changed(facts, boxes={"test": {"curves": {}}})) is None


def test_the_matrix_tells_what_was_missed_and_invented(facts: Facts) -> None:
    matrix = [[8, 1, 3], [0, 5, 0], [2, 0, 0]]
    told = changed(facts, confusion={"test": {"classes": ["cat", "dog", "background"], "matrix": matrix}})
    page = taken(told)
    assert page is not None
    assert "3 of 12 cat missed (25.0 %)" in page
    assert "2 of 2 background called cat (100.0 %)" in page
    assert "things were called" in page
    names = [f"class {number}" for number in range(40)]
    empty = [[int(row == column) for column in range(41)] for row in range(41)]
    empty[40][40], empty[0][40] = 0, 5
    page = taken(changed(facts, confusion={"test": {"classes": [*names, "background"], "matrix": empty}}))
    assert page is not None
    assert "at most 5 (class 0 called missed)" in page
    assert "of 45 things lie on the diagonal" in page
    assert ">missed</text>" in page


def test_what_is_missed_is_no_confusion_of_two_classes(facts: Facts) -> None:
    matrix = [[8, 1, 3], [0, 5, 0], [2, 0, 0]]
    told = changed(facts, confusion={"test": {"classes": ["cat", "dog", "background"], "matrix": matrix}})
    page = limits(told) or ""
    assert "<b>cat</b> called <b>dog</b> (1 time): 1 of 1 mistake." in page
    assert "called <b>missed</b>" not in page


def test_the_pictures_stand_with_their_key_and_the_worst_are_listed(facts: Facts) -> None:
    page = boxes(facts)
    assert page is not None
    assert page.count("<img") == 8
    assert page.count("data:image/png") == 8
    assert "found as another class" in page
    assert "of 40 pictures of the test split, the lowest first" in page
    assert mistakes(facts) is None
    assert boxes(replace(facts, figures=[])) is None


def test_counts_of_pictures_have_no_decimals(facts: Facts) -> None:
    row = {"split": "test", "key": "a.jpg", "f1": "0.5", "found": "1", "missed": "2", "invented": ""}
    page = boxes(replace(facts, predictions=[row]))
    assert page is not None
    assert ">1</data>" in page
    assert ">0.5000</data>" in page


def test_classes_are_told_by_what_is_found_of_them(facts: Facts) -> None:
    page = classes(facts)
    assert page is not None
    for name in ("AP50", "recall", "missed", "invented"):
        assert name in page


def test_few_things_of_a_class_are_doubted_as_things(facts: Facts) -> None:
    rows = [{"class": "paper", "support": 3}, {"class": "glass", "support": 30}]
    told = [check.text for check in checked(changed(facts, per_class={"test": rows}))]
    assert any("fewer than 10 test things: paper (3)" in text for text in told)
    told = [check.text for check in checked(changed(facts, per_class={"test": rows[1:]}))]
    assert any("at least 30 test things" in text for text in told)


def test_the_data_is_told_by_its_things(facts: Facts) -> None:
    page = data(facts)
    assert "Classes by number of things" in page
    assert "Things by class and split" in page
    assert "20 × 21, 30 × 44, 48 × 40" in page
    assert "its right edge is not right of its left one" in page
    assert "pictures without annotation" in page
    assert "width over height" in page
    assert f"{TRASH[-1]} 1 2 30 40" not in page  # a sample that was left out is told by its number of things
    assert "<td>1 thing</td>" in page


def test_an_audit_alone_tells_the_same_of_boxes(facts: Facts) -> None:
    page = data(replace(facts, metrics={}, decisions={}, split=[], predictions=[], figures=[]))
    assert "Classes by number of things" in page
    assert "Anchors that follow" in page


def test_boxes_of_which_there_are_none_are_told_by_their_counts(facts: Facts) -> None:
    audit = {**facts.audit, "boxes": {"boxes": 0, "by_class": {"cat": 0}, "pictures": {"empty": 4}, "reasons": []}}
    page = data(replace(facts, audit=audit))
    assert "pictures with nothing in them" in page
    assert "width over height" not in page


def test_names_of_classes_may_have_spaces(facts: Facts) -> None:
    assert names_in(facts, "red fox 1 2.5 3 4;cat 1 2 3 4;red fox 5 6 7 8") == ["red fox", "cat", "red fox"]
    assert names_in(facts, "") == []
    labels = changed(facts, task="multilabel")
    assert names_in(labels, "cat;dog") == ["cat", "dog"]


def test_the_figures_of_the_file_are_those_of_the_metrics(facts: Facts, tmp_path: Path) -> None:
    metrics = read_json(make_run(tmp_path / "run", "detect", ("cat", "dog"), per_class=30).metrics)
    for row in metrics["per_class"]["test"]:
        curve = metrics["boxes"]["test"]["curves"][row["class"]]
        assert curve["held"] == [row["recall"], row["precision"]]
        assert curve["area"] == row["ap50"]
    assert metrics["boxes"]["test"]["errors"]["precision"] == pytest.approx(metrics["test"]["map50"])
