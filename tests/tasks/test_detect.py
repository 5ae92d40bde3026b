"""The task of boxes: truths, losses in parts, what was found in the picture's own pixels, what is held to be there."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from striate.core.boxes import CROWD, DIFFICULT, FOUND, MOST, PLAIN, TRUTH, empty, joined, parted
from striate.core.errors import DataError, NetworkError, UsageError
from striate.core.records import Box, Boxes, Label, Sample
from striate.data.loader import Batch
from striate.data.placed import placed
from striate.data.prepare import Preprocessing
from striate.tasks import make_task
from striate.tasks.detect import Detect

NAMES = ("cat", "dog")


def task(**options: float) -> Detect:
    found = make_task("detect", NAMES, [], loss="of_network", loss_options=options)
    assert isinstance(found, Detect)
    return found


def sample(*boxes: Box) -> Sample:
    return Sample("a.png", (), Boxes(boxes))


def test_truths_say_how_they_count() -> None:
    found = task().truths(
        sample(
            Box("dog", 1, 2, 3, 4.5), Box("cat", 0, 0, 9, 9, difficult=True), Box("cat", 0, 0, 9, 9, crowd=True, area=7)
        )
    )
    assert found.tolist() == [[1, 2, 3, 4.5, 1, PLAIN, 0], [0, 0, 9, 9, 0, DIFFICULT, 0], [0, 0, 9, 9, 0, CROWD, 7]]
    assert task().truths(sample()).shape == (0, TRUTH)
    with pytest.raises(DataError, match="bird"):
        task().truths(sample(Box("bird", 0, 0, 1, 1)))
    with pytest.raises(DataError, match="boxes was expected"):
        task().truths(Sample("a.png", (), Label("cat")))


class Lacking(nn.Module):
    """A network whose losses are its one number, times the brightness of each picture."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(2.0, dtype=torch.float64))

    def forward(self, images: Tensor, targets: Tensor) -> dict[str, Tensor]:
        return self.losses(images, targets)

    def losses(self, images: Tensor, targets: Tensor) -> dict[str, Tensor]:
        bright = self.factor * images.mean((1, 2, 3))
        return {"classes": bright, "boxes": bright * targets[:, 1:, :2].sum((1, 2)), "centres": bright / 2}


def batch(count: int = 6) -> Batch:
    random = np.random.default_rng(0)
    images = torch.from_numpy(random.random((count, 1, 2, 2)))
    targets = torch.from_numpy(random.random((count, 3, TRUTH)))
    weights = torch.from_numpy(random.random(count))
    return Batch(images, targets, weights, float(weights.sum()), np.arange(count))


def test_a_batch_in_parts_has_the_loss_and_gradient_of_the_whole() -> None:
    figures = []
    for parts in (1, 2, 6):
        network, total = Lacking(), 0.0
        for part in batch().split(parts):
            (loss,) = task(place=0.5).step({"network": network}, part).values()
            loss.backward()
            total += float(loss.detach())
        assert network.factor.grad is not None
        figures.append((total, float(network.factor.grad)))
    whole, found = batch(), Lacking()
    each = found.losses(whole.images, whole.targets)
    expected = (each["classes"] + each["centres"] + 0.5 * each["boxes"]) * whole.weights / whole.total_weight
    for figure in figures:
        assert figure == pytest.approx(figures[0], rel=1e-12)
        assert figure[0] == pytest.approx(float(expected.sum().detach()), rel=1e-12)


