"""Whether weights fit the network of a training, told on shapes alone: where it can be, before the data are read."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from striate.core.errors import NetworkError, WeightsError
from striate.core.plan import Decision
from striate.nets import Weights, head_name, match_weights, read_base, resolve, translated
from striate.nets.detectors import Detector
from striate.nets.families import reference_of
from striate.nets.libraries import HARMLESS
from striate.nets.spec import FILES, checked, form_of
from striate.tasks import Task


def check_at_once(weights: Weights | None, chosen: Mapping[str, Decision]) -> None:
    """Refuse weights of another network before the data are read.

    The data's size, channels and classes are not known yet: tensors whose shapes hang on the size are left out, and
    what cannot be built at the size of the weights is judged later.

    Args:
        weights: as they were read; those of a hub are of their network.
        chosen: the user's own values by key.

    Raises:
        WeightsError: they are of another network.
    """
    if weights is None or weights.source == "hub":
        return
    truth = weights.sidecar or {"network": None, "arguments": {}, "preprocessing": {}}
    name = chosen["network.name"].value if "network.name" in chosen else truth["network"]
    if "network.arguments" in chosen:
        arguments = chosen["network.arguments"].value
    elif name == truth["network"]:
        arguments = truth["arguments"]
    else:
        alike = reference_of(name, str(truth["network"]), truth["arguments"])
        arguments = alike.arguments if alike else {}
    channels, side = len(truth["preprocessing"].get("mean", (0,) * 3)), truth["preprocessing"].get("size", 224)
    form = form_of(name) if name is not None else "row"
    unsaid = form == "boxes" and not str(name).endswith(FILES) and "backbone" not in arguments
    if unsaid and name != truth["network"]:  # a classifier's weights are of the backbone that they bring
        arguments = {"backbone": truth["network"], "backbone_arguments": truth["arguments"], **arguments}
    with contextlib.suppress(NetworkError):  # of this size; the plan asks again with the data's
        first, second = (
            checked(resolve(name, outputs=2, channels=channels, height=one, width=one, arguments=arguments, form=form))
            for one in (side, 2 * side)
        )
        sizes = {key: one.shape for key, one in second.state_dict().items()}
        sized = {key for key, one in first.state_dict().items() if sizes.get(key) != one.shape}
        found, edited = translated(weights, name, arguments), read_base(name) is not None
        match_weights(first, found, head=head_name(first), edited=edited, sized=sized)


def check_fit(weights: Weights | None, spec: Mapping[str, Any], name: str, task: Task) -> None:
    """Refuse weights that do not fit the network of a plan, before anything is measured.

    Args:
        weights: under the names of the network.
        spec: the network.
        name: by which the plan calls it.
        task: what it is asked.

    Raises:
        WeightsError: they do not fit it.
    """
    if weights is None:
        return
    network = checked(spec)
    _check_backbone(weights, spec)
    match_weights(network, answering(weights, network, task), **how(network, name, task))


def how(network: nn.Module, name: str, task: Task) -> dict[str, Any]:
    """How weights are loaded: the arguments of `load_weights`."""
    outputs: Sequence[str] | None = None if task.kind == "value" else task.target_names
    return {"head": head_name(network), "edited": read_base(name) is not None, "outputs": outputs}


def answering(weights: Weights, network: nn.Module, task: Task) -> Weights:
    """The same, without the head of weights whose classes answer another task's question."""
    if not weights.outputs or weights.task == task.name or isinstance(network, Detector):
        return weights  # of a classifier's weights a detector takes no head at all
    head = f"{head_name(network)}."
    return replace(weights, tensors={name: one for name, one in weights.tensors.items() if not name.startswith(head)})


def _check_backbone(weights: Weights, spec: Mapping[str, Any]) -> None:
    """Refuse a classifier's weights for a detector on the same network with other arguments: all may fit, and the
    padding not."""
    if spec["kind"] != "detector" or weights.sidecar is None or weights.sidecar["network"] != spec["body"]["name"]:
        return
    ours, theirs = (
        {key: one for key, one in given.items() if not key.startswith(HARMLESS)}
        for given in (spec["body"].get("arguments", {}), weights.sidecar["arguments"])
    )
    if ours != theirs:
        raise WeightsError(
            f"{weights.source} is of {weights.sidecar['network']} with arguments {theirs}, and the backbone has {ours}",
            fix="set backbone_arguments in network.arguments to what the weights were trained with",
        )
