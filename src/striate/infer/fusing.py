"""Convolutions that add and activate as they write their outputs, and filters laid out once: for processors.

A convolution that is followed by an activation, or by the addition of a shortcut and one, writes its outputs to memory
only for the next operation to read them again; and oneDNN brings the filters into its own layout in every call. Both
cost more than the arithmetic where one picture is predicted. Operators that torch has for its compiler do the three as
one, with filters laid out beforehand (oneDNN's post-operations; torch's `mkldnn::_convolution_pointwise`).

What follows what is read from the network's graph, as torch.fx traces it. A network that cannot be traced is computed
as it is.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from striate.core.memory import ran_out_of_memory

_CONVOLUTIONS = (nn.Conv2d, nn.Conv3d)  # torch lays out no others
_ADDITIONS = (operator.add, operator.iadd, torch.add)
_IN_PLACE = ("iadd", "isub", "imul", "itruediv", "setitem")


class Pointwise(NamedTuple):
    """A function of each number, as oneDNN's operators take it."""

    attribute: str
    scalars: tuple[float, ...] = ()
    algorithm: str = ""


_NOTHING = Pointwise("none")
_BY_MODULE: dict[type[nn.Module], Callable[[Any], Pointwise]] = {
    nn.ReLU: lambda _: Pointwise("relu"),
    nn.ReLU6: lambda _: Pointwise("hardtanh", (0.0, 6.0)),
    nn.Hardtanh: lambda module: Pointwise("hardtanh", (module.min_val, module.max_val)),
    nn.LeakyReLU: lambda module: Pointwise("leaky_relu", (module.negative_slope,)),
    nn.GELU: lambda module: Pointwise("gelu", (), module.approximate),
    nn.SiLU: lambda _: Pointwise("swish"),
    nn.Hardswish: lambda _: Pointwise("hardswish"),
    nn.Sigmoid: lambda _: Pointwise("sigmoid"),
    nn.Tanh: lambda _: Pointwise("tanh"),
}
# Functions are only taken where they are called with nothing but the tensor, and perhaps in place.
_BY_FUNCTION: dict[Any, Pointwise] = {
    functional.relu: Pointwise("relu"),
    torch.relu: Pointwise("relu"),
    functional.silu: Pointwise("swish"),
    functional.hardswish: Pointwise("hardswish"),
    functional.relu6: Pointwise("hardtanh", (0.0, 6.0)),
    torch.sigmoid: Pointwise("sigmoid"),
    torch.tanh: Pointwise("tanh"),
}


def fused(network: nn.Module, images: Tensor, *, but: str) -> nn.Module:
    """A network whose convolutions add and activate as they write; the network itself where there is nothing to gain.

    It gives the same but for rounding, which the caller checks; it shares the parameters of all that is no convolution,
    and only predicts.

    Args:
        network: in evaluation mode, its norms folded, on a processor.
        images: (N, C, H, W), as it takes them.
        but: the dotted name of a layer that is left as it is: the head, by whose input the caller may compare.
    """
    if images.device.type != "cpu" or not onednn_computes(images.dtype):
        return network
    try:
        graph = _Tracer().trace(network)
        found = fx.GraphModule(network, graph, type(network).__name__)
        _note_shapes(found, images)
    except Exception as error:  # tracing runs the network's own code on what stands for a tensor: it may raise anything
        if ran_out_of_memory(error):
            raise
        return network
    _skip_idle(found)
    count = 0
    for node in list(found.graph.nodes):
        convolution = None if node.target == but else _convolution_of(found, node)
        if convolution is not None:
            _fuse(found, node, convolution, f"fused_{count}")
            count += 1
    if not count:
        return network
    found.delete_all_unused_submodules()
    found.recompile()
    return found.eval()


class FusedConv(nn.Module):
    """A convolution, with an addition and an activation after it, as one operation.

    Args:
        convolution: in evaluation mode; its filters are laid out when they are first needed.
        added: whether another tensor is added to the outputs.
        then: the function of the sum.
    """

    def __init__(self, convolution: Any, added: bool, then: Pointwise) -> None:
        super().__init__()
        self.geometry = (
            list(convolution.padding),
            list(convolution.stride),
            list(convolution.dilation),
            convolution.groups,
        )
        # No parameters: what moves or casts a network cannot touch oneDNN's own layout.
        self.plain = convolution.weight.detach()
        self.offsets = None if convolution.bias is None else convolution.bias.detach()
        self.laid_out: dict[bool, Tensor] = {}
        self.added, self.then = added, then

    def filters(self, size: Sequence[int]) -> Tensor:
        """The filters as oneDNN wants them for inputs of a size, (N, C, *grid).

        One picture alone is computed in other blocks than several are; filters in the other's layout would be laid out
        anew in each call, which took EfficientNet-B0 half as long again.
        """
        alone = size[0] == 1
        found = self.laid_out.get(alone)
        if found is None:
            found = torch.ops.mkldnn._reorder_convolution_weight(self.plain, *self.geometry, list(size))
            self.laid_out[alone] = found
        return found

    def forward(self, images: Tensor, other: Tensor | None = None) -> Tensor:
        name, scalars, algorithm = self.then
        filters = self.filters(images.shape)
        found: Tensor
        if self.added:
            function = None if name == "none" else name
            found = torch.ops.mkldnn._convolution_pointwise.binary(
                images, other, filters, self.offsets, *self.geometry,
                "add", None, function, list(scalars), algorithm,
            )  # fmt: skip
        else:
            found = torch.ops.mkldnn._convolution_pointwise(
                images, filters, self.offsets, *self.geometry, name, list(scalars), algorithm
            )
        return found

    def extra_repr(self) -> str:
        return f"{self.then.attribute}{', added' if self.added else ''}"


