"""Whether weights fit the network of a training, told on shapes alone: where it can be, before the data are read."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from striate.core.errors import NetworkError
from striate.core.plan import Decision
from striate.nets import Weights, head_name, match_weights, read_base, resolve, translated
from striate.nets.families import reference_of
from striate.nets.spec import checked
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
    with contextlib.suppress(NetworkError):  # of this size; the plan asks again with the data's
        first, second = (
            checked(resolve(name, outputs=2, channels=channels, height=one, width=one, arguments=arguments))
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
    match_weights(network, answering(weights, network, task), **how(network, name, task))


def how(network: nn.Module, name: str, task: Task) -> dict[str, Any]:
    """How weights are loaded: the arguments of `load_weights`."""
    outputs: Sequence[str] | None = None if task.kind == "value" else task.target_names
    return {"head": head_name(network), "edited": read_base(name) is not None, "outputs": outputs}


def answering(weights: Weights, network: nn.Module, task: Task) -> Weights:
    """The same, without the head of weights whose classes answer another task's question."""
    if not weights.outputs or weights.task == task.name:
        return weights
    head = f"{head_name(network)}."
    return replace(weights, tensors={name: one for name, one in weights.tensors.items() if not name.startswith(head)})
