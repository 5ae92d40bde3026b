"""The folds of a Run: what each scored on what it held out, and how far they are apart."""

from __future__ import annotations

from typing import Any

from striate.report.facts import Facts
from striate.report.html import Html, join, label, number, tag
from striate.report.tables import Column, table


def folds(facts: Facts) -> Html | None:
    """A row a fold, with a link to its own report; None of a Run without folds."""
    found = facts.folds
    each = [one for one in found.get("each") or [] if isinstance(one, dict)]
    if not each:
        return None
    names = [facts.headline, *(name for name in found.get("spread") or {} if name != facts.headline)]
    columns = [Column("fold", "name"), Column("samples", "number"), *(Column(label(name), "number") for name in names)]
    rows = [
        [
            tag("a", one.get("fold"), href=f"folds/{one.get('fold')}/report.html"),
            number(one.get("samples")),
            *(number(one.get(name)) for name in names),
        ]
        for one in each
    ]
    words = "test" if found.get("held_out") == "test" else "validation"
    body = table(f"Each fold's own {words} samples, scored by the network that was not trained on them", columns, rows)
    return join([_sentence(facts, found), body])


def _sentence(facts: Facts, found: dict[str, Any]) -> Html | None:
    spread = (found.get("spread") or {}).get(facts.headline)
    if not isinstance(spread, dict):
        return None
    return tag(
        "p",
        f"Over the folds {label(facts.headline)} goes from ",
        number(spread.get("least")),
        " to ",
        number(spread.get("most")),
        ", with a mean of ",
        number(spread.get("mean")),
        " and a standard deviation of ",
        number(spread.get("deviation")),
        ". Folds share training samples, so that this says how steady a training is, and the interval of all samples "
        "together how sure the score is. Predictions take the mean of what the networks say.",
    )
