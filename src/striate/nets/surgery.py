"""What edits of any module share: its parts in order, its stages, and the exchange of one part for another.

The parts of a module are its children, lists and sequences opened and blocks not. A stage is a run of parts
whose outputs have the same grid, the change to a smaller one opening the next; the first convolution belongs to none
where it strides (it is the stem), and neither does what pools the whole grid and what follows it, nor a head that is a
convolution, with the dropout before it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from striate.core.errors import NetworkError
from striate.core.memory import ran_out_of_memory
from striate.nets.anatomy import head_name, stem_name
from striate.nets.counting import zeros_for
from striate.nets.node import Shape

BEFORE = "before"
"""What a part is called in the sequence that is made of it and of what is put behind it."""
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
ATTENTION = frozenset({
    "SqueezeExcitation", "SqueezeExcite", "SqueezeExciteCl", "SEModule", "EffectiveSEModule", "EffectiveSqueezeExcite",
    "EcaModule", "CecaModule", "CbamModule", "LightCbamModule", "ChannelAttn", "LightChannelAttn", "SpatialAttn",
    "LightSpatialAttn", "GlobalContext", "GatherExcite", "Excitation", "ChannelAndSpatialAttention",
})  # fmt: skip
"""Classes, torchvision's, timm's and ours, of what weighs channels or positions: within it, edits change nothing."""
SAME_GRID = 0.75
"""Share of a side above which a part's output still has the grid of its stage: unpadded kernels take some positions."""


@dataclass(frozen=True)
class ModuleStage:
    """One stage of a module.

    Args:
        parts: dotted names of its parts, in order of execution.
        output: the shape of the last one's output, without the batch.
    """

    parts: tuple[str, ...]
    output: Shape


def module_stages(module: nn.Module, shape: Shape) -> list[ModuleStage]:
    """The stages of a module for inputs of a shape. Raises `NetworkError` where there is none."""
    runs: list[list[tuple[str, Shape]]] = []
    head = _convolutional_head(module)
    for name, output in _outputs(module, shape):
        if name == head:
            break
        if not runs or output[1] <= SAME_GRID * runs[-1][0][1][1]:
            runs.append([])
        runs[-1].append((name, output))
    stem, found = strided_stem(module), []
    for place, run in enumerate(runs):
        (first, output), names = run[0], [name for name, _ in run]
        plain = next(module.get_submodule(first).parameters(), None) is None
        if place and plain and max(output[1:]) == 1:
            break  # the whole grid was pooled
        while names and isinstance(module.get_submodule(names[-1]), _DROPOUTS):
            names.pop()
        kept = tuple(name for name in names if stem is None or not _within(stem, name))
        if any(isinstance(one, CONVOLUTIONS) for name in kept for one in module.get_submodule(name).modules()):
            found.append(ModuleStage(kept, dict(run)[kept[-1]]))
    if not found:
        raise NetworkError(
            f"no stages are found in {type(module).__name__}: none of its parts gives channels on a grid",
            fix="this edit is for networks of convolutions",
        )
    return found


def module_stage(module: nn.Module, shape: Shape, number: int) -> ModuleStage:
    """One of the stages, from 1 on. Raises `NetworkError`."""
    found = module_stages(module, shape)
    if not 1 <= number <= len(found):
        raise NetworkError(f"{type(module).__name__} has no stage {number}", fix=f"choose from 1 to {len(found)}")
    return found[number - 1]


def strided_stem(module: nn.Module) -> str | None:
    """The dotted name of the first convolution, where it strides; None where it does not."""
    name = stem_name(module)
    stem: Any = None if name is None else module.get_submodule(name)
    return name if stem is not None and max(stem.stride) > 1 else None


def _convolutional_head(module: nn.Module) -> str | None:
    """The dotted name of the head, where it is a convolution."""
    with contextlib.suppress(NetworkError):  # it has none
        name = head_name(module)
        return name if isinstance(module.get_submodule(name), CONVOLUTIONS) else None
    return None


def exchange(module: nn.Module, kinds: type | tuple[type, ...], make: Callable[[Any], nn.Module | None]) -> int:
    """Put another module in place of each of some kinds; those that stand in several places, once.

    Args:
        module: changed in place.
        kinds: the classes, theirs below them included.
        make: the new one for an old one; None to leave it.

    Returns:
        how many were exchanged.
    """
    made: dict[int, nn.Module | None] = {}
    count = 0
    exchanged: tuple[str, ...] = ()
    named: list[tuple[str, nn.Module]] = list(module.named_modules(remove_duplicate=False))
    for name, one in named:
        if name and isinstance(one, kinds) and not name.startswith(exchanged):
            if id(one) not in made:
                made[id(one)] = make(one)
            new = made[id(one)]
            if new is not None:
                new.train(one.training)
                module.set_submodule(name, new)
                exchanged += (f"{name}.",)  # what was in the old one is gone
                count += 1
    return count


