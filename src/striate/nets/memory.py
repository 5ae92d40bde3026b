"""Peak memory of training and of inference for a batch in float32, predicted by running both on shapes alone.

What lives at each moment is not guessed by rules: a step runs on the meta device, where tensors have sizes and no
memory, and every tensor is counted from the operation that makes it to the moment at which autograd lets it go. On top
come the buffers that live inside one operation.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from weakref import finalize

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from striate.nets.counting import zeros_for
from striate.nets.spec import checked


@dataclass(frozen=True)
class Memory:
    """Bytes.

    Args:
        training: at the peak of a step.
        inference: at the peak of a forward pass without gradients.
        parameters: with buffers.
        gradients: of all that is trained.
        state: of the optimizer, and of what else is kept beside each parameter.
        batch: the input itself.
        activations: the rest of the peak of training: what is kept for the backward pass, and working buffers.
    """

    training: int
    inference: int
    parameters: int
    gradients: int
    state: int
    batch: int
    activations: int

    def to_dict(self) -> dict[str, int]:
        """Plain values."""
        return asdict(self)


def memory(spec: Mapping[str, Any], batch: int, *, copies: int = 1) -> Memory:
    """Predict for a network as `resolve` gives it; see `module_memory`.

    Raises:
        NetworkError: it cannot be built, or does not take its input.

    >>> from striate.nets.spec import resolve
    >>> found = memory(resolve("lenet5", outputs=10, channels=1, height=32, width=32), 8)
    >>> found.parameters, found.training > found.inference
    (246824, True)
    """
    return module_memory(checked(spec), spec["input"], batch, copies=copies)


def module_memory(module: nn.Module, shape: Any, batch: int, *, copies: int = 1) -> Memory:
    """Predict for any module.

    Args:
        module: on the meta device; elsewhere the step is really computed, on a copy.
        shape: of one sample of its input.
        batch: samples in a step.
        copies: numbers kept beside each parameter: 1 for the velocity of SGD, 2 for Adam's moments, 1 more for an
            average of the weights.
    """
    module = copy.deepcopy(module)  # its modes, gradients, and what its norms have seen, are not to be changed
    images = zeros_for(module, batch, shape)
    held = _bytes(module.parameters()) + _bytes(module.buffers())
    if batch < 2 and any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in module.modules()):
        return _single(module, shape, copies)
    trained = [one for one in module.parameters() if one.requires_grad]
    gradients = _bytes(trained)
    with torch.random.fork_rng(devices=[]):
        with torch.no_grad(), Holding() as forward:
            module.eval()(images)
        module.train()
        with torch.enable_grad(), Holding() as step:
            output = module(images)
            learnt = [one.sum() for one in _tensors(output) if one.requires_grad]
            del output
            if learnt:
                torch.autograd.backward(learnt)
            del learnt
    module.zero_grad()
    base = held + _bytes([images])
    state = copies * gradients
    # Adam makes one number more for each of the tensor that it is at; SGD works in place.
    update = gradients + (max((_bytes([one]) for one in trained), default=0) if copies > 1 else 0)
    return Memory(
        training=base + state + max(step.peak, update),
        inference=base + forward.peak,
        parameters=held,
        gradients=gradients,
        state=state,
        batch=_bytes([images]),
        activations=max(step.peak, update) - gradients,
    )


def _single(module: nn.Module, shape: Any, copies: int) -> Memory:
    """For one sample, on which norms of a batch cannot be trained: what two take, less what a third adds."""
    two = module_memory(module, shape, 2, copies=copies).to_dict()
    three = module_memory(module, shape, 3, copies=copies).to_dict()
    return Memory(**{name: 2 * two[name] - three[name] for name in two})


class Holding(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of the tensors that operations make, for as long as they live, and their peak."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._known: dict[int, Any] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {int(one.untyped_storage()._cdata) for one in _tensors((args, kwargs))}
        output = func(*args, **(kwargs or {}))
        for tensor in _tensors(output):
            storage = tensor.untyped_storage()
            key = int(storage._cdata)
            if key in self._known or key in given:
                continue
            self.now += storage.nbytes()
            self._known[key] = finalize(storage, self._gone, key, storage.nbytes())
        self.peak = max(self.peak, self.now + working_bytes(func, args, output))
        return output

    def _gone(self, key: int, count: int) -> None:
        self.now -= count
        self._known.pop(key, None)


def working_bytes(func: Any, args: Any, output: Any) -> int:
    """Bytes that live only inside one operation.

    A convolution on a processor brings its tensors into blocks of channels and back: forward there are first copies of
    input and filters, and then one of the output; backward one of both inputs and one of what it makes (measured with
    oneDNN in torch 2.14, plain layout).
    """
    name = func.overloadpacket.__name__
    if name == "convolution":
        return max(_bytes([args[0]]), _bytes([output])) + _bytes([args[1]])
    if name == "convolution_backward":
        gradient, inputs, weights = args[:3]
        return _bytes([gradient, weights]) + 2 * _bytes([inputs])
    return 0


def _bytes(tensors: Any) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [tensor for one in value for tensor in _tensors(one)]
    return []
