"""The gradient check finds what is planted and nothing else; gradients that vanish are seen to."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from striate.core.errors import NetworkError
from striate.nets import Activation, BatchNorm, Dense, Network, Node, Residual, build, resolve
from striate.nets.gradients import check_gradients, derivative, gradient_flow


class Planted(torch.autograd.Function):
    """x², whose backward pass is 1 % off."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.square()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return 2.02 * x * gradients[0]


class Square(nn.Module):
    """A layer with a mistake in it, or without."""

    def __init__(self, wrong: bool) -> None:
        super().__init__()
        self.wrong = wrong

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = Planted.apply(x) if self.wrong else x.square()
        return result


def net(wrong: bool) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Sequential(nn.Conv2d(3, 3, 3), Square(wrong)), nn.MaxPool2d(2), nn.Dropout(),
        nn.Flatten(), nn.Linear(12, 3),
    )  # fmt: skip


def against(count: int, classes: int) -> Any:
    targets = torch.arange(count) % classes
    return lambda outputs: nn.functional.cross_entropy(outputs, targets)


def test_a_planted_mistake_is_found_and_its_layer_named() -> None:
    images = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    found = check_gradients(net(True), images, against(4, 3))
    assert not found.passed
    assert found.wrong == ("2.1",)
    failed = {tensor.name: tensor.passed for tensor in found.tensors}
    assert failed == {
        "0.weight": False, "0.bias": False, "2.0.weight": False, "2.0.bias": False, "6.weight": True, "6.bias": True,
    }  # fmt: skip
    assert next(one for one in found.tensors if one.name == "2.0.bias").relative == pytest.approx(0.01 / 2.01, rel=0.2)


def test_without_it_all_agree() -> None:
    images = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    found = check_gradients(net(False), images, against(4, 3))
    assert found.passed
    assert found.wrong == ()
    assert all(tensor.sampled == min(8, tensor.entries) for tensor in found.tensors)
    assert max(tensor.relative for tensor in found.tensors) < 1e-5


@pytest.mark.parametrize("name", ["compact", "lenet5", "plain"])
def test_families_pass(name: str) -> None:
    arguments = {"compact": {"width": 4}, "plain": {"filters": [4, 4], "units": 8}}.get(name, {})
    torch.manual_seed(0)
    module = build(resolve(name, outputs=4, channels=1, height=32, width=32, arguments=arguments))
    found = check_gradients(module, torch.randn(3, 1, 32, 32), against(3, 4), entries=3, redraw_zeros=True)
    assert found.passed, [tensor for tensor in found.tensors if not tensor.passed]
    assert sum(tensor.sampled for tensor in found.tensors) > 2 * len(found.tensors)
    assert ("batch norms by the statistics of its batch" in found.mode) == (name == "compact")


def test_the_module_stays_as_it_was() -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout()).train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    check_gradients(module, torch.randn(4, 3), lambda outputs: outputs.square().sum(), redraw_zeros=True)
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())
    assert module.training
    assert all(parameter.grad is None for parameter in module.parameters())


def test_kinks_are_recognised_and_not_reported() -> None:
    module = nn.Sequential(nn.Linear(1, 1, bias=False), nn.ReLU())
    nn.init.zeros_(module[0].weight)  # type: ignore[arg-type]
    (tensor,) = check_gradients(module, torch.ones(2, 1), lambda outputs: outputs.sum()).tensors
    assert (tensor.sampled, tensor.kinks, tensor.passed) == (0, 1, True)
    # Two maxima that are equal: as much a corner.
    pooled = nn.Sequential(nn.Conv1d(1, 1, 1), nn.MaxPool1d(2))
    found = check_gradients(pooled, torch.tensor([[[1.0, 1.0, 2.0, 2.0]]]), lambda outputs: outputs.sum())
    assert found.passed


@pytest.mark.parametrize("corner", [0.0, 3e-6, 4e-8])
def test_a_corner_within_the_step_is_stepped_inside_or_left_out(corner: float) -> None:
    slope = derivative(lambda x: max(x - corner, 0.0) + x, max(-corner, 0.0), 1.0)
    if corner == 3e-6:  # the second step is too short to reach it
        assert slope is not None
        assert slope[0] == pytest.approx(1.0, abs=1e-4)
    else:
        assert slope is None


def test_a_mistake_is_no_kink() -> None:
    """The differences alone decide, so that a wrong gradient cannot pass as a corner."""
    found = check_gradients(nn.Sequential(nn.Linear(4, 4), Square(True)), torch.randn(3, 4), lambda y: y.sum())
    assert all(tensor.kinks == 0 and tensor.relative > 1e-3 for tensor in found.tensors)
    assert found.wrong == ("1",)


