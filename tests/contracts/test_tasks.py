"""What every registered task keeps to."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from striate.core.errors import DataError, NetworkError, RunError, UnknownName, UsageError
from striate.core.records import Value
from striate.core.registry import file_names
from striate.evaluate import score
from striate.losses import LOSSES
from striate.metrics import METRICS
from striate.tasks import TASKS, Task, make_task, task_from_dict
from tests.tasks.parts import NAMES, images, linear, pieces, samples, whole

CASES = [(name, loss) for name, task in TASKS.items() for loss, one in LOSSES.items() if task.kind in one.kinds]
every_case = pytest.mark.parametrize(("name", "loss"), CASES)
every_task = pytest.mark.parametrize("name", TASKS.names())
# of pixels and things, shapes and metrics are others: tests/tasks/test_segment.py and test_detect.py
each_case = pytest.mark.parametrize(("name", "loss"), [case for case in CASES if TASKS.get(case[0]).form == "row"])
each_task = pytest.mark.parametrize("name", [name for name, task in TASKS.items() if task.form == "row"])


def made(name: str, loss: str | None = None, **options: Any) -> Task:
    loss = loss or next(one for task, one in CASES if task == name)
    return make_task(name, NAMES, samples(TASKS.get(name).kind), loss=loss, **options)


def judged(task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Scores and targets."""
    rows = samples(task.kind)
    return task.scores(linear(3)(images(len(rows))).detach()).numpy(), task.encode(rows).numpy()


def test_the_registry_holds_each_file_and_no_more() -> None:
    assert TASKS.names() == file_names("striate.tasks")
    assert {name for name, _ in CASES} == set(TASKS.names())
    assert all(task.name == name for name, task in TASKS.items())


@each_task
def test_targets_and_weights_are_float32_of_the_batch_shape(name: str) -> None:
    task, rows = made(name), samples(TASKS.get(name).kind)
    targets, weights = task.encode(rows), task.weights(rows)
    assert (targets.shape, targets.dtype) == ((24, task.outputs), torch.float32)
    assert (weights.shape, weights.dtype) == ((24,), torch.float32)
    assert task.encode([]).shape == (0, task.outputs)
    assert torch.equal(task.encode(rows[5:6])[0], targets[5])


@every_task
def test_a_target_that_is_missing_or_of_another_kind_names_its_sample(name: str) -> None:
    task, rows = made(name), samples(TASKS.get(name).kind)
    others = [
        other
        for kind in ("label", "labels", "value", "mask", "boxes")
        if kind != task.kind
        for other in samples(kind)[:1]
    ]
    for wrong in [replace(rows[0], key="s/wrong", target=None), *(replace(other, key="s/wrong") for other in others)]:
        with pytest.raises(DataError, match="s/wrong"):
            task.encode([*rows, wrong])


@every_task
@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_a_wrong_weight_names_its_sample(name: str, weight: float) -> None:
    rows = samples(TASKS.get(name).kind)
    with pytest.raises(DataError, match="s/03"):
        made(name).weights([*rows[:3], replace(rows[3], weight=weight)])
    with pytest.raises(DataError, match="weigh 0"):
        made(name).weights([replace(row, weight=0.0) for row in rows])


@each_case
def test_a_batch_in_parts_gives_the_loss_and_gradient_of_the_whole(name: str, loss: str) -> None:
    task, rows = made(name, loss), samples(TASKS.get(name).kind)
    batch = whole(images(24), task.encode(rows), task.weights(rows))
    found = []
    for parts in ([batch], batch.split(3), pieces(batch, 11, 5, 8), pieces(batch, *[1] * 24)):
        network = linear(3)
        total = torch.zeros((), dtype=torch.float64)
        for part in parts:
            (value,) = task.step({"network": network}, part).values()
            value.backward()
            total += value.detach()
        gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
        found.append([total, *gradients])
    for other in found[1:]:
        for own, expected in zip(other, found[0], strict=True):
            torch.testing.assert_close(own, expected, rtol=1e-12, atol=1e-12)
    assert found[0][1].abs().max() > 1e-3


