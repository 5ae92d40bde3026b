"""`striate inspect` and `striate calc`: what they pass on and print, and how they end."""

from __future__ import annotations

import json
import shutil
import sys
from os import terminal_size
from types import SimpleNamespace
from typing import Any

import fake_api
import pytest

from striate.cli import main
from striate.cli.inspect import _print_layers, _rows


def layer(name: str, **more: Any) -> dict[str, Any]:
    field = {"size": [3, 3], "stride": [1, 1], "offset": [-1, -1]}
    return {
        "name": name, "kind": "Conv2d", "output": [8, 4, 4], "parameters": 100, "trainable": 100, "macs": 1000,
        "activation_bytes": 2000, "receptive_field": field, **more,
    }  # fmt: skip


def content(*layers: dict[str, Any]) -> dict[str, Any]:
    sums = {key: sum(one[key] for one in layers) for key in ("parameters", "trainable", "macs")}
    memory = dict.fromkeys(("training", "inference", "parameters", "gradients", "state", "batch", "activations"), 10**6)
    return {
        "network": "net",
        "input": [3, 8, 8],
        "batch": 32,
        **sums,
        "memory": memory,
        "layers": list(layers),
        "groups": {},
    }


def found(inside: dict[str, Any]) -> SimpleNamespace:
    return SimpleNamespace(to_dict=lambda: inside)


CHECK = {
    "passed": True, "wrong": [], "mode": "float64", "about": "random numbers",
    "thresholds": {"relative": 1e-4, "normalised": 1e-2},
    "tensors": [
        {
            "name": "a.weight", "entries": 9, "sampled": 8, "kinks": 1, "still": 0, "relative": 1e-7,
            "normalised": 1e-8, "passed": True,
        },
    ],
}  # fmt: skip
WATCH = {
    "verdict": "vanishing", "finding": "2 of 3 layers hardly learn", "remedy": "add shortcuts",
    "about": "random numbers",
    "layers": [{"name": "a", "kind": "Linear", "norms": [1e-9, 2e-9]}],
}  # fmt: skip


def test_inspect_passes_every_flag_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    api = fake_api.patch(monkeypatch, inspect=found(content(layer("a"))), gradcheck=CHECK, gradients=WATCH)
    call = "inspect net --height 8 --width 9 --channels 1 --classes 4 --batch 2 --html x.html --gradcheck --gradients"
    assert main([*call.split(" "), "--data", "photos", "--entries", "3", "--seed", "5"]) == 0
    where = {"network": "net", "height": 8, "width": 9, "channels": 1, "classes": 4}
    for _, passed in api.calls:
        passed.pop("reporter", None)
    assert api.calls == [
        ("inspect", {**where, "batch": 2, "html": "x.html"}),
        ("gradcheck", {**where, "data": "photos", "entries": 3, "seed": 5}),
        ("gradients", {**where, "data": "photos", "seed": 5}),
    ]
    out, err = capsys.readouterr()
    assert "a.weight" in out
    assert "vanishing: 2 of 3 layers hardly learn\n  fix: add shortcuts" in out
    assert "written to x.html" in err


