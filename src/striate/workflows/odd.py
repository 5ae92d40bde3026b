"""The samples that the findings of an audit name, drawn, so that they can be judged by eye."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from striate.core.artifacts import make_folder, write_bytes
from striate.core.records import Dataset
from striate.data.oddities import Oddity
from striate.data.store import Store
from striate.workflows.alike import small

SECTION = "finding: "
"""Before a finding's name, the section of its figures."""
DRAWN = 6
"""Samples of a finding."""

_QUALITY = 80
_GROUND = 128.0  # beside which black bars and white ones are seen


def draw_findings(
    folder: Path, dataset: Dataset, findings: Sequence[Oddity], full_scale: float
) -> list[dict[str, str]]:
    """Draw the samples that findings name; about 4 kB each, and one that several name once.

    Args:
        folder: where the pictures are written.
        full_scale: the value in pictures of more than 8 bits that means white.

    Returns:
        entries for `figures/index.json`.

    Raises:
        DataError: a picture is no longer there.
    """
    wanted = {key for one in findings for key in one.samples[:DRAWN]}
    if not wanted:
        return []
    make_folder(folder)
    store = Store(dataset.arrays)
    files: dict[str, str] = {}
    for sample in dataset.samples:
        if sample.key in wanted:
            buffer = io.BytesIO()
            small(store, sample, full_scale, _GROUND).save(buffer, "JPEG", quality=_QUALITY)
            files[sample.key] = f"odd-{len(files) + 1:02}.jpg"
            write_bytes(folder / files[sample.key], buffer.getvalue())
    return [
        {"file": files[key], "caption": key, "section": f"{SECTION}{one.name}"}
        for one in findings
        for key in one.samples[:DRAWN]
    ]