def in_attention(module: nn.Module) -> set[int]:
    """The identities of all modules within attention over channels or positions, see `ATTENTION`."""
    holders = (one for one in module.modules() if one is not module and type(one).__name__ in ATTENTION)
    return {id(part) for holder in holders for part in holder.modules()}


def called_outside(
    module: nn.Module,
    shape: Shape,
    functions: Collection[Callable[..., Any]],
    kinds: tuple[type, ...],
    *,
    grids_alone: bool = False,
) -> list[str]:
    """The names of functions that a module calls itself, not through a module of some kinds nor in attention: no
    exchange reaches them.

    Args:
        functions: such as `torch.nn.functional.relu`.
        kinds: the classes whose own calls are theirs.
        grids_alone: whether only calls on (N, C, *grid) count.

    Raises:
        NetworkError: the module does not take such an input.
    """
    within, found = [0], []

    class Watch(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
        ) -> Any:
            named = kwargs or {}
            if func in functions and not within[0]:
                given = args[0] if args else named.get("input")
                if not grids_alone or (isinstance(given, Tensor) and given.dim() == len(shape) + 1):
                    found.append(str(func.__name__).rstrip("_"))
            return func(*args, **named)

    def enter(*_: Any) -> None:
        within[0] += 1

    def leave(*_: Any) -> None:
        within[0] -= 1

    handles = []
    for one in module.modules():
        if isinstance(one, kinds) or type(one).__name__ in ATTENTION:
            handles += [one.register_forward_pre_hook(enter), one.register_forward_hook(leave)]
    try:
        with Watch():
            _run(module, shape)
    finally:
        for handle in handles:
            handle.remove()
    return found


def device_of(module: nn.Module) -> torch.device:
    """Where a module's numbers are."""
    return next((one.device for one in (*module.parameters(), *module.buffers())), torch.device("cpu"))


def _outputs(module: nn.Module, shape: Shape) -> list[tuple[str, Shape]]:
    """The parts that give channels on a grid as long and wide as the input's, in order, with the shapes of these."""
    found: dict[str, Shape] = {}

    def note(name: str) -> Callable[..., None]:
        def hook(_: nn.Module, __: Any, output: Any) -> None:
            if (
                isinstance(output, Tensor)
                and output.dim() == len(shape) + 1
                and _like(tuple(output.shape[2:]), shape[1:])
            ):
                found.setdefault(name, tuple(output.shape[1:]))

        return hook

    handles = [one.register_forward_hook(note(name)) for name, one in _parts(module, "")]
    try:
        _run(module, shape)
    finally:
        for handle in handles:
            handle.remove()
    return list(found.items())


def _parts(module: nn.Module, prefix: str) -> Iterator[tuple[str, nn.Module]]:
    for name, child in module.named_children():
        if _is_list(child) and next(child.children(), None) is not None:
            yield from _parts(child, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", child


def _is_list(module: nn.Module) -> bool:
    """Whether a module is no more than its parts: a list, a sequence, or what torch.fx makes of a part's holder."""
    return is_sequence(module) or type(module) in (nn.ModuleList, nn.Module)


def _like(grid: Shape, whole: Shape) -> bool:
    """Whether a grid has about the proportions of the input's, as one whose channels come last has not."""
    sides = [side / of for side, of in zip(grid, whole, strict=True)]
    return max(sides) <= 1.5 * min(sides) or max(grid) - min(grid) <= 1


def _within(name: str, part: str) -> bool:
    return name == part or name.startswith(f"{part}.")


def is_sequence(module: nn.Module) -> bool:
    """Whether a module passes its input through its parts, one after another, and does nothing else."""
    return isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward


def _run(module: nn.Module, shape: Shape) -> None:
    """Two samples of zeros through a module. Raises `NetworkError` where it does not take them."""
    try:
        with _predicting(module):
            module(zeros_for(module, 2, shape))
    except Exception as error:  # each module has its own way to refuse a size
        if ran_out_of_memory(error):
            raise
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        size = "×".join(map(str, shape))
        raise NetworkError(
            f"{type(module).__name__} does not take an input of {size}: {said}", fix="give another size"
        ) from error


@contextlib.contextmanager
def _predicting(module: nn.Module) -> Iterator[None]:
    """In evaluation mode, without gradients; each module's mode is given back."""
    modes = [(one, one.training) for one in module.modules()]
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for one, mode in modes:
            one.training = mode
