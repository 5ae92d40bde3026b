"""What only a CUDA device can show: the same steps, bits and predictions as elsewhere. Skipped where there is none."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

import striate as st
from striate.core.errors import Interrupted, NonFinite
from striate.core.events import Silent
from striate.data.augment import AUGMENTATIONS, Augmenter, ImageAugmentation
from striate.nets import build, resolve
from striate.train import graphs
from striate.train.graphs import Replayed
from striate.train.loop import fit
from striate.train.state import State
from striate.train.step import train_step
from striate.workflows.bench import bench
from tests.made_data import Listener
from tests.train.test_loop import StopAt
from tests.train.toy import SIDE, bits, toy_recipe, toy_run, toy_state

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")

WAYS: list[dict[str, Any]] = [
    {},
    {"execution__precision": "bfloat16", "execution__channels_last": True},
    {"execution__graphed": True, "batch__accumulate": 1},
    {
        "execution__graphed": True,
        "batch__accumulate": 1,
        "execution__precision": "bfloat16",
        "execution__channels_last": True,
        "train__start_size": 0.5,
        "transfer__frozen_epochs": 1,
    },
]


@pytest.fixture(autouse=True)
def _exact() -> Any:
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        yield


def trained(path: Path, **changes: Any) -> State:
    recipe = toy_recipe(execution__device="cuda", **changes)
    state = toy_state(recipe)
    fit(state, recipe, toy_run(path), Silent())
    return state


@pytest.mark.parametrize("changes", WAYS)
def test_a_run_cut_short_goes_on_to_the_same_bits(tmp_path: Path, changes: dict[str, Any]) -> None:
    whole, again = trained(tmp_path / "whole", **changes), trained(tmp_path / "again", **changes)
    assert bits(whole) == bits(again)
    recipe = toy_recipe(execution__device="cuda", **changes)
    run = toy_run(tmp_path / "cut")
    with pytest.raises(Interrupted):
        fit(toy_state(recipe), recipe, run, StopAt(6))
    state = toy_state(recipe)
    fit(state, recipe, run, Silent())
    assert bits(state) == bits(whole)


def test_graphs_compute_what_single_kernels_do(tmp_path: Path) -> None:
    plain = trained(tmp_path / "plain", batch__accumulate=1)
    graphed = trained(tmp_path / "graphed", batch__accumulate=1, execution__graphed=True)
    (replay,) = graphed.replays.values()
    assert replay.refused is None
    assert bits(plain) == bits(graphed)


def test_the_processor_gets_the_same_losses() -> None:
    found = []
    for device in ("cpu", "cuda"):
        recipe = toy_recipe(execution__device=device)
        state = toy_state(recipe)
        for module in state.networks["network"].modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0  # devices draw other numbers
        recipe.set_learning(state.networks["network"], 0)
        found.append([train_step(state, recipe, batch) for batch in recipe.batches.epoch(0)])
    assert len(found[0]) == 4
    np.testing.assert_allclose(found[1], found[0], rtol=2e-3)


def test_a_network_that_cannot_be_recorded_is_computed_as_ever() -> None:
    class Asking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3 * SIDE * SIDE, 3)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.layer(images.flatten(1))
            return found / max(1.0, float(found.detach().norm()))  # waits for the device, which no graph can

    network = Asking().cuda()
    replay = Replayed(network, low=False)
    images = torch.randn(4, 3, SIDE, SIDE, device="cuda")
    torch.testing.assert_close(replay(images), network(images))
    assert replay.refused
    replay(images).sum().backward()
    assert network.layer.weight.grad is not None


def test_auxiliary_heads_are_not_recorded() -> None:
    spec = resolve("googlenet", outputs=3, channels=3, height=64, width=64, arguments={"auxiliary": True})
    assert "auxiliary" in str(Replayed(build(spec), low=False).refused)


def test_no_more_graphs_are_kept_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "KEPT", 1)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).cuda()
    replay = Replayed(network, low=True)
    for side in (8, 9):
        images = torch.randn(2, 3, side, side, device="cuda")
        with torch.autocast("cuda", torch.bfloat16):
            assert replay(images).shape == (2, 4, side - 2, side - 2)
    assert len(replay._graphs) == 1
    network[1].eval()
    replay.refresh()
    assert not replay._graphs


def test_augmentations_do_on_the_device_what_they_do_on_the_processor() -> None:
    settings: dict[str, dict[str, Any]] = {
        "shift": {"shift": 0.2},
        "flip": {"flip": "both"},
        "affine": {"rotate": 20.0, "scale": 0.2},
        "color": {"color": 0.4},
        "crop": {"crop": 0.3},
        "shear": {"shear": 20.0},
        "perspective": {"perspective": 0.4},
        "gamma": {"gamma": 0.5},
        "hue": {"hue": 0.3, "grey": 0.2},
        "blur": {"blur": 0.05},
        "noise": {"noise": 0.1},
        "erase": {"erase": 0.3},
        "elastic": {"elastic": 0.05},
        "jpeg": {"jpeg": 60},
        "policy": {"policy": "randaugment"},
    }
    assert set(settings) == {name for name, one in AUGMENTATIONS.items() if isinstance(one, ImageAugmentation)}
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (8, 3, 40, 36), np.uint8))
    smooth = torch.nn.functional.avg_pool2d(pixels.float(), 5, 1, 2).to(torch.uint8)
    ids = np.arange(8)
    for name, one in settings.items():
        augment = Augmenter(one, 3, (32, 28))
        for size in (None, (24, 24)):
            here = augment.images(smooth, ids, 2, size).float()
            there = augment.images(smooth.cuda(), ids, 2, size).float().cpu()
            apart = (here - there).abs()
            rounds = name in ("jpeg", "policy")  # where a last bit can become a step
            assert rounds or apart.max() <= (0.1 if size is None else 2.5), (name, size, apart.max())
            assert apart.mean() <= 0.3


def test_boxes_follow_on_the_device_as_on_the_processor() -> None:
    random = np.random.default_rng(0)
    pixels = torch.from_numpy(random.integers(0, 256, (8, 3, 40, 36), np.uint8))
    targets = torch.zeros(8, 6, 7)
    corners = np.sort(random.random((8, 5, 2, 2)) * [32, 28], axis=2).reshape(8, 5, 4)
    targets[:, 1:, :4] = torch.from_numpy(corners[..., [1, 0, 3, 2]])
    moving = {"flip": "both", "shift": 0.2, "crop": 0.5, "rotate": 20.0, "scale": 0.3, "shear": 10.0}
    augment = Augmenter({**moving, "perspective": 0.3, "mosaic": 0.5}, 3, (32, 28), fill=(10.0, 20.0, 30.0))
    for epoch in range(4):
        here, boxes = augment.with_boxes(pixels, targets, np.arange(8), epoch, 1)
        there, others = augment.with_boxes(pixels.cuda(), targets.cuda(), np.arange(8), epoch, 1)
        assert others.is_cuda
        torch.testing.assert_close(boxes, others.cpu(), atol=1e-3, rtol=0)
        assert (here - there.cpu()).abs().mean() < 0.1


def test_digits_train_and_their_model_predicts_the_same_on_the_processor(tmp_path: Path) -> None:
    run = st.train(out=tmp_path / "run", device="cuda")
    assert run.metrics["test"]["accuracy"] >= 0.975
    assert run.plan["execution.device"] == "cuda"
    assert isinstance(run.plan["execution.graphed"], bool)
    digits = load_digits()
    pictures = [(image * 16).clip(0, 255).astype(np.uint8) for image in digits.images[:50]]
    found = [int(one.label) for one in st.load(run.path).predict(pictures)]
    assert np.mean(np.array(found) == digits.target[:50]) > 0.95


def test_memory_that_runs_out_halves_the_parts(tmp_path: Path) -> None:
    recipe = toy_recipe(execution__device="cuda", batch__accumulate=1, execution__graphed=True)
    state, said = toy_state(recipe), Listener()
    kept = train_step

    def short(state: State, recipe: Any, batch: Any) -> float:
        if state.counters.step == 3 and state.counters.accumulate == 1:
            torch.empty(2**50, dtype=torch.uint8, device="cuda")
        return kept(state, recipe, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("striate.train.loop.train_step", short)
        fit(state, recipe, toy_run(tmp_path), said)
    assert state.counters.accumulate == 2
    assert any("memory ran out" in line for line in said.warnings)
    assert not state.replays


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_a_figure_that_is_not_finite_stops_before_any_weight_moves(name: str) -> None:
    recipe = toy_recipe(execution__device="cuda", optimizer__name=name, batch__accumulate=1)
    state = toy_state(recipe)
    recipe.set_learning(state.networks["network"], 0)
    first, second, *_ = recipe.batches.epoch(0)
    train_step(state, recipe, first)
    network = state.networks["network"]
    before = {key: one.clone() for key, one in network.named_parameters()}
    mean = {key: one.clone() for key, one in state.averages["network"].network.named_parameters()}
    with pytest.raises(NonFinite, match="toy/"):
        train_step(state, recipe, replace(second, images=second.images.float() * float("nan")))
    assert all(torch.equal(one, before[key]) for key, one in network.named_parameters())
    assert all(torch.equal(one, mean[key]) for key, one in state.averages["network"].network.named_parameters())
    assert state.counters.step == 1


def test_the_machine_is_measured() -> None:
    found = bench("resnet18", 64, 32, "cuda", Silent())
    assert found.device == "cuda"
    assert found.products["bfloat16"] > 1e13
    assert any("graphed" in way for way in found.training)
