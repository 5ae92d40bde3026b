"""The command line's contract: what it passes on, what it prints and where, how it ends."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import fake_api
import pytest

import striate
from striate.cli import main
from striate.core.cache import Entry
from striate.core.errors import DataError, Interrupted, PlanError, StriateError
from striate.core.plan import Decision, Plan
from striate.core.registry import file_names

COMMANDS = (
    *("train", "audit", "plan", "augment", "predict", "runs", "report", "evaluate", "explain", "attack", "export"),
    *("bench", "cache", "calc", "compare", "convert", "inspect"),
)
SOURCES = str(Path(striate.__file__).parents[1])
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([SOURCES, str(Path(fake_api.__file__).parent)])}

METRICS = {
    "task": "classify",
    "headline": "accuracy",
    "val": {"accuracy": 0.95, "accuracy_interval": [0.9, 0.99], "log_loss": 0.2},
    "test": {"accuracy": 0.9375, "accuracy_interval": [0.88, 0.97], "macro_f1": 0.9, "macro_f1_interval": [0.8, 0.95]},
}
SUMMARY = {
    "run": "runs/x",
    "task": "classify",
    "metrics": {"val": METRICS["val"], "test": METRICS["test"]},
    "seconds": 61.0,
    "samples_per_second": 1234.5,
    "quarantined": 2,
    "plan": "runs/x/plan.yaml",
}
AUDIT = {
    "samples": 1200,
    "quarantined": [{"path": "a/broken.jpg", "reason": "truncated"}],
    "duplicates": [["a/1.jpg", "a/2.jpg"], ["a/3.jpg", "b/3.jpg"]],
    "conflicts": [["a/3.jpg", "b/3.jpg"]],
    "near_duplicates": [["a/4.jpg", "b/5.jpg"], ["a/6.jpg", "a/7.jpg"]],
    "near_conflicts": [["a/4.jpg", "b/5.jpg"]],
    "near_duplicates_checked": True,
    "findings": [
        {
            "name": "bars at the edges",
            "text": "12 pictures have bars of one shade",
            "count": 1012,
            "samples": ["a/9.jpg", "a/8.jpg"],
            "severity": "high",
            "advice": "cut them off",
            "flag": "--group '{group}_{n}'",
        }
    ],
    "leaks": [{"test": "test/1.jpg", "train": "train/9.jpg", "kind": "exact"}],
    "classes": {"a": 900, "b": 299},
    "detail": 0.93,
    "orientation": {"upside_down": 0.619, "mirrored": 0.646, "upside_down_in_a_class": 0.663},
    "sizes": {"height": {"min": 32.0, "median": 32.0, "max": 48.0}},
    "channels": {"3": 1199},
    "modes": {"RGB": 1199},
    "notes": {},
    "target_summary": {},
    "remarks": ["the class a is three times the class b"],
}
PLAN = Plan(
    {
        "task.kind": Decision("classify", "every sample has one of 2 labels"),
        "optimizer.name": Decision("sgd", "set by you", "user"),
        "optimizer.rate": Decision("auto", "a range test decides when the training starts"),
    }
)


class FakeRun:
    """What `api.train` gives back."""

    path = Path("runs/x")
    metrics = METRICS
    diagnosis: ClassVar[dict[str, Any]] = {"findings": [{"name": "over-fitting"}], "alarms": []}

    def summary(self) -> dict[str, Any]:
        return SUMMARY


def prediction(key: str, **filled: Any) -> SimpleNamespace:
    """One prediction, as the api gives it."""
    named = {"label": None, "probability": None, "labels": None, "values": None, "scores": {}, "mask": None}
    named |= {"possible": None, "unsure": None, "ranges": None, "boxes": None, **filled}
    found = SimpleNamespace(key=key, **named)
    found.to_dict = lambda: {"key": key, **{name: value for name, value in named.items() if value is not None}}
    return found


def predicting(
    monkeypatch: pytest.MonkeyPatch, predictions: list[SimpleNamespace], damaged: int = 0
) -> fake_api.FakeApi:
    """An api that gives these predictions and reports so many damaged pictures before them."""

    def predict(
        model: Any, paths: Any, batch_size: Any, device: Any, on_damaged: Any, **_: Any
    ) -> Iterator[SimpleNamespace]:
        for number in range(damaged):
            on_damaged(f"broken{number}.jpg", "truncated")
        yield from predictions

    return fake_api.patch(monkeypatch, load=SimpleNamespace(classes=("cat", "dog")), predict=predict)


# -- names, help and version


def test_the_commands_are_the_files() -> None:
    assert set(file_names("striate.cli")) == set(COMMANDS)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], [], *([name, "--help"] for name in COMMANDS)], ids=" ".join
)
def test_help_and_version_are_quick_and_import_no_torch(arguments: list[str]) -> None:
    code = textwrap.dedent("""
        import sys, time
        from striate.cli import main
        status = main(sys.argv[1:])
        heavy = {"torch", "torchvision", "timm", "sklearn", "scipy"} & set(sys.modules)
        print(status, sorted(heavy), time.process_time(), file=sys.stderr)
    """)
    child = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=ENVIRONMENT, check=True
    )
    status, heavy, seconds = child.stderr.strip().split(" ")
    assert (status, heavy) == ("0", "[]")
    assert float(seconds) < 2  # the limit of 0.3 s is measured elsewhere; this only finds a heavy import
    if "--version" in arguments:
        assert child.stdout == f"striate {striate.__version__}\n"
    elif arguments in ([], ["--help"]):
        assert all(f" {name} " in child.stdout for name in COMMANDS)
    else:
        assert f"striate {arguments[0]}" in child.stdout
        assert "Example" in child.stdout
        assert "--json" in child.stdout


def test_it_runs_as_a_module() -> None:
    child = subprocess.run(
        [sys.executable, "-m", "striate", "--version"], capture_output=True, text=True, env=ENVIRONMENT, check=True
    )
    assert child.stdout.startswith("striate ")
    child = subprocess.run([sys.executable, "-m", "striate", "trian"], capture_output=True, text=True, env=ENVIRONMENT)
    assert (child.returncode, child.stdout) == (2, "")
    assert child.stderr.splitlines()[0] == "error: there is no command 'trian'; did you mean 'train'?"


# -- calls that cannot be understood


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trian"], "did you mean 'train'?"),
        (["train", "--modle", "x"], "there is no option --modle; did you mean --model"),
        (["train", "--epochs", "many"], "--epochs"),
        (["train", "--epochs", "0"], "--epochs"),
        (["train", "--epochs", "2", "--minutes", "3"], "two budgets"),
        (["train", "--minutes", "-1"], "above 0"),
        (["train", "--minutes", "nan"], "above 0"),
        (["train", "--device", "gpu"], "there is no device 'gpu'"),
        (["train", "--set", "optimizer.rate"], "KEY=VALUE"),
        (["train", "--set", "=3"], "KEY=VALUE"),
        (["train", "a", "b"], "b"),
        (["plan", "--epochs", "2", "--minutes", "3"], "two budgets"),
        (["predict"], "RUN"),
        (["predict", "run"], "PATH"),
        (["predict", "run", "x.jpg", "--format", "tabel"], "did you mean 'table'?"),
        (["export", "run", "--frmat", "onnx"], "did you mean --format?"),
        (["--jsno"], "--jsno"),
    ],
    ids=" ".join,
)
def test_calls_that_cannot_be_understood(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    api = fake_api.patch(monkeypatch)
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert words in err
    assert "Traceback" not in err
    assert api.calls == []


def test_flags_of_what_does_not_exist_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--nothing", "3"]) == 2
    assert "--nothing" in capsys.readouterr().err


def test_folds_and_time_are_passed_on_and_the_spread_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    spread = {"accuracy": {"mean": 0.9, "deviation": 0.0123, "least": 0.875, "most": 0.9375}}
    summary = {**SUMMARY, "folds": {"count": 3, "held_out": "test", "each": [], "spread": spread}}
    run = SimpleNamespace(path=Path("runs/x"), metrics=METRICS, diagnosis={}, summary=lambda: summary)
    api = fake_api.patch(monkeypatch, train=run, plan=Plan({}))
    assert main(["train", "table.csv", "--folds", "3", "--time", "taken"]) == 0
    assert {name: api.calls[0][1][name] for name in ("data", "folds", "time")} == {
        "data": "table.csv", "folds": 3, "time": "taken"
    }  # fmt: skip
    said = capsys.readouterr().out
    assert "3 folds  accuracy from 0.8750 to 0.9375, deviation 0.0123" in said
    assert "striate predict runs/x" in said
    assert "striate explain" not in said, "it is of one network"
    assert main(["train", "--folds", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["folds"]["count"] == 3
    assert main(["train", "--folds", "1"]) == 2
    assert "--folds" in capsys.readouterr().err


@pytest.mark.parametrize(
    "more", [["photos"], ["--seed", "1"], ["--set", "a.b=1"], ["--out", "x"], ["--device", "cpu"], ["--plan", "p.yaml"]]
)
def test_resume_stands_alone(
    more: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    api = fake_api.patch(monkeypatch, resume=FakeRun())
    assert main(["train", "--resume", "runs/x", *more]) == 2
    assert "stands alone" in capsys.readouterr().err
    assert api.calls == []
    assert main(["train", "--resume", "runs/x"]) == 0
    ((name, passed),) = api.calls
    assert (name, passed["run"]) == ("resume", "runs/x")


@pytest.mark.parametrize(
    ("asked", "passed"),
    [
        (["--epochs", "+10"], {"more": 10}),
        (["--epochs", "40"], {"epochs": 40}),
        (["--epochs", "40", "--tensorboard", "--mlflow"], {"epochs": 40, "follow": ["tensorboard", "mlflow"]}),
    ],
)
def test_resume_extends_and_is_followed(
    asked: list[str], passed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    api = fake_api.patch(monkeypatch, resume=FakeRun())
    assert main(["train", "--resume", "runs/x", *asked]) == 0
    ((_, found),) = api.calls
    assert {name: found[name] for name in passed} == passed
    assert set(found) == {"run", "reporter", *passed}


@pytest.mark.parametrize("text", ["+0", "+x", "-3", "2.5", "+", "0", "++1"])
def test_epochs_to_add_are_a_number_from_one_on(
    text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    api = fake_api.patch(monkeypatch, resume=FakeRun())
    assert main(["train", "--resume", "runs/x", f"--epochs={text}"]) == 2
    assert "no number of epochs" in capsys.readouterr().err
    assert api.calls == []


def test_epochs_to_add_need_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--epochs", "+3"]) == 2
    assert "give --resume RUN, or 3" in capsys.readouterr().err


def test_a_follower_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    api = fake_api.patch(monkeypatch, train=FakeRun())
    assert main(["train", "--tensorboard"]) == 0
    assert api.calls[0][1]["follow"] == ["tensorboard"]


# -- failures


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (DataError("the folder is empty", fix="name another"), 1),
        (PlanError("a plan has no 'optimzer.rate'; did you mean 'optimizer.rate'?"), 2),
        (Interrupted("stopped at step 3; everything is saved", fix="go on with it"), 1),
        (KeyboardInterrupt(), 1),
        (PermissionError(13, "Permission denied", "/secret"), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_failures_are_a_sentence_and_a_status(
    error: BaseException, status: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_api.patch(monkeypatch, audit=error)
    assert main(["audit", "photos", "--json"]) == status
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    assert err.startswith("error: ") or err.splitlines()[-2].startswith("error: ") or "error: " in err
    told = json.loads(out)
    assert set(told) == {"error", "fix"}
    assert told["error"] in err
    if isinstance(error, StriateError):
        assert told == {"error": error.message, "fix": error.fix}
    assert main(["audit", "photos"]) == status
    assert capsys.readouterr().out == ""


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_api.patch(monkeypatch, audit=ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        main(["audit", "photos"])


def test_ctrl_c_before_training_ends_in_a_short_message() -> None:
    code = textwrap.dedent("""
        import sys, time
        import fake_api, striate
        from striate.cli import main
        def train(**_):
            print("ready", flush=True)
            time.sleep(60)
        _, module = fake_api.install({"train": train})
        sys.modules["striate.api"] = striate.api = module
        sys.exit(main(["train", "photos"]))
    """)
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=20)
    assert child.returncode == 1
    assert err == "error: stopped by Ctrl-C\n"
    assert out == ""


# -- each command


def test_train_passes_every_flag_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    api = fake_api.patch(monkeypatch, train=FakeRun())
    call = (
        "train photos --out runs/y --task classify --reader folders --label-depth 2 --root r --group {group} --val v "
        "--test t --model lenet5 --weights none --minutes 2.5 --size 64 --seed 0 --cache-size 2G --plan p.yaml "
        "--set optimizer.rate=0.1 --set network.arguments={a:1} --set optimizer.rate=0.2 --device cpu"
    )
    assert main(call.split(" ")) == 0
    ((name, passed),) = api.calls
    assert name == "train"
    assert passed.pop("reporter") is not None
    assert 0 <= time.monotonic() - passed.pop("started") < 3600
    assert passed == {
        "data": "photos",
        "out": "runs/y",
        "task": "classify",
        "reader": "folders",
        "label_depth": 2,
        "root": "r",
        "group": "{group}",
        "val": "v",
        "test": "t",
        "model": "lenet5",
        "weights": "none",
        "minutes": 2.5,
        "size": 64,
        "seed": 0,
        "cache_size": 2 * 10**9,
        "plan": "p.yaml",
        "set": {"optimizer.rate": "0.2", "network.arguments": "{a:1}"},
        "device": "cpu",
    }
    capsys.readouterr()


@pytest.mark.parametrize("command", ["train", "plan", "augment"])
def test_weights_may_be_repeated(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    api = fake_api.patch(monkeypatch, **{command: StriateError("far enough")})
    main([command, "photos", "--weights", "a.pt", "--weights", "runs/b"])
    assert api.calls[0][1]["weights"] == ["a.pt", "runs/b"]


def test_train_without_anything_leaves_every_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api = fake_api.patch(monkeypatch, train=FakeRun())
    assert main(["train"]) == 0
    assert set(api.calls[0][1]) == {"reporter", "started"}
    out = capsys.readouterr().out
    lines = [line.split() for line in out.splitlines()]
    assert ["test", "accuracy", "0.9375", "0.8800", "to", "0.9700"] in lines
    assert ["test", "macro_f1", "0.9000", "0.8000", "to", "0.9500"] in lines
    assert ["validation", "accuracy", "0.9500", "0.9000", "to", "0.9900"] in lines
    assert "runs/x  (1 min 1 s of training at 1,234 samples/s, 2 damaged and left out)" in out
    for following in ("runs/x/report.html", "striate predict runs/x PATH", "striate explain runs/x PATH"):
        assert following in out


def test_train_epochs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    api = fake_api.patch(monkeypatch, train=FakeRun())
    assert main(["train", "--epochs", "3"]) == 0
    assert api.calls[0][1]["epochs"] == 3
    capsys.readouterr()


def talking(result: Any) -> Any:
    """An api function that reports all it can before it answers."""

    def answer(reporter: Any, **_: Any) -> Any:
        reporter.stage("reading")
        reporter.line("two classes")
        reporter.warn("a class is small")
        for done in range(1, 4):
            reporter.progress(done, 3, "loss 0.5")
        return result

    return answer


@pytest.mark.parametrize(
    ("arguments", "results", "keys"),
    [
        (["train", "--json"], {"train": talking(FakeRun())}, set(SUMMARY)),
        (["train", "--resume", "runs/x", "--json"], {"resume": talking(FakeRun())}, set(SUMMARY)),
        (["audit", "p", "--json"], {"audit": talking(SimpleNamespace(to_dict=lambda: AUDIT))}, set(AUDIT)),
        (
            ["audit", "p", "--labels", "l.csv", "--json"],
            {
                "label_errors": talking(
                    SimpleNamespace(
                        audit=SimpleNamespace(to_dict=lambda: AUDIT), to_dict=lambda: {"suspects": [], "file": "l.csv"}
                    )
                )
            },
            {*AUDIT, "label_errors"},
        ),
        (["plan", "p", "--json"], {"plan": talking(PLAN)}, {"striate_plan", "task", "optimizer"}),
        (["runs", "--json"], {"runs": []}, {"runs"}),
        (["report", "a", "--json"], {"report": lambda run: Path(run) / "report.html"}, {"reports"}),
        (["report", "a", "b", "--json"], {"side_by_side": lambda runs, out: Path("side-by-side.html")}, {"reports"}),
        (
            ["evaluate", "a", "b", "--json"],
            {
                "evaluate": talking(
                    {"task": "classify", "samples": 3, "damaged": [], "metrics": {"accuracy": float("nan")}}
                )
            },
            {"task", "samples", "damaged", "metrics"},
        ),
        (
            ["augment", "a", "--json"],
            {"augment": talking({"sheet": "a.png", "settings": {}, "shown": [], "written": 0, "out": None})},
            {"sheet", "settings", "shown", "written", "out"},
        ),
        (["explain", "a", "b", "--json"], {"explain": talking(Path("e/explain.html"))}, {"page"}),
        (["attack", "a", "--json"], {"attack": talking({"attack": "fgsm"})}, {"attack"}),
        (["export", "a", "--json"], {"export": talking({"path": "a.onnx"})}, {"path"}),
        (["compare", "a", "b", "--json"], {"compare": {"words": "b is better"}}, {"words"}),
        (
            ["convert", "a", "--to", "coco", "--out", "b", "--json"],
            {"convert": talking(SimpleNamespace(to_dict=lambda: {"out": "b", "lost": {}}))},
            {"out", "lost"},
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_json_is_one_object_alone_on_standard_output(
    arguments: list[str],
    results: dict[str, Any],
    keys: set[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fake_api.patch(monkeypatch, **results)
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert set(json.loads(out)) == keys
    assert out.endswith("}\n")
    assert "NaN" not in out
    talked = any(callable(result) for result in results.values()) and arguments[0] != "report"
    assert ("two classes" in err) == talked
    assert "\r" not in err
    assert "\x1b" not in err


def test_audit_may_leave_near_duplicates_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    content = {**AUDIT, "near_duplicates": [], "near_conflicts": [], "near_duplicates_checked": False}
    api = fake_api.patch(monkeypatch, audit=SimpleNamespace(to_dict=lambda: content))
    assert main(["audit", "p", "--no-near-duplicates"]) == 0
    assert api.calls[0][1]["near_duplicates"] is False
    assert "not checked, see remarks" in capsys.readouterr().out


def test_audit_prints_what_was_found(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    api = fake_api.patch(monkeypatch, audit=SimpleNamespace(to_dict=lambda: AUDIT))
    assert main(["audit", "p", "--task", "classify", "--reader", "folders", "--group", "g", "--html", "a.html"]) == 0
    passed = {key: value for key, value in api.calls[0][1].items() if key != "reporter"}
    expected = {"data": "p", "task": "classify", "reader": "folders", "group": "g"}
    assert passed == {**expected, "html": "a.html"}
    out = capsys.readouterr().out
    for words in (
        "1,200",
        "a/broken.jpg: truncated",
        "a/3.jpg  =  b/3.jpg   (different targets)",
        "a/4.jpg  ≈  b/5.jpg   (different targets)",
        "test test/1.jpg  =  train train/9.jpg   (exact)",
        "bars at the edges (high): 12 pictures have bars of one shade.",
        "bars at the edges    1,012  a/9.jpg  cut them off: --group '{group}_{n}'",
        "min 32, median 32, max 48",
        "upside down 0.619, mirrored 0.646, upside down in a class 0.663",
        "the class a is three times the class b",
    ):
        assert words in out
    assert ["a", "900", "75.1", "%"] in [line.split() for line in out.splitlines()]


def test_plan_prints_every_because_and_writes_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api = fake_api.patch(monkeypatch, plan=PLAN)
    out_file = tmp_path / "plan.yaml"
    assert main(["plan", "p", "--out", str(out_file), "--minutes", "4"]) == 0
    assert api.calls[0][1]["minutes"] == 4
    out, err = capsys.readouterr()
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "kind classify every sample has one of 2 labels" in lines
    assert "name sgd yours set by you" in lines
    assert "rate auto a range test decides when the training starts" in lines
    assert lines.index("task") < lines.index("optimizer")
    assert str(out_file) in err
    from striate.core.plan import read_decisions

    assert read_decisions(out_file) == PLAN.decisions


def test_predict_prints_a_line_each_in_order(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api = predicting(
        monkeypatch,
        [prediction("b.jpg", label="dog", probability=0.75), prediction("a.jpg", label="cat", probability=1.0)],
        2,
    )
    assert main(["predict", "runs/x", "b.jpg", "a.jpg", "--batch-size", "8"]) == 0
    (_, loaded), (_, passed) = api.calls
    assert loaded == {"path": "runs/x"}
    assert (passed["paths"], passed["batch_size"]) == (["b.jpg", "a.jpg"], 8)
    out, err = capsys.readouterr()
    assert out.splitlines() == ["dog  0.7500  b.jpg", "cat  1.0000  a.jpg"]
    assert err.splitlines() == [
        "damaged: broken0.jpg: truncated",
        "damaged: broken1.jpg: truncated",
        "2 predicted, 2 damaged and left out",
    ]


@pytest.mark.parametrize(
    ("filled", "table", "header", "cells"),
    [
        (
            {"label": "dog", "probability": 0.75},
            "dog  0.7500  a,b.jpg",
            ["path", "label", "probability"],
            ["dog", "0.75"],
        ),
        ({"labels": ("cat", "dog")}, "cat; dog  a,b.jpg", ["path", "labels"], ["cat;dog"]),
        ({"labels": ()}, "(none)  a,b.jpg", ["path", "labels"], [""]),
        (
            {"label": "dog", "probability": 0.5, "possible": ("dog", "cat"), "unsure": True},
            "dog  0.5000  unsure  a,b.jpg",
            ["path", "label", "probability", "possible", "unsure"],
            ["dog", "0.5", "dog;cat", "true"],
        ),
        (
            {"label": "dog", "probability": 0.75, "possible": ("dog",), "unsure": False},
            "dog  0.7500          a,b.jpg",
            ["path", "label", "probability", "possible", "unsure"],
            ["dog", "0.75", "dog", "false"],
        ),
        (
            {"values": {"n": 12.5}, "ranges": {"n": (12.0, 13.0)}},
            "n 12.5  a,b.jpg",
            ["path", "n", "n_from", "n_to"],
            ["12.5", "12.0", "13.0"],
        ),
        ({"values": {"n": 12.5, "m": 0.25}}, "n 12.5  m 0.2500  a,b.jpg", ["path", "n", "m"], ["12.5", "0.25"]),
    ],
    ids=["classify", "multilabel", "none", "unsure", "sure", "ranges", "regress"],
)
def test_predict_formats(
    filled: dict[str, Any],
    table: str,
    header: list[str],
    cells: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    predicting(monkeypatch, [prediction("a,b.jpg", **filled)])
    assert main(["predict", "r", "x"]) == 0
    assert capsys.readouterr().out == table + "\n"
    assert main(["predict", "r", "x", "--format", "csv"]) == 0
    assert list(csv.reader(capsys.readouterr().out.splitlines())) == [header, ["a,b.jpg", *cells]]
    assert main(["predict", "r", "x", "--format", "jsonl"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["key"] == "a,b.jpg"
    assert main(["predict", "r", "x", "--json", "--format", "csv"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["predicted"], summary["damaged"]) == (1, [])


def test_predict_tells_things_by_their_number_and_one_a_row(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = {"x1": 1.5, "y1": 2.0, "x2": 10.25, "y2": 20.0}
    found = tuple(
        SimpleNamespace(label=label, score=score, **place)
        for label, score in (("dog", 0.9), ("cat", 0.8), ("dog", 0.5))
    )
    predicting(monkeypatch, [prediction("a.jpg", label="dog", boxes=found), prediction("b.jpg", boxes=())])
    assert main(["predict", "r", "x"]) == 0
    told = capsys.readouterr()
    assert told.out == "dog 2  cat 1  a.jpg\n(nothing)  b.jpg\n"
    assert "2 predicted, 3 things found" in told.err
    assert main(["predict", "r", "x", "--format", "csv"]) == 0
    assert list(csv.reader(capsys.readouterr().out.splitlines())) == [
        ["path", "label", "score", "x1", "y1", "x2", "y2"],
        *(["a.jpg", one.label, str(one.score), "1.5", "2.0", "10.25", "20.0"] for one in found),
        ["b.jpg", *[""] * 6],
    ]
    assert main(["predict", "r", "x", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["things"] == {"dog": 2, "cat": 1}
    assert "labels" not in summary


def test_predict_streams(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[int] = []

    def predict(**_: Any) -> Iterator[SimpleNamespace]:
        for number in range(3):
            seen.append(capsys.readouterr().out.count("\n"))
            yield prediction(f"{number}.jpg", label="cat", probability=1.0)

    fake_api.patch(monkeypatch, load=SimpleNamespace(classes=("cat",)), predict=predict)
    assert main(["predict", "r", "x"]) == 0
    assert seen == [0, 1, 1]  # each was printed before the next was asked for


def test_predict_with_nothing_whole_fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    predicting(monkeypatch, [], damaged=2)
    assert main(["predict", "r", "x"]) == 1
    assert "not one of 2 pictures could be read" in capsys.readouterr().err
    predicting(monkeypatch, [])
    assert main(["predict", "r", "x", "--json"]) == 1
    out, err = capsys.readouterr()
    assert "there is no picture at these paths" in err
    assert json.loads(out)["error"] == "there is no picture at these paths"


def test_predict_does_not_let_a_name_steer_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    predicting(monkeypatch, [prediction("a\x1b[2J\n.jpg", label="cat", probability=1.0)])
    assert main(["predict", "r", "x"]) == 0
    assert capsys.readouterr().out == "cat  1.0000  a\\x1b[2J\\n.jpg\n"


def test_names_that_are_not_unicode_come_through_as_their_bytes() -> None:
    code = textwrap.dedent("""
        import sys
        from types import SimpleNamespace as N
        import fake_api, striate
        from striate.cli import main
        found = N(key="caf\\udce9.jpg", label="cat", probability=1.0, labels=None, values=None)
        found.possible = found.unsure = found.ranges = found.mask = found.boxes = None
        found.to_dict = lambda: {"key": found.key}
        results = {"load": N(classes=("cat",)), "predict": lambda **_: iter([found])}
        _, module = fake_api.install(results)
        sys.modules["striate.api"] = striate.api = module
        sys.exit(main(["predict", "r", "x", *sys.argv[1:]]))
    """)

    def run(*more: str, encoding: str = "utf-8") -> bytes:
        environment = {**ENVIRONMENT, "PYTHONIOENCODING": encoding}
        return subprocess.run(
            [sys.executable, "-c", code, *more], capture_output=True, env=environment, check=True
        ).stdout

    assert run() == b"cat  1.0000  caf\xe9.jpg\n"
    assert run("--format", "csv").splitlines()[1] == b"caf\xe9.jpg,cat,1.0"
    assert json.loads(run("--format", "jsonl"))["key"] == "caf\udce9.jpg"
    assert run(encoding="ascii") == b"cat  1.0000  caf\\udce9.jpg\n"


def test_runs_are_a_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import dataclasses

    @dataclasses.dataclass
    class Summary:
        path: Path
        status: str
        task: str | None = None
        metric: str | None = None
        value: float | None = None
        interval: tuple[float, float] | None = None
        finished: float | None = None
        seconds: float | None = None

    found = [
        Summary(Path("runs/a"), "finished", "classify", "accuracy", 0.93, (0.9, 0.95), 0.0, 75.0),
        Summary(Path("runs/b"), "unfinished"),
    ]
    api = fake_api.patch(monkeypatch, runs=found)
    assert main(["runs", "elsewhere"]) == 0
    assert api.calls == [("runs", {"folder": "elsewhere"})]
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "runs/a" in lines[1]
    assert "accuracy 0.9300" in lines[1]
    assert "0.9000 to 0.9500" in lines[1]
    assert "1 min 15 s" in lines[1]
    assert lines[2].split() == ["runs/b", "unfinished"]
    assert main(["runs", "--json"]) == 0
    (first, _) = json.loads(capsys.readouterr().out)["runs"]
    assert (first["path"], first["value"], first["interval"]) == ("runs/a", 0.93, [0.9, 0.95])


def test_runs_where_there_are_none(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    fake_api.patch(monkeypatch, runs=[])
    assert main(["runs"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "no Run" in err


def test_audit_prints_shares_of_pixels(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    content = {
        **AUDIT,
        "classes": {},
        "pixel_shares": {"sky": 0.25, "road": 0.75},
        "pictures_of_class": {"sky": 3, "road": 9},
    }
    fake_api.patch(monkeypatch, audit=SimpleNamespace(to_dict=lambda: content))
    assert main(["audit", "p"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["class", "of", "the", "pixels", "in", "pictures"] in lines
    first = lines.index(["road", "75.00", "%", "9"])
    assert lines[first + 1] == ["sky", "25.00", "%", "3"]


def test_audit_lists_likely_wrong_labels(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    one = {"path": "a/1.jpg", "label": "a", "suggested": "b", "confidence": 0.97, "reason": "…"}
    doubted = {
        "samples": 40,
        "suspects": [one, {**one, "path": "a/2.jpg", "suggested": "a", "confidence": 0.8}],
        "conflicting": 0,
        "accuracy": 0.9,
        "estimated": 0.05,
        "notes": ["A note."],
        "features": "patches",
        "file": "l.csv",
    }
    found = SimpleNamespace(audit=SimpleNamespace(to_dict=lambda: AUDIT), to_dict=lambda: doubted)
    api = fake_api.patch(monkeypatch, label_errors=found)
    assert main(["audit", "d", "--labels", "l.csv", "--weights", "w", "--relabel", "r.csv"]) == 0
    given = {key: value for key, value in api.calls[0][1].items() if key not in ("reporter", "shown")}
    assert given == {"data": "d", "out": "l.csv", "weights": "w", "relabel": "r.csv"}
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[-6:] == [
        "A note.",
        "likely wrong label suggested sure",
        "a/1.jpg a b 97%",
        "likely right, its equal has another label label suggested sure",
        "a/2.jpg a a 80%",
        "all 2 are in l.csv: correct its column `label`, and give it back with --relabel",
    ]
    api.calls[0][1]["shown"](found.audit)  # before labels are looked for
    assert "groups of exact duplicates" in capsys.readouterr().out
    assert main(["audit", "d", "--weights", "w"]) == 2


def test_compare_prints_words_figures_and_what_the_plans_decide_otherwise(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = {"first": 0.9, "second": 0.95, "difference": 0.05, "low": 0.01, "high": 0.09, "p": 0.004}
    result = {
        "words": "b is better by 5 points of accuracy",
        "notes": ["Each Run is one training."],
        "samples": 400,
        "groups": None,
        "split": "test",
        "metrics": {"accuracy": {**one, "test": "McNemar, exact", "why": ""}},
        "decisions": {"only_first_right": 4, "only_second_right": 24},
        "plan": {"train.seed": {"first": 0, "second": 1}},
    }
    api = fake_api.patch(monkeypatch, compare=result)
    assert main(["compare", "a", "b", "--split", "val"]) == 0
    assert api.calls == [("compare", {"first": "a", "second": "b", "split": "val"})]
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "b is better by 5 points of accuracy.",
        "Each Run is one training.",
        "",
        "400 test samples; the difference is second − first",
        "metric first second difference 95 % interval p test",
        "accuracy 0.9000 0.9500 0.0500 0.0100 to 0.0900 0.004 McNemar, exact",
        "",
        "only the first is right: 4; only the second: 24",
        "",
        "what the plans decide otherwise",
        "leaf first second",
        "train.seed 0 1",
    ]


def test_evaluate_prints_metrics_with_intervals(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    result = {
        "task": "classify",
        "samples": 40,
        "damaged": [{"path": "x.jpg", "reason": "truncated"}],
        "metrics": {
            "samples": 40,
            "accuracy": 0.9,
            "accuracy_interval": [0.8, 0.95],
            "log_loss": None,
            "per_class": [],
            "undefined": {"log_loss": "no"},
        },
    }
    api = fake_api.patch(monkeypatch, evaluate=result)
    assert main(["evaluate", "r", "d"]) == 0
    assert {key: value for key, value in api.calls[0][1].items() if key != "reporter"} == {"run": "r", "data": "d"}
    out, err = capsys.readouterr()
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines == [
        "metric value 95 % interval",
        "accuracy 0.9000 0.8000 to 0.9500",
        "log_loss –",
        "",
        "40 samples, 1 damaged and left out",
        "log_loss: no",
    ]
    assert err == "damaged: x.jpg: truncated\n"


def test_attack_explain_export_and_report_pass_on_and_print(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    attacked = {
        "attack": "fgsm",
        "metric": "accuracy",
        "samples": 10,
        "available": 20,
        "damaged": 0,
        "clean": 0.9,
        "strengths": [{"epsilon": 1.0, "fraction": "1/255", "value": 0.5}],
    }
    exported = {
        "path": "m.onnx",
        "bytes": 12345,
        "batches": [1, 2, 7, 64],
        "samples": 64,
        "largest_difference": 2e-7,
        "tolerance": 1e-4,
        "note": "pixels go in as they are",
    }
    api = fake_api.patch(
        monkeypatch,
        attack=attacked,
        export=exported,
        explain=Path("why/explain.html"),
        report=lambda run: Path(run) / "report.html",
    )

    def passed() -> dict[str, Any]:
        return {key: value for key, value in api.calls[-1][1].items() if key != "reporter"}

    assert main(["attack", "r", "d", "--limit", "10"]) == 0
    assert passed() == {"run": "r", "data": "d", "limit": 10}
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == ["change accuracy", "none 0.9000", "1/255 0.5000", "", "10 of 20 samples, attack fgsm"]

    assert main(["export", "r", "--out", "m.onnx"]) == 0
    assert passed() == {"run": "r", "out": "m.onnx"}
    out = capsys.readouterr().out
    assert "m.onnx  (12,345 bytes)" in out
    assert "batches of 1, 2, 7, 64: largest difference 2e-07, allowed 0.0001" in out

    assert main(["explain", "r", "a.jpg", "b", "--out", "why"]) == 0
    assert passed() == {"run": "r", "paths": ["a.jpg", "b"], "out": "why"}
    assert capsys.readouterr().out == "why/explain.html\n"

    assert main(["report", "r"]) == 0
    assert capsys.readouterr().out == "r/report.html\n"


def test_one_run_is_reported_and_several_stand_side_by_side(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api = fake_api.patch(monkeypatch, report=Path("r/report.html"), side_by_side=Path("all.html"))
    assert main(["report", "r", "s", "--out", "all.html"]) == 0
    assert api.calls == [("side_by_side", {"runs": ["r", "s"], "out": "all.html"})]
    assert capsys.readouterr().out == "all.html\n"
    assert main(["report", "r", "s", "t"]) == 0
    assert api.calls[-1] == ("side_by_side", {"runs": ["r", "s", "t"]})
    capsys.readouterr()
    assert main(["report", "r", "--out", "x.html"]) == 2
    assert "--out is for several Runs" in capsys.readouterr().err
    assert api.calls[-1][0] == "side_by_side"


def test_memory_that_ran_out_ends_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def small_machine(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB\nand a trace of it")

    monkeypatch.setattr("striate.api.train", small_machine)
    assert main(["train", "photos"]) == 1
    said = capsys.readouterr().err
    assert "out of memory" in said
    assert "fix: a smaller --size" in said
    assert "trace" not in said


def test_the_bench_is_a_table_and_one_object(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    figures: dict[str, Any] = {
        "processor": "a processor",
        "cores": 2,
        "memory_bytes": 8 * 10**9,
        "products": {"float32": 2e11, "bfloat16": 4e11},
        "copied": 1e10,
        "decoded": 412.3,
        "macs": 1_820_000_000,
        "training": {"float32, channels-last": 10.0, "bfloat16, channels-last": 18.3},
        "prediction": {"float32": 50.0},
        "limits": {"training": {"float32": 20.0, "bfloat16": 36.6}, "prediction": {"float32": 100.0}},
        "chosen": {"training": "bfloat16, channels-last", "prediction": "float32"},
    }
    found = SimpleNamespace(**figures, to_dict=lambda: figures)
    api = fake_api.patch(monkeypatch, bench=found)
    assert main(["bench", "--model", "resnet50", "--batch", "8"]) == 0
    out = capsys.readouterr().out
    for words in ("200 GFLOP/s", "412 JPEGs", "1.82 billion", "18.3", "36.6", "50%", "chosen"):
        assert words in out
    ((name, arguments),) = api.calls
    assert name == "bench"
    assert (arguments["model"], arguments["batch"]) == ("resnet50", 8)
    assert main(["bench", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["chosen"]["prediction"] == "float32"
    assert main(["bench", "--batch", "0"]) == 2


def test_the_cache_is_listed_and_cleared(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    found = [Entry(Path("packs/abc"), 1_500_000, 0.0), Entry(Path("packs/def"), 2_000_000_000, 60.0)]
    api = fake_api.patch(monkeypatch, cache=found, clear_cache=2_001_500_000)
    assert main(["cache"]) == 0
    out = capsys.readouterr().out
    assert "abc" in out
    assert "1.5 MB" in out
    assert "2.0 GB in" in out
    assert [name for name, _ in api.calls] == ["cache"]
    assert main(["cache", "--clear"]) == 0
    assert "2.0 GB removed" in capsys.readouterr().out
    assert main(["cache", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert [one["bytes"] for one in content["entries"]] == [1_500_000, 2_000_000_000]
    assert content["freed"] == 0


@pytest.mark.parametrize("size", ["much", "-1", "1X", ""])
def test_a_size_that_is_none_is_refused(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "photos", "--cache-size", size]) == 2
    assert "is no number of bytes" in capsys.readouterr().err
