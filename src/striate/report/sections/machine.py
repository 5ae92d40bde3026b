"""Where and how it ran: the call, the machine, the versions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from striate.report.facts import Facts
from striate.report.html import Html, join, tag
from striate.report.tables import Column, missing, table


def machine(facts: Facts) -> Html:
    """Everything in environment.json."""
    if not facts.environment:
        reason = facts.missing.get("environment.json", "it is empty")
        return missing(f"The machine cannot be shown: environment.json ({reason}).")
    rows = [[tag("code", key), text] for key, text in _leaves(facts.environment, "")]
    columns = [Column("what", "name"), Column("value", "wide")]
    plan = "the plan.yaml of each fold" if facts.folds else "its plan.yaml"
    note = f"Trained again on the same data, {plan} gives the same weights: on CPU, same build of torch and threads."
    said = tag("p", note, class_="note") if facts.decisions else None
    return join([said, table("The call, the machine and the versions", columns, rows)])


def _leaves(content: Any, prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{name}.")
        elif isinstance(value, list):
            yield name, " ".join(str(part) for part in value)
        elif value is not None and value != {}:
            yield name, str(value)
