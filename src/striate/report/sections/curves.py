"""How the training went, epoch by epoch, and what it cost."""

from __future__ import annotations

from typing import Any

from striate.core.events import duration
from striate.report.charts import Line, line_chart
from striate.report.facts import Facts
from striate.report.html import Html, join, label, number, tag
from striate.report.sections.ranged import range_curve
from striate.report.tables import Column, missing, table

_COSTS = ("epochs", "steps", "samples_per_second", "parameters", "macs")
_LOSSES = ("loss", "log_loss")  # the validation figures on the scale of a training loss
_WORDS = {
    "samples_per_second": "samples a second",
    "macs": "MACs a picture",
    "best_epoch": "best epoch",
    "loader_stall": "share of the time spent waiting for batches",
    "refitted": "samples of the head's last fit",
    "averaged": "last epochs whose mean weights are taken",
}


def curves(facts: Facts) -> Html:
    """What the training cost; loss, the metric that selects, and the rate over the epochs; the range test.

    Of a Run of folds the cost of all: each fold's own report has its curves.
    """
    if facts.folds:
        return join([_costs(facts), tag("p", "Each fold's own report has its curves.", class_="note")])
    return join([_costs(facts), _charts(facts), range_curve(facts)])


def _costs(facts: Facts) -> Html:
    training = facts.metrics.get("training")
    if not isinstance(training, dict):
        return missing("What the training cost was not recorded.")
    entries = []
    if isinstance(training.get("seconds"), int | float):
        entries.append(("time", tag("data", duration(training["seconds"]), value=repr(training["seconds"]))))
    names = [*_COSTS, "best_epoch", *(name for name in training if name not in (*_COSTS, "best_epoch", "seconds"))]
    entries += [(_WORDS.get(name, label(name)), number(training[name])) for name in names if name in training]
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in entries), class_="facts")


def _charts(facts: Facts) -> Html:
    if not facts.history:
        reason = facts.missing.get("history.jsonl", "it holds no epoch")
        return missing(f"There are no learning curves: history.jsonl cannot be shown ({reason}).")
    best = (facts.metrics.get("training") or {}).get("best_epoch")
    words = f"best: epoch {best}" if best else "taken: the head alone, which no epoch beat by its margin"
    mark = (float(best), words) if isinstance(best, int | float) else None
    charts = [
        line_chart(
            "Loss",
            [
                Line("training loss", _points(facts.history, "train_loss"), "first"),
                *(
                    Line(f"validation {label(name)}", _points(facts.history, "val", name), "second")
                    for name in _LOSSES
                    if any(name in _val(row) for row in facts.history)
                ),
            ],
            x_name="epoch",
            mark=mark,
        )
    ]
    name = facts.headline
    if name and name != "loss" and any(value is not None for _, value in _points(facts.history, "val", name)):
        line = Line(label(name), _points(facts.history, "val", name), "second")
        charts.append(line_chart(f"Validation {label(name)}", [line], x_name="epoch", mark=mark))
    rates = _points(facts.history, "rate")
    if any(value is not None for _, value in rates):
        charts.append(line_chart("Learning rate", [Line("rate", rates, "third")], x_name="epoch"))
    return join([tag("div", *charts, class_="grid"), _rows(facts)])


def _rows(facts: Facts) -> Html:
    names = list(dict.fromkeys(name for row in facts.history for name in _val(row)))
    columns = [Column("epoch", "number"), Column("step", "number"), Column("training loss", "number")]
    columns += [Column(f"validation {label(name)}", "number") for name in names] + [Column("rate", "number")]
    rows = [
        [
            number(row.get("epoch")),
            number(row.get("step")),
            number(row.get("train_loss")),
            *(number(_val(row).get(name)) for name in names),
            number(row.get("rate")),
        ]
        for row in facts.history
    ]
    return tag("details", tag("summary", "Every epoch as a table"), table("Every epoch", columns, rows, tall=True))


def _val(row: dict[str, Any]) -> dict[str, Any]:
    found = row.get("val")
    return found if isinstance(found, dict) else {}


def _points(history: list[dict[str, Any]], *keys: str) -> list[tuple[float, float | None]]:
    points = []
    for place, row in enumerate(history, 1):
        value: Any = row
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        epoch = row.get("epoch", place)
        points.append((float(epoch), float(value) if isinstance(value, int | float) else None))
    return points