class _Tracer(fx.Tracer):
    """Looks into whatever has parts, but for torch's own layers."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        whole = next(m.children(), None) is None and not isinstance(m, nn.Sequential)
        return whole or super().is_leaf_module(m, module_qualified_name)


class _Shapes(fx.Interpreter):
    """Runs a graph, and notes the shape and type of each tensor with the node that made it."""

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if isinstance(result, Tensor):
            n.meta["shape"], n.meta["dtype"] = tuple(result.shape), result.dtype
        return result


def onednn_computes(kind: torch.dtype) -> bool:
    """Whether torch has oneDNN, and it computes in this type on this processor."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return kind != torch.bfloat16 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _note_shapes(network: fx.GraphModule, images: Tensor) -> None:
    with torch.no_grad():
        _Shapes(network).run(images)


def _skip_idle(network: fx.GraphModule) -> None:
    """Take out what does nothing in evaluation mode."""
    for node in list(network.graph.nodes):
        module = _module_of(network, node)
        if node.args and isinstance(module, nn.Identity | nn.Dropout | nn.Dropout1d | nn.Dropout2d | nn.Dropout3d):
            node.replace_all_uses_with(node.args[0])
            network.graph.erase_node(node)


def _fuse(network: fx.GraphModule, node: fx.Node, convolution: nn.Module, name: str) -> None:
    """Replace a convolution, and what follows it, by one operation."""
    taken, other, then = [node], None, _NOTHING
    reader = _only_reader(node)
    summand = None if reader is None else _summand(reader, node)
    if reader is not None and summand is not None:
        taken, other = [*taken, reader], summand
        reader = _only_reader(reader)
    function = None if reader is None else _function_of(network, reader)
    if reader is not None and function is not None and (other is None or function.attribute == "relu"):
        taken, then = [*taken, reader], function
    source = node.args[0]
    assert isinstance(source, fx.Node)
    if _changed_between(network, source, node, taken[-1]):  # what it reads would no longer be what it read
        taken, other, then = [node], None, _NOTHING
    last = taken[-1]
    fused_module = FusedConv(convolution, other is not None, then)
    network.add_submodule(name, fused_module)
    with network.graph.inserting_before(last):
        made = network.graph.call_module(name, (source,) if other is None else (source, other))
    made.meta.update(last.meta)
    last.replace_all_uses_with(made)
    for one in reversed(taken):
        network.graph.erase_node(one)


def _convolution_of(network: fx.GraphModule, node: fx.Node) -> Any:
    """The convolution that a node computes, where its operator can take it over."""
    module = _module_of(network, node)
    if type(module) not in _CONVOLUTIONS or not node.users or node.kwargs or not isinstance(node.args[0], fx.Node):
        return None
    plain: Any = module
    fits = plain.padding_mode == "zeros" and not isinstance(plain.padding, str)
    whole = plain.weight.dtype == node.args[0].meta.get("dtype") == node.meta.get("dtype")
    return plain if fits and whole and plain.weight.dtype in (torch.float32, torch.bfloat16) else None


def _changed_between(network: fx.GraphModule, tensor: fx.Node, first: fx.Node, last: fx.Node) -> bool:
    """Whether something writes into a tensor after one node and before another."""
    node = first.next
    while first is not last and node is not last:
        if tensor in node.all_input_nodes and _writes(network, node):
            return True
        node = node.next
    return False


def _writes(network: fx.GraphModule, node: fx.Node) -> bool:
    """Whether a node changes its first argument in place."""
    module = _module_of(network, node)
    if module is not None:
        return bool(getattr(module, "inplace", False))
    name = str(node.target) if node.op == "call_method" else getattr(node.target, "__name__", "")
    return name.endswith("_") or name in _IN_PLACE or bool(node.kwargs.get("inplace"))


def _only_reader(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _summand(node: fx.Node, convolution: fx.Node) -> fx.Node | None:
    """What a node adds to a convolution's outputs, where it is a tensor of the same shape that is there before them."""
    if node.op != "call_function" or node.target not in _ADDITIONS or node.kwargs or len(node.args) != 2:
        return None
    others = [one for one in node.args if one is not convolution]
    if len(others) != 1 or not isinstance(others[0], fx.Node):
        return None
    same = all(others[0].meta.get(key) == convolution.meta.get(key) for key in ("shape", "dtype"))
    return others[0] if same else None


def _function_of(network: fx.GraphModule, node: fx.Node) -> Pointwise | None:
    """The function of each number that a node computes."""
    module = _module_of(network, node)
    if module is not None:
        make = _BY_MODULE.get(type(module))
        return None if make is None or len(node.args) != 1 else make(module)
    if node.op == "call_method":
        alone = node.target in ("relu", "relu_") and len(node.args) == 1 and not node.kwargs
        return Pointwise("relu") if alone else None
    plain = node.op == "call_function" and len(node.args) == 1 and set(node.kwargs) <= {"inplace"}
    return _BY_FUNCTION.get(node.target) if plain else None


def _module_of(network: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    return network.get_submodule(str(node.target)) if node.op == "call_module" else None
