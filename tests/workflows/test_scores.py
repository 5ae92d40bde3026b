"""All scores of two Runs: kept whole, bounded and checked; every metric of them in `compare` is scikit-learn's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as sk

from striate.core.artifacts import write_bytes, write_csv, write_json
from striate.core.plan import Decision, Plan
from striate.core.records import Label, Labels, Sample, Target
from striate.core.run import RunFolder
from striate.evaluate import score
from striate.metrics import METRICS, metric_names
from striate.tasks import Task, TaskSettings
from striate.tasks.classify import Classify
from striate.tasks.multilabel import Multilabel
from striate.tasks.regress import Regress
from striate.workflows import scores as scores_module
from striate.workflows.compare import compare
from striate.workflows.finish import prediction_header, prediction_rows
from striate.workflows.request import array_bytes
from striate.workflows.scores import Kept, read_scores, write_scores

SETTINGS = {"label": TaskSettings(loss="cross_entropy"), "labels": TaskSettings(loss="binary_cross_entropy")}
CLASSES = ("owl", "cat", "dog", "eel", "fox", "gnu")


def truths(kind: str, count: int, seed: int = 0) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    if kind == "label":
        return np.eye(len(CLASSES), dtype=np.float32)[random.integers(0, len(CLASSES), count)]
    return (random.random((count, len(CLASSES))) < 0.35).astype(np.float32)


def likely(kind: str, targets: NDArray[np.float32], noise: float, seed: int) -> NDArray[np.float32]:
    """Probabilities that know something of the truth."""
    logits = 2 * targets + np.random.default_rng(seed).normal(0, noise, targets.shape)
    if kind == "label":
        odds = np.exp(logits)
        return (odds / odds.sum(1, keepdims=True)).astype(np.float32)
    return (1 / (1 + np.exp(1 - logits))).astype(np.float32)


def finished(
    path: Path,
    kind: str,
    scores: NDArray[np.float32],
    targets: NDArray[np.float32],
    *,
    order: NDArray[np.int64] | None = None,
    headline: str = "accuracy",
) -> tuple[RunFolder, Task]:
    """A Run of these answers, written as a training writes it; `order` is that of its rows."""
    run = RunFolder.create(path, {})
    task = (Classify if kind == "label" else Multilabel)(CLASSES, SETTINGS[kind])
    order = np.arange(len(scores)) if order is None else order

    def sample(place: int) -> Sample:
        names = tuple(name for name, on in zip(CLASSES, targets[place], strict=True) if on)
        target: Target = Label(names[0]) if kind == "label" else Labels(names)
        return Sample(f"{place:04}.png", (), target)

    samples = [sample(int(place)) for place in order]
    rows = prediction_rows(task, scores[order], targets[order], samples)
    write_csv(run.predictions, ["split", *prediction_header(task)], [["test", *row] for row in rows])
    split = [[one.key, "test", "", "", ""] for one in samples]
    write_csv(run.split, ["key", "split", "target", "group", "reason"], split)
    table = {"test": [{"class": name} for name in CLASSES]}
    write_json(run.metrics, {"task": task.name, "headline": headline, "per_class": table})
    Plan({"train.seed": Decision(0, "made")}).write(run.plan)
    write_scores(run, task, {"test": scores[order]})
    run.unlock()
    return run, task


def pair(folder: Path, kind: str, count: int = 240, headline: str = "accuracy") -> list[Any]:
    """Two Runs, the second better and in another order, with their scores and the targets."""
    targets = truths(kind, count)
    found = [likely(kind, targets, noise, seed) for noise, seed in ((2.0, 1), (0.8, 2))]
    order = np.random.default_rng(3).permutation(count)
    first, task = finished(folder / "a", kind, found[0], targets, headline=headline)
    second, _ = finished(folder / "b", kind, found[1], targets, order=order, headline=headline)
    return [first, second, found, targets, task]


def by_scikit_learn(kind: str, scores: NDArray[Any], targets: NDArray[Any]) -> dict[str, float]:
    scores = scores.astype(np.float64)
    true = targets.argmax(1)
    found = {
        "roc_auc": sk.roc_auc_score(targets, scores, average="macro"),
        "micro_roc_auc": sk.roc_auc_score(targets, scores, average="micro"),
        "average_precision": sk.average_precision_score(targets, scores, average="macro"),
        "micro_average_precision": sk.average_precision_score(targets, scores, average="micro"),
    }
    if kind == "label":
        sure = scores / scores.sum(1, keepdims=True)  # scikit-learn asks for sums of 1 in double precision
        found |= {
            "log_loss": sk.log_loss(true, sure, labels=range(len(CLASSES))),
            "brier": float(((scores - targets) ** 2).sum(1).mean() / 2),
            "top5_accuracy": sk.top_k_accuracy_score(true, scores, k=5),
            "accuracy": sk.accuracy_score(true, scores.argmax(1)),
            "balanced_accuracy": sk.balanced_accuracy_score(true, scores.argmax(1)),
        }
    else:
        found |= {
            "log_loss": np.mean([sk.log_loss(t, s) for t, s in zip(targets.T, scores.T, strict=True)]),
            "brier": np.mean([sk.brier_score_loss(t, s) for t, s in zip(targets.T, scores.T, strict=True)]),
            "micro_f1": sk.f1_score(targets, scores >= 0.5, average="micro"),
        }
    return found


@pytest.mark.parametrize("kind", ["label", "labels"])
def test_every_metric_of_both_runs_is_scikit_learns_and_the_runs_own(tmp_path: Path, kind: str) -> None:
    first, second, scores, targets, task = pair(tmp_path, kind)
    found = compare(first, second)
    assert set(metric_names(kind, len(CLASSES))) <= found["metrics"].keys()
    assert not any(note.startswith("Not compared") for note in found["notes"])
    for side, own in zip(("first", "second"), scores, strict=True):
        judged = score(task, own, targets)
        for name, one in found["metrics"].items():
            assert one[side] == pytest.approx(judged[name], abs=1e-12), name
        for name, value in by_scikit_learn(kind, own, targets).items():
            assert found["metrics"][name][side] == pytest.approx(value, abs=2e-6), name
    for name in ("roc_auc", "brier", "average_precision"):
        one = found["metrics"][name]
        assert one["low"] <= one["difference"] <= one["high"], name
        assert one["p"] < 0.05, name
        better = one["difference"] > 0
        assert better == METRICS.get(name).higher_is_better, name


def test_the_calibration_error_is_of_all_confidences(tmp_path: Path) -> None:
    first, second, scores, targets, _ = pair(tmp_path, "label")
    found = compare(first, second)["metrics"]["calibration_error"]
    for side, own in zip(("first", "second"), scores, strict=True):
        sure, right = own.max(1).astype(np.float64), own.argmax(1) == targets.argmax(1)
        places = np.ceil(sure * 15).astype(int)
        gaps = [abs((sure[places == one] - right[places == one]).sum()) for one in range(1, 16)]
        assert found[side] == pytest.approx(sum(gaps) / len(sure), abs=1e-6)


def test_a_headline_that_asks_for_all_scores_is_judged_by(tmp_path: Path) -> None:
    first, second, *_ = pair(tmp_path, "label", headline="roc_auc")
    found = compare(first, second)
    assert found["headline"] == "roc_auc"
    assert found["better"] == str(second.path)
    assert "in roc auc" in found["words"]


def damaged(run: RunFolder, how: str, scores: NDArray[np.float32]) -> None:
    names = {"classes": np.array(CLASSES), "left_out": np.array([], np.str_)}
    content = run.scores.read_bytes()
    if how == "absent":
        run.scores.unlink()
    elif how == "cut":
        write_bytes(run.scores, content[: len(content) // 2])
    elif how == "empty":
        write_bytes(run.scores, b"")
    elif how == "flipped":
        middle = len(content) // 2
        write_bytes(run.scores, content[:middle] + bytes(64) + content[middle + 64 :])
    elif how == "pickled":
        with open(run.scores, "wb") as file:
            np.savez(file, classes=np.array(CLASSES, object), left_out=names["left_out"], test=scores)
    elif how == "without test":
        write_bytes(run.scores, array_bytes(names))
    elif how == "not finite":
        write_bytes(run.scores, array_bytes({**names, "test": np.where(scores > 0.9, np.float32("nan"), scores)}))
    elif how == "doubles":
        write_bytes(run.scores, array_bytes({**names, "test": scores.astype(np.float64)}))
    elif how == "fewer":
        write_bytes(run.scores, array_bytes({**names, "test": scores[:-1]}))
    elif how == "other scores":
        write_bytes(run.scores, array_bytes({**names, "test": scores[::-1]}))
    else:
        other = np.array(["ant", *CLASSES[1:]])
        write_bytes(run.scores, array_bytes({**names, "classes": other, "test": scores}))


WHY = {
    "absent": "it has no scores.npz, as Runs had none before",
    "cut": "its scores.npz cannot be read",
    "empty": "its scores.npz cannot be read",
    "flipped": "its scores.npz",
    "pickled": "its scores.npz cannot be read: Object arrays",
    "without test": "its scores.npz is damaged: test is not a file in the archive",
    "not finite": "it should hold finite numbers",
    "doubles": "float32 (240, 6), and holds float64 (240, 6)",
    "fewer": "float32 (240, 6), and holds float32 (239, 6)",
    "other scores": "whose losses are not those of its scores",
    "other classes": "it has no class 'owl'",
}


@pytest.mark.parametrize("how", WHY)
def test_what_is_wrong_with_scores_is_said(tmp_path: Path, how: str) -> None:
    targets = truths("label", 240)
    scores = likely("label", targets, 1.0, 0)
    run, _ = finished(tmp_path / "a", "label", scores, targets)
    losses = (-np.log(scores[targets > 0].astype(np.float64))).tolist()
    true = [[CLASSES[place]] for place in targets.argmax(1)]
    assert isinstance(read_scores(run, "test", "label", losses, true), Kept)
    damaged(run, how, scores)
    found = read_scores(run, "test", "label", losses, true)
    assert isinstance(found, str)
    assert WHY[how] in found


@pytest.mark.parametrize("how", ["absent", "cut"])
def test_without_whole_scores_what_is_missing_is_said_and_the_rest_compared(tmp_path: Path, how: str) -> None:
    first, second, scores, targets, _ = pair(tmp_path, "label")
    damaged(first, how, scores[0])
    found = compare(first, second)
    (note,) = [note for note in found["notes"] if note.startswith("Not compared")]
    assert f"(a: {WHY[how]}" in note
    for name in ("roc_auc", "brier", "calibration_error", "top5_accuracy", "average_precision"):
        assert name in note
        assert name not in found["metrics"]
    for side, own in zip(("first", "second"), scores, strict=True):
        loss = -np.log(own[targets > 0].astype(np.float64)).mean()
        assert found["metrics"]["log_loss"][side] == pytest.approx(loss, abs=1e-6)
    assert found["better"] == str(second.path)


def test_scores_that_take_too_much_are_left_out_the_test_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    targets = truths("label", 50)
    scores = likely("label", targets, 1.0, 0)
    run, task = finished(tmp_path / "a", "label", scores, targets)
    true = [[CLASSES[place]] for place in targets.argmax(1)]
    losses = (-np.log(scores[targets > 0])).tolist()

    def kept(most: int) -> list[Any]:
        monkeypatch.setattr(scores_module, "MOST_BYTES", most)
        write_scores(run, task, {"val": scores, "test": scores})
        return [read_scores(run, part, "label", losses, true) for part in ("test", "val")]

    both = kept(2 * scores.nbytes)
    assert all(isinstance(one, Kept) and (one.scores == scores).all() and one.classes == CLASSES for one in both)
    test, val = kept(2 * scores.nbytes - 1)
    assert isinstance(test, Kept)
    assert val == f"its scores.npz leaves out val, with which it would take more than {2 * scores.nbytes - 1:,} bytes"
    test, val = kept(scores.nbytes - 1)
    assert "leaves out test" in test
    assert "leaves out val" in val


def test_values_stand_in_the_predictions_alone(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "a", {})
    task = Regress(["age"], TaskSettings(loss="mean_squared", mean=(0.0,), std=(1.0,)))
    write_scores(run, task, {"test": np.zeros((3, 1), np.float32)})
    assert not run.scores.exists()


def test_a_class_that_one_run_does_not_know_has_no_chance_there(tmp_path: Path) -> None:
    targets = truths("label", 120)
    targets = targets[targets[:, -1] == 0]  # no sample is of the last class, which the second does not know
    scores = likely("label", targets, 1.0, 0)
    first, _ = finished(tmp_path / "a", "label", scores, targets)
    second, _ = finished(tmp_path / "b", "label", scores, targets)
    known = scores[:, :-1] / scores[:, :-1].sum(1, keepdims=True)
    rows = prediction_rows(
        Classify(CLASSES[:-1], SETTINGS["label"]),
        known,
        targets[:, :-1],
        [Sample(f"{place:04}.png", (), None) for place in range(len(known))],
    )
    write_csv(second.predictions, ["split", "key", "target", "prediction", "confidence", "loss"],
              [["test", *row] for row in rows])  # fmt: skip
    write_json(second.metrics, {"task": "classify", "headline": "accuracy",
                                "per_class": {"test": [{"class": name} for name in CLASSES[:-1]]}})  # fmt: skip
    write_scores(second, Classify(CLASSES[:-1], SETTINGS["label"]), {"test": known})
    found = compare(first, second)["metrics"]
    half = lambda own: float(((own - targets) ** 2).sum(1).mean() / 2)  # noqa: E731
    assert found["brier"]["first"] == pytest.approx(half(scores), abs=1e-6)
    assert found["brier"]["second"] == pytest.approx(half(np.pad(known, ((0, 0), (0, 1)))), abs=1e-6)
