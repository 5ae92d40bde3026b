"""Training passes as CUDA graphs; see `striate.infer.graphs`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from striate.infer.graphs import WARM, CannotRecord, aside, recorded, recording
from striate.nets import has_auxiliary

KEPT = 8
"""Graphs that are kept at once, one a shape of pictures; each holds its activations. The oldest gives way to another,
as where pictures grow; a shape whose graph gave way and that comes back is computed as ever from then on."""

Passes = Callable[[Tensor], Tensor]


class Replayed(nn.Module):
    """A network whose forward and backward passes are replayed from graphs; weights and buffers are the network's own.

    It is not saved, copied or put into another mode: the network is, and `refresh` then drops what was recorded in
    another mode. What cannot be recorded is computed as ever. Gradients are overwritten by the next backward pass, so
    they cannot be gathered over several.

    Args:
        network: on a CUDA device.
        low: whether it is computed in bfloat16 where autocast says so.
    """

    def __init__(self, network: nn.Module, low: bool) -> None:
        super().__init__()
        self._network = (network,)  # in a tuple: it is no part of this module
        self._low = low
        self._graphs: dict[torch.Size, _Graph] = {}
        self._given_way: set[torch.Size] = set()
        self._mode: object = None
        self.refused: str | None = "its auxiliary heads answer beside its outputs" if has_auxiliary(network) else None
        """Why the passes cannot be recorded; None where they can, or were not tried yet."""

    def refresh(self) -> None:
        """Drop what was recorded where something else learns now, or a norm is in another mode."""
        (network,) = self._network
        mode = [one.requires_grad for one in network.parameters()], [one.training for one in network.modules()]
        if mode != self._mode:
            self._graphs.clear()
            self._given_way.clear()
            self._mode = mode

    def forward(self, images: Tensor) -> Tensor:
        """From standardised images (N, C, H, W) to outputs, as the network gives them."""
        graph = self._graph(images)
        if graph is None:
            return self._passes(images)
        found: Tensor = _Replay.apply(graph, images, *graph.parameters)
        return found

    def _graph(self, images: Tensor) -> _Graph | None:
        """The graph for pictures of this shape, recorded where there is none yet; None where they are not replayed."""
        graph = self._graphs.get(images.shape)
        if graph is not None or self.refused is not None or images.shape in self._given_way:
            return graph
        while len(self._graphs) >= KEPT:
            oldest = next(iter(self._graphs))
            del self._graphs[oldest]
            self._given_way.add(oldest)
        return self._recorded(images)

    def _passes(self, images: Tensor) -> Tensor:
        found: Tensor
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self._low, cache_enabled=False):
            found = self._network[0](images)
        return found

    def _recorded(self, images: Tensor) -> _Graph | None:
        """The passes on pictures of this shape; None, and `refused` says why, where they cannot be recorded."""
        (network,) = self._network
        before = [(buffer, buffer.clone()) for buffer in network.buffers()]  # warming up moves statistics of norms
        try:
            self._graphs[images.shape] = graph = _Graph(self._passes, network, images)
            return graph
        except CannotRecord as error:
            self.refused = str(error)
            return None
        finally:
            for buffer, value in before:
                buffer.copy_(value)


class _Graph:
    """The forward and the backward pass on pictures of one shape, each a graph, and the tensors between them."""

    def __init__(self, passes: Passes, network: nn.Module, images: Tensor) -> None:
        self.parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self.images = images.detach().clone()
        self.forward, self.backward = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        with recording():
            with aside():
                for _ in range(WARM):
                    warm = passes(self.images)
                    self._differentiated(warm, torch.zeros_like(warm))
                del warm
            with recorded(self.forward):
                outputs = passes(self.images)
            self.sent = torch.zeros_like(outputs)
            with recorded(self.backward, self.forward.pool()):
                self.gradients = self._differentiated(outputs, self.sent)
        self.outputs = outputs.detach()  # what they came from is recorded, and must not outlive it

    def _differentiated(self, outputs: Tensor, sent: Tensor) -> tuple[Tensor | None, ...]:
        return torch.autograd.grad(outputs, self.parameters, sent, allow_unused=True)


class _Replay(torch.autograd.Function):
    """Both passes of a graph as one differentiable function of its parameters."""

    @staticmethod
    def forward(ctx: Any, graph: _Graph, images: Tensor, *parameters: Tensor) -> Tensor:
        ctx.graph = graph
        graph.images.copy_(images)
        graph.forward.replay()
        return graph.outputs.detach()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, sent: Tensor) -> tuple[Tensor | None, ...]:
        graph: _Graph = ctx.graph
        graph.sent.copy_(sent)
        graph.backward.replay()
        return None, None, *(None if one is None else one.detach() for one in graph.gradients)
