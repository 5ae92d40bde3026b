"""Tensors on disk: safetensors, with the memory layouts and ties that safetensors does not keep."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open

from striate.core.artifacts import write_bytes
from striate.core.errors import WeightsError

_RECORD = "striate"  # one key alone: safetensors writes several in a random order, and equal weights differ in bytes


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write tensors, whole or not at all, recording which are channels-last and which share their memory.

    safetensors refuses both; fused optimizers step wrongly on weights that come back in another layout.
    """
    write_bytes(path, pack_tensors(tensors))


def pack_tensors(tensors: Mapping[str, torch.Tensor]) -> bytes:
    """The bytes that `write_tensors` writes."""
    stored: dict[str, torch.Tensor] = {}
    first: dict[tuple[object, ...], str] = {}
    ties: dict[str, str] = {}
    layouts: list[str] = []
    for name, tensor in tensors.items():
        # Taken before the copy to main memory, whose address the next copy may be given again.
        identity = (tensor.device, tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
        tensor = tensor.detach().cpu()
        if tensor.numel() and first.setdefault(identity, name) != name:
            ties[name] = first[identity]
            continue
        if is_channels_last(tensor):
            layouts.append(name)
        stored[name] = tensor.contiguous().clone()
    record = json.dumps({"channels_last": layouts, "ties": ties})
    return bytes(safetensors.torch.save(stored, {_RECORD: record}))


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read tensors back in the layouts and with the ties they were written with.

    Raises:
        WeightsError: the file is missing, truncated, or not safetensors.
    """
    try:
        with safe_open(path, framework="pt") as file:
            record = json.loads((file.metadata() or {}).get(_RECORD, "{}"))
            tensors: dict[str, torch.Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise WeightsError(f"{path} does not exist") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path} is not a whole safetensors file: {error}") from error
    for name in record.get("channels_last", []):
        tensors[name] = tensors[name].contiguous(memory_format=torch.channels_last)
    for name, same in record.get("ties", {}).items():
        tensors[name] = tensors[same]
    return tensors


def is_channels_last(tensor: torch.Tensor) -> bool:
    """Whether a 4-D tensor is laid out channels-last and not also contiguous."""
    return tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last) and not tensor.is_contiguous()