@each_case
def test_the_loss_is_the_weighted_mean(name: str, loss: str) -> None:
    task, rows = made(name, loss), samples(TASKS.get(name).kind)
    network, targets, weights = linear(3), task.encode(rows), task.weights(rows)
    found = task.step({"network": network}, whole(images(24), targets, weights))
    losses = task.losses(network(images(24)), targets).detach().numpy()
    assert list(found) == ["network"]
    assert float(found["network"].detach()) == pytest.approx(np.average(losses, weights=weights.numpy()), rel=1e-12)


@each_case
def test_a_part_that_weighs_nothing_gives_no_gradient(name: str, loss: str) -> None:
    task, rows, network = made(name, loss), samples(TASKS.get(name).kind), linear(3)
    task.step({"network": network}, whole(images(24), task.encode(rows), torch.zeros(24)))["network"].backward()
    for parameter in network.parameters():
        assert parameter.grad is not None
        assert (parameter.grad == 0).all()


@each_task
def test_a_network_of_other_outputs_is_refused(name: str) -> None:
    task, rows = made(name), samples(TASKS.get(name).kind)
    with pytest.raises(NetworkError, match=r"\(24, 4\).*\(24, 3\)"):
        task.step({"network": linear(4)}, whole(images(24), task.encode(rows), task.weights(rows)))


@each_case
def test_learning_lowers_the_loss(name: str, loss: str) -> None:
    task, rows, network = made(name, loss), samples(TASKS.get(name).kind), linear(3, 24)
    batch = whole(torch.eye(24, dtype=torch.float64)[:, :, None, None], task.encode(rows), task.weights(rows))
    optimizer = torch.optim.Adam(network.parameters(), 0.3)
    values = []
    for _ in range(300):
        optimizer.zero_grad()
        value = task.step({"network": network}, batch)["network"]
        value.backward()
        optimizer.step()
        values.append(float(value.detach()))
    assert values[-1] < 0.05 * values[0]
    scores = task.scores(network(batch.images).detach()).numpy()
    found = task.metrics(scores, batch.targets.numpy())
    best = dict.fromkeys(found, 1.0) | {name: 0.0 for name in found if not task.higher_is_better(name)}
    scale = float(np.abs(batch.targets.numpy()).max())
    assert all(abs(found[metric] - best[metric]) < 0.05 * scale for metric in found), found


@each_task
def test_scores_are_finite_float32_and_decode_to_plain_values(name: str) -> None:
    task = made(name)
    outputs = torch.cat([linear(3)(images(24)).detach().float(), torch.full((1, 3), 1e4), torch.full((1, 3), -1e4)])
    scores = task.scores(outputs)
    assert (scores.shape, scores.dtype) == (outputs.shape, torch.float32)
    assert scores.isfinite().all()
    assert torch.equal(task.scores(outputs.bfloat16()), task.scores(outputs.bfloat16().float()))
    for row in scores.numpy():
        json.dumps(task.decode(row), allow_nan=False)


@each_task
def test_metrics_have_a_headline_and_a_direction(name: str) -> None:
    task = made(name)
    scores, targets = judged(task)
    found = task.metrics(scores, targets)
    assert list(found) == list(task.metric_names)
    assert task.metric_names[0] == task.headline
    assert task.metrics(scores, targets, without={task.headline}) == {
        metric: value for metric, value in found.items() if metric != task.headline
    }
    for metric, value in found.items():
        assert isinstance(value, float)
        assert task.higher_is_better(metric) == METRICS.get(metric).higher_is_better
    with pytest.raises(UnknownName, match="acuracy"):
        task.higher_is_better("acuracy")
    with pytest.raises(DataError, match="no samples"):
        task.metrics(scores[:0], targets[:0])


