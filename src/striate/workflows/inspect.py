"""`inspect`: what a network costs and sees, whether its gradients are right, and how they fare."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin

from striate.core.errors import NetworkError, UsageError
from striate.core.events import Reporter, Silent
from striate.core.run import RunFolder
from striate.infer import Model, evaluating
from striate.infer.intake import in_sizes
from striate.nets import Network, Profile, build, profile_module, resolve_shape
from striate.nets.counting import token_table
from striate.nets.detectors import Detector
from striate.nets.gradients import GradientCheck, GradientFlow, Loss, check_gradients, gradient_flow
from striate.nets.memory import Memory, module_memory
from striate.nets.spec import FILES, form_of
from striate.plan.planner import user_decisions
from striate.tasks import Task
from striate.workflows.labelled import labelled, load_some
from striate.workflows.materials import gather
from striate.workflows.request import ReadRequest, Request
from striate.workflows.stages import prepare

CHECKED, WATCHED, STEPS = 4, 32, 5
CLASSES, DETECTED = 1000, 80  # of ImageNet, and of COCO's boxes


@dataclass(frozen=True)
class Subject:
    """A network to look at.

    Args:
        name: what it is called.
        module: on a device with memory, in the mode in which it was; None where its spec builds it.
        shape: of one sample of its input.
        spec: None for a module that was given as such.
        model: of a Run, with its preprocessing and task; else None.
        run: its folder; else None.
    """

    name: str
    module: nn.Module | None
    shape: tuple[int, ...]
    spec: dict[str, Any] | None = None
    model: Model | None = None
    run: RunFolder | None = None

    def made(self) -> nn.Module:
        """The module with memory; fresh ones drawn from seed 0."""
        if self.module is not None:
            return self.module
        assert self.spec is not None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return build(self.spec)

    def shapes_alone(self) -> nn.Module:
        """The module without memory, where it can do so."""
        if self.module is not None:
            module = copy.deepcopy(self.module)
        else:
            assert self.spec is not None
            with torch.device("meta"):
                module = build(self.spec)
        return module.to("meta")


@dataclass(frozen=True)
class Inspection:
    """What was found.

    Args:
        name, shape, batch: of the network and its input.
        profile: parameters, operations, receptive fields and the graph, by layer.
        memory: predicted for a batch in float32, with the velocity of SGD.
        groups: rows of the parts that hold layers, by dotted name: class, shape of the output, receptive field.
        sources: what the weights of a Run or Model were trained from, the nearest first.
    """

    name: str
    shape: tuple[int, ...]
    batch: int
    profile: Profile
    memory: Memory
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    sources: list[dict[str, str]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """What `striate inspect --json` prints."""
        found, flow = self.profile, self.profile.flow
        return {
            "network": self.name,
            "input": list(self.shape),
            "batch": self.batch,
            "parameters": found.parameters,
            "trainable": found.trainable,
            "macs": found.macs // self.batch,
            "memory": self.memory.to_dict(),
            "layers": [
                {
                    "name": row.name,
                    "kind": row.kind,
                    "output": list(row.output),
                    "parameters": row.parameters,
                    "trainable": row.trainable,
                    "macs": row.macs,
                    "activation_bytes": row.activation_bytes,
                    "receptive_field": None if row.receptive_field is None else row.receptive_field.to_dict(),
                }
                for row in found.layers
            ],
            "groups": self.groups,
            "sources": self.sources,
            "graph": {
                "steps": [
                    {"name": one.name, "kind": one.kind, "layer": one.layer, "output": list(one.output)}
                    for one in flow.steps
                ],
                "edges": [{"from": one.source, "to": one.target, "shape": list(one.shape)} for one in flow.edges],
            },
        }


def find(
    network: str | Path | Model | nn.Module,
    *,
    channels: int | None,
    height: int | None,
    width: int | None,
    classes: int | None,
    input: Sequence[int] | None = None,
) -> Subject:
    """The network that is meant.

    Args:
        network: a family, `timm/NAME`, `torchvision/NAME`, `smp/NAME`, a network file, a Run or Model or its folder, or
            a module.
        channels, height, width: of the input: 3×224×224 unless given; a Run's own.
        classes: 1,000 unless given; what a file's network gives; a Run's own.
        input: the whole shape of a sample, in place of channels, height and width: signals, volumes, tokens.

    Raises:
        UsageError: a size for a Run, which has its own.
        NetworkError: there is no such network, or it does not fit.
    """
    given = {"channels": channels, "height": height, "width": width, "classes": classes, "input": input}
    for name, size in given.items():
        if isinstance(size, int) and size < 1:
            raise UsageError(f"{name} {size} cannot be", fix="give a number from 1 on")
    shape: tuple[int, ...] = (channels or 3, height or width or 224, width or height or 224)
    if input is not None:
        if channels or height or width:
            raise UsageError("the input's shape is given twice", fix="give it whole, or its channels and size")
        if not input or min(input) < 1:
            raise UsageError(
                f"an input of {'×'.join(map(str, input)) or 'no axes'} cannot be", fix="give [1, 128], say"
            )
        shape = tuple(input)
    if isinstance(network, nn.Module):
        if classes is not None:
            raise UsageError("a module gives what it gives: classes are of networks by name", fix="leave them out")
        if any(isinstance(part, LazyModuleMixin) for part in network.modules()):
            raise UsageError("the module's lazy layers have no sizes yet", fix="run it once on an input first")
        return Subject(type(network).__name__, network, shape)
    folder = not isinstance(network, Model) and Path(network).is_dir()
    if isinstance(network, Model) or folder:
        if any(value is not None for value in given.values()):
            raise UsageError("a Run's network has the size that it was trained with", fix="leave size and classes out")
        model = network if isinstance(network, Model) else Model.load(network)
        run = RunFolder.open(network) if folder and not isinstance(network, Model) and _is_run(Path(network)) else None
        own = tuple(int(size) for size in model.spec["input"])
        return Subject(str(model.spec["name"]), model.network, own, model.spec, model, run)
    name = str(network)
    if classes is None and name.endswith(FILES):
        classes = _own_outputs(name, shape)
    form = form_of(name)
    spec = resolve_shape(name, shape, outputs=classes or (DETECTED if form == "boxes" else CLASSES), form=form)
    return Subject(name, None, shape, spec)


def _is_run(path: Path) -> bool:
    return (path / "plan.yaml").exists()


def _own_outputs(name: str, shape: tuple[int, ...]) -> int | None:
    """How many outputs a file's network gives by itself; None where it ends in a grid or holds a Model."""
    try:
        output = Network.from_file(name).output_shape(shape)
    except NetworkError:
        return None  # a Model's file, or a mistake, which `resolve` names
    return output[0] if len(output) == 1 else None


