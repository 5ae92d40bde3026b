"""From the plan to the Model: means of weights, parts left out, bodies that are frozen and known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import striate as st
from striate.core.errors import NetworkError, PlanError
from striate.infer import Model
from striate.nets.nodes.dropout import SampleDropout
from tests.e2e.made_photos import QUICK, folder

IDLE: dict[str, Any] = {"augment.flip": "none", "augment.shift": 0.0}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder(tmp_path_factory.mktemp("photos") / "photos", {"dark": 20, "light": 20})


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Path:
    return st.train(photos, out=tmp_path_factory.mktemp("source") / "run", epochs=1, set=QUICK).path


def test_what_is_left_out_in_training_is_in_the_model_and_idle(tmp_path: Path, photos: Path) -> None:
    rates = {"network.dropout": 0.3, "network.channel_dropout": 0.1, "network.stochastic_depth": 0.2, "train.swa": 0.5}
    run = st.train(photos, out=tmp_path / "run", epochs=3, set={**QUICK, **rates})
    assert run.plan["train.ema"] == 0.0
    rows = [json.loads(line) for line in (run.path / "history.jsonl").read_text().splitlines()]
    assert [row.get("averaged") for row in rows] == [None, None, None, 2]
    model = Model.load(run.path / "model")
    modules = list(model.network.modules())
    assert [one.p for one in modules if type(one) is nn.Dropout] == [0.3]
    assert [one.p for one in modules if isinstance(one, nn.Dropout2d)] == [0.1, 0.1]
    assert [one.p for one in modules if isinstance(one, SampleDropout)] == [0.1, 0.2]
    pictures = torch.rand(2, 3, 16, 16)
    assert torch.equal(model.network(pictures), model.network(pictures))


def test_an_averages_average_and_a_network_without_a_place_are_refused(tmp_path: Path, photos: Path) -> None:
    with pytest.raises(PlanError, match="exclude each other"):
        st.train(photos, out=tmp_path / "run", epochs=3, set={**QUICK, "train.swa": 0.5, "train.ema": 0.1})
    settings = {key: QUICK[key] for key in QUICK if key != "network.arguments"}
    with pytest.raises(NetworkError, match=r"network.stochastic_depth: the network 'plain' has no residual blocks"):
        st.plan(photos, model="plain", epochs=3, set={**settings, "network.stochastic_depth": 0.2})


def test_a_frozen_body_is_known_and_gives_the_same_model(
    tmp_path: Path, photos: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {key: QUICK[key] for key in QUICK if "network" not in key}
    settings |= {**IDLE, "transfer.kept_share": 1.0, "transfer.probe": False, "train.ema": 0.2}
    runs = {}
    for cached in (True, False):
        mine = {**settings, "transfer.cached_features": cached}
        runs[cached] = st.train(photos, out=tmp_path / str(cached), weights=source, epochs=4, set=mine)
    for name in ("model/model.safetensors", "history.jsonl", "predictions.csv"):
        assert (runs[True].path / name).read_bytes() == (runs[False].path / name).read_bytes()


def test_the_rule_says_why(photos: Path, source: Path) -> None:
    def decided(**changes: Any) -> Any:
        plan = st.plan(
            photos, weights=source, epochs=4, set={key.replace("__", "."): one for key, one in changes.items()}
        )
        return plan.decisions["transfer.cached_features"]

    learning = decided()
    assert (learning.value, learning.because) == (False, "more than the head learns from the first epoch on")
    altered = decided(transfer__kept_share=1.0)
    assert altered.value is False
    assert "augment.flip" in altered.because
    idle = {key.replace(".", "__"): value for key, value in IDLE.items()}
    kept = decided(transfer__kept_share=1.0, **idle)
    assert kept.value is True
    assert "every epoch" in kept.because
    assert "the first 2 epochs" in decided(transfer__frozen_epochs=2, **idle).because
