"""Every score of the held-out samples, `scores.npz`: what metrics need that ask for more than the decision.

`predictions.csv` says of each sample what was decided and how likely the truth was held; areas under curves, the Brier
score or the calibration error need what was given for every class. Rows are those of `predictions.csv`, split by split.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.core.artifacts import write_bytes
from striate.core.errors import RunError
from striate.core.records import TargetKind
from striate.core.run import RunFolder
from striate.metrics.log_loss import CLIP
from striate.tasks import Task
from striate.workflows.request import array_bytes

MOST_BYTES = 2**28
"""Of all scores that are kept, 268 MB: the test of 50,000 samples of 1,000 classes, which takes 200 MB, has room."""
_FIRST = ("test", "val")


@dataclass(frozen=True)
class Kept:
    """What a network gave for a split.

    Args:
        classes: of the columns.
        scores: probabilities, (N, K), in the order of `predictions.csv`.
    """

    classes: tuple[str, ...]
    scores: NDArray[np.float32]


def write_scores(run: RunFolder, task: Task, scores: Mapping[str, NDArray[Any]]) -> None:
    """Keep the scores of classes, the test's first; a split for which no room is left is named in the file instead.

    Args:
        scores: (N, K) of each held-out split, as `predictions.csv` was written from; of masks the statistics that they
            are judged by. Values stand there whole, so that nothing is written of them.
    """
    if task.kind == "value":
        return
    kept: dict[str, NDArray[Any]] = {}
    left_out, taken = [], 0
    for part in sorted(scores, key=_FIRST.index):
        if taken + scores[part].nbytes > MOST_BYTES:
            left_out.append(part)
            continue
        taken += scores[part].nbytes
        kept[part] = scores[part]
    names = {"classes": np.array(task.target_names, np.str_), "left_out": np.array(left_out, np.str_)}
    write_bytes(run.scores, array_bytes({**names, **kept}))


def read_rows(run: RunFolder, part: str, count: int) -> NDArray[np.float64]:
    """What the masks of a split are judged by, (N, S), in the order of `predictions.csv`.

    Raises:
        RunError: they are not there, damaged, or of another training.
    """
    fix = "score both Runs anew with `striate evaluate RUN DATA`"
    try:
        with np.load(run.scores, allow_pickle=False) as file:
            rows = np.asarray(file[part], np.float64)
    except (KeyError, OSError, EOFError, ValueError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        why = (str(error) or type(error).__name__).splitlines()[0]
        raise RunError(f"{run.scores} cannot be read: {why}", fix=fix) from error
    if rows.ndim != 2 or len(rows) != count:
        raise RunError(f"{run.scores} holds {rows.shape} numbers for {count} pictures: it is damaged", fix=fix)
    return rows


def read_scores(
    run: RunFolder, part: str, kind: TargetKind, losses: Sequence[float], truths: Sequence[Sequence[str]]
) -> Kept | str:
    """The scores of a split; or, in words, why they are not known.

    Args:
        kind: "label" or "labels".
        losses: of the rows of `predictions.csv`; where the scores have others, they are of another training.
        truths: the classes that are true of each row.
    """
    if not run.scores.exists():
        return "it has no scores.npz, as Runs had none before"
    try:
        with np.load(run.scores, allow_pickle=False) as file:
            if part in file["left_out"].tolist():
                return f"its scores.npz leaves out {part}, with which it would take more than {MOST_BYTES:,} bytes"
            kept = Kept(tuple(map(str, file["classes"].tolist())), file[part])
    except KeyError as error:
        return f"its scores.npz is damaged: {error.args[0]}"
    except (OSError, EOFError, ValueError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        return f"its scores.npz cannot be read: {(str(error) or type(error).__name__).splitlines()[0]}"
    return _odd(kept, kind, losses, truths) or kept


def _odd(kept: Kept, kind: TargetKind, losses: Sequence[float], truths: Sequence[Sequence[str]]) -> str | None:
    """Why scores cannot be those that `predictions.csv` was written from, if so."""
    expected = (len(losses), len(kept.classes))
    found = kept.scores
    if found.dtype != np.float32 or found.shape != expected or not np.isfinite(found).all():
        there = f"{found.dtype} {found.shape}"
        return f"its scores.npz is damaged: it should hold finite numbers, float32 {expected}, and holds {there}"
    places = {name: place for place, name in enumerate(kept.classes)}
    strange = sorted({name for names in truths for name in names} - places.keys())
    if strange:
        return f"its scores.npz is of another training than its predictions.csv: it has no class {strange[0]!r}"
    true = np.zeros(expected, np.bool_)
    for row, names in enumerate(truths):
        true[row, [places[name] for name in names]] = True
    counted = true if kind == "label" else np.ones_like(true)
    likelihood = np.clip(np.where(true, found, 1 - found.astype(np.float64)), CLIP, 1)
    again = -np.log(likelihood, where=counted, out=np.zeros(expected)).sum(axis=1)
    if not np.allclose(again, losses, rtol=1e-5, atol=1e-6):
        return (
            "its scores.npz is of another training than its predictions.csv, whose losses are not those of its scores"
        )
    return None
