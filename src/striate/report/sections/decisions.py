"""Every decision of the plan with its because, and who made it."""

from __future__ import annotations

from typing import Any

from striate.core.plan import Decision
from striate.report.facts import Facts
from striate.report.html import Html, join, label, prose, shown, tag
from striate.report.tables import Column, badge, missing, table

_BY = {"rule": "by rule", "user": "yours", "measured": "measured"}


def decisions(facts: Facts) -> Html:
    """One table a group of the plan."""
    if not facts.decisions:
        reason = facts.missing.get("plan.yaml", "it is empty")
        return missing(f"The plan cannot be shown: plan.yaml ({reason}).")
    groups: dict[str, dict[str, Decision]] = {}
    for key, decision in facts.decisions.items():
        group, _, leaf = key.partition(".")
        groups.setdefault(group, {})[leaf] = decision
    counts = {by: sum(decision.by == by for decision in facts.decisions.values()) for by in _BY}
    words = ", ".join(f"{shown(count)} {_BY[by]}" for by, count in counts.items() if count)
    text = f"{shown(len(facts.decisions))} decisions: {words}. All can be changed with --set or in plan.yaml."
    note = tag("p", text, class_="note")
    return join([note, *(_group(group, leaves) for group, leaves in groups.items())])


def _group(group: str, leaves: dict[str, Decision]) -> Html:
    rows = [
        [
            tag("code", leaf),
            join(
                [_value(decision.value), None if decision.by == "rule" else badge(_BY[decision.by], decision.by)], " "
            ),
            prose(decision.because),
        ]
        for leaf, decision in leaves.items()
    ]
    columns = [Column("setting", "name"), Column("value", "value"), Column("because", "wide")]
    return join([tag("h3", label(group)), table(f"Decisions on {label(group)}", columns, rows, kind="decisions")])


def _value(value: Any) -> Html:
    text = "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return tag("code", text if len(text) <= 200 else text[:200] + " …")
