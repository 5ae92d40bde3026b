"""Lookahead: fast weights explore, slow ones follow, a wrapper around any optimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


class Lookahead(torch.optim.Optimizer):
    """Every so many steps the weights go back to a point between where they were then and where they are now.

    Zhang et al. 2019, "Lookahead optimizer: k steps forward, 1 step back", algorithm 1. Groups and state are those of
    the optimizer within, whose moments go on undisturbed; the slow weights lie in the state too, so that checkpoints
    hold them.

    Args:
        inner: takes the fast steps.
        every: steps, k.
        share: how far the slow weights follow, α.
    """

    def __init__(self, inner: torch.optim.Optimizer, every: int, share: float) -> None:
        self.inner = inner
        self.every = every
        self.share = share
        super().__init__(inner.param_groups, inner.defaults)
        self.param_groups = inner.param_groups
        self.state = inner.state

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """A fast step, and at each k-th the slow one."""
        found = [one for group in self.param_groups for one in group["params"] if one.grad is not None]
        begun = {one: one.detach().clone() for one in found if "slow" not in self.state[one]}
        self.inner.step()
        for one, start in begun.items():  # now: optimizers take an empty state for the sign of a first step
            self.state[one]["slow"], self.state[one]["fast_steps"] = start, torch.zeros(())
        for one in found:
            self.state[one]["fast_steps"] += 1
            if float(self.state[one]["fast_steps"]) % self.every == 0:
                self.state[one]["slow"].lerp_(one, self.share)
                one.copy_(self.state[one]["slow"])

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Both share what is loaded; the counts stay on the processor, where asking for them waits for no GPU."""
        moments = state_dict["state"]
        counts = {index: one["fast_steps"] for index, one in moments.items() if "fast_steps" in one}
        rest = {index: {name: one[name] for name in one if name != "fast_steps"} for index, one in moments.items()}
        super().load_state_dict({**state_dict, "state": rest})
        numbers = [number for group in state_dict["param_groups"] for number in group["params"]]
        parameters = [one for group in self.param_groups for one in group["params"]]
        for number, one in zip(numbers, parameters, strict=True):
            if number in counts:
                self.state[one]["fast_steps"] = torch.as_tensor(counts[number]).cpu().clone()
        self.inner.param_groups, self.inner.state = self.param_groups, self.state
