"""The head fitted on frozen features: against scikit-learn, and where memory is short."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.metrics import log_loss
from torch import nn

from striate.core.errors import NetworkError
from striate.core.events import Silent
from striate.core.records import Label, Sample
from striate.data.loader import EvalBatches
from striate.data.pack import PackedPictures
from striate.nets import head_name
from striate.tasks import make_task
from striate.train import probe
from striate.train.probe import PENALTIES, Features, fit_head, fitting_seconds, out_of_fold
from striate.train.recipe import Recipe
from tests.train.toy import CLASSES, SIDE, toy_dataset, toy_networks, toy_recipe


def parts(**changes: Any) -> tuple[nn.Module, Recipe, EvalBatches]:
    recipe = toy_recipe(**changes)
    task = make_task("classify", CLASSES, toy_dataset().samples, loss="cross_entropy")
    batches = recipe.batches
    samples = EvalBatches(batches.pictures, batches.targets, batches.weights, batch_size=32, size=(SIDE, SIDE))
    return toy_networks(recipe)["network"].eval(), replace(recipe, task=task), samples


def features_of(network: nn.Module, recipe: Recipe, samples: EvalBatches, flips: tuple[bool, ...]) -> torch.Tensor:
    """What the head receives for all samples, once as they are or once for each flip, (V N, D)."""
    taken: list[torch.Tensor] = []
    head = network.get_submodule(head_name(network))
    hook = head.register_forward_pre_hook(lambda _, inputs: taken.append(inputs[0]))
    with torch.no_grad():
        for flipped in flips:
            for batch in samples:
                images = recipe.normalize(batch.images)
                network(images.flip(3) if flipped else images)
    hook.remove()
    return torch.cat(taken)


@pytest.mark.parametrize(
    ("changes", "flips"),
    [
        ({}, (False,)),
        ({"predict__views": "mirrored"}, (False,)),
        ({"predict__views": "mirrored", "transfer__probe_views": True}, (False, True)),
    ],
)
def test_it_is_scikit_learns_logistic_regression(changes: dict[str, Any], flips: tuple[bool, ...]) -> None:
    network, recipe, samples = parts(**changes)
    fit_head(network, recipe, samples, None, Silent())
    head = network.get_submodule(head_name(network))
    assert isinstance(head, nn.Linear)
    features = features_of(network, recipe, samples, flips)
    labels = np.tile(np.concatenate([batch.targets.numpy() for batch in samples]).argmax(1), len(flips))
    # The penalty is that of the samples, however many views there are of each.
    oracle = LogisticRegression(C=1 / len(flips), tol=1e-10, max_iter=5000).fit(features.double().numpy(), labels)
    expected = oracle.predict_proba(features.double().numpy())
    found = features @ head.weight.T + head.bias
    np.testing.assert_allclose(found.softmax(1).detach().numpy(), expected, atol=2e-3)


def assert_alike(network: nn.Module, features: np.ndarray, oracle: LogisticRegression) -> None:
    """The head gives the oracle's probabilities."""
    head = network.get_submodule(head_name(network))
    assert isinstance(head, nn.Linear)
    found = torch.from_numpy(features).float() @ head.weight.T + head.bias
    np.testing.assert_allclose(found.softmax(1).detach().numpy(), oracle.predict_proba(features), atol=2e-3)


def in_two(recipe: Recipe, whole: EvalBatches) -> tuple[EvalBatches, EvalBatches]:
    """Every fourth sample, and the others; every fifth target is wrong, so that a weak penalty fits too much."""
    targets = whole.targets.clone()
    targets[::5] = targets[::5].roll(1, dims=1)
    array = recipe.batches.pictures.batch(np.arange(whole.count)).numpy()
    quarter = np.arange(whole.count) % 4 == 0

    def part(chosen: np.ndarray) -> EvalBatches:
        keys = [recipe.keys[number] for number in np.flatnonzero(chosen)]
        rows = torch.from_numpy(chosen)
        pictures = PackedPictures(keys, array[chosen])
        return EvalBatches(pictures, targets[rows], whole.weights[rows], batch_size=32, size=(SIDE, SIDE))

    return part(quarter), part(~quarter)


@pytest.mark.parametrize("refit", [False, True])
def test_validation_chooses_the_penalty_and_may_then_teach(refit: bool) -> None:
    network, recipe, whole = parts()
    samples, validation = in_two(recipe, whole)
    known, unseen = (features_of(network, recipe, part, (False,)).double().numpy() for part in (samples, validation))
    labels, others = (part.targets.numpy().argmax(1) for part in (samples, validation))
    oracles = [LogisticRegression(C=1 / one, tol=1e-8, max_iter=9000).fit(known, labels) for one in PENALTIES]
    losses = [log_loss(others, oracle.predict_proba(unseen)) for oracle in oracles]
    best = int(np.argmin(losses))
    assert 0 < best < len(PENALTIES) - 1  # so that stronger and weaker ones were worse
    assert fit_head(network, recipe, samples, validation, Silent(), refit=refit) == PENALTIES[best]
    oracle = oracles[best]
    if refit:
        oracle.fit(np.concatenate([known, unseen]), np.concatenate([labels, others]))
    assert_alike(network, unseen, oracle)


def test_penalties_so_strong_that_all_are_alike_do_not_end_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    network, recipe, whole = parts()
    samples, validation = in_two(recipe, whole)
    best = fit_head(network, recipe, samples, validation, Silent())
    monkeypatch.setattr(probe, "PENALTIES", (1e9, 1e9, 1e8, *PENALTIES))
    assert fit_head(network, recipe, samples, validation, Silent()) == best


