"""ONNX, with scaling, standardising and the final softmax inside, and any number of pictures in a batch.

Known ways for an export to go wrong, and what is done about each: a batch of one at export freezes the batch
(pytorch #157621), so two are shown, and batches of 1, 2, 7 and 64 are run; normalisation in training mode, or wrongly
folded into the convolution before it (pytorch #166797; #169178 scored 0 %), so a copy in evaluation mode is exported,
and onnxruntime has to give the same answers as the Model on real pictures before anything is written.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import json
import sys
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.core.artifacts import finite, write_bytes
from striate.core.errors import NetworkError, ParityError, UsageError
from striate.infer.forward import over_views
from striate.infer.model import Model
from striate.losses import LOSSES
from striate.metrics import THRESHOLD
from striate.ship import EXPORTERS
from striate.tasks import Task

BATCHES = (1, 2, 7, 64)
TOLERANCE = 1e-4
_OPSET = 20
_NOTE = (
    "input `pixels`: float32 (N, C, H, W) on the 0..255 scale, after resizing, which the caller does as "
    "`striate.preprocessing` says; scaling, standardising and the last activation are inside"
)


@EXPORTERS.register("onnx")
def export(model: Model, path: Path, samples: Tensor | Sequence[Tensor]) -> dict[str, Any]:
    """Write a Model as ONNX, once onnxruntime has given the Model's own answers on real pictures.

    Of a Model that keeps the pictures' own sizes height and width are free in the file too, and checked at several;
    where the exporter cannot leave them free, as in a spatial pyramid, nothing is written.

    The reference is the Model in float32; where it runs in bfloat16, the report also says how far that is. Pictures
    are repeated where there are fewer than the largest batch.

    Args:
        path: the file, in a folder that exists; one that stands there is replaced only by a file that agrees.
        samples: (N, C, H, W), real pictures on the 0..255 scale, as `Model.prepare` gives them; of own sizes several
            such, each of one size.

    Returns:
        `path`, `bytes`, `opset`, `input`, `output`, `preprocessing`, `note`, `batches`, `samples`, `tolerance`,
        `largest_difference`, `precision` and `precision_difference` (the Model's own precision against float32).

    Raises:
        UsageError: the extra `export` is not installed, or there are no samples.
        NetworkError: the network cannot be exported.
        ParityError: onnxruntime's answers differ by more than 1e-4 (of a probability, of a standard deviation of a
            predicted value, or of a predicted count itself), or decide otherwise; nothing was written.
    """
    _require()
    shown = [samples] if isinstance(samples, Tensor) else [some for some in samples if len(some)]
    if not any(map(len, shown)):
        raise UsageError("an export is checked on real pictures, and none were given", fix="name some pictures")
    exported, own = _Exported(model).eval(), model.preprocessing.own
    middle = shown[len(shown) // 2].float()
    content = with_metadata(to_bytes(exported, middle[:2], _output_name(model), own), _metadata(model))
    largest = max(check(exported, content, some.float(), model, path) for some in (shown[0], middle, shown[-1]))
    write_bytes(path, content)
    with torch.no_grad():
        plain = exported(middle[:64]).numpy()
    shape = ["height", "width"] if own else list(middle.shape[2:])
    report = {
        "path": str(path),
        "bytes": len(content),
        "opset": _OPSET,
        "input": {"name": "pixels", "type": "float32", "shape": ["batch", middle.shape[1], *shape], "range": [0, 255]},
        "output": {"name": _output_name(model), "type": "float32", "shape": ["batch", len(model.classes)]},
        "preprocessing": model.preprocessing.to_dict(),
        "note": _NOTE,
        "batches": list(BATCHES),
        "samples": sum(map(len, shown)),
        "tolerance": TOLERANCE,
        "largest_difference": largest,
        "precision": model.precision,
        "precision_difference": float(np.abs(model.scores(middle[:64]) - plain).max()),
    }
    return dict(finite(report))


class _Exported(nn.Module):
    """A copy of a Model's network in float32 on the CPU, from pixels to scores."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.normalize = copy.deepcopy(model.normalize).cpu()
        self.network = copy.deepcopy(model.network).cpu().float().to(memory_format=torch.contiguous_format)
        self.task, self.views = model.task, model.views

    def forward(self, pixels: Tensor) -> Tensor:
        scores: Tensor = self.task.scores(over_views(self.network, self.normalize(pixels), self.views))
        return scores


def to_bytes(network: nn.Module, example: Tensor, output: str, own: bool = False) -> bytes:
    """A network as ONNX, with a free batch size.

    Args:
        network: in evaluation mode, from (N, C, H, W) to (N, K).
        example: pictures to trace with; one alone is doubled, since a batch of 1 would be frozen into the file.
        output: what the output is called in the file.
        own: whether height and width are free too.
    """
    free = {0: torch.export.Dim("batch")}
    if own:
        free |= {2: torch.export.Dim("height"), 3: torch.export.Dim("width")}
    example = example if len(example) > 1 else torch.cat([example, example])
    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own remarks on itself; what it made is checked below
        try:
            program = torch.onnx.export(
                network,
                (example,),
                dynamo=True,
                dynamic_shapes=(free,),
                input_names=["pixels"],
                output_names=[output],
                opset_version=_OPSET,
                external_data=False,
                verbose=False,
            )
        except (torch.onnx.OnnxExporterError, RuntimeError) as error:
            reason = str(error.__cause__ or error).strip().split("\n")[0]
            raise NetworkError(
                f"the network cannot be exported to ONNX{' with free height and width' if own else ''}: {reason}",
                fix="train with input.sizing=one, or a network with global pooling" if own else None,
            ) from error
    if program is None:
        raise NetworkError("the network cannot be exported to ONNX: the exporter gave nothing")
    return bytes(program.model_proto.SerializeToString())


