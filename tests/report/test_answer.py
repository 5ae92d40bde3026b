"""The top of the report: plain words that follow from the figures, a verdict from checks, and what limits the score."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_run import TRASH, make_run

from striate.core.run import RunFolder
from striate.report import read_facts
from striate.report.sections.answer import answer, in_words, of_so_many
from striate.report.sections.limits import limits
from striate.report.sections.trust import CAREFUL, CHECKS, DOUBT, GOOD, Check, checked, trust, verdict


def edited(run: RunFolder, file: str = "metrics", **changes: Any) -> RunFolder:
    """The Run with other values in one of its files; `part__name` is a name inside a part, None takes it away."""
    path = getattr(run, file)
    content = json.loads(path.read_text())
    for key, value in changes.items():
        *parts, name = key.split("__")
        inside = content
        for part in parts:
            inside = inside[part]
        inside[name] = value
        if value is None:
            del inside[name]
    path.write_text(json.dumps(content))
    return run


def words(found: object) -> str:
    """A piece of the page as text alone."""
    import html
    import re

    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", str(found))).replace("\u202f", " ").split())


@pytest.mark.parametrize(
    ("value", "bounds", "said"),
    [
        (0.93, (0.91, 0.95), "Of 100 new pictures like these, about 93 (91 to 95)"),
        (0.5, (0.0, 1.0), "Of 100 new pictures like these, about 50 (0 to 100)"),
        (0.9991, (0.9985, 0.9996), "Of 10 000 new pictures like these, about 9 991 (9 985 to 9 996)"),
        (0.987, (0.979, 0.994), "Of 1 000 new pictures like these, about 987 (979 to 994)"),
        (0.8, None, "Of 100 new pictures like these, about 80"),
        (0.0, (0.0, 0.0), "Of 100 new pictures like these, about 0"),
    ],
)
def test_a_share_is_told_as_a_count_that_tells_its_ends_apart(
    value: float, bounds: tuple[float, float] | None, said: str
) -> None:
    assert of_so_many(value, bounds) == said


def test_classes_are_told_as_right_names_beside_the_commonest(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", names=("cat", "dog"), per_class=10)
    table = [{"class": "cat", "support": 15, "recall": 1.0}, {"class": "dog", "support": 5, "recall": 0.4}]
    edited(run, test__accuracy=0.85, test__accuracy_interval=[0.7, 0.95], per_class={"test": table})
    facts = read_facts(run)
    assert words(in_words(facts)) == "Of 100 new pictures like these, about 85 (70 to 95) will get the right name."
    said = "For comparison: always naming the commonest class there, cat, would be right for 15 of 20: 75 of 100."
    assert words(answer(facts)) == said


def test_no_mistake_is_no_proof(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", per_class=10)
    edited(run, test__accuracy=1.0, test__accuracy_interval=[1.0, 1.0], split__test=60)
    assert "does not exclude mistakes in up to 5 % of new ones" in words(answer(read_facts(run)))
    edited(run, test__accuracy=0.99)
    assert "does not exclude" not in words(answer(read_facts(run)))


def test_label_sets_are_told_as_exactly_right_sets(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", "multilabel", TRASH, per_class=40)
    facts = read_facts(run)
    assert words(in_words(facts)) == "Of 100 new pictures like these, about 70 will get exactly the right labels."
    with open(run.predictions, newline="") as file:
        targets = [row["target"] for row in csv.DictReader(file)]
    most = max(targets.count(target) for target in targets)
    assert f"would be exactly right for {most} of 40: " in words(answer(facts))


def test_values_are_told_in_their_unit_beside_the_mean(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", "regress", ("cells",), per_class=40)
    edited(run, test__mae=1.5, test__mae_interval=[1.25, 1.75], test__r2=0.8125, test__rmse=2.0)
    facts = read_facts(run)
    said = "Predicted values of new pictures like these miss by 1.5 (1.25 to 1.75) on average, where the true "
    assert words(in_words(facts)) == said + "ones run from 1 to 51."
    assert "the squared misses shrink by 81 % (R² 0.812)" in words(answer(facts))
    assert level(run, "Every class has") == ""
    edited(run, test__r2=-0.5)
    assert "the squared misses grow by 50 %" in words(answer(read_facts(run)))


def level(run: RunFolder, start: str) -> str:
    """The level of the one check whose text holds these words; "" where there is none."""
    found = [check.level for check in checked(read_facts(run)) if start in words(check.text)]
    assert len(found) <= 1
    return found[0] if found else ""


CASES: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("kept out of training", GOOD, "metrics", {"scored": 1}),
    ("was scored 2 times", CAREFUL, "metrics", {"scored": 2}),
    ("There is no test split", CAREFUL, "metrics", {"test": None}),
    ("known to ± 0.030", GOOD, "metrics", {"test__accuracy_interval": [0.9, 0.96]}),
    ("known to ± 0.060", CAREFUL, "metrics", {"test__accuracy_interval": [0.82, 0.94]}),
    ("known to ± 0.150", DOUBT, "metrics", {"test__accuracy_interval": [0.6, 0.9]}),
    ("is surely better than always naming", GOOD, "metrics", {"test__accuracy_interval": [0.2, 0.9]}),
    ("not surely better than always naming", DOUBT, "metrics", {"test__accuracy_interval": [0.1, 0.9]}),
    ("splits share 1 picture", CAREFUL, "audit", {}),
    ("has the same pixels; ", "", "audit", {}),
    ("same pixels as a training one; 2 groups", GOOD, "audit", {"leaks": []}),
    ("Near-duplicates (recompressed", CAREFUL, "audit", {"near_duplicates_checked": False, "near_duplicates": []}),
    ("were looked for: 0 groups were", GOOD, "audit", {"near_duplicates_checked": True, "near_duplicates": []}),
    ("3 of 2 527 pictures (0.12 %) are damaged", GOOD, "audit", {}),
    ("3 of 100 pictures (3 %) are damaged", CAREFUL, "audit", {"samples": 100}),
    ("All of 2 527 pictures could be read", GOOD, "audit", {"quarantined": []}),
    ("1 group of equal pictures has different targets", CAREFUL, "audit", {}),
    ("equal pictures ha", "", "audit", {"conflicts": []}),
    ("can be taken at their word", GOOD, "metrics", {"test__calibration_error": 0.02}),
    ("not to be taken at their word", CAREFUL, "metrics", {"test__calibration_error": 0.11}),
    ("at their word", "", "metrics", {}),
    (
        "1 more thing could not be checked",
        CAREFUL,
        "metrics",
        {"not_checked": ["the moon", "No groups were given (`--group`)"]},
    ),
)


@pytest.mark.parametrize(("says", "expected", "file", "changes"), CASES, ids=[case[0] for case in CASES])
def test_each_check_follows_its_figure(
    tmp_path: Path, says: str, expected: str, file: str, changes: dict[str, Any]
) -> None:
    run = edited(make_run(tmp_path / "run", per_class=30), file, **changes)
    assert level(run, says) == expected


def test_small_classes_groups_and_labels_are_checked(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", per_class=30)
    assert level(run, "at least 30 test pictures") == GOOD
    assert level(run, "No groups are known") == CAREFUL
    assert level(run, "The diagnosis") == ""
    entries = [{"class": name, "support": count} for name, count in zip(TRASH, (30, 9, 30, 4, 30, 30), strict=True)]
    edited(run, per_class__test=entries)
    assert level(run, "2 classes have fewer than 10 test pictures: paper (4), glass (9)") == CAREFUL
    rows = run.split.read_text().splitlines()
    run.split.write_text("\n".join([rows[0], *(",".join([*row.split(",")[:3], "a7", ""]) for row in rows[1:]), ""]))
    assert level(run, "1 group of pictures was kept whole") == GOOD
    for name, expected in (("label noise suspected", CAREFUL), ("rate too low", GOOD)):
        run.diagnosis.write_text(json.dumps({"findings": [{"name": name}], "alarms": []}))
        assert level(run, "The diagnosis found") == expected


def test_values_must_beat_the_mean(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", "regress", ("cells",), per_class=40)
    edited(run, test__r2_interval=[0.1, 0.9])
    assert level(run, "surely better than always answering the mean") == GOOD
    edited(run, test__r2_interval=[-0.1, 0.9])
    assert level(run, "not surely better than always answering the mean") == DOUBT


def test_a_quantile_need_not_beat_the_mean(tmp_path: Path) -> None:
    run = edited(make_run(tmp_path / "run", "regress", ("cells",), per_class=40), test__r2_interval=[-0.9, -0.1])
    plan = yaml.safe_load(run.plan.read_text("utf-8"))
    plan["loss"] = {"name": {"value": "quantile", "because": "set by you", "by": "user"}}
    run.plan.write_text(yaml.safe_dump(plan), "utf-8")
    assert level(run, "always answering the mean") == ""


def test_parted_near_duplicates_are_a_reservation(tmp_path: Path) -> None:
    run = edited(make_run(tmp_path / "run", per_class=30), "audit", near_pairs_parted=3)
    assert level(run, "3 pairs of near-duplicates may stand on both sides") == CAREFUL


def test_what_validation_decided_is_no_gap_of_the_test(tmp_path: Path) -> None:
    said = "The temperature was fitted to the validation samples: their log loss is a little optimistic."
    run = edited(make_run(tmp_path / "run", per_class=30), not_checked=[said])
    assert level(run, "could not be checked") == ""


def test_an_interval_without_width_is_no_certainty(tmp_path: Path) -> None:
    run = edited(make_run(tmp_path / "run", per_class=30), test__accuracy_interval=[1.0, 1.0])
    assert level(run, "proves no certainty") == CAREFUL


def test_the_verdict_counts_the_checks() -> None:
    good, careful, doubt = (Check(one, words("")) for one in (GOOD, CAREFUL, DOUBT))  # type: ignore[arg-type]
    assert verdict([good, good]) == "Yes: none of 2 checks speaks against it."
    assert verdict([good, careful]) == "With care: of 2 checks, 1 has a reservation."
    assert verdict([careful, careful, good]) == "With care: of 3 checks, 2 have a reservation."
    assert verdict([careful, doubt, good]) == "Not yet: of 3 checks, 1 gives doubt, and 1 has a reservation."
    assert verdict([doubt, doubt]) == "Not yet: of 2 checks, 2 give doubt."


def test_doubts_come_first_and_a_run_without_scores_has_no_verdict(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", per_class=30)
    edited(run, test__accuracy_interval=[0.1, 0.9])
    section = str(trust(read_facts(run)))
    levels = [one.split('"')[0] for one in section.split('<li class="')[1:]]
    assert levels == sorted(levels, key=[DOUBT, CAREFUL, GOOD].index)
    assert set(levels) == {DOUBT, CAREFUL, GOOD}
    assert len(levels) <= len(CHECKS)
    run.metrics.unlink()
    facts = read_facts(run)
    assert trust(facts) is None
    assert limits(facts) is None
    assert in_words(facts) is None


def test_what_limits_it_begins_with_the_diagnosis_then_the_mistakes_then_the_weakest(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", names=("cat", "dog", "owl"), per_class=10)
    table = [{"class": "cat", "support": 10, "recall": 0.9}, {"class": "dog", "support": 8, "recall": 0.25}]
    table += [{"class": "owl", "support": 9, "recall": 1.0}]
    matrix = {"classes": ["cat", "dog", "owl"], "matrix": [[9, 1, 0], [4, 2, 2], [0, 0, 9]]}
    edited(run, per_class={"test": table}, confusion={"test": matrix})
    said = words(limits(read_facts(run)))
    pairs = "dog called cat (4 times), dog called owl (2 times), cat called dog (1 time): 7 of 7 mistakes."
    assert said.startswith(f"What would help most: looking at what is confused most, {pairs}")
    learnt = sum(row["split"] == "train" and row["target"] == "dog" for row in read_facts(run).split)
    assert (
        f"more pictures of dog, which is recognised in 25 % of its 8 test pictures, and was learnt from {learnt}."
        in said
    )
    assert said.index("more pictures of dog") < said.index("more pictures of cat")
    assert "owl, which" not in said
    finding = {"name": "over-fitting", "advice": "more `samples`", "flag": "--set augment.mixup=0.2"}
    run.diagnosis.write_text(json.dumps({"findings": [finding], "alarms": []}))
    said = words(limits(read_facts(run)))
    assert said.startswith("What would help most: more samples (--set augment.mixup=0.2), since the diagnosis is")
