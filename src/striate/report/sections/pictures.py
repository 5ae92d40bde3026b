"""Pictures of the Run: its worst mistakes, where it looked, and what augmentation made of the data."""

from __future__ import annotations

from striate.report.facts import Facts, Figure
from striate.report.heat import key
from striate.report.html import Html, data_uri, join, number, shown, tag
from striate.report.sections.values import _float
from striate.report.tables import Column, missing, table

_HEAT = "-heat"  # what `mistakes-1-heat.png` has more than `mistakes-1.png`, whose heat map it is


def mistakes(facts: Facts) -> Html | None:
    """The wrong answers that the network was surest of: drawn, and as a table."""
    if facts.task in ("segment", "detect"):
        return None
    drawn = gallery(facts, "mistakes")
    parts = [_scale(facts, "mistakes"), drawn, None if facts.task == "regress" else _worst(facts)]
    return join(part for part in parts if part is not None) or None


def explanations(facts: Facts) -> Html | None:
    """What it was surest of and right about, with the heat maps of the same scale."""
    drawn = gallery(facts, "explanations")
    return None if drawn is None else join([_scale(facts, "explanations"), drawn])


def _scale(facts: Facts, section: str) -> Html | None:
    """How a heat map is read, where there is one."""
    heated = {figure.section for figure in facts.figures if figure.path.stem.endswith(_HEAT)}
    if section not in heated:
        return None
    told = section == "explanations" and "mistakes" in heated
    return (
        tag("p", "The heat maps have the scale of those above.", class_="note")
        if told
        else key("units of the network's output" if facts.task == "regress" else "logits")
    )


def augmentation(facts: Facts) -> Html | None:
    """What the network was shown in training."""
    return gallery(facts, "augmentation", "gallery sheets")


def gallery(facts: Facts, section: str, kind: str = "gallery") -> Html | None:
    """The figures of a section, each with its heat map beside it; None where there are none."""
    figures = [figure for figure in facts.figures if figure.section == section]
    heats = {figure.path.stem.removesuffix(_HEAT): figure for figure in figures if figure.path.stem.endswith(_HEAT)}
    plain = [figure for figure in figures if not figure.path.stem.endswith(_HEAT)]
    stems = {figure.path.stem for figure in plain}
    plain += [figure for stem, figure in heats.items() if stem not in stems]
    cards = (_card(figure, heats.get(figure.path.stem)) for figure in plain)
    return tag("div", *cards, class_=kind) if figures else None


def _card(figure: Figure, heat: Figure | None) -> Html:
    """A picture, with the heat map of the same stem beside it where there is one."""
    images = [_image(figure), _image(heat) if heat is not None else None]
    kind = "card picture" + (" pair" if heat is not None else "")
    return tag("figure", tag("div", *images), tag("figcaption", *_told(figure)), class_=kind)


def _told(figure: Figure) -> list[Html | str]:
    """What was said and what is true, set apart where the Run holds them apart."""
    if not figure.predicted:
        return [figure.caption]
    said = tag("p", "predicted ", tag("b", figure.predicted), class_="said")
    return [said, tag("p", "true ", tag("b", figure.true)), tag("p", figure.caption.split(": ")[0], class_="note")]


def _image(figure: Figure) -> Html:
    if figure.uri == "":
        return missing(f"figures/{figure.path.name} is not shown: the page has no room left for it.")
    try:
        uri = figure.uri or data_uri(figure.path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return missing(f"figures/{figure.path.name} cannot be shown: {reason}.")
    return tag("img", src=uri, alt=figure.words or figure.caption)


def _worst(facts: Facts, limit: int = 20) -> Html | None:
    if not facts.predictions:
        reason = facts.missing.get("predictions.csv", "it is empty")
        return missing(f"The mistakes cannot be listed: predictions.csv cannot be shown ({reason}).")
    split = "test" if any(row.get("split") == "test" for row in facts.predictions) else "val"
    words = "test" if split == "test" else "validation"
    judged = [row for row in facts.predictions if row.get("split") == split]
    wrong = [row for row in judged if row.get("target") != row.get("prediction")]
    if not wrong:
        return tag("p", "None of the ", number(len(judged)), f" {words} pictures was called wrong.")
    wrong.sort(key=lambda row: (-(_float(row.get("loss")) or 0.0), row.get("key", "")))
    rows = [
        [
            row.get("key", ""),
            row.get("target", ""),
            row.get("prediction", ""),
            number(_float(row.get("confidence"))),
            number(_float(row.get("loss"))),
        ]
        for row in wrong[:limit]
    ]
    columns = [
        Column("picture", "name"),
        Column("true"),
        Column("called"),
        Column("confidence", "number"),
        Column("loss", "number"),
    ]
    caption = f"{len(rows)} of {shown(len(wrong))} mistakes on the {words} split, largest loss first"
    return table(caption, columns, rows, sortable=True, tall=True)
