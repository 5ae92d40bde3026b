"""Tensors come back with their values, layouts and ties, or not at all."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from striate.core.artifacts import sha256
from striate.core.errors import WeightsError
from striate.core.tensors import _TYPES, is_channels_last, read_tensors, write_tensors

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int64, torch.uint8, torch.bool]


@pytest.mark.parametrize("dtype", DTYPES)
def test_round_trip_keeps_bits_and_type(tmp_path: Path, dtype: torch.dtype) -> None:
    tensors = {
        "matrix": (torch.randn(3, 5, generator=torch.Generator().manual_seed(0)) * 9).to(dtype),
        "scalar": torch.tensor(3).to(dtype),
        "empty": torch.zeros(0, 4, dtype=dtype),
    }
    write_tensors(tmp_path / "t.safetensors", tensors)
    found = read_tensors(tmp_path / "t.safetensors")
    assert set(found) == set(tensors)
    for name, tensor in tensors.items():
        assert found[name].dtype == dtype
        assert found[name].shape == tensor.shape
        assert torch.equal(found[name], tensor)


def test_channels_last_comes_back_channels_last(tmp_path: Path) -> None:
    plain = torch.randn(4, 3, 5, 5)
    tensors = {"last": plain.contiguous(memory_format=torch.channels_last), "first": plain}
    write_tensors(tmp_path / "t.safetensors", tensors)
    found = read_tensors(tmp_path / "t.safetensors")
    assert is_channels_last(found["last"])
    assert found["last"].stride() == tensors["last"].stride()
    assert found["first"].stride() == plain.stride()
    assert torch.equal(found["last"], plain)
    assert torch.equal(found["first"], plain)


def test_a_layout_that_is_both_is_not_called_channels_last() -> None:
    assert not is_channels_last(torch.zeros(4, 1, 5, 5).contiguous(memory_format=torch.channels_last))
    assert not is_channels_last(torch.zeros(3, 5))


def test_fused_steps_after_a_round_trip_equal_steps_without_one(tmp_path: Path) -> None:
    """The reason for the record: fused optimizers step wrongly on state in another layout than its weights."""

    def steps(network: nn.Module, optimizer: torch.optim.Optimizer, first: int, last: int) -> None:
        for number in range(first, last):
            images = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(number))
            optimizer.zero_grad()
            network(images).square().mean().backward()
            optimizer.step()

    def fresh() -> tuple[nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(0)
        network = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return network, torch.optim.AdamW(network.parameters(), lr=0.1, fused=True)

    through, optimizer = fresh()
    steps(through, optimizer, 0, 6)
    before, optimizer = fresh()
    steps(before, optimizer, 0, 3)
    write_tensors(tmp_path / "w.safetensors", before.state_dict())
    slots = optimizer.state_dict()["state"]
    state = {f"{name}.{index}": value for index, values in slots.items() for name, value in values.items()}
    write_tensors(tmp_path / "o.safetensors", state)
    after, optimizer = fresh()
    weights, saved = read_tensors(tmp_path / "w.safetensors"), read_tensors(tmp_path / "o.safetensors")
    for name, parameter in after.named_parameters():
        parameter.data = weights[name]
    blank = optimizer.state_dict()
    blank["state"] = {
        index: {name.split(".")[0]: value for name, value in saved.items() if name.endswith(f".{index}")}
        for index in range(2)
    }
    optimizer.load_state_dict(blank)
    steps(after, optimizer, 3, 6)
    for one, other in zip(through.parameters(), after.parameters(), strict=True):
        assert torch.equal(one, other)


def test_ties_are_stored_once_and_come_back_tied(tmp_path: Path) -> None:
    network = nn.Sequential(OrderedDict(embed=nn.Linear(7, 7, bias=False), head=nn.Linear(7, 7, bias=False)))
    network.head.weight = network.embed.weight
    write_tensors(tmp_path / "t.safetensors", network.state_dict())
    found = read_tensors(tmp_path / "t.safetensors")
    assert set(found) == {"embed.weight", "head.weight"}
    assert found["embed.weight"].data_ptr() == found["head.weight"].data_ptr()
    assert (tmp_path / "t.safetensors").stat().st_size < 2 * 7 * 7 * 4 + 200


def test_a_transposed_view_is_no_tie(tmp_path: Path) -> None:
    square = torch.arange(9.0).reshape(3, 3)
    write_tensors(tmp_path / "t.safetensors", {"whole": square, "turned": square.t(), "part": square[:2]})
    found = read_tensors(tmp_path / "t.safetensors")
    assert torch.equal(found["turned"], square.t())
    assert torch.equal(found["whole"], square)
    assert torch.equal(found["part"], square[:2])


def test_copies_from_a_device_are_not_taken_for_ties(tmp_path: Path) -> None:
    """Main memory freed by one tensor's copy and taken by the next one's has the same address; that is no tie."""

    class Far(torch.Tensor):
        def detach(self) -> Far:
            return self

        def cpu(self, memory_format: torch.memory_format = torch.preserve_format) -> torch.Tensor:
            return self.clone().as_subclass(torch.Tensor)

    tensors = {str(number): torch.full((1000,), float(number)).as_subclass(Far) for number in range(6)}
    write_tensors(tmp_path / "t.safetensors", tensors)
    found = read_tensors(tmp_path / "t.safetensors")
    assert {name: float(tensor[0]) for name, tensor in found.items()} == {name: float(name) for name in tensors}


def test_equal_tensors_give_equal_bytes(tmp_path: Path) -> None:
    """So that the hash of a weights file says whether two trainings ended equal."""
    last = torch.ones(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)
    tensors = {"b": torch.ones(2), "a": torch.zeros(3), "last": last, "tied": last}
    for number, names in enumerate(itertools.permutations(tensors)):
        write_tensors(tmp_path / str(number), {name: tensors[name] for name in names if name != "tied"})
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


def test_every_type_is_what_safetensors_reads(tmp_path: Path) -> None:
    draws = torch.Generator().manual_seed(0)
    numbers = torch.randint(0, 2, (3, 2, 5, 4), generator=draws)
    tensors = {str(dtype): numbers.to(dtype) for dtype in _TYPES}
    tensors |= {"scalar": torch.tensor(7), "none": torch.zeros(0, 3), "part": torch.arange(20.0).view(4, 5)[1:3, ::2]}
    digest = write_tensors(tmp_path / "t.safetensors", tensors)
    found = load_file(tmp_path / "t.safetensors")
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        assert found[name].tolist() == tensor.tolist()
    assert digest == sha256(tmp_path / "t.safetensors")


def test_a_type_that_is_not_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="complex64 are not written, which 'wave' is of"):
        write_tensors(tmp_path / "t.safetensors", {"wave": torch.zeros(2, dtype=torch.complex64)})
    assert not list(tmp_path.iterdir())


def test_gradients_are_not_asked_for(tmp_path: Path) -> None:
    write_tensors(tmp_path / "t.safetensors", {"w": nn.Parameter(torch.ones(2))})
    assert not read_tensors(tmp_path / "t.safetensors")["w"].requires_grad


@pytest.mark.parametrize("keep", [0, 4, 60, -1])
def test_a_truncated_file_is_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "t.safetensors"
    write_tensors(path, {"w": torch.ones(100)})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(WeightsError, match="not a whole safetensors file"):
        read_tensors(path)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="does not exist"):
        read_tensors(tmp_path / "none.safetensors")
