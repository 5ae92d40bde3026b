"""SIGKILL at any moment, then resume: the same bits as a run never killed."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.plan.planner import read_plan
from tests.shapes import write_boxes, write_scenes

CHAIN = Path(__file__).with_name("kill_chain.py")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of noisy pictures."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for name, brightness in (("dark", 0), ("light", 60)):
        (folder / name).mkdir()
        for number in range(75):
            pixels = random.integers(brightness, 190 + brightness, (16, 16, 3), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number:03d}.png")
    return folder


def chain(photos: Path, out: Path, workers: int, kills: int, seed: int, epochs: int, network: str = "compact") -> str:
    done = subprocess.run(
        [sys.executable, str(CHAIN), str(photos), str(out), *map(str, (workers, kills, seed, epochs)), network],
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def same(one: Path, other: Path) -> None:
    for name in ("model/model.safetensors", "history.jsonl", "split.csv", "predictions.csv"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    plans = [{key: decision.value for key, decision in read_plan(run / "plan.yaml").items()} for run in (one, other)]
    assert plans[0] == plans[1]  # a because may tell how much memory was free


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_killed_more_than_twenty_times_ends_in_the_same_bits(tmp_path: Path, photos: Path, workers: int) -> None:
    chain(photos, tmp_path / "whole", workers, kills=0, seed=0, epochs=80)
    said = chain(photos, tmp_path / "killed", workers, kills=24, seed=workers, epochs=80)
    assert said.count("killed") >= 20, said
    same(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.parametrize("network", ["compact", pytest.param("cifarnet", marks=pytest.mark.slow)])
def test_a_run_killed_three_times_ends_in_the_same_bits(tmp_path: Path, photos: Path, network: str) -> None:
    chain(photos, tmp_path / "whole", 2, kills=0, seed=0, epochs=20, network=network)
    said = chain(photos, tmp_path / "killed", 0, kills=3, seed=1, epochs=20, network=network)
    assert "killed 3" in said, said
    for name in ("model/model.safetensors", "history.jsonl"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes(), name


@pytest.mark.slow
@pytest.mark.parametrize("network", ["unet", "retinanet"])
def test_a_run_on_masks_or_boxes_killed_six_times_ends_in_the_same_bits(tmp_path: Path, network: str) -> None:
    if network == "unet":
        shapes = write_scenes(tmp_path / "shapes", 24, ((32, 48), (24, 24)))
    else:
        shapes = write_boxes(tmp_path / "shapes", 60, (48, 48))
    chain(shapes, tmp_path / "whole", 0, kills=0, seed=0, epochs=8, network=network)
    said = chain(shapes, tmp_path / "killed", 0, kills=6, seed=1, epochs=8, network=network)
    assert "killed 6" in said, said
    same(tmp_path / "whole", tmp_path / "killed")
