"""What was measured is found again for the same question alone."""

import itertools
import shutil
from pathlib import Path

import pytest

import striate as st
from striate.core.cache import Cache
from striate.train import speed
from striate.workflows import measure
from striate.workflows.trials import Trials
from tests.e2e.made_photos import folder
from tests.made_data import Listener


def trials(root: Path | None, about: dict[str, object] | None = None) -> Trials:
    return Trials(Cache(root, 10**6), about or {"network": "a"}, Listener())


def test_the_same_question_is_answered_from_before(tmp_path: Path) -> None:
    found = [["float32", True, 12.345678901234567]]
    trials(tmp_path).keep({"ways": [1, 2]}, found)
    assert trials(tmp_path).recall({"ways": [1, 2]}) == found
    assert trials(tmp_path).recall({"ways": [1]}) is None
    assert trials(tmp_path, {"network": "b"}).recall({"ways": [1, 2]}) is None


def test_other_versions_are_another_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trials(tmp_path).keep({"ways": 1}, 2)
    monkeypatch.setattr("striate.workflows.trials.versions", lambda: {"torch": "9.9"})
    assert trials(tmp_path).recall({"ways": 1}) is None


def test_a_damaged_answer_is_none_and_made_anew(tmp_path: Path) -> None:
    trials(tmp_path).keep({"ways": 1}, 2)
    (file,) = tmp_path.glob("*/trial.json")
    file.write_text("{")
    assert trials(tmp_path).recall({"ways": 1}) is None
    trials(tmp_path).keep({"ways": 1}, 3)
    assert trials(tmp_path).recall({"ways": 1}) == 3


def test_where_nothing_can_be_kept_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    one = trials(tmp_path / "file")
    one.keep({"ways": 1}, 2)
    assert one.recall({"ways": 1}) is None
    assert "not kept for another run" in one.reporter.said[0]  # type: ignore[attr-defined]


def test_a_second_training_of_one_plan_measures_nothing_and_gives_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    photos = folder(tmp_path / "photos", {"dark": 20, "light": 20})
    ranged = []
    looked = measure.range_test
    monkeypatch.setattr(measure, "range_test", lambda *given, **named: ranged.append(1) or looked(*given, **named))
    settings = {"batch.size": 8, "network.arguments": {"width": 4, "blocks": [1]}, "train.patience": 999}
    first = st.train(photos, out=tmp_path / "first", epochs=80, size=16, set=settings)
    assert ranged == [1]

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("measured again")

    for name in ("try_ways", "forward_rates", "batch_rates", "range_test"):
        monkeypatch.setattr(measure, name, forbidden)
    assert speed.try_ways is not measure.try_ways
    second = st.train(photos, out=tmp_path / "second", epochs=80, size=16, set=settings)
    free = ("execution.pack_bytes", "execution.cache_bytes")  # what the machine has free at the moment
    plans = [{key: value for key, value in run.plan.items() if key not in free} for run in (first, second)]
    assert plans[0] == plans[1]
    for name in ("model/model.safetensors", "history.jsonl", "predictions.csv"):
        assert (first.path / name).read_bytes() == (second.path / name).read_bytes(), name
    with pytest.raises(AssertionError, match="measured again"):
        st.train(photos, out=tmp_path / "third", epochs=80, size=16, set=settings, cache_size=0)


@pytest.mark.slow
def test_a_trial_hangs_on_the_plan_the_weights_and_the_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    photos = folder(tmp_path / "photos", {"dark": 20, "light": 20})
    asked: list[str] = []
    numbers = itertools.count()
    found = Trials.recall
    monkeypatch.setattr(
        Trials, "recall", lambda self, question: asked.append(self._asked(question)[1]) or found(self, question)
    )

    def question(**given: object) -> str:
        asked.clear()
        st.train(photos, out=tmp_path / f"run{next(numbers)}", size=16, **{"epochs": 1, **given})
        return asked[0]

    usual = question()
    assert question() == usual
    assert question(seed=5) == usual
    assert question(epochs=2) != usual
    assert question(set={"normalize.std": [0.3, 0.3, 0.3]}) != usual
    assert question(set={"batch.accumulate": 2}) != usual
    first, second = (
        st.train(photos, out=tmp_path / name, size=16, epochs=1, seed=n).path for n, name in enumerate("ab")
    )
    tuned = question(weights=first)
    assert question(weights=first) == tuned
    shutil.rmtree(first)
    second.rename(first)
    assert question(weights=first) != tuned  # other weights in the same place
    next(iter((photos / "dark").iterdir())).unlink()
    assert question() != usual
