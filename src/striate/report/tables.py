"""Tables that scroll inside their own box, and the small parts that sections share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from striate.report.html import Html, tag


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Args:
        kind: CSS class: "" for text, "number" for figures, "name" for a row's heading.
    """

    title: str
    kind: str = ""


def table(
    caption: str,
    columns: Sequence[Column],
    rows: Sequence[Sequence[object]],
    *,
    kind: str | None = None,
    sortable: bool = False,
    tall: bool = False,
) -> Html:
    """A table in a box of its own.

    Args:
        caption: what the table holds; its accessible name.
        rows: cells, texts or `Html`.
        kind: CSS class of the table.
        sortable: whether a click on a heading sorts it.
        tall: whether the box has a height limit and scrolls.
    """
    head = tag("tr", *(tag("th", column.title, scope="col", class_=column.kind or None) for column in columns))
    body = (
        tag(
            "tr",
            *(
                tag("th", cell, scope="row", class_="name")
                if column.kind == "name"
                else tag("td", cell, class_=column.kind or None)
                for column, cell in zip(columns, row, strict=True)
            ),
        )
        for row in rows
    )
    return scroll(
        caption,
        tag(
            "table",
            tag("caption", caption),
            tag("thead", head),
            tag("tbody", *body),
            class_=" ".join(name for name in (kind, "sortable" if sortable else None) if name) or None,
        ),
        tall=tall,
    )


def scroll(name: str, content: Html, *, tall: bool = False, fitted: bool = False) -> Html:
    """A box that scrolls by itself, by keyboard too.

    Args:
        tall: whether its height is limited.
        fitted: whether it is only as wide as its content.
    """
    kind = "scroll" + (" tall" if tall else "") + (" fitted" if fitted else "")
    return tag("div", content, class_=kind, tabindex="0", role="region", aria_label=name)


def missing(text: str) -> Html:
    """A sentence about what is not there."""
    return tag("p", text, class_="missing")


def share_bar(share: float) -> Html:
    """A bar that fills a share of its cell."""
    return tag(
        "span", tag("span", style=f"width:{100 * min(1.0, max(0.0, share)):.1f}%"), class_="bar", aria_hidden="true"
    )


def badge(text: str, kind: str = "") -> Html:
    """A short word set apart."""
    return tag("span", text, class_=f"badge {kind}".strip())
