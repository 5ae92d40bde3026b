"""What is taken for what: the confusion matrix as a table of a few classes or a map of many, and the largest pairs."""

from __future__ import annotations

from striate.report.facts import Facts
from striate.report.html import Html, join, number, shown, tag
from striate.report.judged import MISSED, called_names, confused, confusion
from striate.report.matrix import matrix_map
from striate.report.tables import Column, missing, scroll, share_bar, table

MATRIX_LIMIT = 30
"""Classes above which a matrix is drawn as a map: numbers in more columns would not fit a laptop's screen."""
PAIRS = 20
DEEP = 0.9
"""The shade at which black and white ink have the same contrast on a cell: the page's colours are made so."""
_SPLITS = (("test", "test"), ("val", "validation"))


def taken(facts: Facts) -> Html | None:
    """The confusion of the test split, or of validation where there is no test; None where values are predicted."""
    if facts.task == "regress":
        return None
    for key, words in _SPLITS:
        content = confusion(facts, key)
        if content is not None:
            what = {"segment": "pixels", "detect": "things"}.get(facts.task, "pictures")
            return _shown(content[0], called_names(facts, content[0]), content[1], words, what)
    if facts.task == "multilabel":
        return tag("p", "A picture may have several classes here, so no class is taken for another.", class_="note")
    return missing("metrics.json holds no confusion matrix.")


def _shown(names: list[str], called: list[str], matrix: list[list[int]], words: str, what: str) -> Html:
    note = (
        "A row is a true class, a column what its pictures were called: blue is right, orange is wrong, and a stronger "
        "shade is a larger share of the row."
    )
    note = note.replace("its pictures", f"its {what}")
    if called != names:
        note += f" The last column is what was {MISSED}, the last row what was found where nothing of the kind is."
    few = len(names) <= MATRIX_LIMIT
    drawn = (
        _few(names, called, matrix, words, what) if few else matrix_map(names, matrix, words, called=called, what=what)
    )
    return join([tag("p", note, class_="note"), drawn, _pairs(names, called, matrix, words, what)])


def _few(names: list[str], called: list[str], matrix: list[list[int]], words: str, what: str) -> Html:
    head = tag(
        "tr",
        tag("th", "true ↓ called →", scope="col", class_="name corner"),
        *(tag("th", tag("span", name), scope="col", class_="up") for name in called),
        tag("th", tag("span", "all"), scope="col", class_="up total"),
    )
    body = [
        tag(
            "tr",
            tag("th", name, scope="row", class_="name"),
            *(_cell(names, called, row, column, matrix[row]) for column in range(len(names))),
            tag("td", number(sum(matrix[row])), class_="total"),
        )
        for row, name in enumerate(names)
    ]
    caption = f"Confusion on the {words} split, in {what}"
    content = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", *body), class_="confusion")
    return scroll(caption, content, fitted=True)


def _cell(names: list[str], called: list[str], row: int, column: int, counts: list[int]) -> Html:
    count, total = counts[column], sum(counts)
    if not count:
        return tag("td", class_="zero")
    share = count / total
    shade = share**0.5  # a linear shade would hide a confusion of one in fifty
    kind = ("right" if row == column else "wrong") + (" deep" if shade > DEEP else "")
    says = called[column] if called[column] == MISSED else f"called {called[column]}"
    title = f"{shown(count)} of {shown(total)} {names[row]} {says} ({100 * share:.1f} %)"
    return tag("td", number(count), class_=kind, style=f"--shade:{shade:.3f}", title=title)


def _pairs(names: list[str], called: list[str], matrix: list[list[int]], words: str, what: str) -> Html:
    pairs = confused(names, matrix, called)
    if not pairs:
        return tag("p", f"No class was taken for another on the {words} split.")
    rows = [
        [true, taken_for, number(count), join([f"{100 * count / total:.1f} %", share_bar(count / total)], " ")]
        for count, true, taken_for, total in pairs[:PAIRS]
    ]
    columns = [
        Column("true class", "name"),
        Column("called"),
        Column(what, "number"),
        Column("share of the true class", "number"),
    ]
    caption = f"The {len(rows)} most confused of {shown(len(pairs))} confused pairs on the {words} split"
    return table(caption, columns, rows, sortable=True, tall=len(rows) > 12)
