"""What is wrong with the training, in words: its findings, and the layers that could not learn."""

from __future__ import annotations

from typing import Any

from striate.report.facts import Facts
from striate.report.html import Html, escape, join, prose, tag


def diagnosis(facts: Facts) -> Html | None:
    """Each finding with its figures and what to try; None for a Run that was not diagnosed."""
    if not facts.diagnosis:
        return None
    findings, alarms = _entries(facts.diagnosis.get("findings")), _entries(facts.diagnosis.get("alarms"))
    parts = [_finding(one) for one in findings]
    parts += [_alarms(kind, alarms) for kind in dict.fromkeys(str(one.get("kind")) for one in alarms)]
    if not parts:
        looked_for = ", ".join(map(str, facts.diagnosis.get("looked_for") or []))
        parts.append(
            tag("p", f"Nothing was found that is beyond chance. What was looked for: {looked_for}.", class_="note")
        )
    return join(parts)


def _finding(one: dict[str, Any]) -> Html:
    flag = one.get("flag")
    advice = ["Try: ", prose(str(one.get("advice"))), *([" ", tag("code", str(flag))] if flag else []), "."]
    return join(
        [tag("h3", _capital(one.get("name"))), tag("p", _capital(one.get("figures")), "."), tag("p", *advice)],
    )


def _alarms(kind: str, alarms: list[dict[str, Any]]) -> Html:
    """All layers with one kind of alarm: what helps is the same for each."""
    alike = [one for one in alarms if str(one.get("kind")) == kind]
    entries = [tag("li", str(one.get("finding")), f" ({_when(one)})") for one in alike]
    helps = tag("p", "What helps: ", prose(str(alike[0].get("remedy"))), ".")
    return join([tag("h3", _capital(kind)), tag("ul", *entries), helps])


def _when(one: dict[str, Any]) -> str:
    return "at the first step" if one.get("epoch") == 0 else f"after epoch {one.get('epoch')}"


def _capital(text: Any) -> Html:
    words = str(text)
    return escape(words[:1].upper() + words[1:])


def _entries(content: Any) -> list[dict[str, Any]]:
    return [one for one in content if isinstance(one, dict)] if isinstance(content, list) else []
