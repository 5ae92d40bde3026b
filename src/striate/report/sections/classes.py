"""Class by class: how well each is recognised, and which are taken for which."""

from __future__ import annotations

from typing import Any

from striate.report.facts import Facts
from striate.report.html import Html, join, label, number, shown, tag
from striate.report.tables import Column, missing, scroll, share_bar, table

MATRIX_LIMIT = 30
_SHARES = ("precision", "recall", "f1")


def classes(facts: Facts) -> Html | None:
    """The per-class table and the confusion matrix of the test split, or of validation where there is no test."""
    if facts.task == "regress":
        return None
    return join([_table(facts), _confusion(facts)])


def _split(found: Any) -> tuple[str, Any] | None:
    if isinstance(found, dict):
        for key, words in (("test", "test"), ("val", "validation")):
            if found.get(key):
                return words, found[key]
    return None


def _table(facts: Facts) -> Html:
    found = _split(facts.metrics.get("per_class"))
    if found is None:
        return missing("metrics.json holds no figures class by class.")
    words, entries = found
    names = list(dict.fromkeys(name for entry in entries for name in entry if name != "class"))
    entries = sorted(entries, key=lambda entry: (entry.get("f1") is None, entry.get("f1") or 0.0))
    rows = [
        [
            str(entry.get("class")),
            *(
                join([number(entry.get(name)), share_bar(entry[name])], " ")
                if name in _SHARES and isinstance(entry.get(name), int | float)
                else number(entry.get(name))
                for name in names
            ),
        ]
        for entry in entries
    ]
    columns = [Column("class", "name"), *(Column(label(name), "number") for name in names)]
    caption = f"Every class on the {words} split, weakest first"
    return join([tag("h3", "Each class"), table(caption, columns, rows, sortable=True, tall=len(rows) > 16)])


def _confusion(facts: Facts) -> Html:
    found = _split(facts.metrics.get("confusion"))
    if found is None:
        if facts.task == "multilabel":
            return tag("p", "A picture may have several classes here, so no class is taken for another.", class_="note")
        return missing("metrics.json holds no confusion matrix.")
    words, content = found
    if isinstance(content, dict):
        names, matrix = [str(name) for name in content["classes"]], content["matrix"]
    else:
        names, matrix = _names(facts, len(content)), content
    if len(names) > MATRIX_LIMIT:
        return _pairs(names, matrix, words)
    head = tag(
        "tr",
        tag("th", "true ↓ called →", scope="col", class_="name corner"),
        *(tag("th", tag("span", name), scope="col", class_="up") for name in names),
        tag("th", tag("span", "all"), scope="col", class_="up total"),
    )
    body = [
        tag(
            "tr",
            tag("th", name, scope="row", class_="name"),
            *(_cell(names, row, column, matrix[row]) for column in range(len(names))),
            tag("td", number(sum(matrix[row])), class_="total"),
        )
        for row, name in enumerate(names)
    ]
    caption = f"Confusion on the {words} split, in pictures"
    content = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", *body), class_="confusion")
    note = (
        "A row is a true class, a column what its pictures were called: blue is right, orange is wrong, and a stronger "
        "shade is a larger share of the row."
    )
    return join(
        [tag("h3", "What is taken for what"), tag("p", note, class_="note"), scroll(caption, content, fitted=True)]
    )


def _names(facts: Facts, count: int) -> list[str]:
    """The classes of a bare matrix: those of the per-class table, which has the same order; else their numbers."""
    found = _split(facts.metrics.get("per_class"))
    names = [str(entry.get("class")) for entry in found[1]] if found is not None else []
    return names if len(names) == count else [str(number) for number in range(count)]


def _cell(names: list[str], row: int, column: int, counts: list[int]) -> Html:
    count, total = counts[column], sum(counts)
    if not count:
        return tag("td", "·", class_="zero")
    share = count / total
    shade = share**0.5  # a linear shade would hide a confusion of one in fifty
    kind = ("right" if row == column else "wrong") + (" deep" if shade > 0.6 else "")
    title = f"{shown(count)} of {shown(total)} {names[row]} called {names[column]} ({100 * share:.1f} %)"
    return tag("td", number(count), class_=kind, style=f"--shade:{shade:.3f}", title=title)


def _pairs(names: list[str], matrix: list[list[int]], words: str, limit: int = 40) -> Html:
    pairs = [
        (count, row, column)
        for row, counts in enumerate(matrix)
        for column, count in enumerate(counts)
        if row != column and count
    ]
    pairs.sort(key=lambda pair: (-pair[0], names[pair[1]], names[pair[2]]))
    rows = [
        [
            names[row],
            names[column],
            number(count),
            join([f"{100 * count / sum(matrix[row]):.1f} %", share_bar(count / sum(matrix[row]))], " "),
        ]
        for count, row, column in pairs[:limit]
    ]
    if not rows:
        return tag("p", f"No class was taken for another on the {words} split.")
    columns = [
        Column("true class", "name"),
        Column("called"),
        Column("pictures", "number"),
        Column("share of the true class", "number"),
    ]
    caption = f"The {len(rows)} most confused of {shown(len(pairs))} confused pairs on the {words} split"
    return join([tag("h3", "What is taken for what"), table(caption, columns, rows, sortable=True, tall=True)])
