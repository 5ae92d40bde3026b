"""Validation while only the head learns: what the head receives is known from the validation before."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.infer import Ready
from striate.nets import head_name, head_parameters


class KnownBody:
    """What the head of a network received when it was last watched, as long as all tensors below the head stay.

    It is kept only where the head's own product gives the outputs to the bit, so that it does not matter to a figure
    whether it was computed or known.
    """

    def __init__(self) -> None:
        self._body: dict[str, Tensor] = {}
        self._rows: list[Tensor] = []

    @torch.no_grad()
    def outputs(self, network: nn.Module) -> Tensor | None:
        """The outputs (N, K), float32 on the processor; None where the body is another than the one watched."""
        if not self._rows:
            return None
        body, watched = _body(network), self._body
        if body.keys() != watched.keys() or not all(torch.equal(one, watched[name]) for name, one in body.items()):
            return None
        found = torch.cat([_head(network, rows) for rows in self._rows])
        return found if bool(found.isfinite().all()) else None  # computed anew, they are refused by name

    @torch.no_grad()
    def watch(self, network: nn.Module, ready: Ready, compute: Callable[[nn.Module], Tensor]) -> Tensor:
        """The outputs that `compute` finds with a network made ready, remembering what its head receives."""
        self._rows, self._body = [], {}
        if not isinstance(network.get_submodule(head_name(network)), nn.Linear):
            return compute(ready)  # maps are not kept: those of all pictures might fill the memory
        received: list[Tensor] = []
        with _listening(ready.network.get_submodule(head_name(network)), received):
            outputs = compute(ready)
        if sum(map(len, received)) == len(outputs):
            found = [_head(network, rows) for rows in received if rows.dim() == 2 and rows.dtype == torch.float32]
            if len(found) == len(received) > 0 and torch.equal(torch.cat(found), outputs):
                self._rows = received
                self._body = {name: one.clone() for name, one in _body(network).items()}
        return outputs


@contextlib.contextmanager
def _listening(head: nn.Module, received: list[Tensor]) -> Iterator[None]:
    hook = head.register_forward_pre_hook(lambda _, inputs: received.append(inputs[0].detach()))
    try:
        yield
    finally:
        hook.remove()


def _body(network: nn.Module) -> dict[str, Tensor]:
    """Every tensor but the head's."""
    head = set(head_parameters(network))
    return {name: one for name, one in network.state_dict().items() if name not in head}


def _head(network: nn.Module, rows: Tensor) -> Tensor:
    head = network.get_submodule(head_name(network))
    return functional.linear(rows, head.weight, head.bias).cpu()  # type: ignore[arg-type]