def deep(residual: bool, activation: Any = "sigmoid") -> nn.Module:
    layer: tuple[Node, ...] = (Dense(16, init="xavier_normal"), Activation(activation))
    nodes: list[Node] = [Dense(16)]
    for _ in range(50):
        nodes += [Residual(layer, activation=None)] if residual else layer
    torch.manual_seed(0)
    return Network("deep", (*nodes, BatchNorm(), Dense(3, name="head"))).build((8,))


def batches(count: int = 3) -> Any:
    generator = torch.Generator().manual_seed(2)
    return [(torch.randn(16, 8, generator=generator), against(16, 3)) for _ in range(count)]


def test_fifty_plain_sigmoid_layers_lose_the_gradient_and_the_remedy_is_named() -> None:
    found = gradient_flow(deep(residual=False), batches())
    assert found.verdict == "vanishing"
    assert "dense1 to dense" in found.finding
    assert "hardly learn" in found.finding
    assert "Residual" in found.remedy
    assert found.layers[0].largest < 1e-20 < found.layers[-1].largest
    assert all(len(layer.norms) == 3 for layer in found.layers)


def test_fifty_residual_ones_do_not() -> None:
    found = gradient_flow(deep(residual=True), batches())
    assert (found.verdict, found.remedy) == ("steady", "")


def test_layers_are_watched_in_the_order_in_which_they_run() -> None:
    class Backwards(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last, self.first = nn.Linear(5, 3), nn.Linear(8, 5)

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.last(self.first(x))
            return result

    assert [layer.name for layer in gradient_flow(Backwards(), batches(1)).layers] == ["first", "last"]
    with pytest.raises(NetworkError, match="no layer with weights"):
        gradient_flow(nn.Sequential(nn.BatchNorm1d(8)), batches(1))


def test_a_branch_that_begins_at_zero_is_no_loss() -> None:
    module = build(resolve("compact", outputs=3, channels=1, height=8, width=8, arguments={"width": 8}))
    made = [(torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(n)), against(8, 3)) for n in range(2)]
    assert gradient_flow(module, made).verdict == "steady"


def test_gradients_that_explode_are_named() -> None:
    module = deep(residual=False, activation="relu")
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.startswith("dense") and parameter.dim() > 1:
                parameter.mul_(4)
    module.norm1 = nn.Identity()  # type: ignore[assignment]
    found = gradient_flow(module, batches(1))
    assert found.verdict == "exploding"
    assert "clip" in found.remedy


def test_watching_leaves_the_module_as_it_was() -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(72, 3)).eval()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    gradient_flow(module, [(torch.randn(4, 1, 8, 8), against(4, 3))])
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())
    assert not module.training


def test_a_forward_pass_that_is_random_is_refused() -> None:
    class Noisy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.dropout(self.layer(x), 0.5, training=True)

    with pytest.raises(NetworkError, match="two forward passes"):
        check_gradients(Noisy(), torch.randn(8, 3), lambda outputs: outputs.square().sum())


def test_what_lies_at_kinks_alone_is_not_proved() -> None:
    class Corner(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(3))

        def forward(self, x: Tensor) -> Tensor:
            return (x * self.weight).abs()

    found = check_gradients(Corner(), torch.ones(2, 3), lambda outputs: outputs.sum())
    assert [(one.sampled, one.kinks) for one in found.tensors] == [(0, 3)]
    assert not found.passed
    assert found.wrong == ()


def test_filters_laid_out_channels_last_are_checked() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten()).to(memory_format=torch.channels_last)
    assert check_gradients(module, torch.randn(2, 3, 5, 5), lambda outputs: outputs.square().sum()).passed


def test_frozen_layers_are_not_taken_for_lost_ones() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 2))
    module[0].requires_grad_(False)
    batch = torch.randn(8, 4), lambda outputs: outputs.square().sum()
    found = gradient_flow(module, [batch])
    assert found.verdict == "steady"
    assert [one.name for one in found.layers] == ["2", "4"]
    with pytest.raises(NetworkError, match="no layer with weights that are trained"):
        gradient_flow(module.requires_grad_(False).append(nn.Flatten()), [batch])


def test_a_number_that_moves_nothing_proves_nothing() -> None:
    """A bias ahead of a norm over the batch is taken out again: 0 = 0, whatever the backward pass says."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    found = check_gradients(module, torch.randn(6, 3), against(6, 4))
    bias = next(one for one in found.tensors if one.name == "0.bias")
    assert (bias.sampled, bias.kinks, bias.still, bias.passed) == (0, 0, 4, True)
    assert all(one.sampled and not one.still for one in found.tensors if one is not bias)
    unused = nn.Linear(2, 2)
    assert not check_gradients(unused, torch.zeros(3, 2), lambda outputs: 0 * outputs.sum()).passed
