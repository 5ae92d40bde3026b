"""The weights that a training was asked to begin with, found before anything is read of the data."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from striate.core.errors import NetworkError, UsageError, WeightsError
from striate.core.events import Reporter
from striate.core.plan import Decision, Plan
from striate.core.run import RunFolder
from striate.nets import Weights, hub_network, pretrained_weights, read_weights, resolve, translated
from striate.nets.spec import form_of
from striate.plan import read_plan
from striate.workflows.fitting import check_at_once
from striate.workflows.request import Request


def find_weights(asked: str | None, chosen: Mapping[str, Decision]) -> Weights | None:
    """The weights that were asked for.

    Args:
        asked: a file, a Run, "hub", "none" or None.
        chosen: the user's own values by key.
    """
    if asked is None or asked == "none":
        return None
    if asked == "hub":
        name = chosen.get("network.name")
        if name is None:
            raise UsageError("`--weights hub` needs a network", fix="add `--model timm/NAME`, say")
        arguments = chosen.get("network.arguments")
        return pretrained_weights(*hub_network(name.value, arguments.value if arguments else {}))
    weights = read_weights(asked)
    if weights.sidecar is None and "network.name" not in chosen:
        raise UsageError(
            f"{asked} has no sidecar, so its network and preprocessing are unknown; they are never guessed",
            fix=f"write {Path(asked).with_suffix('.json').name} beside it (network, arguments, "
            "preprocessing, classes, license, source), or give --model, --size, --set normalize.mean=[…] and "
            "--set normalize.std=[…]",
        )
    if weights.sidecar is None and not {"normalize.mean", "normalize.std", "input.height"} <= set(chosen):
        raise UsageError(
            f"{asked} has no sidecar: its preprocessing must be given, as it is never guessed",
            fix="add --size S --set normalize.mean=[…] --set normalize.std=[…]",
        )
    return weights


def find_candidates(paths: Sequence[str], chosen: Mapping[str, Decision]) -> list[Weights]:
    """Several weights to choose from. Raises `UsageError` where they are not to be compared."""
    if own := sorted({"network.name", "network.arguments"} & set(chosen)):
        raise UsageError(
            f"{' and '.join(own)} cannot be given with several weights, each of which is of a network of its own",
            fix="leave the network out, or give the weights that are of it alone",
        )
    found = [read_weights(path) for path in paths]
    for weights in found:
        if weights.sidecar is None:
            raise UsageError(
                f"{weights.source} has no sidecar, so its network and preprocessing are unknown, and it cannot be "
                "compared with other weights",
                fix=f"write {Path(weights.source).with_suffix('.json').name} beside it (network, arguments, "
                "preprocessing, classes, license, source), or leave it out",
            )
    return found


def asked_at_once(request: Request, run: RunFolder | None) -> tuple[Weights | None, list[Weights]]:
    """The weights that were asked for, checked with the network's name before anything is read of the data."""
    weights, candidates = _asked(request, run)
    name = request.overrides.get("network.name")
    if name is not None:
        _check_name(name.value)
    check_at_once(weights, request.overrides)
    return weights, candidates


def _asked(request: Request, run: RunFolder | None) -> tuple[Weights | None, list[Weights]]:
    """The weights that were asked for, or several that are still to choose from."""
    asked, chosen = request.weights, request.overrides
    if isinstance(asked, tuple):
        if run is None or not run.plan.exists():
            return None, find_candidates(asked, chosen)
        asked = str(read_plan(run.plan)["network.weights"].value)
    return find_weights(asked, chosen), []


def asked_again(request: Request, run: RunFolder | None, reporter: Reporter) -> tuple[Weights | None, list[Weights]]:
    """The weights of a training that goes on, where they are to be compared with what became of them."""
    compared = read_plan(run.plan).get("transfer.forgetting") if run is not None and run.plan.exists() else None
    if compared is None or not compared.value:
        return None, []
    try:
        return _asked(request, run)
    except WeightsError as error:
        reporter.warn(f"how much is forgotten cannot be measured: {error.message}")
        return None, []


def named_as(plan: Plan, weights: Weights | None, reporter: Reporter) -> Weights | None:
    """The weights under the names of the plan's network, where they are of the same network by other names."""
    if weights is None:
        return None
    found = translated(weights, plan["network.name"], plan["network.arguments"])
    if found is not weights:
        source = weights.sidecar["network"] if weights.sidecar else weights.source
        reporter.line(f"weights: the tensors of {source} by the names of {plan['network.name']}")
    return found


def _check_name(name: str) -> None:
    """Say at once that no network has that name, before the audit reads everything."""
    with contextlib.suppress(NetworkError):  # this is not the data's size; the plan asks again with it
        resolve(name, outputs=2, channels=3, height=224, width=224, form=form_of(name))
