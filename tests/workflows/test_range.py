"""The range test: kept in the Run, drawn in the report, and read alike from one seed to the next."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import striate as st
from striate.core.cache import Cache
from striate.core.events import Silent
from striate.core.plan import Decision
from striate.plan.rules.optimizer import valley
from striate.workflows import measure
from striate.workflows.trials import Trials
from tests.e2e.made_photos import QUICK
from tests.train.toy import toy_networks, toy_recipe


def test_the_curve_that_chose_the_rate_is_kept(tmp_path: Path) -> None:
    recipe, file = toy_recipe(train__epochs=60, optimizer__name="adamw"), tmp_path / "range_test.json"
    recipe = replace(recipe, plan=recipe.plan.replace(network={"weights": Decision(None, "for the test")}))
    recipe = replace(recipe, plan=recipe.plan.replace(task={"kind": Decision("classify", "for the test")}))
    trials = Trials(Cache(tmp_path / "trials", 10**6), {}, Silent())

    def rated(file: Path) -> Any:
        return measure._rate(recipe, 60, lambda: toy_networks(recipe), 60.0, file, trials, Silent())

    decision, kept = rated(file), json.loads(file.read_text())
    assert (kept["rate"], kept["because"]) == (decision.value, decision.because)
    rates = [rate for rate, _ in kept["curve"]]
    assert len(rates) >= 20
    assert rates == sorted(rates)
    assert kept["usual"] / 300 == pytest.approx(rates[0])
    assert rated(tmp_path / "again.json") == decision  # found, not measured again
    assert json.loads((tmp_path / "again.json").read_text()) == kept


def test_where_a_range_test_would_cost_too_much_there_is_no_curve(tmp_path: Path) -> None:
    settings = {key: value for key, value in QUICK.items() if key != "optimizer.rate"}
    run = st.train(_pictures(), out=tmp_path / "run", epochs=1, set=settings)
    assert "would take more than 1 in 10" in run.plan.decisions["optimizer.rate"].because
    assert not (run.path / "range_test.json").exists()


def _pictures() -> dict[str, Any]:
    labels = np.arange(60) % 2
    noise = np.random.default_rng(0).integers(0, 100, (60, 10, 10), np.uint8)
    return {"x": noise + (labels * 100).astype(np.uint8)[:, None, None], "y": labels}


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_three_seeds_agree_within_a_factor_of_three(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: str
) -> None:
    """Before it is kept near the usual rate, which would hide that the reading is not robust."""

    class Read(Exception):
        """Enough was seen."""

    def stop(path: Path, content: dict[str, Any]) -> None:
        raise Read(content["curve"])

    monkeypatch.setattr(measure, "write_json", stop)
    settings = {key: value for key, value in QUICK.items() if key not in ("optimizer.rate", "batch.size")}
    settings |= {"optimizer.name": optimizer, "network.arguments": {"width": 16, "blocks": [1, 1]}}
    found = []
    for seed in range(3):
        with pytest.raises(Read) as read:
            st.train(out=tmp_path / str(seed), epochs=40, seed=seed, set={**settings, "execution.cache_bytes": 0})
        curve = [(rate, loss) for rate, loss in read.value.args[0] if loss is not None and math.isfinite(loss)]
        found.append(valley(curve)[1])
    assert max(found) / min(found) < 3, found
