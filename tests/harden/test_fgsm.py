"""FGSM against autograd written by hand, for every task, and the accuracy that it leaves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small_models import pictures, small_model
from torch import Tensor
from torch.nn import functional

from striate.core.errors import UnknownName, UsageError
from striate.harden import ATTACKS, robust_accuracy
from striate.harden.fgsm import fgsm, pixel_gradient
from striate.infer import Model
from striate.nets import head_name

LOSS = {
    "classify": lambda outputs, targets: functional.cross_entropy(outputs, targets.argmax(1)),
    "multilabel": functional.binary_cross_entropy_with_logits,
    "regress": lambda outputs, targets: functional.mse_loss(
        outputs, (targets - torch.tensor([170.0, 60.0])) / torch.tensor([10.0, 8.0])
    ),
}


def targets_of(task: str, count: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    if task == "classify":
        return functional.one_hot(torch.randint(0, 3, (count,), generator=generator), 3).float()
    if task == "multilabel":
        return torch.randint(0, 2, (count, 3), generator=generator).float()
    return torch.randn(count, 2, generator=generator) * 10 + torch.tensor([170.0, 60.0])


def by_hand(model: Model, task: str, images: Tensor, targets: Tensor) -> Tensor:
    """The gradient by the pixels, by plain torch."""
    pixels = images.float().requires_grad_()
    mean = torch.tensor(model.preprocessing.mean).view(3, 1, 1)
    std = torch.tensor(model.preprocessing.std).view(3, 1, 1)
    loss = LOSS[task](model.network.eval()((pixels / 255 - mean) / std), targets)
    (gradient,) = torch.autograd.grad(loss, pixels)
    return gradient


@pytest.mark.parametrize("task", list(LOSS))
def test_it_is_one_signed_step_up_the_loss_of_the_task(tmp_path: Path, task: str) -> None:
    model, images, targets = small_model(tmp_path, task), pictures(6), targets_of(task, 6)
    gradient = by_hand(model, task, images, targets)
    found = pixel_gradient(model, images, targets)
    assert gradient.abs().sum() > 0
    # the same direction; a task may sum or average over its columns
    cosine = functional.cosine_similarity(found.flatten(), gradient.flatten(), 0)
    assert float(cosine) == pytest.approx(1, abs=1e-5)
    clear = gradient.abs() > 1e-3 * gradient.abs().max()
    expected = (images + 2.0 * gradient.sign()).clamp(0, 255)
    changed = fgsm(model, images, targets, 2.0)
    assert clear.float().mean() > 0.5
    assert torch.equal(changed[clear], expected[clear])


@pytest.mark.parametrize("task", list(LOSS))
def test_the_loss_goes_up(tmp_path: Path, task: str) -> None:
    model, images, targets = small_model(tmp_path, task), pictures(8), targets_of(task, 8)
    with torch.no_grad():
        before = LOSS[task](model.outputs(images), targets)
        after = LOSS[task](model.outputs(fgsm(model, images, targets, 1.0)), targets)
    assert float(after) > float(before)


@pytest.mark.parametrize("epsilon", [1.0, 4.0, 0.5])
def test_no_pixel_moves_further_than_epsilon_or_out_of_range(tmp_path: Path, epsilon: float) -> None:
    model, images = small_model(tmp_path), pictures(6)
    images[:, :, :4] = 0
    images[:, :, 12:] = 255
    changed = fgsm(model, images, targets_of("classify", 6), epsilon)
    assert changed.dtype == torch.float32
    assert changed.min() >= 0
    assert changed.max() <= 255
    distance = (changed - images.float()).abs()
    assert float(distance.max()) == epsilon
    assert float((distance[:, :, 5:11] == epsilon).float().mean()) > 0.9


def test_pixels_outside_of_the_range_move_no_further_either(tmp_path: Path) -> None:
    """Bicubic resampling of deep pictures overshoots; clipping these to the range would be more than epsilon."""
    model, images = small_model(tmp_path), pictures(2).float()
    images[:, :, :4], images[:, :, 12:] = -7.0, 262.0
    changed = fgsm(model, images, targets_of("classify", 2), 1.0)
    assert float((changed - images).abs().max()) == 1.0
    assert float(changed.min()) >= -7.0
    assert float(changed.max()) <= 262.0


def test_pixels_of_another_depth_are_attacked_on_the_same_scale(tmp_path: Path) -> None:
    model, images, targets = small_model(tmp_path), pictures(4), targets_of("classify", 4)
    assert torch.equal(fgsm(model, images, targets, 2.0), fgsm(model, images.float(), targets, 2.0))


def test_the_network_is_left_as_it_was(tmp_path: Path) -> None:
    model, images, targets = small_model(tmp_path), pictures(4), targets_of("classify", 4)
    expected = fgsm(model, images, targets, 2.0)
    model.network.train()
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    with torch.no_grad():
        assert torch.equal(fgsm(model, images, targets, 2.0), expected)  # in evaluation mode all the same
    assert model.network.training
    assert all(torch.equal(value, before[name]) for name, value in model.network.state_dict().items())
    assert all(parameter.grad is None for parameter in model.network.parameters())


def test_a_sample_is_attacked_alike_alone_and_in_company(tmp_path: Path) -> None:
    model, images, targets = small_model(tmp_path), pictures(5), targets_of("classify", 5)
    whole = fgsm(model, images, targets, 1.0)
    gradient = pixel_gradient(model, images, targets)
    for row in range(5):
        alone = fgsm(model, images[row : row + 1], targets[row : row + 1], 1.0)[0]
        clear = gradient[row].abs() > 1e-3 * gradient[row].abs().max()
        assert torch.equal(alone[clear], whole[row][clear])


def test_accuracy_at_three_strengths_beside_the_clean_one(tmp_path: Path) -> None:
    model, images = small_model(tmp_path), pictures(40)
    head = model.network.get_submodule(head_name(model.network))
    with torch.no_grad():
        head.bias -= model.outputs(images).mean(0)  # type: ignore[operator, union-attr]  # no class is favoured
    scores = model.scores(images)
    targets = functional.one_hot(torch.from_numpy(scores.argmax(1)), 3).float()  # right on every clean picture
    report = robust_accuracy(model, images, targets)
    assert report["clean"] == 1.0
    assert (report["attack"], report["metric"], report["samples"]) == ("fgsm", "accuracy", 40)
    assert [row["fraction"] for row in report["strengths"]] == ["1/255", "2/255", "4/255"]
    for row in report["strengths"]:
        changed = torch.cat(
            [fgsm(model, images[i : i + 4], targets[i : i + 4], row["epsilon"]) for i in range(0, 40, 4)]
        )
        expected = (model.scores(changed).argmax(1) == scores.argmax(1)).mean()
        assert row["value"] == pytest.approx(expected)
    assert report["strengths"][-1]["value"] < 1.0


def test_regression_reports_its_own_metric(tmp_path: Path) -> None:
    model, images, targets = small_model(tmp_path, "regress"), pictures(12), targets_of("regress", 12)
    report = robust_accuracy(model, images, targets, strengths=[4])
    assert report["metric"] == model.task.headline
    clean = model.task.metrics(model.scores(images), np.asarray(targets))[report["metric"]]
    assert report["clean"] == pytest.approx(clean)
    worse = report["strengths"][0]["value"]
    assert worse < clean if report["higher_is_better"] else worse > clean


@pytest.mark.parametrize("strengths", [[0.0], [-1.0], [300.0]])
def test_strengths_outside_the_scale_are_refused(tmp_path: Path, strengths: list[float]) -> None:
    with pytest.raises(UsageError, match="above 0"):
        robust_accuracy(small_model(tmp_path), pictures(2), targets_of("classify", 2), strengths=strengths)


def test_no_pictures_and_unknown_attacks_are_refused(tmp_path: Path) -> None:
    model = small_model(tmp_path)
    with pytest.raises(UsageError, match="at least one"):
        robust_accuracy(model, pictures(0), targets_of("classify", 0))
    with pytest.raises(UnknownName, match="did you mean 'fgsm'"):
        robust_accuracy(model, pictures(2), targets_of("classify", 2), attack="fgms")
    assert ATTACKS.get("fgsm") is fgsm