def test_of_many_rows_a_part_chooses_and_all_are_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    network, recipe, whole = parts()
    samples, validation = in_two(recipe, whole)
    monkeypatch.setattr(probe, "CHOOSING", 20)
    penalty = fit_head(network, recipe, samples, validation, Silent())
    known, unseen = (features_of(network, recipe, part, (False,)).double().numpy() for part in (samples, validation))
    labels = samples.targets.numpy().argmax(1)
    oracle = LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=9000).fit(known, labels)
    assert_alike(network, unseen, oracle)


def test_the_time_of_a_fit_grows_with_rows_parts_and_a_refit(monkeypatch: pytest.MonkeyPatch) -> None:
    network, recipe, _ = parts()
    assert fitting_seconds(network, recipe.task, 100, 0, False) > 0
    clock = itertools.count()
    monkeypatch.setattr(probe.time, "perf_counter", lambda: float(next(clock)))  # a look takes a second

    def looks(rows: int, more: int, folds: bool) -> float:
        shown = min(rows, probe.CHOOSING)
        return fitting_seconds(network, recipe.task, rows, more, folds) * shown * 2 / probe.ITERATIONS

    assert looks(100, 0, False) == pytest.approx(5 * 100 + 100)
    assert looks(100, 0, True) == pytest.approx(5 * 500 + 100)
    assert looks(100, 20, True) == pytest.approx(5 * 500 + 100 + 120)
    assert looks(9000, 0, False) == pytest.approx(5 * probe.CHOOSING + 9000)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # scikit-learn's, of names that are not used here
@pytest.mark.parametrize("grouped", [False, True])
def test_parts_of_the_training_samples_may_choose_the_penalty(grouped: bool) -> None:
    network, recipe, whole = parts(transfer__probe_folds=True)
    _, samples = in_two(recipe, whole)
    units = np.arange(samples.count) // (3 if grouped else 1)
    features = features_of(network, recipe, samples, (False,)).double().numpy()
    labels = samples.targets.numpy().argmax(1)
    oracle = LogisticRegressionCV(
        Cs=[1 / one for one in PENALTIES],
        cv=[(np.flatnonzero(units % 5 != part), np.flatnonzero(units % 5 == part)) for part in range(5)],
        scoring=lambda model, x, y: -log_loss(y, model.predict_proba(x)) * len(y),
        tol=1e-8,
        max_iter=9000,
    ).fit(features, labels)
    penalty = fit_head(network, recipe, samples, None, Silent(), units=units)
    assert penalty == pytest.approx(1 / float(np.atleast_1d(oracle.C_)[0]))
    assert_alike(network, features, oracle)


def test_smoothed_targets_are_left_to_training() -> None:
    network, recipe, samples = parts()
    fit_head(network, recipe, samples, None, Silent())
    other, _, _ = parts()
    options = {"label_smoothing": 0.3}
    task = make_task("classify", CLASSES, toy_dataset().samples, loss="cross_entropy", loss_options=options)
    fit_head(other, replace(recipe, task=task), samples, None, Silent())
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], tensor)


def test_where_memory_is_short_it_is_the_same_head(monkeypatch: pytest.MonkeyPatch) -> None:
    network, recipe, samples = parts()
    fit_head(network, recipe, samples, None, Silent())
    other, _, _ = parts()
    inner, sizes = type(other).forward, []

    def small_machine(self: nn.Module, images: torch.Tensor) -> torch.Tensor:
        sizes.append(len(images))
        if len(images) > 10:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return inner(self, images)  # type: ignore[no-any-return]

    monkeypatch.setattr(type(other), "forward", small_machine)
    with pytest.warns(RuntimeWarning, match="32 pictures at once"):
        fit_head(other, recipe, samples, None, Silent())
    first = sizes.index(32)
    assert sizes[first : first + 4] == [32, 16, 8, 8]
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], tensor, atol=1e-4, rtol=1e-4)


def test_a_head_that_is_no_dense_layer_is_refused() -> None:
    network, recipe, samples = parts()
    parent, _, last = head_name(network).rpartition(".")
    setattr(network.get_submodule(parent), last, nn.Identity())
    with pytest.raises(NetworkError, match="cannot be fitted alone"):
        fit_head(network, recipe, samples, None, Silent())


def test_heads_of_the_other_parts_are_scikit_learns() -> None:
    random = np.random.default_rng(0)
    classes = random.integers(0, 3, 90)
    rows = random.normal(size=(90, 5)) + np.eye(3, 5)[classes]
    folds = np.arange(90) % 4
    samples = [Sample(str(n), (), Label("abc"[one])) for n, one in enumerate(classes)]
    task = make_task("classify", ("a", "b", "c"), samples, loss="cross_entropy")
    weights = torch.ones(90, dtype=torch.float64)
    weights[:6] = 0  # these teach nothing
    known = Features(torch.from_numpy(rows), task.encode(samples).double(), weights, torch.arange(90), 90)
    found, penalty = out_of_fold(nn.Linear(5, 3, device="meta"), known, folds, task)
    losses = {}
    for one in PENALTIES:
        expected = np.zeros((90, 3))
        for part in range(4):
            taught, count = (folds != part) & (weights.numpy() > 0), (folds != part).sum()
            strength = one * taught.sum() / count  # the mean of the loss is over those that teach
            model = LogisticRegression(C=1 / strength, tol=1e-10, max_iter=2000).fit(rows[taught], classes[taught])
            expected[folds == part] = model.predict_proba(rows[folds == part])
        losses[one] = -np.log(expected[np.arange(90), classes])[6:].sum()
        if one == penalty:
            np.testing.assert_allclose(found, expected, atol=2e-4)
    assert penalty == min(losses, key=lambda one: losses[one])
