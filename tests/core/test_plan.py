"""The plan as a mapping and as a file."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from striate.core.errors import PlanError
from striate.core.plan import Decision, Plan, read_decisions

PLAN = Plan(
    {
        "task.name": Decision("classify", "3 classes, among 40 samples"),
        "input.size": Decision([32, 48], "the median is 32×48", "user"),
        "optimizer.rate": Decision("auto", "only measuring can tell"),
        "optimizer.momentum": Decision(0.9, "the usual", "measured"),
        "augment.flip": Decision(None, "digits change when flipped: ✗"),
        "train.ema": Decision(True, ""),
    }
)


def test_round_trip_keeps_values_becauses_order_and_who(tmp_path: Path) -> None:
    PLAN.write(tmp_path / "plan.yaml")
    assert read_decisions(tmp_path / "plan.yaml") == PLAN.decisions
    groups = [key.split(".")[0] for key in read_decisions(tmp_path / "plan.yaml")]
    assert groups == ["task", "input", "optimizer", "optimizer", "augment", "train"]


def test_mapping_and_sections() -> None:
    assert PLAN["input.size"] == [32, 48]
    assert len(PLAN) == 6
    assert PLAN.section("optimizer") == {"rate": "auto", "momentum": 0.9}
    assert PLAN.section("opt") == {}
    assert dict(PLAN)["train.ema"] is True


def test_resolved_and_replace() -> None:
    assert not PLAN.resolved
    assert PLAN.unresolved() == ["optimizer.rate"]
    done = PLAN.replace(optimizer={"rate": Decision(0.1, "range test: loss least at 0.1", "measured")})
    assert done.resolved
    assert done["optimizer.momentum"] == 0.9
    assert PLAN["optimizer.rate"] == "auto", "the plan replaced from is untouched"


def test_a_bare_value_in_the_file_is_the_users(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("striate_plan: 1\ntrain:\n  epochs: 3\n  extra: {value: 1}\n")
    found = read_decisions(path)
    assert (found["train.epochs"].value, found["train.epochs"].by) == (3, "user")
    assert found["train.extra"].value == {"value": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("striate_plan: 2\n", "not a plan of version 1"),
        ("train: {}\n", "not a plan of version 1"),
        ("- 1\n", "not a plan of version 1"),
        ("", "not a plan of version 1"),
        ("striate_plan: 1\ntrain: 3\n", "must hold leaves"),
        ("a: [", "not readable YAML"),
        ("striate_plan: 1\ntrain: {epochs: 3, epochs: 30}\n", "the key 'epochs' stands twice"),
        ("a: !!python/object/apply:os.system ['true']", "not readable YAML"),
    ],
)
def test_what_is_not_a_plan_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "plan.yaml").write_text(content)
    with pytest.raises(PlanError, match=message):
        read_decisions(tmp_path / "plan.yaml")


def test_missing_and_undecodable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="does not exist"):
        read_decisions(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"striate_plan: 1\n# caf\xe9\n")
    with pytest.raises(PlanError, match="not readable YAML"):
        read_decisions(tmp_path / "latin.yaml")


def test_the_file_says_why_for_every_leaf(tmp_path: Path) -> None:
    PLAN.write(tmp_path / "plan.yaml")
    content = yaml.safe_load((tmp_path / "plan.yaml").read_text("utf-8"))
    assert content["striate_plan"] == 1
    assert content["augment"]["flip"] == {"value": None, "because": "digits change when flipped: ✗", "by": "rule"}


def test_notebooks_see_escaped_text() -> None:
    shown = Plan({"a.b": Decision("<script>", "x < y")})._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "x &lt; y" in shown