def inspect(subject: Subject, batch: int) -> Inspection:
    """Count and follow; nothing is allocated where the network can do without.

    Raises:
        NetworkError: a module that was given as such does not take this input.
    """
    module = subject.shapes_alone()
    try:
        found, needed = profile_module(module, subject.shape, batch), module_memory(module, subject.shape, batch)
    except (NotImplementedError, RuntimeError) as error:
        if not isinstance(error, NotImplementedError) and "meta" not in str(error).lower():
            raise _not_taken(subject, error) from error
        module = subject.made()  # it asks for numbers, which shapes alone have not
        found, needed = profile_module(module, subject.shape, batch), module_memory(module, subject.shape, batch)
    fields, groups = found.flow.fields, {}
    own = {row.name for row in found.layers}
    for name, part in module.named_modules():
        if name in fields and name and (name not in own or any(True for _ in part.children())):
            there = fields[name]
            groups[name] = {
                "kind": type(part).__name__,
                "output": list(found.flow.outputs[name]),
                "receptive_field": None if there is None else there.to_dict(),
            }
    sources = [] if subject.model is None else subject.model.sources
    return Inspection(subject.name, subject.shape, batch, found, needed, groups, sources)


def _not_taken(subject: Subject, error: Exception) -> NetworkError:
    size, said = "×".join(map(str, subject.shape)), str(error).strip().partition("\n")[0]
    return NetworkError(f"{subject.name} does not take an input of {size}: {said}", fix="give another size or channels")


def check(
    subject: Subject, data: str | None, *, entries: int, seed: int, reporter: Reporter
) -> tuple[GradientCheck, str]:
    """Gradients against differences, and on what.

    Args:
        data: labelled data for the batch; random numbers unless given.
    """
    if entries < 1:
        raise UsageError(f"{entries} numbers of each tensor prove nothing", fix="give entries from 1 on")
    _refuse_detector(subject)
    module = copy.deepcopy(subject.made()).cpu()
    images, loss, about = next(_batches(subject, module, data, CHECKED, seed, 1))
    _tried(subject, module, images)
    reporter.stage("checking gradients")
    found = check_gradients(
        module,
        images,
        loss,
        entries=entries,
        seed=seed,
        redraw_zeros=subject.model is None and subject.spec is not None,
        progress=lambda done, total: reporter.progress(done, total),
    )
    return found, about


def watch(subject: Subject, data: str | None, *, seed: int, reporter: Reporter) -> tuple[GradientFlow, str]:
    """The gradients of the first steps, and on what."""
    _refuse_detector(subject)
    module, about = copy.deepcopy(subject.made()).cpu(), ""
    reporter.stage("first steps")

    def batches() -> Iterator[tuple[Tensor, Loss]]:
        nonlocal about
        for number, (images, loss, what) in enumerate(_batches(subject, module, data, WATCHED, seed, STEPS), 1):
            if number == 1:
                _tried(subject, module, images)
            about = what
            yield images, loss
            reporter.progress(number, STEPS)

    found = gradient_flow(module, batches())
    return found, about


