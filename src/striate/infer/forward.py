"""The one forward loop: validation, scoring, prediction and the checks of exported files all go through it."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.core.errors import NonFinite
from striate.core.memory import ran_out_of_memory
from striate.data.loader import Batch

Views = Literal["single", "mirrored", "flipped"]

VIEWS: dict[Views, tuple[tuple[int, ...], ...]] = {
    "single": ((),),
    "mirrored": ((), (-1,)),
    "flipped": ((), (-1,), (-2,), (-2, -1)),
}
"""The axes along which each view of a picture is flipped."""


@contextlib.contextmanager
def evaluating(network: nn.Module) -> Iterator[nn.Module]:
    """The network in evaluation mode; every module's own mode is given back afterwards, errors or not.

    >>> network = nn.Sequential(nn.Dropout(0.5)).train()
    >>> with evaluating(network):
    ...     network.training, network[0].training
    (False, False)
    >>> network[0].training
    True
    """
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield network
    finally:
        for module, training in modes:
            module.training = training


def forward(network: nn.Module, normalize: nn.Module, images: Tensor, views: Views = "single") -> Tensor:
    """Pixels to raw outputs, for one batch; differentiable where gradients are on.

    Args:
        network: gives one row of outputs for an image; its layout and precision are its own, see `striate.infer.Ready`.
        normalize: from pixels on the 0..255 scale to what the network was trained on.
        images: (N, C, H, W), uint8 or float32, on the 0..255 scale.
        views: what the outputs are the mean over; see `over_views`.

    Returns:
        Raw outputs (logits, or standardised values), (N, K) float32.
    """
    return over_views(network, normalize(images), views)


def over_views(network: nn.Module, images: Tensor, views: Views) -> Tensor:
    """The mean of the raw outputs over the views of each picture, (N, K) float32; see `each_view`.

    Outputs for each position, (N, K, H, W), are flipped back before.
    """
    total: Tensor | None = None  # summed as they come: of whole pictures, all views at once may not fit into memory
    for axes, view in zip(VIEWS[views], each_view(images, views), strict=True):
        found = network(view).float()
        if axes and found.dim() == 4:
            found = found.flip(axes)
        total = found if total is None else total + found
        del found
    assert total is not None
    return total if len(VIEWS[views]) == 1 else total / len(VIEWS[views])


def each_view(images: Tensor, views: Views) -> Iterator[Tensor]:
    """What a prediction averages over.

    Args:
        images: (N, C, H, W).
        views: "single" is the picture as it is; "mirrored" adds its mirror image, left and right exchanged (Krizhevsky,
            Sutskever and Hinton 2012, section 4.1); "flipped" adds both of them upside down.

    >>> [view.tolist() for view in each_view(torch.tensor([[[[1, 2]]]]), "mirrored")]
    [[[[[1, 2]]]], [[[[2, 1]]]]]
    """
    for axes in VIEWS[views]:
        yield images.flip(axes) if axes else images


def in_parts(compute: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """What `compute` gives for a batch; where memory runs out, that of its halves, and so on, with a warning.

    Args:
        compute: from images to one row each, as for `images` as a whole.
        images: (N, …).

    Raises:
        RuntimeError, MemoryError: memory is too small for a single image.

    >>> in_parts(lambda part: part.sum(1), torch.ones(3, 2))
    tensor([2., 2., 2.])
    """
    try:
        return compute(images)
    except (RuntimeError, MemoryError) as error:
        if not ran_out_of_memory(error) or len(images) < 2:
            raise
    # Outside the handler, whose traceback would keep the activations alive. Each text is shown once.
    half = len(images) // 2
    warnings.warn(
        f"memory ran out with {len(images)} pictures at once: they are computed in halves, slower and equal but for "
        "rounding",
        RuntimeWarning,
        stacklevel=2,
    )
    return torch.cat([in_parts(compute, part) for part in (images[:half], images[half:])])


def stream_outputs(
    network: nn.Module,
    normalize: nn.Module,
    batches: Iterable[Batch],
    *,
    views: Views = "single",
    device: str | torch.device = "cpu",
    name: Callable[[int], str] = str,
    kept: Callable[[Tensor, Batch], Tensor] | None = None,
) -> Iterator[tuple[Tensor, NDArray[np.int64]]]:
    """The outputs of each batch as it comes, in evaluation mode and without gradients.

    Between two batches the network is in the mode it was in, so a caller may stop early or train in between. A batch
    that memory cannot hold is computed in parts.

    Args:
        batches: images (N, C, H, W) on the 0..255 scale, with the samples' ids.
        device: where the network is; the outputs come back to the CPU.
        name: what the sample of an id is called in an error.
        kept: what is kept of a batch's outputs, (N, …), and on the CPU; the outputs themselves unless given.

    Yields:
        Raw outputs (N, K) float32 on the CPU, and the ids (N,).

    Raises:
        NonFinite: an output is not a finite number; the message names the samples.
    """

    def compute(images: Tensor) -> Tensor:
        images = images.to(device, non_blocking=True)
        return forward(network, normalize, images, views).cpu()

    for batch in batches:
        with evaluating(network), torch.no_grad():
            outputs = in_parts(compute, batch.images)
        finite = torch.isfinite(outputs).flatten(1).all(1).numpy()
        if not finite.all():
            names = [name(int(number)) for number in batch.ids[~finite]]
            shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
            raise NonFinite(
                f"the network gives outputs that are not finite numbers for {shown}",
                fix="look at these pictures; where it happens for every picture, the weights have diverged: "
                "train again with a smaller rate, or in float32",
            )
        yield outputs if kept is None else kept(outputs, batch), batch.ids


def predict_outputs(
    network: nn.Module,
    normalize: nn.Module,
    batches: Iterable[Batch],
    *,
    views: Views = "single",
    device: str | torch.device = "cpu",
    name: Callable[[int], str] = str,
    kept: Callable[[Tensor, Batch], Tensor] | None = None,
) -> tuple[Tensor, NDArray[np.int64]]:
    """All outputs at once, in the order of the batches; see `stream_outputs`.

    Returns:
        Raw outputs (N, K) float32 on the CPU, and the ids (N,); (0, 0) and (0,) without batches.
    """
    streamed = list(
        stream_outputs(
            network,
            normalize,
            batches,
            views=views,
            device=device,
            name=name,
            kept=kept,
        )
    )
    if not streamed:
        return torch.zeros(0, 0), np.zeros(0, np.int64)
    return torch.cat([outputs for outputs, _ in streamed]), np.concatenate([ids for _, ids in streamed])
