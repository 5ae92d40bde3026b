"""The commands of the report: those that `striate` takes, with the Run's own paths and what it was called with."""

from __future__ import annotations

import html
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from fake_run import make_run
from typer.main import get_command

from striate.cli import app
from striate.core.run import RunFolder
from striate.report import read_facts
from striate.report.sections.reproduce import reproduce


def commands(run: RunFolder) -> dict[str, list[str]]:
    """Each command by what it is for, in words as a shell takes them."""
    section = str(reproduce(read_facts(run)))
    found = re.findall(r'<dt>([^<]+)</dt><dd tabindex="0"><code>([^<]+)</code>', section)
    return {words: shlex.split(html.unescape(command)) for words, command in found}


def called(run: RunFolder, **request: Any) -> RunFolder:
    """The Run with a request in its environment, as a real one has."""
    environment = json.loads(run.environment.read_text())
    read = {"data": "/data/my photos", "reader": None, "task": None, "group": None, "arrays": False}
    environment["request"] = {"read": {**read, **request.pop("read", {})}, "weights": None, **request}
    run.environment.write_text(json.dumps(environment))
    return run


def test_every_command_is_one_that_striate_takes(tmp_path: Path) -> None:
    run = called(make_run(tmp_path / "my run", per_class=5), read={"group": "{group}_*"}, weights=["a.pt", "b"])
    root = get_command(app)
    found = commands(run)
    assert len(found) == 8
    for words in found.values():
        assert words[0] == "striate"
        assert str(run.path) in words or str(run.plan) in words
        command = root.get_command(None, words[1])  # type: ignore[attr-defined]
        with command.make_context(words[1], words[2:]) as context:  # raises where an option is not known
            assert any(value for value in context.params.values())


def test_it_is_trained_again_as_it_was_called(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", per_class=5)
    plan = ["--plan", str(run.plan)]
    called(run, read={"task": "classify", "label_depth": 2, "val": "/v"}, weights="/w.safetensors")
    options = ["--task", "classify", "--label-depth", "2", "--val", "/v", "--weights", "/w.safetensors"]
    assert commands(run)["train it again"] == ["striate", "train", "/data/my photos", *options, *plan]
    called(run, read={"data": None})
    assert commands(run)["train it again"] == ["striate", "train", *plan]


@pytest.mark.parametrize(("read", "says"), [({"arrays": True}, "given as arrays"), (None, "is not recorded")])
def test_where_no_command_can_say_it_that_is_said(tmp_path: Path, read: dict[str, Any] | None, says: str) -> None:
    run = make_run(tmp_path / "run", per_class=5)
    if read is not None:
        called(run, read=read)
    assert "train it again" not in commands(run)
    assert says in str(reproduce(read_facts(run)))


def test_what_must_be_alike_is_listed(tmp_path: Path) -> None:
    section = str(reproduce(read_facts(make_run(tmp_path / "run", per_class=5))))
    for words in ("9f2c1b7e" * 8, "split.seed", "striate 0.1.0, python 3.11.7, torch 2.15.0", "8481C, 2 cores"):
        assert words in section
