"""Near-duplicates: pairs side by side, and the groups."""

from __future__ import annotations

from typing import Any

from striate.report.facts import Facts
from striate.report.html import Html, join, number, shown, tag
from striate.report.sections.pictures import gallery
from striate.report.tables import Column, table

LIMIT = 200


def near(facts: Facts) -> Html | None:
    """The pairs that most need to be looked at, drawn, and a table of the groups; None where there are none."""
    audit = facts.audit
    groups = [group for group in audit.get("near_duplicates") or [] if isinstance(group, list)]
    if not groups:
        return None
    drawn = gallery(facts, "near_duplicates", "gallery wide")
    listed = len(audit.get("near_pairs") or [])
    note = (
        "Pairs that are alike in detail, whatever their size, compression, brightness and margin: ",
        number(listed),
        " of ",
        number(audit.get("near_pairs_found")),
        ", those with different labels or in different given splits first, then the least alike. The data is not "
        "changed: members of a group are kept in one split.",
    )
    parts = [tag("h3", "Near-duplicates"), tag("p", *note, class_="note"), drawn, _groups(audit, groups)]
    return join(part for part in parts if part is not None)


def _groups(audit: dict[str, Any], groups: list[list[str]]) -> Html:
    conflicts = {tuple(group) for group in audit.get("near_conflicts") or [] if isinstance(group, list)}
    ordered = sorted(groups, key=lambda group: tuple(group) not in conflicts)
    rows = [
        [join(tag("div", path) for path in group), "different targets" if tuple(group) in conflicts else "same target"]
        for group in ordered[:LIMIT]
    ]
    total = shown(len(groups))
    caption = f"Groups of near-duplicates, each kept in one split: {total}"
    if len(rows) < len(groups):
        caption += f", of which the first {shown(len(rows))} are listed"
    body = table(caption, [Column("pictures", "name"), Column("targets")], rows, tall=len(rows) > 8)
    return tag("details", tag("summary", f"Groups of near-duplicates: {total}"), body)
