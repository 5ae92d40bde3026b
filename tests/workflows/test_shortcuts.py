"""Shortcuts of trained networks: a class that is a mark at the border raises the alarm, one in the centre does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import striate as st
from tests.e2e.made_photos import QUICK, save

SIDE, COUNT = 16, 130


@pytest.mark.slow
@pytest.mark.parametrize("place", ["border", "centre"])
def test_a_mark_at_the_border_raises_the_alarm_and_one_in_the_centre_does_not(tmp_path: Path, place: str) -> None:
    random, corner = np.random.default_rng(0), 0 if place == "border" else SIDE // 2 - 2
    for name, colour in (("blue", (0, 0, 255)), ("red", (255, 0, 0))):
        for number in range(COUNT):
            pixels = random.integers(60, 190, (SIDE, SIDE, 3))
            at = slice(corner, corner + 2 + 2 * (place == "centre"))
            pixels[at, at] = colour
            save(tmp_path / "data" / name / f"{number:03d}.png", pixels)
    quiet = {**QUICK, "augment.flip": "none", "augment.shift": 0}
    run = st.train(tmp_path / "data", out=tmp_path / "run", epochs=6, set={**quiet, "split.seed": 1})
    found = run.metrics["shortcuts"]
    assert run.metrics["test"]["accuracy"] > 0.9
    assert found["hidden"]["whole"]["accuracy"] == run.metrics["test"]["accuracy"]
    if place == "border":
        assert "centre_hidden" in found["alarms"]
        assert "may have learnt from something beside the subject" in found["words"]
        assert "may have learnt" in (run.path / "report.html").read_text("utf-8")
    else:
        assert found["alarms"] == []
        assert found["hidden"]["centre_hidden"]["share"] < 0.5
        assert "no sign of a shortcut" in found["words"]
