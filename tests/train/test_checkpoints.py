import contextlib
import errno
import os
import shutil
from pathlib import Path

import pytest

from striate.core import artifacts
from striate.core.errors import CheckpointError, DiskFull
from striate.core.events import Silent
from striate.train.checkpoints import find_fault, list_checkpoints, load_checkpoint, load_newest, save_checkpoint
from striate.train.step import train_step
from tests.made_data import Listener
from tests.train.toy import bits, toy_recipe, toy_state

PARTS = ("model.safetensors", "optimizer.safetensors", "state.json", "MANIFEST.json")


@pytest.fixture(scope="module")
def recipe():
    return toy_recipe()


def stepped(recipe, steps: int):
    state = toy_state(recipe)
    for _, batch in zip(range(steps), recipe.batches.epoch(0), strict=False):
        train_step(state, recipe, batch)
    return state


@pytest.mark.parametrize("name", ["sgd", "adamw"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_a_checkpoint_restores_every_bit_and_layout(tmp_path: Path, name: str, channels_last: bool) -> None:
    recipe = toy_recipe(optimizer__name=name, execution__channels_last=channels_last)
    state = stepped(recipe, 2)
    save_checkpoint(tmp_path, state)
    other = toy_state(recipe)
    load_newest(tmp_path, other, Silent())
    assert bits(other) == bits(state)
    for key, tensor in state.optimizer_tensors().items():
        same = other.optimizer_tensors()[key]
        assert same.stride() == tensor.stride()
        assert same.equal(tensor)
    assert other.counters == state.counters


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("harm", ["truncate", "flip", "remove", "empty"])
def test_a_damaged_checkpoint_is_passed_over_and_said(tmp_path: Path, recipe, part: str, harm: str) -> None:
    first = stepped(recipe, 1)
    save_checkpoint(tmp_path, first)
    newest = save_checkpoint(tmp_path, stepped(recipe, 2)) / part
    content = bytearray(newest.read_bytes())
    if harm == "truncate":
        newest.write_bytes(content[:-5])
    elif harm == "flip":
        content[len(content) // 2] ^= 1
        newest.write_bytes(content)
    elif harm == "empty":
        newest.write_bytes(b"")
    else:
        newest.unlink()
    state, said = toy_state(recipe), Listener()
    assert load_newest(tmp_path, state, said).name == "step-00000001"
    assert bits(state) == bits(first)
    assert len(said.warnings) == 1
    assert "step-00000002 is damaged" in said.warnings[0]


def test_no_whole_checkpoint_is_an_error(tmp_path: Path, recipe) -> None:
    path = save_checkpoint(tmp_path, stepped(recipe, 1))
    (path / "MANIFEST.json").unlink()
    with pytest.raises(CheckpointError, match="none of the checkpoints"):
        load_newest(tmp_path, toy_state(recipe), Silent())


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path, recipe) -> None:
    state = stepped(recipe, 1)
    save_checkpoint(tmp_path, state)
    other = toy_state(toy_recipe(train__ema=0.0))
    with pytest.raises(CheckpointError, match="another network"):
        load_newest(tmp_path, other, Silent())


def test_a_checkpoint_of_another_version_is_refused(tmp_path: Path, recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    from striate.train import checkpoints

    monkeypatch.setattr(checkpoints, "FORMAT", 99)
    path = save_checkpoint(tmp_path, stepped(recipe, 1))
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="version 99"):
        load_checkpoint(path, toy_state(recipe))


def test_the_last_two_and_the_best_are_kept(tmp_path: Path, recipe) -> None:
    state = toy_state(recipe)
    for step in range(6):
        state.counters.step = step
        if step == 1:
            state.counters.best, state.counters.best_step = 0.5, 1
        save_checkpoint(tmp_path, state)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-00000005", "step-00000004", "step-00000001"]


def test_steps_are_ordered_as_numbers(tmp_path: Path) -> None:
    for name in ("step-99999999", "step-100000000", "step-00000002"):
        (tmp_path / name).mkdir()
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-100000000", "step-99999999", "step-00000002"]


class Killed(BaseException):
    """Stands for a process that ends here: nothing after it runs, not even clean-up that catches errors."""


@pytest.mark.parametrize("again", [False, True], ids=["new step", "same step"])
def test_a_kill_at_any_write_of_a_save_leaves_a_whole_checkpoint(
    tmp_path: Path, recipe, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    """Every call that changes the disk during a save is made the last one, in turn."""
    calls = ["replace", "rename", "fsync", "mkdir", "unlink", "rmdir"]
    reached, at = True, 0
    while reached:
        folder = tmp_path / str(at)
        first = stepped(recipe, 1)
        save_checkpoint(folder, first)
        second = stepped(recipe, 1 if again else 2)
        second.counters.rows = 7
        reached, seen = False, 0

        def dying(name: str, real):
            def call(*arguments, **options):
                nonlocal seen, reached
                seen += 1
                if seen == at + 1:  # noqa: B023
                    reached = True
                    raise Killed(name)
                return real(*arguments, **options)

            return call

        with monkeypatch.context() as patch:
            for name in calls:
                patch.setattr(os, name, dying(name, getattr(os, name)))
            with contextlib.suppress(Killed):  # the process is gone; a new one looks at what it left
                save_checkpoint(folder, second)
        state = toy_state(recipe)
        assert load_newest(folder, state, Silent()) is not None
        assert bits(state) in (bits(first), bits(second))
        save_checkpoint(folder, second)
        assert find_fault(list_checkpoints(folder)[0]) is None
        at += 1
    assert at > 12


def test_a_full_disk_is_said_and_the_older_checkpoint_stands(
    tmp_path: Path, recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = stepped(recipe, 1)
    save_checkpoint(tmp_path, first)

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(artifacts.os, "fsync", full)
    with pytest.raises(DiskFull, match="full"):
        save_checkpoint(tmp_path, stepped(recipe, 2))
    monkeypatch.undo()
    state = toy_state(recipe)
    load_newest(tmp_path, state, Silent())
    assert bits(state) == bits(first)
    assert not list(tmp_path.glob(".step*"))


def test_a_really_full_disk(tmp_path: Path, recipe) -> None:
    place = tmp_path / "small"
    place.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small disk needs root")
    if os.system(f"mount -t tmpfs -o size=400k tmpfs {place} 2>/dev/null"):
        pytest.skip("this machine does not let a test mount a small disk")
    try:
        first = stepped(recipe, 1)
        save_checkpoint(place / "checkpoints", first)
        free = shutil.disk_usage(place).free
        (place / "ballast").write_bytes(bytes(free - 8_000))
        with pytest.raises(DiskFull):
            save_checkpoint(place / "checkpoints", stepped(recipe, 2))
        assert load_newest(place / "checkpoints", toy_state(recipe), Silent()) is not None
    finally:
        os.system(f"umount {place}")