def with_metadata(content: bytes, entries: dict[str, str]) -> bytes:
    """The same ONNX file with entries in its metadata, checked to be well-formed ONNX with a free batch size."""
    import onnx

    proto = onnx.load_from_string(content)
    onnx.helper.set_model_props(proto, entries)
    onnx.checker.check_model(proto, full_check=True)
    return bytes(proto.SerializeToString())


def check(exported: nn.Module, content: bytes, pixels: Tensor, model: Model, path: Path) -> float:
    """Hold onnxruntime's answers against the network's own, at every batch size.

    Args:
        pixels: (N, C, H, W) float32; taken in turn, from the start again where they run out.
        path: named in an error.

    Returns:
        The largest difference, in the units of the tolerance.

    Raises:
        ParityError: onnxruntime cannot run it, or answers otherwise.
    """
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.log_severity_level = 3
    try:
        session = InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no public base class
        raise _disagrees(path, f"onnxruntime cannot read it: {error}") from error
    largest, first = 0.0, 0
    for size in BATCHES:
        shown = pixels[torch.arange(first, first + size) % len(pixels)]
        first += size
        with torch.no_grad():
            expected = exported(shown).numpy()
        try:
            (found,) = session.run(None, {"pixels": shown.numpy()})
        except Exception as error:
            raise _disagrees(path, f"onnxruntime cannot run a batch of {size}: {error}") from error
        difference = _compare(found, expected, model)
        if isinstance(difference, str):
            raise _disagrees(path, f"in a batch of {size}, {difference}")
        largest = max(largest, difference)
    return largest


def _units(model: Model, expected: NDArray[Any]) -> NDArray[np.float64]:
    """What the tolerance is a fraction of: 1 for probabilities, the standard deviation of each predicted value.

    Of counts it is the count, since the network gives its logarithm: so it is a difference of that.
    """
    if LOSSES.get(model.task.settings.loss).link == "log":
        return np.maximum(expected.astype(np.float64), np.finfo(np.float32).tiny)
    std = model.task.settings.std if model.task.kind == "value" else ()
    return np.asarray(std or [1.0] * len(model.classes), np.float64)


def _output_name(model: Model) -> str:
    return "values" if model.task.kind == "value" else "probabilities"


def _metadata(model: Model) -> dict[str, str]:
    settings = model.task.settings
    return {
        "striate.note": _NOTE,
        "striate.preprocessing": json.dumps(model.preprocessing.to_dict()),
        "striate.task": model.task.name,
        "striate.classes": json.dumps(list(model.classes), ensure_ascii=False),
        "striate.network": str(model.spec.get("name")),
        "striate.decision": json.dumps(
            {"factors": settings.factors, "costs": settings.costs, "thresholds": settings.thresholds}
        ),
        "striate.possible": json.dumps(None if settings.sets is None else asdict(settings.sets)),
    }


def _compare(found: NDArray[Any], expected: NDArray[Any], model: Model) -> float | str:
    """The largest difference of two sets of scores, or what is wrong with the first."""
    if found.shape != expected.shape:
        return f"its scores are of shape {found.shape} instead of {expected.shape}"
    differences = np.abs(found.astype(np.float64) - expected) / _units(model, expected)
    largest = float(differences.max())
    if not largest <= TOLERANCE:  # not a number fails too
        return f"it differs by {largest:.2g}, more than {TOLERANCE:g}"
    flips = _flips(found, expected, model.task)
    if flips:
        return f"it decides otherwise on {flips} of {len(expected)} pictures"
    return largest


def _flips(found: NDArray[Any], expected: NDArray[Any], task: Task) -> int:
    """Pictures decided otherwise by thresholds, factors and costs as the task has them, but for ties within tolerance.

    A tie is what each probability's being off by the tolerance would turn.
    """
    settings = task.settings
    if task.kind == "labels":
        least = np.asarray([THRESHOLD] if settings.thresholds is None else settings.thresholds)
        other = (found >= least) != (expected >= least)
        return int((other & (np.abs(expected - least) > TOLERANCE)).any(1).sum())
    if task.kind == "value":
        return 0
    exact = expected.astype(np.float64)
    before, after = (task.judged(rows.astype(np.float64)).argmax(1) for rows in (exact, found))
    worth = _worth(task)[:, before] - _worth(task)[:, after]  # (K, N), of the decision that was expected over the other
    margin = (exact.T * worth).sum(axis=0)
    return int((margin > TOLERANCE * np.abs(worth).sum(axis=0)).sum())


def _worth(task: Task) -> NDArray[np.float64]:
    """What each class's probability (rows) adds to each decision (columns), of which the largest is taken, (K, K)."""
    if task.settings.costs is not None:
        return -np.asarray(task.settings.costs, np.float64)
    return np.diag(np.ones(task.outputs) if task.settings.factors is None else np.asarray(task.settings.factors))


def _disagrees(path: Path, reason: str) -> ParityError:
    return ParityError(
        f"the ONNX file disagrees with the Model, so {path} was not written: {reason}",
        fix="report the network's name; another version of torch, onnxscript or onnxruntime may export it rightly",
    )


def _require() -> None:
    missing = []
    for name in ("onnx", "onnxscript", "onnxruntime"):
        try:
            importlib.import_module(name)
        except ImportError:
            missing.append(name)
    if missing:
        raise UsageError(
            f"an export to ONNX needs {', '.join(missing)}, which is not installed"
            if len(missing) == 1
            else f"an export to ONNX needs {', '.join(missing)}, which are not installed",
            fix='pip install "striate[export]"',
        )
