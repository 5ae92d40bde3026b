"""CUDA graphs: kernels recorded once and then started whole, where starting a kernel takes longer than it does.

A pass of a small network is hundreds of kernels that take microseconds each, and Python needs longer to start one than
a GPU to finish it. A graph is the same kernels on the same memory, so the numbers are the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from striate.core.memory import ran_out_of_memory

WARM = 3  # passes after which libraries have chosen their kernels and taken their memory


class CannotRecord(Exception):
    """Something in a pass cannot be part of a graph: it waits for the device, say."""


@contextlib.contextmanager
def recording() -> Iterator[None]:
    """Where passes are warmed up and recorded; random numbers go on afterwards as if nothing had been drawn.

    Raises:
        CannotRecord: they cannot be; they may be computed without.
    """
    draws = torch.cuda.get_rng_state()
    try:
        yield
    except RuntimeError as error:
        torch.cuda.synchronize()
        # A recording that broke leaves the generator of random numbers in it; one that succeeds takes it out again.
        with recorded(torch.cuda.CUDAGraph()):
            torch.zeros(1, device="cuda").add_(1)
        if ran_out_of_memory(error):
            raise
        raise CannotRecord(str(error).strip().partition("\n")[0]) from error
    finally:
        torch.cuda.set_rng_state(draws)


def recorded(graph: torch.cuda.CUDAGraph, pool: Any = None) -> torch.cuda.graph:
    """Within, kernels are recorded and not run. Other threads may ask for memory meanwhile, as those that fetch do."""
    return torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local")


@contextlib.contextmanager
def aside() -> Iterator[None]:
    """Within, kernels run in a stream of their own, as recording wants it of passes that warm up."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        yield
    torch.cuda.current_stream().wait_stream(stream)


class ForwardGraph:
    """A forward pass on pictures of one shape.

    Args:
        compute: from images to outputs, without gradients.
        images: (N, …), on the device; what is computed on is a copy.
    """

    def __init__(self, compute: Callable[[Tensor], Tensor], images: Tensor) -> None:
        self.images = images.clone()
        self.graph = torch.cuda.CUDAGraph()
        with torch.no_grad(), recording():
            with aside():
                for _ in range(WARM):
                    compute(self.images)
            with recorded(self.graph):
                self.outputs = compute(self.images)

    def __call__(self, images: Tensor) -> Tensor:
        """The outputs, in memory of their own."""
        self.images.copy_(images)
        self.graph.replay()
        return self.outputs.clone()