class Wrapped(nn.Module):
    """What a network is wrapped in, as to distribute it: it has none of its methods."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module, self.calls = module, 0

    def forward(self, *given: Tensor) -> dict[str, Tensor]:
        self.calls += 1
        found: dict[str, Tensor] = self.module(*given)
        return found


def test_a_step_calls_the_network_so_that_what_wraps_it_sees_it() -> None:
    wrapped = Wrapped(Lacking())
    found, plain = (task().step({"network": one}, batch())["network"] for one in (wrapped, Lacking()))
    assert wrapped.calls == 1
    assert torch.equal(found, plain)
    with pytest.raises(NetworkError, match="gives no boxes"):
        task().step({"network": Wrapped(nn.Linear(2, 2))}, batch())


def test_a_network_without_losses_of_its_own_is_refused() -> None:
    with pytest.raises(NetworkError, match="gives no boxes"):
        task().step({"network": nn.Linear(2, 2)}, batch())
    with pytest.raises(UsageError, match="things of many"):
        make_task("detect", NAMES, [], loss="of_network", class_weights="balanced")
    with pytest.raises(UsageError, match="not for the task"):
        make_task("detect", NAMES, [], loss="cross_entropy")


def test_what_is_kept_is_in_the_pictures_own_pixels() -> None:
    how = Preprocessing(50, 100, 3, "pad", mean=(0,) * 3, std=(1,) * 3, fill=(0,) * 3)
    truth = np.array([[10.0, 20, 40, 60, 1, 0, 0]])
    targets = placed([truth], [(100, 100)], how)  # lies in the middle, at half of its size
    assert targets[0, 1, :4].tolist() == [30, 10, 45, 30]
    found = torch.zeros(1, MOST, FOUND)
    found[..., 5] = -1
    found[0, 0] = torch.tensor([30, 10, 45, 30, 0.9, 1])
    found[0, 1] = torch.tensor([0, 0, 20, 50, 0.8, 0])  # in the padding alone
    (seen,), (true,) = parted(task().collected(found, targets).numpy())
    np.testing.assert_allclose(seen[0], [10, 20, 40, 60, 0.9, 1], rtol=1e-6)
    np.testing.assert_allclose(true[0], truth[0])
    assert seen[1, 5] == -1
    (alone,) = task().back(found, [how.placed(100, 100)])
    np.testing.assert_allclose(alone, seen[:1])


def test_what_is_held_to_be_there_goes_by_its_class() -> None:
    found = np.array([[0, 0, 9, 9, 0.6, 0], [0, 0, 9, 9, 0.6, 1], [0, 0, 9, 9, 0.4, 1.0]])
    assert len(task().kept(found)) == 2
    decided = task().with_decisions(thresholds=(0.7, 0.3))
    assert decided.kept(found)[:, 5].tolist() == [1, 1]
    rows = joined(found[None], empty(1, 0, TRUTH))
    assert decided.confusion(rows, np.zeros((1, 0))) == [[0, 0, 0], [0, 0, 0], [0, 2, 0]]
    assert decided.confusion_names == (*NAMES, "background")
    named = make_task("detect", ("background", "(background)"), [], loss="of_network")
    assert named.confusion_names == ("background", "(background)", "((background))")


def test_pictures_agree_by_f1_and_with_nothing_about_nothing() -> None:
    true = np.array([[[0, 0, 9, 9, 0, 0, 0.0]], [[0, 0, 0, 0, -1, 0, 0]], [[0, 0, 9, 9, 0, 0, 0]]])
    found = np.array([[[0, 0, 9, 9, 0.9, 0.0]], [[0, 0, 0, 0, 0, -1]], [[50, 0, 59, 9, 0.9, 0]]])
    rows = joined(found, true)
    assert task().agreement(rows).tolist() == [1, 1, 0]
    assert task().undefined(rows, np.zeros((3, 0))) == {
        "class dog": "no thing is of this class: the means leave it out"
    }
    assert task().metrics(rows, np.zeros((3, 0)))["map50"] == pytest.approx(0.5, abs=0.01)
    (cat, dog) = task().per_class(rows, np.zeros((3, 0)))
    assert (cat["support"], cat["found"], cat["missed"], cat["invented"]) == (2, 1, 1, 1)
    assert dog["ap50"] is None


def test_rows_of_sets_with_room_for_other_numbers_of_boxes_are_one() -> None:
    made = [joined(empty(2, 3, FOUND), empty(2, room, TRUTH)) for room in (1, 5)]
    assert len(task().together(made)) == 4
    scores, targets = task().made(5, np.random.default_rng(0))
    assert task().metrics(scores, targets)["map50"] >= 0
