"""Several Models that answer together: NumPy's mean of what each says, in any order of sizes, damaged ones left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_models import NAMES, as_array, pictures, small_model, write_pictures

from striate.core.errors import UsageError
from striate.infer import Ensemble, Model
from striate.infer.ensemble import common_task, mean_scores
from striate.tasks import Sets


def several(folder: Path, task: str = "classify", **more: object) -> list[Model]:
    return [small_model(folder / str(seed), task, seed=seed, **more) for seed in range(3)]  # type: ignore[arg-type]


def rows(found: list) -> np.ndarray:  # type: ignore[type-arg]
    return np.array([list(one.scores.values()) for one in found])


@pytest.mark.parametrize("task", ["classify", "multilabel", "regress"])
def test_it_says_the_mean_of_what_each_says(tmp_path: Path, task: str) -> None:
    models = several(tmp_path / "models", task)
    paths = write_pictures(tmp_path / "pictures", 7)
    found = list(Ensemble(models).predict_paths(paths))
    each = np.array([rows(list(model.predict_paths(paths))) for model in models])
    mean = np.mean(each, axis=0).astype(np.float32)
    assert rows(found).tolist() == mean.tolist()
    for one, row in zip(found, mean, strict=True):
        if task == "classify":
            assert one.label == NAMES[task][int(row.argmax())]
        elif task == "multilabel":
            assert one.labels == tuple(np.array(NAMES[task])[row >= 0.5])
        else:
            assert one.values == dict(zip(NAMES[task], row.tolist(), strict=True))


def test_each_is_given_pictures_as_it_takes_them(tmp_path: Path) -> None:
    models = [small_model(tmp_path / "a", size=16), small_model(tmp_path / "b", size=24, seed=1)]
    paths = write_pictures(tmp_path / "pictures", 5)
    each = [rows(list(model.predict_paths(paths))) for model in models]
    found = rows(list(Ensemble(models).predict_paths(paths, batch_size=2)))
    np.testing.assert_allclose(found, np.mean(each, axis=0), atol=1e-6)


def test_a_batch_of_any_size_gives_the_same_but_for_the_last_digits(tmp_path: Path) -> None:
    ensemble = Ensemble(several(tmp_path / "models"))
    paths = write_pictures(tmp_path / "pictures", 7)
    found = [rows(list(ensemble.predict_paths(paths, batch_size=size))) for size in (1, 3, 32)]
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)
    np.testing.assert_allclose(found[0], found[2], atol=1e-5)
    with pytest.raises(UsageError, match="a batch of 0 pictures"):
        ensemble.predict_paths(paths, batch_size=0)


def test_damaged_pictures_are_told_and_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    write_pictures(folder, 4)
    (folder / "001-broken.png").write_bytes(b"\x89PNG")
    told: list[str] = []
    ensemble = Ensemble(several(tmp_path / "models"))
    found = list(ensemble.predict_paths([folder], on_damaged=lambda key, reason: told.append(key)))
    assert len(found) == 4
    assert [Path(key).name for key in told] == ["001-broken.png"]


def test_one_picture_or_several_as_a_model_takes_them(tmp_path: Path) -> None:
    ensemble = Ensemble(several(tmp_path / "models"))
    one, other = (as_array(picture) for picture in pictures(2))
    alone, both = ensemble.predict(one), ensemble.predict([one, other])
    assert not isinstance(alone, list)
    assert isinstance(both, list)
    np.testing.assert_allclose(rows([alone])[0], rows(both)[0], atol=1e-6)


def test_models_of_several_tasks_or_none_have_no_mean(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="2 Models of 2 tasks have no mean"):
        Ensemble([small_model(tmp_path / "a"), small_model(tmp_path / "b", "regress")])
    with pytest.raises(UsageError, match="0 Models of 0 tasks"):
        Ensemble([])


def test_thresholds_of_the_mean_are_the_mean_of_thresholds(tmp_path: Path) -> None:
    task = small_model(tmp_path / "a").task
    moved = type(task)(
        task.target_names,
        replace(task.settings, factors=(1.0, 4.0, 9.0), temperature=2.0, sets=Sets(0.9, (0.1, 0.1, 0.1))),
    )
    found = common_task([task, moved]).settings
    assert found.factors == pytest.approx((1.0, 2.0, 3.0))  # of no factors, which are ones, and these
    assert (found.temperature, found.thresholds, found.sets) == (None, None, None)
    assert common_task([task, task]).settings == task.settings
    labels = small_model(tmp_path / "b", "multilabel").task
    chosen = labels.with_decisions(thresholds=(0.1, 0.5, 0.7))
    assert common_task([labels, chosen]).settings.thresholds == pytest.approx((0.3, 0.5, 0.6))


def test_costs_decide_of_the_mean_as_of_each(tmp_path: Path) -> None:
    task = small_model(tmp_path / "model").task
    costs = tuple(tuple(float((row != column) * (1 + 9 * (row == 2))) for column in range(3)) for row in range(3))
    costly = type(task)(task.target_names, replace(task.settings, costs=costs))
    assert common_task([costly, costly]).decode(np.array([0.6, 0.1, 0.3], np.float32))["label"] == NAMES["classify"][2]


def test_the_mean_is_summed_in_float64() -> None:
    found = [np.full((4, 3), value, np.float32) for value in (1e8, 1.0, -1e8, 1.0)]
    assert (mean_scores(found) == 0.5).all()
    assert mean_scores(found).dtype == np.float32
