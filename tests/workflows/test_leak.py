"""What a leak would have added: planted groups and shared pictures are found, and equal what scikit-learn says."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from typer.testing import CliRunner

import striate as st
from striate.cli import app
from striate.core.events import Silent
from striate.core.plan import Decision
from striate.core.records import Label, Labels, Sample, Value
from striate.data.split import units_of_samples
from striate.workflows.label_free import LabelFree, untold
from striate.workflows.leak_drawn import drawn, exchanged
from striate.workflows.leak_given import given_leak
from striate.workflows.leak_random import in_two_units, strata, whole_units
from striate.workflows.materials import Materials, gather
from striate.workflows.request import ReadRequest, Request
from striate.workflows.stages import prepare
from tests.e2e.made_photos import QUICK, folder, save

NAMES = ("dark", "light", "red")
GROUP = r"(?P<group>g\d+)_"


def picture(random: np.random.Generator, kind: int, background: np.ndarray, mark: float = 20.0) -> np.ndarray:
    """Noise before a background, with a middle whose channel tells the class, now and then."""
    found = random.normal(128, 25, (20, 20, 3)) + background
    found[6:14, 6:14, kind] += mark + random.normal(0, 1.5 * mark)
    return found


def grouped(path: Path, strength: float, groups: int = 24, each: int = 4) -> Path:
    """Class folders; the pictures of a group share a background, of that strength."""
    random = np.random.default_rng(0)
    for group in range(groups):
        background = strength * random.normal(0, 30, (5, 5, 3)).repeat(4, 0).repeat(4, 1)
        for number in range(each):
            save(path / NAMES[group % 3] / f"g{group:02d}_{number}.png", picture(random, group % 3, background))
    return path


def sharing(path: Path) -> Path:
    """Train and test folders of which the test has 40 pictures from training, and classes that are hard to tell."""
    random, none = np.random.default_rng(0), np.zeros((20, 20, 3))
    for number in range(160):
        found = picture(random, number % 3, none, 5.0)
        save(path / "train" / NAMES[number % 3] / f"{number:03d}.png", found)
        if number % 4 == 0:
            save(path / "test" / NAMES[number % 3] / f"copy{number:03d}.png", found)
    for number in range(40):
        save(path / "test" / NAMES[number % 3] / f"{number:03d}.png", picture(random, number % 3, none, 5.0))
    return path


def materials_of(path: Path) -> Materials:
    chosen = {key: Decision(value, "set by you", "user") for key, value in QUICK.items()}
    request = Request(ReadRequest(str(path)), epochs=1, overrides=chosen)
    return gather(None, prepare(request, None, "cpu", Silent()), Silent())


def test_the_given_test_s_leak_is_what_scikit_learn_finds_on_the_same_features(tmp_path: Path) -> None:
    materials = materials_of(sharing(tmp_path / "data"))
    known = {sample.key: sample for sample in materials.prepared.dataset.samples}
    shared = [known[key] for key in materials.prepared.split.left_out_for("test")]
    assert len(shared) == 40
    with LabelFree(materials) as look:
        found = given_leak(materials, shared, look, None)
        tests, train = materials.samples["test"], materials.samples["train"]
        of_tests, of_shared = np.split(units_of_samples([*tests, *shared], materials.prepared.audit), [len(tests)])
        places = drawn(of_tests, of_shared, len(train), len(tests) + len(shared) + len(train), 0)[1]
        shared = [shared[place] for place in places]
        stays, taken = exchanged(*([one.target.name for one in part] for part in (train, shared)), 0)  # type: ignore[union-attr]
        shared = [shared[place] for place in taken]
        asked, extra, rows = look(tests), look(shared), look(train)
    assert len(train) + materials.count("val") == 120
    assert look.words == "patches of the pictures"
    classes = materials.task.target_names

    def right(features: np.ndarray, samples: list[Sample]) -> np.ndarray:
        head = make_pipeline(StandardScaler(), Ridge(alpha=found["penalty"] * features.shape[1]))
        head.fit(features, materials.task.encode(samples).numpy())
        decided = [classes[place] for place in head.predict(asked).argmax(1)]
        return np.array([name == one.target.name for name, one in zip(decided, tests, strict=True)])  # type: ignore[union-attr]

    without = right(rows, [*train])
    with_leak = right(np.concatenate([rows[stays], extra]), [*(train[place] for place in stays), *shared])
    copied = np.array(["copy" in one.key for one in tests])
    for part, mask in (("all", copied | ~copied), ("shared", copied), ("rest", ~copied)):
        assert found["parts"][part]["with"] == pytest.approx(with_leak[mask].mean())
        assert found["parts"][part]["without"] == pytest.approx(without[mask].mean())
    assert (found["shared"], found["leaking"], found["samples"], found["trained"]) == (40, 40, 80, len(train))
    assert found["parts"]["shared"]["with"] > 0.8
    assert found["told"]
    assert found["large"]
    assert "40 training samples belong with 40 of 80 test samples, and stay out of training" in found["words"]


def test_time_that_is_short_cuts_what_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    materials = materials_of(sharing(tmp_path / "data"))
    with LabelFree(materials) as look:
        samples = materials.samples["train"]
        assert look.carried(samples, 1000, None) == 1000
        assert look.carried(samples, 50, None) == 50
        assert look.carried(samples, 1000, 1e6) == 1000
        assert look.carried(samples, 1000, 1e3, more=10.0) in (98, 99)
        assert 0 < look.carried(samples, 10**5, 1e3, fits=1000) < look.carried(samples, 10**5, 1e3) / 5
        monkeypatch.setattr(LabelFree, "__call__", lambda self, few: pytest.fail("it was looked at without time"))
        assert look.carried(samples, 1000, 0.0) == 0
        monkeypatch.undo()
        assert look([]).shape == (0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_planted_groups_are_worth_points_only_where_they_tell_the_class(tmp_path: Path, strength: float) -> None:
    data = grouped(tmp_path / "data", strength)
    run = st.train(data, out=tmp_path / "run", epochs=1, group=GROUP, set=QUICK)
    found, report = run.metrics["leak"], (run.path / "report.html").read_text("utf-8")
    assert found == json.loads((run.path / "leak.json").read_text())
    one = found["random"]
    assert (one["metric"], one["samples"], one["units"], one["tied"]) == ("accuracy", 96, 24, 96)
    assert one["told"] == one["large"] == (strength > 0)
    assert ("of leak" in one["words"]) == (strength > 0)
    assert ("no difference can be told" in one["words"]) == (strength == 0)
    assert 'id="leak"' in report
    assert report.count("By heads on patches of the pictures") == (4 if strength else 2) - 1 + (strength == 0)
    if strength:
        assert one["with"] - one["without"] == pytest.approx(one["worth"])
        assert one["worth"] > 0.2
        assert "The score of this Run has no such leak" in report
        again = st.resume(run, more=1)  # an extension keeps what was measured
        assert again.metrics["leak"] == found


def test_nothing_that_belongs_together_is_said_and_turned_off_nothing_is(tmp_path: Path) -> None:
    data = folder(tmp_path / "data", {"dark": 30, "light": 30}, side=8)
    run = st.train(data, out=tmp_path / "run", epochs=1, set=QUICK)
    assert run.metrics["leak"] == {"words": "No two samples are known to belong together: there is no leak to measure."}
    report = (run.path / "report.html").read_text("utf-8")
    assert "there is no leak to measure" in report
    assert 'id="leak"' not in report
    off = st.train(data, out=tmp_path / "off", epochs=1, set={**QUICK, "evaluate.leak": False})
    assert "leak" not in off.metrics
    assert not (off.path / "leak.json").exists()
    assert "there is no leak" not in (off.path / "report.html").read_text("utf-8")
    assert off.metrics["test"] == run.metrics["test"]
    audit = prepare(Request(ReadRequest(str(data)), epochs=1), None, "cpu", Silent()).audit
    for weights, told in ((str(run.path), False), ("other.safetensors", True)):  # a Run has learnt from these samples
        fake: Any = SimpleNamespace(
            prepared=SimpleNamespace(weights=object(), audit=audit),
            plan={"network.weights": weights},
            preprocessing=SimpleNamespace(own=True),
            task=SimpleNamespace(one_answer=True),
        )
        assert (untold(fake) is None) == told


@pytest.mark.slow
def test_the_command_says_it_and_its_json_stays_as_it_was(tmp_path: Path) -> None:
    data = sharing(tmp_path / "data")
    settings = [
        part
        for key, value in QUICK.items()
        for part in ("--set", f"{key}={value if isinstance(value, str) else json.dumps(value)}")
    ]
    done = CliRunner().invoke(
        app, ["train", str(data), "--out", str(tmp_path / "run"), "--epochs", "1", "--json", *settings]
    )
    assert done.exit_code == 0, done.output
    assert set(json.loads(done.stdout)) == {
        "run",
        "task",
        "metrics",
        "seconds",
        "samples_per_second",
        "quarantined",
        "plan",
    }
    assert "training on what the given test shares would have scored accuracy" in done.stderr
    found = json.loads((tmp_path / "run" / "metrics.json").read_text())["leak"]
    assert set(found) == {"given", "words", "method"}
    assert set(found["given"]["parts"]) == {"all", "shared", "rest"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["regress", "multilabel"])
def test_values_and_several_labels_have_a_leak_too(tmp_path: Path, kind: str) -> None:
    random, rows = np.random.default_rng(0), ["path,person,target"]
    for person in range(20):
        background = random.normal(0, 30, (5, 5, 3)).repeat(4, 0).repeat(4, 1)
        value = random.integers(0, 100)
        labels = "a" if person % 3 == 0 else "b" if person % 3 == 1 else "a;b"
        for number in range(4):
            path = f"{person:02d}_{number}.png"
            save(tmp_path / "data" / path, random.normal(128, 25, (20, 20, 3)) + background)
            rows.append(f"{path},{person},{value if kind == 'regress' else labels}")
    (tmp_path / "data" / "table.csv").write_text("\n".join(rows) + "\n")
    run = st.train(
        tmp_path / "data" / "table.csv", out=tmp_path / "run", task=kind, epochs=1, group="person", set=QUICK
    )
    one = run.metrics["leak"]["random"]
    assert one["metric"] == {"regress": "mae", "multilabel": "macro_f1"}[kind]
    assert one["told"]
    assert one["worth"] > 0
    assert (one["with"] < one["without"]) == (kind == "regress")


def test_strata_are_classes_rarest_labels_and_ranges() -> None:
    def of(*targets: Label | Labels | Value) -> list[str]:
        return strata([Sample(str(number), (), one) for number, one in enumerate(targets)])

    assert of(Label("a"), Label("b"), Label("a")) == ["a", "b", "a"]
    assert of(Labels(("a", "b")), Labels(("a",)), Labels(())) == ["b", "a", ""]
    found = of(*(Value((float(number),)) for number in range(100)))
    assert len(set(found)) == 10
    assert found == sorted(found)


@pytest.mark.parametrize("count", [7, 40, 100, 299, 300])
def test_units_are_taken_whole_but_for_what_is_beyond_a_tenth(count: int) -> None:
    random = np.random.default_rng(count)
    units = np.unique(random.integers(0, 80, 300), return_inverse=True)[1]
    found = whole_units(units, count, seed=1)
    assert len(found) == len(set(found.tolist())) <= count
    most = max(1, count // 10)
    sizes = np.bincount(units)
    for unit, taken in zip(*np.unique(units[found], return_counts=True), strict=True):
        assert taken == min(most, sizes[unit])
    assert len(found) > count - most or len(set(units[found].tolist())) == len(sizes)


def test_classes_of_one_unit_are_not_judged_but_values_are() -> None:
    units, classes = np.array([0, 0, 1, 2, 3]), ["a", "a", "b", "b", "c"]
    assert in_two_units(units, classes, "label").tolist() == [2, 3]
    assert in_two_units(units, classes, "value").tolist() == [0, 1, 2, 3, 4]