def _refuse_detector(subject: Subject) -> None:
    """Raise `UsageError` for a network whose losses are of boxes, which no random targets stand for."""
    if isinstance(subject.module, Detector) or (subject.spec or {}).get("kind") == "detector":
        raise UsageError(
            f"{subject.name} is a detector, whose gradients come from its losses of boxes: they are not followed here",
            fix="leave --gradcheck and --gradients out, or look at its backbone",
        )


def _tried(subject: Subject, module: nn.Module, images: Tensor) -> None:
    """Raise `NetworkError` unless the module takes the images."""
    try:
        with torch.no_grad(), evaluating(module):
            module(images)
    except (RuntimeError, IndexError) as error:
        raise _not_taken(subject, error) from error


def _batches(
    subject: Subject, module: nn.Module, data: str | None, size: int, seed: int, count: int
) -> Iterator[tuple[Tensor, Loss, str]]:
    """Batches with their loss, and a sentence that says what they are."""
    if data is None:
        generator = torch.Generator().manual_seed(seed)
        about = f"batches of {size} samples of random numbers with random targets"
        table = token_table(module)
        for _ in range(count):
            if table is not None:
                images = torch.randint(table.num_embeddings, (size, *subject.shape), generator=generator)
            else:
                images = torch.randn(size, *subject.shape, generator=generator)
            yield images, _random_loss(generator), about
        return
    if len(subject.shape) != 3:
        raise UsageError("labelled data is read as pictures, which this input is not", fix="leave --data out")
    images, targets, task = _labelled(subject, data, size * count)
    about = f"batches of at most {size} of {len(images)} samples of {data}, by the loss of the task {task.name}"
    for number in range(count):
        places = [place % len(images) for place in range(number * size, (number + 1) * size)][: len(images)]
        yield images[places], _task_loss(task, targets[places]), about


def _random_loss(generator: torch.Generator) -> Loss:
    kept: list[Tensor] = []

    def loss(outputs: Any) -> Tensor:
        first: Tensor = outputs[0] if isinstance(outputs, tuple | list) else outputs
        classes = first.dim() == 2 and first.shape[1] > 1
        if not kept:
            numbers = torch.randint(first.shape[1], (len(first),), generator=generator) if classes else None
            kept.append(torch.randn(first.shape, generator=generator) if numbers is None else numbers)
        if classes:
            return nn.functional.cross_entropy(first, kept[0])
        return (first * kept[0].to(first.dtype)).mean()

    return loss


def _task_loss(task: Task, targets: Tensor) -> Loss:
    return lambda outputs: task.losses(outputs, targets.to(outputs.dtype)).mean()


def _labelled(subject: Subject, data: str, count: int) -> tuple[Tensor, Tensor, Task]:
    """Standardised images and targets, read as training reads them."""
    if subject.model is not None:
        if subject.run is None:
            raise UsageError("a Model does not know how its data was read", fix="give the Run's folder")
        found = load_some(labelled(subject.run, subject.model, data, Silent()), subject.model, count)
        places, images = max(in_sizes(found.images, count), key=lambda some: len(some[0]))  # of one size
        return subject.model.normalize.cpu()(images), found.targets[places], subject.model.task
    if subject.spec is None:
        raise UsageError("data is read for networks by name", fix="give a batch to striate.nets.gradients yourself")
    given = {"network.name": subject.spec["name"], "input.height": subject.shape[1], "input.width": subject.shape[2]}
    given |= {"input.channels": subject.shape[0], "execution.cache_bytes": 0}
    path = subject.name if subject.name.endswith(FILES) else None
    given |= {"network.name": str(Path(path).absolute())} if path else {}
    request = Request(ReadRequest(data=data), epochs=1, weights="none", overrides=user_decisions(given))
    materials = gather(None, prepare(request, None, "cpu", Silent()), Silent())
    outputs = materials.task.outputs
    if outputs != subject.spec["outputs"]:
        raise UsageError(f"{data} needs {outputs} outputs, the network has {subject.spec['outputs']}",
                         fix=f"add --classes {outputs}")  # fmt: skip
    chosen = np.arange(min(count, materials.count("train")))
    images = materials.normalize(materials.pictures["train"].batch(chosen))
    margins = [(have - want) // 2 for have, want in zip(images.shape[2:], subject.shape[1:], strict=True)]
    cut: Sequence[slice] = [slice(edge, edge + want) for edge, want in zip(margins, subject.shape[1:], strict=True)]
    return images[(..., *cut)], materials.targets["train"][chosen], materials.task
