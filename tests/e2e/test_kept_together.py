"""Near-duplicates in a Run: kept together, drawn, and said where they are not searched for."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate import api
from tests.e2e.made_photos import QUICK, folder, save


@pytest.mark.slow
def test_a_run_keeps_near_duplicates_together_and_says_where_it_did_not_look(tmp_path: Path) -> None:
    data = folder(tmp_path / "data", {"a": 14, "b": 14}, side=24)
    for number in range(4):
        pixels = np.asarray(Image.open(data / "a" / f"{number:03}.png"))
        save(data / "a" / f"copy-{number}.png", pixels * 0.9)
    found = {}
    for search in (True, False):
        settings = {**QUICK, "split.near_duplicates": search}
        run = api.train(data, out=tmp_path / str(search), epochs=1, set=settings)
        found[search] = any("were not searched for" in text for text in run.metrics["not_checked"])
    assert found == {True: False, False: True}
    with open(tmp_path / "True" / "split.csv", encoding="utf-8", newline="") as file:
        fates = {row["key"]: row["split"] for row in csv.DictReader(file)}
    for number in range(4):
        assert fates[f"a/{number:03}.png"] == fates[f"a/copy-{number}.png"]
    drawn = json.loads((tmp_path / "True" / "figures" / "index.json").read_text("utf-8"))
    assert sum(entry["section"] == "near_duplicates" for entry in drawn) == 4
