"""How to reproduce the Run, go on with it and predict by it: commands to copy, and what must be alike."""

from __future__ import annotations

import shlex
from typing import Any

from striate.report.facts import Facts
from striate.report.html import Html, join, prose, shown, tag
from striate.report.tables import Column, table

_READING = ("task", "reader", "label_depth", "root", "group", "time", "val", "test")
_PACKAGES = ("striate", "python", "torch")


def reproduce(facts: Facts) -> Html:
    """Every command with this Run's own paths; what is not recorded is said."""
    run = shlex.quote(str(facts.path))
    again, instead = _again(facts)
    commands = _commands(facts, run, again) if not facts.folds else _commands_of_folds(facts, run, again)
    rows = [
        tag("div", tag("dt", words), tag("dd", tag("code", command), tabindex="0"))
        for words, command in commands
        if command is not None
    ]
    python = f'import striate\n\nfor found in striate.predict({str(facts.path)!r}, ["PATH"]):\n    print(found)'
    return join(
        [
            tag("p", instead, class_="note") if instead is not None else None,
            tag("dl", *rows, class_="commands"),
            tag("h3", "From Python"),
            tag("pre", tag("code", python), tabindex="0"),
            _alike(facts),
        ]
    )


def _commands(facts: Facts, run: str, again: str | None) -> list[tuple[str, str | None]]:
    return [
        ("train it again", again),
        ("go on where it was stopped, or see that it is finished", f"striate train --resume {run}"),
        ("train ten epochs more", f"striate train --resume {run} --epochs +10"),
        (_predicting(facts), f"striate predict {run} PATH…{_drawing(facts)}"),
        *([] if facts.task in _DRAWN else [("see where it looks", f"striate explain {run} PATH…")]),
        ("score it on other labelled pictures", f"striate evaluate {run} DATA"),
        *([] if facts.task in _DRAWN else [("hand it on as one ONNX file", f"striate export {run}")]),
        ("write this page again", f"striate report {run}"),
    ]


def _commands_of_folds(facts: Facts, run: str, again: str | None) -> list[tuple[str, str | None]]:
    """What the mean of all networks does, and what one fold's does."""
    one = shlex.quote(str(facts.path / "folds" / "1"))
    return [
        ("train its first fold again", again),
        ("go on where it was stopped, or see that it is finished", f"striate train --resume {run}"),
        (f"{_predicting(facts)} by the mean of all", f"striate predict {run} PATH…{_drawing(facts)}"),
        ("score that mean on other labelled pictures", f"striate evaluate {run} DATA"),
        *(
            []
            if facts.task in _DRAWN
            else [
                ("see where the first fold's network looks", f"striate explain {one} PATH…"),
                ("hand that network on as one ONNX file", f"striate export {one}"),
            ]
        ),
        ("write this page again", f"striate report {run}"),
    ]


def _predicting(facts: Facts) -> str:
    words = {"regress": "judge new pictures", "segment": "draw the classes in new pictures",
             "detect": "find things in new pictures, and draw them"}  # fmt: skip
    return words.get(facts.task, "name new pictures")


_DRAWN = ("segment", "detect")
"""Tasks whose Models give no one answer a picture, which heat maps and exports need."""


def _drawing(facts: Facts) -> str:
    return " --draw DIR" if facts.task in _DRAWN else ""


def _again(facts: Facts) -> tuple[str | None, Html | None]:
    """The command that trains the resolved plan on the same data; what to do where no command can say it."""
    request = facts.environment.get("request")
    read = request.get("read") if isinstance(request, dict) else None
    if not isinstance(request, dict) or not isinstance(read, dict) or not facts.decisions:
        return None, prose(
            "How it was called is not recorded; `striate train DATA --plan RUN/plan.yaml` trains a plan."
        )
    if read.get("arrays"):
        return None, prose("The data was given as arrays: `striate.train(arrays, plan=…)` with this Run's plan.yaml.")
    words = ["striate", "train", *([str(read["data"])] if read.get("data") is not None else [])]
    for name in _READING:
        if read.get(name) is not None:
            words += [f"--{name.replace('_', '-')}", str(read[name])]
    given: Any = request.get("weights")
    for one in given if isinstance(given, list) else [given] if given else []:
        words += ["--weights", str(one)]
    plan = facts.path / "folds" / "1" / "plan.yaml" if facts.folds else facts.path / "plan.yaml"
    return shlex.join([*words, "--plan", str(plan)]), None


def _alike(facts: Facts) -> Html:
    """What a second training must have in common with this one to end in the same weights."""
    versions = facts.environment.get("versions")
    machine = facts.environment.get("machine")
    seeds = {key: facts.decisions[key].value for key in ("train.seed", "split.seed") if key in facts.decisions}
    rows: list[list[object]] = []
    if facts.audit.get("fingerprint"):
        rows.append(["fingerprint of the data", tag("code", str(facts.audit["fingerprint"]))])
    rows += [[f"seed, {key}", tag("code", shown(value))] for key, value in seeds.items()]
    if isinstance(versions, dict):
        kept = [f"{name} {versions[name]}" for name in _PACKAGES if versions.get(name)]
        rows.append(["versions", ", ".join(kept)])
    if isinstance(machine, dict):
        parts = [machine.get("processor"), f"{machine.get('cores')} cores" if machine.get("cores") else None]
        rows.append(["machine", ", ".join(str(part) for part in parts if part)])
    plan = "the resolved plan of a fold" if facts.folds else "the resolved plan"
    note = tag(
        "p",
        f"On the same data {plan} measures nothing again and gives the same weights to the bit: on a processor, with "
        "the same versions and threads. Another machine gives weights that are as good, not the same.",
        class_="note",
    )
    columns = [Column("what", "name"), Column("value", "wide")]
    return join([tag("h3", "What must be alike"), note, table("For the same weights", columns, rows) if rows else None])
