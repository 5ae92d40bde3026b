"""Everything a training is, at one step: networks, averages, optimizers and counters, to tensors and back."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import nn

from striate.core.errors import CheckpointError
from striate.nets import Folds
from striate.train.averaging import Average, EqualAverage
from striate.train.features import Features, head_of
from striate.train.graphs import Replayed


@dataclass
class Counters:
    """Where a training stands. All randomness is a function of these and the seed.

    Args:
        step: optimizer steps done.
        epoch: the epoch that comes next or is under way.
        batch: batches of that epoch done.
        loss_sum, loss_count: of that epoch so far, in float64.
        best: the best validation figure, None before the first.
        best_step, best_epoch: where it was reached.
        since_best: epochs since then.
        rows: lines of the history so far.
        accumulate: parts a batch is computed in.
        drops: how often the rate was lowered, as validation stood still.
        mark: the best figure when patience began anew, None before the first.
        seconds: time spent training.
        waited: of them, for batches that were not ready.
        samples: samples trained on.
        done: why training is over, or "".
        averaged: epochs whose mean is the best, 0 where an epoch's own weights are.
        alarms: what was found wrong with layers, see `striate.train.alarms`.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    loss_sum: float = 0.0
    loss_count: int = 0
    best: float | None = None
    best_step: int = 0
    best_epoch: int = 0
    since_best: int = 0
    rows: int = 0
    accumulate: int = 1
    drops: int = 0
    mark: float | None = None
    seconds: float = 0.0
    waited: float = 0.0
    samples: int = 0
    done: str = ""
    averaged: int = 0
    alarms: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class State:
    """A training at one step.

    Args:
        networks: by name; a task's step uses them all.
        averages: their moving averages, by the same names; empty without.
        optimizers: by the names of the losses that a task's step returns.
        counters: where it stands.
        folds: the norms that are folded while training, by the networks' names; found anew in each process.
        replays: networks whose passes are replayed from graphs, by name; recorded anew in each process.
        anchors: the first weights of the body, by network and parameter, where training draws back to them.
        means: the means of the networks at the ends of the last epochs, by the same names; empty without.
        features: what the head receives while nothing else learns; None where it is computed. Found anew in each
            process.
    """

    networks: dict[str, nn.Module]
    averages: dict[str, Average]
    optimizers: dict[str, torch.optim.Optimizer]
    counters: Counters = field(default_factory=Counters)
    folds: dict[str, Folds] = field(default_factory=dict)
    replays: dict[str, Replayed] = field(default_factory=dict)
    anchors: dict[str, dict[str, torch.Tensor]] = field(default_factory=dict)
    means: dict[str, EqualAverage] = field(default_factory=dict)
    features: Features | None = None

    def learning(self) -> dict[str, nn.Module]:
        """The networks as a step computes them; gradients of a batch's parts add up, and those of replays do not.

        Where features are at hand, the heads alone, which take these in place of pictures.
        """
        if self.features is not None:
            return {name: head_of(network) for name, network in self.networks.items()}
        return {**self.networks, **self.replays} if self.counters.accumulate == 1 else self.networks

    def judged(self) -> dict[str, nn.Module]:
        """The networks that validation sees: the averages where there are any; at the end the means, if best."""
        if self.counters.averaged and self.counters.done:
            return {name: mean.network for name, mean in self.means.items()}
        return {name: average.network for name, average in self.averages.items()} or self.networks

    def model_tensors(self) -> dict[str, torch.Tensor]:
        """Weights and buffers of networks and averages, by dotted name."""
        averages = {name: average.network for name, average in self.averages.items()}
        means = {name: mean.network for name, mean in self.means.items()}
        groups = {"network": self.networks, "average": averages, "mean": means}
        found = {
            f"{group}/{name}/{key}": tensor
            for group, modules in groups.items()
            for name, module in modules.items()
            for key, tensor in module.state_dict().items()
        }
        anchors = {f"anchor/{name}/{key}": one for name, own in self.anchors.items() for key, one in own.items()}
        return {**found, **anchors}

    def optimizer_tensors(self) -> dict[str, torch.Tensor]:
        """The optimizers' moments, by optimizer, parameter index and kind."""
        return {
            f"{name}/{index}/{kind}": value if isinstance(value, torch.Tensor) else torch.tensor(value)
            for name, optimizer in self.optimizers.items()
            for index, moments in optimizer.state_dict()["state"].items()
            for kind, value in moments.items()
            if value is not None
        }

    def restore(
        self, model: dict[str, torch.Tensor], optimizer: dict[str, torch.Tensor], counters: dict[str, Any]
    ) -> None:
        """Become the state that these were taken from. Raises `CheckpointError` where they are another network's."""
        own = self.model_tensors()
        wrong = sorted(set(own) ^ set(model)) or [name for name in own if own[name].shape != model[name].shape]
        if wrong:
            raise CheckpointError(
                f"the checkpoint is of another network: {len(wrong)} tensors differ, such as {wrong[0]!r}",
                fix="resume with the plan that the Run was started with",
            )
        with torch.no_grad():
            for name, tensor in own.items():
                tensor.copy_(model[name])
        for name, one in self.optimizers.items():
            content = one.state_dict()
            moments: dict[int, dict[str, torch.Tensor]] = {}
            for key, tensor in optimizer.items():
                owner, index, kind = key.split("/")
                if owner == name:
                    moments.setdefault(int(index), {})[kind] = tensor
            content["state"] = moments
            one.load_state_dict(content)
        self.counters = Counters(**counters)

    def counters_dict(self) -> dict[str, Any]:
        """The counters as plain values; floats keep every bit in JSON."""
        return asdict(self.counters)
