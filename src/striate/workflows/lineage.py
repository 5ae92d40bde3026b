"""What weights have learnt from: the samples of the Run that they come from and of those before it, by their pixels.

A Run that goes on from another one's weights would else be tested on pictures that these have seen.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from striate.core.artifacts import write_csv
from striate.core.records import SPLITS
from striate.core.run import RunFolder
from striate.data.audit import Audit
from striate.data.met_before import MET
from striate.data.split import SplitTable

_HEADER, _DIGITS = ("key", "pixels", "split"), 32
"""Of a SHA-256, so many digits tell pictures apart."""


def known_fates(asked: str | Sequence[str] | None, audit: Audit) -> dict[str, str]:
    """The splits that samples were in where weights come from, by today's keys: train before val before test.

    A sample is known by its pixels, whatever its file is called by now; by its key where a Run was begun before the
    pixels were kept.

    Args:
        asked: a file, a Run, a Model's folder, "hub", "none" or None; or several.
        audit: of the data that is to be split.
    """
    paths = [asked] if isinstance(asked, str) else [*(asked or ())]
    found: dict[str, str] = {}
    for run in filter(None, map(_run_of, paths)):
        by_pixels, by_key = _fates(run)
        for key, digest in audit.hashes.items():
            fate = by_pixels.get(digest[:_DIGITS]) or by_key.get(key)
            if fate is not None:
                found[key] = _first(found.get(key, fate), fate)
    return found


def keep_lineage(run: RunFolder, split: SplitTable, audit: Audit, asked: str | Sequence[str] | None) -> None:
    """Write `learnt.csv`: the samples of each split by their pixels, and those of the Runs that weights come from."""
    paths = [asked] if isinstance(asked, str) else [*(asked or ())]
    rows: dict[str, tuple[str, str]] = {}
    for before in filter(None, map(_run_of, paths)):
        for digest, fate in _fates(before)[0].items():
            rows[digest] = "", _first(rows.get(digest, ("", fate))[1], fate)
    for key, digest in sorted(audit.hashes.items()):
        if (fate := split.fates[key]) in SPLITS:
            short = digest[:_DIGITS]
            rows[short] = key, _first(rows.get(short, ("", fate))[1], fate)
    write_csv(run.learnt, _HEADER, ((key, digest, fate) for digest, (key, fate) in rows.items()))


def met_before(split: SplitTable) -> list[str]:
    """What is said where given splits hold samples that the weights had learnt from."""
    sentences = []
    for part, use in (("test", "its score says too much"), ("val", "what it chooses is chosen too kindly")):
        keys = split.keys(part)
        met = sum(split.reasons.get(key, "").endswith(MET) for key in keys)
        if met:
            sentences.append(
                f"The weights that training began with had learnt from {met} of the {len(keys)} given {part} samples, "
                f"or from equal ones or others of their groups: {use} of new ones."
            )
    return sentences


def _run_of(path: str) -> RunFolder | None:
    """The Run that weights are of; None of a file."""
    if path in ("hub", "none"):
        return None
    given = Path(path)
    for folder in (given, *given.parents[:2]):  # of a Run, of its Model, or of the file in that
        run = RunFolder(folder)
        if (folder == given or given.is_relative_to(run.model)) and run.environment.exists() and run.split.exists():
            return run
    return None


def _fates(run: RunFolder) -> tuple[dict[str, str], dict[str, str]]:
    """What became of a Run's samples, by their pixels; and by their keys, of a Run that has no pixels."""
    if run.learnt.exists():
        return {row["pixels"]: row["split"] for row in _rows(run.learnt)}, {}
    return {}, {row["key"]: row["split"] for row in _rows(run.split) if row["split"] in SPLITS}


def _rows(path: Path) -> list[Mapping[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8", "surrogateescape"), newline="")))


def _first(one: str, other: str) -> str:
    return min(one, other, key=SPLITS.index)
