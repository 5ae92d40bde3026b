"""Pictures whose pixels have classes: the best, the median and the worst, drawn and as a table."""

from __future__ import annotations

from striate.report.facts import Facts
from striate.report.html import Html, join, label, number, shown, tag
from striate.report.sections.pictures import gallery
from striate.report.sections.values import _float
from striate.report.tables import Column, table

MOST = 20


def masks(facts: Facts) -> Html | None:
    """What was predicted over some pictures, where it is wrong, and the pictures with the lowest scores."""
    drawn = gallery(facts, "masks")
    if facts.task != "segment" or drawn is None:
        return None
    note = (
        "Left: the predicted classes, outlined. Right: the picture in grey; light blue is rightly found, yellow was "
        "missed, orange-red was invented, black is another class than the true one, and light grey is void."
    )
    return join(part for part in (tag("p", note, class_="note"), drawn, worst_pictures(facts)) if part is not None)


def worst_pictures(facts: Facts) -> Html | None:
    """The pictures of the test split, or of validation where there is no test, that agree least with the truth."""
    split = "test" if any(row.get("split") == "test" for row in facts.predictions) else "val"
    rows = [row for row in facts.predictions if row.get("split") == split]
    names = [name for name in (rows[0] if rows else {}) if name not in ("split", "key")]
    if not names:
        return None
    known = [(_float(row.get(names[0])), row) for row in rows]
    known.sort(key=lambda one: (one[0] is None, one[0] or 0.0, one[1].get("key", "")))
    cells = [[row.get("key", ""), *(_figure(row.get(name)) for name in names)] for _, row in known[:MOST]]
    columns = [Column("picture", "name"), *(Column(label(name), "number") for name in names)]
    words = "test" if split == "test" else "validation"
    caption = f"{len(cells)} of {shown(len(known))} pictures of the {words} split, the lowest first"
    return table(caption, columns, cells, sortable=True, tall=True)


def _figure(cell: str | None) -> Html:
    """A figure, or a count as one."""
    return number(int(cell)) if cell and cell.isascii() and cell.isdigit() else number(_float(cell))
