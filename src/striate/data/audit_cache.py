"""An audit found again: that of data of which no file has changed since.

Unchanged means that every file has the size, the times of its last writing and of its last change of any kind, and the
number on its disk that it had; each sample stands where it stood, with the same target; and the same code reads it.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from striate.core.artifacts import read_json, write_json
from striate.core.cache import Cache
from striate.core.errors import CacheError, StriateError
from striate.core.machine import versions
from striate.core.records import Dataset, Mask
from striate.data import (
    anchors,
    audit,
    audit_figures,
    boxes,
    classes,
    decode,
    detail,
    examination,
    likeness,
    looks,
    mask_facts,
    masks,
    naming,
    near,
    oddities,
    orientation,
    outlines,
    store,
    twins,
)
from striate.data.audit import Audit

_FILE = "audit.json"
_CODE = (
    *(anchors, audit, audit_figures, boxes, classes, decode, detail, examination, likeness, looks, naming, near),
    *(orientation, store, twins, mask_facts, masks, outlines),
)


def audit_key(dataset: Dataset, *, search: bool = True) -> str | None:
    """A hash of all that decides an audit, without reading a picture; None for arrays, and where a file is gone.

    Args:
        search: whether near-duplicates are searched for.
    """
    if dataset.arrays:
        return None
    found = hashlib.sha256(
        repr(
            [dataset.task, dataset.target_names, sorted(dataset.left_out), search, sorted(dataset.unpaired.items())]
        ).encode("utf-8", "surrogateescape")
    )
    found.update(repr([versions()[name] for name in ("striate", "numpy", "pillow")]).encode())
    code = [Path(str(module.__file__)) for module in _CODE]
    for path in [*code, *sorted(Path(str(oddities.__file__)).parent.glob("*.py"))]:
        found.update(path.read_bytes())
    found.update(repr(oddities.ODDITIES.names()).encode())  # those of plug-ins too
    seen: set[str] = set()
    for sample in dataset.samples:
        found.update(repr(sample).encode("utf-8", "surrogateescape"))
        for source in (*sample.sources, *(sample.target.sources if isinstance(sample.target, Mask) else ())):
            if source.path in seen:
                continue
            seen.add(source.path)
            try:
                status = os.stat(source.path)
            except OSError:
                return None  # the audit will say so
            state = status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev
            found.update(repr(state).encode())
    return found.hexdigest()[:40]


def find_audit(key: str, cache: Cache) -> Audit | None:
    """The audit that was kept under a key; None where there is none, or what is there is damaged."""
    folder = cache.find(key)
    if folder is None:
        return None
    try:
        content = read_json(folder / _FILE)
        sides = {key: (height, width) for key, (height, width) in content["sides"].items()}
        return replace(Audit.from_dict(content["audit"]), hashes=content["hashes"], sides=sides)
    except (StriateError, OSError, KeyError, TypeError, ValueError):
        cache.drop(key)  # made anew
        return None


def keep_audit(key: str, found: Audit, cache: Cache) -> str | None:
    """Keep an audit, unless it quarantined a sample: what could not be read today may be read tomorrow.

    Nor one that ran out of time before all pictures were compared.

    Returns:
        why it cannot be kept, or None.
    """
    if found.quarantined or found.near.missed:
        return None
    content: dict[str, Any] = {"audit": found.to_dict(), "hashes": dict(found.hashes), "sides": dict(found.sides)}
    size = sum(2 * len(name) + len(value) + 40 for name, value in found.hashes.items()) + 2**16
    try:
        cache.drop(key)
        cache.keep(key, size, lambda folder: write_json(folder / _FILE, content))
    except CacheError as error:
        return error.message
    return None