@each_task
def test_the_score_is_strict_json_and_has_an_interval_around_each_metric(name: str) -> None:
    task = made(name)
    scores, targets = judged(task)
    found = score(task, scores, targets, resamples=200)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert {metric: found[metric] for metric in task.metric_names} == task.metrics(scores, targets)
    assert len(found["per_class"]) == task.outputs
    for metric in task.metric_names:
        low, high = found[f"{metric}_interval"]
        assert low <= found[metric] <= high


@every_case
def test_a_task_comes_back_from_json(name: str, loss: str) -> None:
    entry = LOSSES.get(loss)
    weighed = (name == "classify" and not entry.priors) or "positive_ratios" in entry.options
    task = made(name, loss, class_weights="balanced" if weighed else "none")
    again = task_from_dict(json.loads(json.dumps(task.to_dict())))
    assert type(again) is type(task)
    assert json.dumps(again.to_dict()) == json.dumps(task.to_dict())
    rows = samples(task.kind)
    outputs, targets = linear(3)(images(24)).detach(), task.encode(rows)
    if task.per_pixel:
        outputs, targets = torch.randn(24, 3, 4, 5), torch.randint(3, (24, 4, 5), dtype=torch.uint8)
    if task.finds:
        outputs = torch.rand(24, 2)
    assert torch.equal(again.losses(outputs, targets), task.losses(outputs, targets))
    assert torch.equal(again.scores(outputs), task.scores(outputs))
    assert torch.equal(again.weights(rows), task.weights(rows))
    content = task.to_dict()
    for wrong in ({**content, "more": 1}, {key: value for key, value in content.items() if key != "loss"}):
        with pytest.raises(RunError, match=r"missing or unknown: (more|loss)"):
            task_from_dict(wrong)


def test_what_corrects_for_the_classes_shares_learns_them_and_takes_no_weights() -> None:
    task = made("classify", "balanced_softmax")
    assert sum(task.settings.loss_options["shares"]) == pytest.approx(1)
    assert made("classify", "balanced_softmax", loss_options={"shares": [1, 1, 2]}).settings.loss_options["shares"] == [
        1,
        1,
        2,
    ]
    with pytest.raises(UsageError, match="twice"):
        made("classify", "logit_adjustment", class_weights="effective")
    with pytest.raises(UsageError, match="square_root"):
        made("multilabel", class_weights="square_root")


def test_counts_are_learnt_by_the_logarithm_of_their_rate() -> None:
    rows = samples("value")
    task = made("regress", "poisson")
    values = np.stack([task.row(row) for row in rows])
    np.testing.assert_allclose(task.settings.mean, np.log(values.mean(0)))
    zero = torch.zeros(len(rows), task.outputs)
    np.testing.assert_allclose(task.scores(zero).numpy(), np.broadcast_to(values.mean(0), values.shape), rtol=1e-5)
    below = replace(rows[7], key="s/below", target=Value((-1.0,) * task.outputs))
    with pytest.raises(DataError, match="s/below"):
        make_task("regress", NAMES, [*rows, below], loss="poisson")


@every_task
def test_names_that_do_not_exist_or_do_not_fit_are_refused(name: str) -> None:
    with pytest.raises(UnknownName, match="cross_entropy"):
        made(name, "cross_entrpy")
    foreign = next(loss for loss, one in LOSSES.items() if TASKS.get(name).kind not in one.kinds)
    with pytest.raises(UsageError, match="not for the task"):
        made(name, foreign)
    with pytest.raises(UnknownName, match="did you mean 'balanced'"):
        made(name, class_weights="balance")
    with pytest.raises(UnknownName, match="option of the loss"):
        made(name, loss_options={"no_such_option": 0.1})
    with pytest.raises(UnknownName, match="no_such_option"):  # off or not
        made(name, loss_options={"no_such_option": 0.0})
