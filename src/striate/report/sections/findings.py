"""What is odd about the data: each finding with its figures, what to do, and pictures of it."""

from __future__ import annotations

from typing import Any

from striate.report.facts import Facts
from striate.report.html import Html, join, prose, tag
from striate.report.sections.pictures import gallery
from striate.report.tables import badge


def findings(facts: Facts) -> Html | None:
    """A card for each finding of the audit; None where it has none, or is of before they were looked for."""
    found = [one for one in facts.audit.get("findings") or [] if isinstance(one, dict)]
    if not found:
        return None
    note = "Nothing was changed or left out for these: they are to be looked at."
    cards = (_card(facts, one) for one in found)
    return join([tag("h3", "Findings"), tag("p", note, class_="note"), *cards])


def _card(facts: Facts, one: dict[str, Any]) -> Html:
    name = str(one.get("name", ""))
    severity = str(one.get("severity", ""))
    head = tag("h4", name, " ", badge(severity, "user" if severity == "high" else "") if severity else None)
    flag = str(one.get("flag") or "")
    advice: list[object] = ["To do: ", prose(str(one.get("advice", "")))]
    advice += [", by ", tag("code", flag)] if flag else []
    drawn = gallery(facts, f"finding: {name}", "gallery small")
    parts = [head, tag("p", prose(str(one.get("text", ""))), "."), tag("p", *advice, ".", class_="note strong"), drawn]
    return tag("div", *(part for part in parts if part is not None), class_="card finding")
