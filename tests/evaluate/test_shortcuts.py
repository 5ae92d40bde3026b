"""Shortcuts: what is left to see, what is kept beyond chance, and when that is an alarm."""

from __future__ import annotations

import numpy as np
import pytest

from striate.evaluate.shortcuts import ALARM, CENTRE, FRAME, judge, visible


@pytest.mark.parametrize(("height", "width"), [(64, 64), (100, 200), (224, 224)])
def test_parts_are_of_the_area_that_is_said(height: int, width: int) -> None:
    masks = visible(height, width)
    assert masks["whole"].all()
    assert (masks["centre_hidden"] ^ masks["border_hidden"]).all()
    assert masks["border_hidden"].mean() == pytest.approx(CENTRE, abs=0.03)
    assert masks["frame_only"].mean() == pytest.approx(FRAME, abs=0.03)
    assert (masks["frame_only"] <= masks["centre_hidden"]).all()
    for mask in masks.values():
        assert (mask == mask[::-1]).all()
        assert (mask == mask[:, ::-1]).all()


def rights(whole: float, hidden: float, frame: float, count: int = 300) -> dict[str, np.ndarray]:
    shares = {"whole": whole, "centre_hidden": hidden, "border_hidden": 0.7, "frame_only": frame}
    shares |= {"background_hidden": 0.9, "subject_hidden": frame}
    return {name: np.arange(count) < round(share * count) for name, share in shares.items()}


def test_what_is_kept_is_beyond_chance() -> None:
    found = judge(rights(0.9, 0.5, 0.2), 0.1, None, seed=0)
    assert isinstance(found, dict)
    assert found["whole"].share == pytest.approx(1)
    assert found["centre_hidden"].share == pytest.approx(0.4 / 0.8)
    assert found["frame_only"].share == pytest.approx(0.1 / 0.8)
    assert found["centre_hidden"].low < 0.5 < found["centre_hidden"].high
    assert not any(one.alarm for one in found.values())


def test_an_alarm_is_beyond_chance_too() -> None:
    found = judge(rights(0.95, 0.95, 0.93), 0.2, None, seed=0)
    assert isinstance(found, dict)
    assert {name for name, one in found.items() if one.alarm} == set(ALARM)
    wide = judge(rights(0.9, 0.74, 0.6, 60), 0.2, None, seed=0)
    assert isinstance(wide, dict)
    assert wide["centre_hidden"].share > ALARM["centre_hidden"]
    assert not wide["centre_hidden"].alarm, "so few samples do not tell that from less"


def test_of_groups_as_many_are_needed() -> None:
    units = np.arange(300) // 30
    assert "10 groups" in str(judge(rights(0.95, 0.95, 0.95), 0.2, units, seed=0))


def test_what_knows_nothing_has_nothing_to_keep() -> None:
    assert "nothing to keep" in str(judge(rights(0.25, 0.25, 0.25), 0.2, None, seed=0))
    assert "there are 1 samples" in str(judge(rights(1, 1, 1, 1), 0.2, None, seed=0))
