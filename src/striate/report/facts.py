"""What a Run's files say, read once; a file that is missing or damaged is noted with its reason, never guessed at."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from striate.core.artifacts import read_json
from striate.core.errors import StriateError
from striate.core.plan import Decision, read_decisions
from striate.core.run import RunFolder

T = TypeVar("T")


@dataclass(frozen=True)
class Figure:
    """A picture that the Run holds.

    Args:
        path: the file, in the Run's figures folder.
        section: "mistakes", "explanations", "equal", "near_duplicates", "augmentation", "finding: NAME".
        words: what is seen, for those who do not see it; the caption where nothing more is known.
        true, predicted: the target and what was said, in words; "" where the caption alone tells.
        uri: an address that holds it smaller than the file, see `striate.report.room`, "" where no room is left for
            it; None: as the file is.
    """

    path: Path
    caption: str
    section: str
    words: str = ""
    true: str = ""
    predicted: str = ""
    uri: str | None = None


@dataclass(frozen=True)
class Facts:
    """The contents of a Run's files.

    Args:
        name: the Run's folder name.
        missing: file, relative to the Run → why it could not be read; its contents are then empty.
        range_test: empty where no range test was run.
        diagnosis: empty in Runs of before there was one.
        weights: what the training began with; empty of one from scratch, which has no such file.
    """

    name: str
    path: Path
    metrics: dict[str, Any]
    audit: dict[str, Any]
    history: list[dict[str, Any]]
    decisions: dict[str, Decision]
    environment: dict[str, Any]
    split: list[dict[str, str]]
    predictions: list[dict[str, str]]
    figures: list[Figure]
    missing: dict[str, str]
    range_test: dict[str, Any]
    diagnosis: dict[str, Any]
    weights: dict[str, Any]

    @property
    def folds(self) -> dict[str, Any]:
        """What is known of the folds of a Run that is made of some; empty of any other."""
        found = self.metrics.get("folds")
        return found if isinstance(found, dict) else {}

    @property
    def task(self) -> str:
        """The task's name, or "" where nothing records it."""
        decision = self.decisions.get("task.kind")
        return str(self.metrics.get("task") or (decision.value if decision else ""))

    @property
    def headline(self) -> str:
        """The name of the metric that the Run was selected by, or "" where nothing records it."""
        return str(self.metrics.get("headline") or "")


def names_in(facts: Facts, target: str) -> list[str]:
    """The classes in a target of `split.csv`, as often as it has them: of things each with its four edges."""
    if facts.task == "detect":
        return [one.rsplit(" ", 4)[0] for one in target.split(";") if one]
    return target.split(";") if facts.task == "multilabel" else [target]


def read_facts(run: RunFolder) -> Facts:
    """Read every file of a Run that the report shows."""
    missing: dict[str, str] = {}
    alone = not run.folds.is_dir()  # each fold has a history of its own

    def attempt(path: Path, read: Callable[[Path], T], empty: T) -> T:
        try:
            return read(path)
        except (StriateError, OSError, ValueError, KeyError, TypeError, csv.Error) as error:
            name = path.relative_to(run.path).as_posix()
            missing[name] = "it is not there" if not path.exists() else str(error).split("\n")[0]
            return empty

    return Facts(
        name=run.path.resolve().name,
        path=run.path,
        metrics=attempt(run.metrics, _object, {}),
        audit=attempt(run.audit, _object, {}),
        history=attempt(run.history, _lines, []) if alone else [],
        decisions=attempt(run.plan, read_decisions, {}),
        environment=attempt(run.environment, _object, {}),
        split=attempt(run.split, _rows, []),
        predictions=attempt(run.predictions, _rows, []),
        figures=attempt(run.figures / "index.json", _figures, []),
        weights=attempt(run.weights, _object, {}) if run.weights.exists() else {},
        missing=missing,
        range_test=attempt(run.range_test, _object, {}) if run.range_test.exists() else {},
        diagnosis=attempt(run.diagnosis, _object, {}) if run.diagnosis.exists() else {},
    )


def _object(path: Path) -> dict[str, Any]:
    content = read_json(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path} does not hold a JSON object")
    return content


def _lines(path: Path) -> list[dict[str, Any]]:
    rows = []
    for line in path.read_text("utf-8").splitlines():
        if line.strip():
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError(f"{path} holds a line that is not a JSON object")
            rows.append(row)
    return rows


def _rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def _figures(path: Path) -> list[Figure]:
    figures = []
    for entry in read_json(path):
        name = str(entry["file"])
        if Path(name).name != name:
            raise ValueError(f"{path} names a file outside its folder: {name!r}")
        told = {key: str(entry[key]) for key in ("words", "true", "predicted") if entry.get(key)}
        figures.append(Figure(path.parent / name, str(entry["caption"]), str(entry["section"]), **told))
    return figures
