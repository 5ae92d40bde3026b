from pathlib import Path

import pytest

from striate.core.errors import PlanError
from striate.plan.leaves import Leaf, check_value, parse_value
from striate.plan.planner import check_key, leaves, read_plan, user_decisions


@pytest.mark.parametrize(
    ("leaf", "text", "value"),
    [
        (Leaf(float, ""), "1e-3", 0.001),
        (Leaf(float, ""), "2", 2.0),
        (Leaf(int, ""), "12", 12),
        (Leaf(bool, ""), "true", True),
        (Leaf(list, ""), "[0.5, 1]", [0.5, 1]),
        (Leaf(dict, ""), "{width: 8}", {"width": 8}),
        (Leaf(str, ""), "2024", "2024"),
        (Leaf(str, "", none=True), "null", None),
        (Leaf(float, "", none=True), "none", None),
        (Leaf(str, "", none=True), "none", None),
        (Leaf(str, "", none=True), "None", None),
        (Leaf(str, "", names=("none", "all")), "none", "none"),
        (Leaf(float, "", measured=True), "auto", "auto"),
    ],
)
def test_what_the_user_writes_is_read_by_the_leafs_type(leaf: Leaf, text: str, value: object) -> None:
    found = parse_value("some.key", leaf, text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("leaf", "text", "said"),
    [
        (Leaf(float, ""), "fast", "a number"),
        (Leaf(int, ""), "1.5", "a whole number"),
        (Leaf(int, ""), "true", "a whole number"),
        (Leaf(bool, ""), "1", "true or false"),
        (Leaf(float, "", low=0, high=1), "1.5", "from 0 to 1"),
        (Leaf(float, "", low=0), ".nan", "at least 0"),
        (Leaf(float, ""), "auto", "a number"),
        (Leaf(list, ""), "[a]", "list of numbers"),
        (Leaf(str, "", names=("crop", "pad")), "corp", "did you mean 'crop'"),
        (Leaf(str, ""), "null", "a name"),
        (Leaf(dict, ""), "{a: ", "cannot be read"),
    ],
)
def test_what_a_leaf_cannot_hold_is_refused(leaf: Leaf, text: str, said: str) -> None:
    with pytest.raises(PlanError, match=said):
        parse_value("some.key", leaf, text)


def test_a_misspelt_key_offers_the_nearest() -> None:
    with pytest.raises(PlanError, match=r"did you mean 'optimizer\.rate'"):
        check_key("optimiser.rate")
    with pytest.raises(PlanError, match=r"did you mean 'batch\.size'|'batch\.size'"):
        check_key("batch.sise")


def test_the_users_decisions_are_marked_as_theirs() -> None:
    found = user_decisions({"optimizer.rate": "0.1"})
    assert (found["optimizer.rate"].value, found["optimizer.rate"].by) == (0.1, "user")


def test_every_leaf_says_what_it_is_about_and_has_one_owner() -> None:
    found = leaves()
    assert len(found) > 40
    assert all(leaf.about and "." in key for key, leaf in found.items())


def test_none_in_a_plan_file_is_none_too(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text("striate_plan: 1\naugment: {function: none}\nsplit: {file: None}\ntrain: {minutes: none}\n")
    assert {one.value for one in read_plan(file).values()} == {None}


def test_numbers_of_the_right_kind_pass_unchanged() -> None:
    assert check_value("k", Leaf(float, ""), 3) == 3.0
    assert check_value("k", Leaf(list, "", low=0), [1, 2.5]) == [1, 2.5]