def test_size_is_both_sides(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    api = fake_api.patch(monkeypatch, inspect=found(content(layer("a"))))
    assert main(["inspect", "net", "--size", "64"]) == 0
    assert api.calls == [("inspect", {"network": "net", "height": 64, "width": 64})]
    out = capsys.readouterr().out
    assert "3/1@-1" in out
    assert "100 parameters; 1,000 multiply-accumulates" in out
    assert "most operations: a 100%" in out


def test_a_whole_shape_is_passed_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    api = fake_api.patch(monkeypatch, inspect=found(content(layer("a"))))
    assert main(["inspect", "net", "--input", "1x128"]) == 0
    assert api.calls == [("inspect", {"network": "net", "input": [1, 128]})]
    assert "net, input 3×8×8" in capsys.readouterr().out


def test_json_holds_all_that_was_asked_for(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    fake_api.patch(monkeypatch, inspect=found(content(layer("a"))), gradcheck=CHECK, gradients=WATCH)
    assert main(["inspect", "net", "--json", "--gradcheck", "--gradients"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["layers"][0]["name"] == "a"
    assert told["gradcheck"] == CHECK
    assert told["gradients"] == WATCH


def test_a_wrong_gradient_is_a_failure(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    tensors = [{**CHECK["tensors"][0], "passed": False}]  # type: ignore[index]
    fake_api.patch(monkeypatch, gradcheck={**CHECK, "passed": False, "wrong": ["block.square"], "tensors": tensors})
    assert main(["inspect", "net", "--gradcheck"]) == 1
    assert "the backward pass is wrong in: block.square" in capsys.readouterr().out


def test_what_lies_at_kinks_alone_is_said_to_be_unchecked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tensors = [{**CHECK["tensors"][0], "sampled": 0, "kinks": 8, "passed": True}]  # type: ignore[index]
    fake_api.patch(monkeypatch, gradcheck={**CHECK, "passed": False, "wrong": [], "tensors": tensors})
    assert main(["inspect", "net", "--gradcheck"]) == 1
    out = capsys.readouterr().out
    said = "1 tensors could not be checked, as each number drawn lies at a kink or does not move the loss (still): "
    assert f"{said}a.weight\n  fix: draw others" in out
    assert "agrees" not in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["inspect"], "NET"),
        (["inspect", "net", "--size", "8", "--height", "9"], "both --height and --width"),
        (["inspect", "net", "--data", "x"], "--data is for --gradcheck and --gradients"),
        (["inspect", "net", "--batch", "0"], "--batch"),
        (["inspect", "net", "--entries", "3"], "--entries changes nothing"),
        (["inspect", "net", "--gradcheck", "--batch", "3"], "--batch changes nothing"),
        (["inspect", "net", "--json", "--depth", "3"], "--depth changes nothing"),
        (["inspect", "net", "--input", "1xa"], "--input 1xa is not a shape"),
        (["calc", "conv", "--kernel", "3"], "--input"),
        (["calc", "convo", "--input", "3", "--kernel", "3"], "did you mean 'conv'?"),
        (["calc", "conv", "--input", "3x", "--kernel", "3"], "--input takes 3, or 3x5"),
        (["calc", "conv", "--input", "3", "--kernel", "3", "--padding", "sme"], "--padding takes"),
    ],
)
def test_calls_that_cannot_be_understood(
    arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api = fake_api.patch(monkeypatch)
    assert main(arguments) == 2
    assert words in capsys.readouterr().err
    assert api.calls == []


def test_calc_passes_every_flag_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    worked = SimpleNamespace(output=(64, 14, 14), steps=("one", "two"), to_dict=lambda: {"output": [64, 14, 14]})
    api = fake_api.patch(monkeypatch, calc=worked)
    call = (
        "calc transposed --input 28x28 --kernel 3x5 --stride 2 --padding 1 --dilation 2 --output-padding 1 --groups 2 "
        "--channels 4 --filters 64 --no-bias"
    )
    assert main(call.split(" ")) == 0
    assert api.calls == [
        (
            "calc",
            {
                "kind": "transposed", "input": (28, 28), "kernel": (3, 5), "stride": (2,), "padding": (1,),
                "dilation": (2,), "output_padding": (1,), "groups": 2, "channels": 4, "filters": 64, "bias": False,
            },
        )
    ]  # fmt: skip
    assert capsys.readouterr().out == "one\ntwo\noutput: 64×14×14\n"
    assert main(["calc", "conv", "--input", "3", "--kernel", "3", "--padding", "same", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"output": [64, 14, 14]}


def test_deep_networks_are_grouped_and_it_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    layers = [layer(f"stage{s}.block{b}.conv{c}") for s in range(3) for b in range(10) for c in range(10)]
    inside = content(*layers)
    inside["groups"] = {
        f"stage{s}.block{b}": {"kind": "Block", "output": [1, 2, 3], "receptive_field": None}
        for s in range(3)
        for b in range(10)
    }
    fake_api.patch(monkeypatch, inspect=found(inside))
    assert main(["inspect", "net"]) == 0
    out = capsys.readouterr().out
    assert "300 layers in 30 rows: grouped below depth 2; --depth 3 shows each" in out
    (row,) = (line.split() for line in out.splitlines() if line.startswith("stage2.block9 "))
    assert row == ["stage2.block9", "Block", "1×2×3", "1,000", "10", "k", "20", "kB", "?"]
    assert main(["inspect", "net", "--depth", "3"]) == 0
    assert capsys.readouterr().out.count("stage") > 300
    assert sum(one["parameters"] for one in _rows(inside, 1)) == inside["parameters"]


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_the_table_fits_the_terminal(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "features.denseblock3.denselayer24.conv2"
    rows = [layer(name, output=[1024, 112, 112], parameters=123_456_789, trainable=123_456_789, macs=10**10)]
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: terminal_size((width, 24)))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False, raising=False)
    _print_layers(rows, width)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) < width
    assert "conv2" in lines[1]
    assert ("Conv2d" in lines[1]) == (width >= 110)
