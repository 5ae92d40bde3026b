"""The loop is held equal to its plain-torch twin to the bit: same losses, same weights."""

import importlib.util
from pathlib import Path

import torch

from striate.core.events import Silent
from striate.train import loop
from striate.train.loop import fit
from tests.train.toy import CLASSES, bits, toy_dataset, toy_networks, toy_recipe, toy_run, toy_state

TWIN = Path(__file__).parents[2] / "examples" / "one_file.py"


def test_the_plain_torch_twin_gives_the_same_bits(tmp_path: Path, monkeypatch) -> None:
    off = {"augment__flip": "none", "augment__mixup": 0.0}
    off |= {f"augment__{name}": 0.0 for name in ("shift", "rotate", "scale", "color")}
    recipe = toy_recipe(transfer__stem_rate=1.0, optimizer__clip=5.0, **off)
    losses: list[float] = []
    real = loop.train_step

    def listening(*arguments):
        losses.append(real(*arguments))
        return losses[-1]

    monkeypatch.setattr(loop, "train_step", listening)
    state = toy_state(recipe)
    recipe_last = type(recipe)(
        recipe.plan, recipe.task, recipe.batches, recipe.keys, recipe.normalize, lambda _: {}
    )  # without validation the last weights are taken, as in the twin
    fit(state, recipe_last, toy_run(tmp_path / "run"), Silent())

    spec = importlib.util.spec_from_file_location("one_file", TWIN)
    twin = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(twin)
    dataset = toy_dataset()
    network, expected = twin.train(
        torch.from_numpy(dataset.arrays["toy"]).permute(0, 3, 1, 2).contiguous(),
        torch.tensor([CLASSES.index(sample.target.name) for sample in dataset.samples]),
        toy_networks(recipe)["network"],
        normalize=recipe.normalize,
        epochs=3,
        batch_size=16,
        rate=0.05,
        seed=5,
        clip=5.0,
        accumulate=2,
        ema=0.2,
    )
    assert losses == expected
    own = {name.removeprefix("average/network/"): value for name, value in bits(state).items() if "average" in name}
    assert own == {name: tensor.contiguous().numpy().tobytes() for name, tensor in network.state_dict().items()}
