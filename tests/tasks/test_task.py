"""Weighted, mixed batches in parts are the whole, against plain torch."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from striate.nets import Activation, Auxiliary, Dense, Flatten, Network
from striate.tasks import make_task
from tests.tasks.parts import NAMES, images, linear, mixed, pieces, samples, whole


@pytest.mark.parametrize("name", ["classify", "multilabel"])
@pytest.mark.parametrize("sizes", [(12, 12), (1, 20, 3), (1,) * 24])
def test_mixed_and_weighted_parts_have_the_gradient_of_the_whole(name: str, sizes: tuple[int, ...]) -> None:
    kind, loss = ("label", "cross_entropy") if name == "classify" else ("labels", "binary_cross_entropy")
    rows = samples(kind)
    task = make_task(name, NAMES, rows, loss=loss, loss_options={"label_smoothing": 0.1}, class_weights="balanced")
    batch = mixed(whole(images(24), task.encode(rows).double(), task.weights(rows).double()), 0.3)
    assert (batch.targets[:, 0] % 1).any()
    gradients = []
    for parts in ([batch], pieces(batch, *sizes)):
        network = linear(3)
        for part in parts:
            task.step({"network": network}, part)["network"].backward()
        gradients.append([parameter.grad for parameter in network.parameters() if parameter.grad is not None])
    for own, expected in zip(gradients[1], gradients[0], strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-12, atol=1e-12)


def test_class_weights_are_those_of_torch() -> None:
    rows = samples("label", weighted=False)
    task = make_task("classify", NAMES, rows, loss="cross_entropy", class_weights="balanced")
    assert task.settings.class_weights is not None
    batch = whole(images(24), task.encode(rows), task.weights(rows))
    found = task.step({"network": linear(3)}, batch)["network"]
    weight = torch.tensor(task.settings.class_weights, dtype=torch.float64)
    expected = functional.cross_entropy(linear(3)(images(24)), batch.targets.argmax(1), weight=weight)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)  # the weights are kept in single precision


def test_mixed_and_class_weighted_loss_is_that_of_torch() -> None:
    # torch weighs each class's term of a soft target; dividing by the batch's weight is ours.
    rows = samples("label", weighted=False)
    task = make_task("classify", NAMES, rows, loss="cross_entropy", class_weights="balanced")
    plain = whole(images(24), task.encode(rows).double(), task.weights(rows).double())
    batch = mixed(plain, 0.3)
    soft = 0.3 * plain.targets + 0.7 * plain.targets.flip(0)
    weight = torch.tensor(task.settings.class_weights, dtype=torch.float64)
    parts = functional.cross_entropy(linear(3)(batch.images), soft, weight=weight, reduction="none")
    found = task.step({"network": linear(3)}, batch)["network"]
    torch.testing.assert_close(found, parts.sum() / batch.total_weight, rtol=1e-6, atol=0)


def test_the_scale_of_weights_does_not_change_the_step() -> None:
    rows = samples("label")
    task = make_task("classify", NAMES, rows, loss="cross_entropy")
    values = [
        task.step({"network": linear(3)}, whole(images(24), task.encode(rows), scale * task.weights(rows)))["network"]
        for scale in (1.0, 8.0)
    ]
    torch.testing.assert_close(values[0], values[1], rtol=1e-12, atol=0)


def test_an_auxiliary_head_adds_its_loss_times_its_weight() -> None:
    rows = samples("label", weighted=False)
    task = make_task("classify", NAMES, rows, loss="cross_entropy")
    batch = whole(images(24), task.encode(rows).double(), task.weights(rows).double())
    network = Network("net", (Flatten(), Auxiliary((Dense(5), Activation("tanh")), weight=0.25)))
    module = network.with_head(3, tuple(batch.images.shape[1:])).build(tuple(batch.images.shape[1:])).double()
    losses = task.step({"network": module}, batch)
    assert list(losses) == ["network", "auxiliary1"]
    head = module.get_submodule("auxiliary1")
    answers = head.head(torch.tanh(head.dense1(batch.images.flatten(1))))
    expected = functional.cross_entropy(answers, batch.targets.argmax(1))
    torch.testing.assert_close(losses["auxiliary1"], 0.25 * expected)
    sum(losses.values(), torch.zeros(())).backward()
    assert all(parameter.grad is not None for parameter in module.parameters())
    assert list(task.step({"network": module.eval()}, batch)) == ["network"]
