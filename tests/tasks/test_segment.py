"""The task of masks: shapes, losses, rows of statistics, and how masks are tidied."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from striate.core.errors import DataError, NetworkError, UsageError
from striate.core.records import Label, Mask, MaskCode, Sample, Source
from striate.data.loader import Batch
from striate.losses import LOSSES
from striate.metrics import statistics
from striate.tasks import Tidying, make_task, task_from_dict
from striate.tasks.segment import Segment

NAMES = ("ground", "disc", "square")


def _task(loss: str = "dice_cross_entropy", **options: object) -> Segment:
    task = make_task("segment", NAMES, [], loss=loss, loss_options=options)
    assert isinstance(task, Segment)
    return task


def _maps(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    random = np.random.default_rng(seed)
    outputs = torch.from_numpy(random.normal(size=(3, 3, 9, 7)).astype(np.float32))
    targets = random.choice([0, 1, 2, 255], size=(3, 9, 7)).astype(np.uint8)
    return outputs, torch.from_numpy(targets)


def test_rows_are_statistics_of_the_likeliest_classes() -> None:
    outputs, targets = _maps()
    rows = _task().collected(outputs, targets)
    assert rows.dtype == torch.float64
    for row, found, true in zip(rows, outputs.argmax(1).numpy().astype(np.uint8), targets.numpy(), strict=True):
        assert (row.numpy() == statistics(found, true, 3)).all()
    brief = _task().collected(outputs, targets, brief=True)
    assert torch.equal(brief[:, :9], rows[:, :9])
    assert not brief[:, 9:].any()


def test_metrics_tables_and_confusion_agree() -> None:
    task = _task()
    rows = task.collected(*_maps()).numpy()
    metrics, table = task.metrics(rows, np.zeros((3, 0))), task.per_class(rows, np.zeros((3, 0)))
    assert next(iter(metrics)) == "mean_iou"
    assert metrics["mean_iou"] == pytest.approx(np.mean([row["iou"] for row in table]))
    confusion = np.array(task.confusion(rows, np.zeros((3, 0))))
    assert metrics["pixel_accuracy"] == pytest.approx(np.trace(confusion) / confusion.sum())
    assert [row["support"] for row in table] == confusion.sum(1).tolist()
    each = task.each(rows)
    assert each["pixel_accuracy"].shape == (3,)


@pytest.mark.parametrize("name", [name for name, one in LOSSES.items() if "mask" in one.kinds])
def test_a_batch_in_parts_has_the_loss_and_gradients_of_the_whole(name: str) -> None:
    torch.manual_seed(0)
    network = nn.Conv2d(2, 3, 3, padding=1).double()
    images = torch.randn(4, 2, 8, 8, dtype=torch.float64)
    targets = torch.randint(0, 3, (4, 8, 8), dtype=torch.uint8)
    batch = Batch(images, targets, torch.tensor([1.0, 2.0, 0.5, 1.0]), 4.5, np.arange(4))
    task = _task(name)
    whole = task.step({"network": network}, batch)["network"]
    (gradient,) = torch.autograd.grad(whole, [network.weight])
    parts = [task.step({"network": network}, part)["network"] for part in batch.split(3)]
    found = sum(torch.autograd.grad(part, [network.weight])[0] for part in parts)
    assert sum(part.item() for part in parts) == pytest.approx(whole.item(), abs=1e-10)
    assert torch.allclose(torch.as_tensor(found), gradient, atol=1e-10)


def test_what_gives_no_class_for_each_pixel_is_refused() -> None:
    batch = Batch(torch.zeros(2, 1, 8, 8), torch.zeros(2, 8, 8, dtype=torch.uint8), torch.ones(2), 2.0, np.arange(2))
    with pytest.raises(NetworkError, match=r"gives \(2, 3, 4, 4\); the task 'segment' needs \(2, 3, 8, 8\)"):
        _task().step({"network": nn.Conv2d(1, 3, 2, stride=2)}, batch)


def test_samples_without_a_mask_and_weights_of_samples_are_refused() -> None:
    task, mask = _task(), Mask(MaskCode("index", ((0, 0),)), (Source("file", "a.png"),))
    assert task.encode([Sample("a", (), mask)]).shape == (1, 0)
    with pytest.raises(DataError, match="a mask was expected"):
        task.encode([Sample("a", (), Label("disc"))])
    with pytest.raises(UsageError, match="here pixels have classes"):
        make_task("segment", NAMES, [], loss="dice", class_weights="balanced")


def test_tidying_is_part_of_the_task_and_of_its_json() -> None:
    plain = _task()
    assert "tidying" not in plain.to_dict()
    task = plain.with_decisions(tidying=Tidying(largest=(1,)))
    again = task_from_dict(task.to_dict())
    assert again.settings.tidying == Tidying(largest=(1,))
    assert task_from_dict(plain.to_dict()).settings.tidying is None
    outputs = torch.zeros(1, 3, 5, 9)
    outputs[0, 1, 1:4, 1:4] = outputs[0, 1, 2, 7] = 5.0
    assert plain.classes(outputs).sum() == 10
    assert task.classes(outputs).sum() == 9
    rows = task.collected(outputs, torch.zeros(1, 5, 9, dtype=torch.uint8)).numpy()
    assert rows[0, 1] == 9  # pixels of ground called disc


def test_made_and_guessed_are_of_the_right_shapes() -> None:
    task = _task()
    scores, targets = task.made(4, np.random.default_rng(0))
    assert task.metrics(scores, targets)["pixel_accuracy"] > 0
    _, masks = _maps()
    guessed = task.guessed(masks)
    assert guessed.shape == (3, 3, 9, 7)
    assert task.tried(Sample("a", ())).shape == (1,)
