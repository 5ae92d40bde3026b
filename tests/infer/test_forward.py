"""The one forward loop against plain torch, and what it leaves behind."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import cast

import numpy as np
import pytest
import torch
from small_models import pictures, stirred
from torch import nn

from striate.core.errors import NonFinite
from striate.data.loader import Batch
from striate.infer import (
    ForwardWay,
    Views,
    evaluating,
    forward,
    in_parts,
    made_ready,
    predict_outputs,
    stream_outputs,
)
from striate.infer.forward import VIEWS, over_views
from striate.infer.ready import Precision
from striate.nets import Normalize

MEAN, STD = (0.5, 0.4, 0.45), (0.25, 0.2, 0.3)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Flatten())
    return nn.Sequential(*layers, nn.Linear(4 * 14 * 14, 2)).train()


def batches(images: torch.Tensor, size: int) -> Iterator[Batch]:
    for first in range(0, len(images), size):
        part = images[first : first + size]
        count = len(part)
        ids = np.arange(first, first + count) + 100
        yield Batch(part, torch.zeros(count, 0), torch.ones(count), float(count), ids)


def test_it_gives_what_plain_torch_gives() -> None:
    images, net = pictures(10), stirred(network())
    outputs, ids = predict_outputs(net, Normalize(MEAN, STD), batches(images, 4))
    net.eval()
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    with torch.no_grad():
        expected = net((images.float() / 255 - mean) / std)
    torch.testing.assert_close(outputs, expected, atol=1e-5, rtol=1e-5)
    assert ids.tolist() == list(range(100, 110))
    assert outputs.dtype == torch.float32
    assert not outputs.requires_grad


@pytest.mark.parametrize("channels_last", [False, True])
def test_bfloat16_is_near_and_comes_back_as_float32(channels_last: bool) -> None:
    images, net = pictures(8), stirred(network())
    plain, _ = predict_outputs(net, Normalize(MEAN, STD), batches(images, 4))
    ready = made_ready(net, ForwardWay("bfloat16", channels_last), images.shape[1:])
    low, _ = predict_outputs(ready, Normalize(MEAN, STD), batches(images, 4))
    assert low.dtype == torch.float32
    assert not torch.equal(low, plain)
    torch.testing.assert_close(low, plain, atol=0.1, rtol=0.05)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(("views", "turns"), [("mirrored", [(-1,)]), ("flipped", [(-1,), (-2,), (-1, -2)])])
def test_views_are_the_mean_with_the_flipped_images(
    views: Views, turns: list[tuple[int, ...]], precision: Precision
) -> None:
    images = pictures(8)
    net = made_ready(stirred(network()), ForwardWay(precision, False), images.shape[1:])
    normalize = Normalize(MEAN, STD)
    alone = [predict_outputs(net, normalize, batches(images, 4))[0]]
    alone += [predict_outputs(net, normalize, batches(images.flip(turn), 4))[0] for turn in turns]
    found, _ = predict_outputs(net, normalize, batches(images, 4), views=views)
    assert not torch.allclose(alone[0], alone[1])
    torch.testing.assert_close(found, torch.stack(alone).mean(0), atol=1e-6, rtol=1e-6)


def test_views_of_whole_pictures_are_summed_as_they_come() -> None:
    given: list[weakref.ref[torch.Tensor]] = []
    alive: list[int] = []

    def watched(view: torch.Tensor) -> torch.Tensor:
        alive.append(sum(one() is not None for one in given))
        found = view * torch.arange(1.0, 7.0)
        given.append(weakref.ref(found))
        return found

    images = torch.rand(2, 3, 5, 6)
    found = over_views(cast(nn.Module, watched), images, "flipped")
    assert alive == [0, 1, 0, 0]  # the first is where the sum begins
    back = [(images.flip(axes) * torch.arange(1.0, 7.0)).flip(axes) for axes in VIEWS["flipped"]]
    assert torch.equal(found, (((back[0] + back[1]) + back[2]) + back[3]) / 4)


def test_the_modes_come_back_even_after_an_error_in_the_network() -> None:
    net = network()
    net[3].eval()
    before = [module.training for module in net.modules()]
    with evaluating(net):
        assert not any(module.training for module in net.modules())
    predict_outputs(net, Normalize(MEAN, STD), batches(pictures(3), 2))
    assert [module.training for module in net.modules()] == before
    with pytest.raises(RuntimeError), evaluating(net):
        net(torch.zeros(1, 7, 7, 7))
    assert [module.training for module in net.modules()] == before


def test_a_stream_stopped_early_leaves_the_mode_as_it_was() -> None:
    net = network()
    stream = stream_outputs(net, Normalize(MEAN, STD), batches(pictures(8), 2))
    next(stream)
    assert net.training
    stream.close()
    assert net.training


def test_running_statistics_do_not_move() -> None:
    net = network()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    predict_outputs(net, Normalize(MEAN, STD), batches(pictures(8), 4))
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_an_output_that_is_not_a_number_names_its_samples() -> None:
    images = pictures(6).float()
    images[4, 0, 0, 0] = torch.nan
    with pytest.raises(NonFinite, match="for picture 104") as caught:
        predict_outputs(network(), Normalize(MEAN, STD), batches(images, 3), name=lambda number: f"picture {number}")
    assert "103" not in str(caught.value)


def test_gradients_reach_the_pixels() -> None:
    images = pictures(2).float().requires_grad_()
    forward(network().eval(), Normalize(MEAN, STD), images).sum().backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0


def test_no_batches_give_no_outputs() -> None:
    outputs, ids = predict_outputs(network(), Normalize(MEAN, STD), [])
    assert outputs.shape == (0, 0)
    assert ids.shape == (0,)


class Small(nn.Module):
    """A network on a machine whose memory holds so many images."""

    def __init__(self, inner: nn.Module, most: int) -> None:
        super().__init__()
        self.inner, self.most = inner, most
        self.sizes: list[int] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(images))
        if len(images) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        found: torch.Tensor = self.inner(images)
        return found


def test_what_memory_cannot_hold_is_computed_in_parts_and_in_order() -> None:
    images, net = pictures(11), stirred(network())
    small = Small(net, 2)
    with pytest.warns(RuntimeWarning, match="8 pictures at once"):
        outputs, ids = predict_outputs(small, Normalize(MEAN, STD), batches(images, 8))
    expected, _ = predict_outputs(net, Normalize(MEAN, STD), batches(images, 8))
    torch.testing.assert_close(outputs, expected, atol=1e-6, rtol=1e-5)
    assert ids.tolist() == list(range(100, 111))
    assert small.sizes[:4] == [8, 4, 2, 2]


def test_an_image_that_memory_cannot_hold_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="out of memory"):
        predict_outputs(Small(network(), 0), Normalize(MEAN, STD), batches(pictures(3), 3))


def test_another_error_is_not_tried_again() -> None:
    calls = []

    def broken(part: torch.Tensor) -> torch.Tensor:
        calls.append(len(part))
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        in_parts(broken, torch.zeros(4, 1))
    assert calls == [4]
