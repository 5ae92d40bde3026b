"""Every network of timm and torchvision by name: whether it is built, counted, and learns in each of its weights.

All is told by shapes alone, without memory where a network allows that, at the size that its library gives it.
"""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from benchmarks.goals import results_path
from benchmarks.tables import ORIGIN, add_rows, origin
from striate.core.errors import StriateError
from striate.nets import build, depth_groups, head_name, profile, resolve
from striate.nets.counting import zeros_for

HEADER = ("network", "size", "outcome", "parameters", "macs", "head", "seconds", "said", *ORIGIN)
CLASSES = 10

Row = tuple[str, int, str, int, int, str, str, str]


def names(library: str, every: bool) -> list[str]:
    """The networks of a library; of timm, unless `every`, the first of each of its files."""
    if library == "torchvision":
        from torchvision import models

        return [f"torchvision/{name}" for name in models.list_models(module=models)]
    import timm

    if every:
        return [f"timm/{name}" for name in timm.list_models()]
    firsts = (timm.list_models(module=module)[:1] for module in timm.list_modules())
    return sorted({f"timm/{name}" for found in firsts for name in found})


def size_of(name: str) -> int:
    """The side that a library gives a network, in pixels."""
    library, network = name.split("/", 1)
    if library == "torchvision":
        return 299 if network == "inception_v3" else 224
    import timm

    config = timm.get_pretrained_cfg(network)
    return int(config.input_size[-1]) if config is not None else 224


def look(name: str) -> Row:
    """What becomes of one network: "whole" where all holds, else what does not."""
    size, started = size_of(name), time.perf_counter()
    parameters, macs, head, said = 0, 0, "", ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            spec = resolve(name, outputs=CLASSES, channels=3, height=size, width=size)
            found = profile(spec)
            parameters, macs = found.parameters, found.macs
            module = _built(spec)
            head = head_name(module)
            grouped = sum(map(len, depth_groups(module)))
            outcome = "whole" if grouped == len(list(module.parameters())) else "parameters without a depth"
            idle = _never_learn(module, spec["input"])
            if idle:
                outcome, said = "weights that never learn", ", ".join(idle[:3])
    except StriateError as error:
        outcome, said = "refused", error.message
    except Exception as error:  # whatever it is, is what this looks for
        outcome, said = type(error).__name__, (str(error).splitlines() or [""])[0]
    return name, size, outcome, parameters, macs, head, f"{time.perf_counter() - started:.1f}", said[:200]


def _built(spec: dict[str, Any]) -> nn.Module:
    try:
        with torch.device("meta"):
            return build(spec)
    except (StriateError, RuntimeError, NotImplementedError):  # some read a number back while they are made
        return build(spec)


def _never_learn(module: nn.Module, shape: Sequence[int]) -> list[str]:
    """The parameters that a step of training gives no gradient."""
    module(zeros_for(module, 2, shape)).sum().backward()
    return [name for name, one in module.named_parameters() if one.requires_grad and one.grad is None]


def run(call: Any) -> list[str]:
    """A row for each network; returns the outcomes with their counts as lines.

    Args:
        call: networks (all without), every, results.
    """
    table, about = results_path("sweep", call.results), origin()
    chosen = call.networks or [*names("torchvision", call.every), *names("timm", call.every)]
    rows: list[Row] = []
    for name in chosen:
        rows.append(look(name))
        add_rows(table, HEADER, [[*rows[-1], *about]])
        print("  ".join(map(str, rows[-1][:7])), rows[-1][-1], flush=True)
    return summary(rows)


def summary(rows: Sequence[Row]) -> list[str]:
    """How many networks came to what.

    >>> row = ("timm/a", 224, "whole", 1, 1, "fc", "0.1", "")
    >>> summary([row, row, ("timm/b", 224, "refused", 0, 0, "", "0.1", "no")])
    ['3 networks: 2 whole, 1 refused', '  timm/b: refused (no)']
    """
    counts = Counter(row[2] for row in rows)
    told = ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())
    others = [f"  {row[0]}: {row[2]}" + (f" ({row[7]})" if row[7] else "") for row in rows if row[2] != "whole"]
    return [f"{len(rows)} networks: {told}", *others]
