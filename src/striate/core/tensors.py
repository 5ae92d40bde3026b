"""Tensors on disk: safetensors, with the memory layouts and ties that safetensors does not keep."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from striate.core.artifacts import write_parts
from striate.core.errors import WeightsError

_RECORD = "striate"
_TYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint64: "U64",
    torch.uint32: "U32",
    torch.uint16: "U16",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor]) -> str:
    """Write tensors, whole or not at all, recording which are channels-last and which share their memory.

    safetensors refuses both; fused optimizers step wrongly on weights that come back in another layout. One tensor
    after another is written, so that no second copy of them all is ever in memory.

    Returns:
        the SHA-256 of the file, in hexadecimal.

    Raises:
        DiskFull: no room; what stood there before still stands.
        WeightsError: a tensor is of a type that is not written, such as complex numbers.
    """
    stored, record = _untied(tensors)
    header: dict[str, object] = {"__metadata__": {_RECORD: json.dumps(record)}}
    size = 0
    for name, tensor in stored.items():
        if tensor.dtype not in _TYPES:
            raise WeightsError(f"weights of {tensor.dtype} are not written, which {name!r} is of", fix="convert it")
        end = size + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": _TYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [size, end]}
        size = end
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    digest = hashlib.sha256()

    def parts() -> Iterator[bytes | memoryview]:
        yield len(encoded).to_bytes(8, "little") + encoded
        yield from map(_content, stored.values())

    def hashed() -> Iterator[bytes | memoryview]:
        for part in parts():
            digest.update(part)
            yield part

    write_parts(path, hashed(), 8 + len(encoded) + size)
    return digest.hexdigest()


def _untied(tensors: Mapping[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The tensors that do not share their memory with one before, the wider numbers first, and what a file records."""
    first: dict[tuple[object, ...], str] = {}
    ties: dict[str, str] = {}
    for name, tensor in tensors.items():
        identity = (tensor.device, tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
        if tensor.numel() and first.setdefault(identity, name) != name:
            ties[name] = first[identity]
    layouts = [name for name, tensor in tensors.items() if name not in ties and is_channels_last(tensor)]
    names = sorted(tensors.keys() - ties.keys(), key=lambda name: (-tensors[name].element_size(), name))
    return {name: tensors[name].detach() for name in names}, {"channels_last": layouts, "ties": ties}


def _content(tensor: torch.Tensor) -> memoryview:
    """The bytes of a tensor, its last axis innermost."""
    return tensor.cpu().contiguous().flatten().view(torch.uint8).numpy().data


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
