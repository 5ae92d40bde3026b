"""The page: its head, the sentence that sums it up, and the sections in the order in which a reader doubts."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

from striate.report.facts import Facts
from striate.report.html import Html, escape, join, label, number, shown, tag
from striate.report.judged import judged
from striate.report.room import within
from striate.report.sections.answer import in_words
from striate.report.sections.boxes import boxes, kinds
from striate.report.sections.calibration import calibration
from striate.report.sections.classes import classes
from striate.report.sections.curves import curves
from striate.report.sections.data import data
from striate.report.sections.decisions import decisions
from striate.report.sections.diagnosis import diagnosis
from striate.report.sections.folds import folds
from striate.report.sections.headline import all_metrics, headline
from striate.report.sections.leak import leak
from striate.report.sections.limits import limits
from striate.report.sections.machine import machine
from striate.report.sections.masks import masks
from striate.report.sections.pictures import augmentation, explanations, mistakes
from striate.report.sections.ranking import ranking
from striate.report.sections.reproduce import reproduce
from striate.report.sections.residuals import residuals
from striate.report.sections.shortcuts import shortcuts
from striate.report.sections.slices import slices
from striate.report.sections.taken import taken
from striate.report.sections.trust import checked, trust, verdict
from striate.report.sections.unchecked import unchecked
from striate.report.sections.values import values
from striate.report.sections.weights import weights
from striate.report.style import SCRIPT, STYLE

Section = Callable[[Facts], Html | None]
SECTIONS: tuple[tuple[str, str, str, Section], ...] = (
    # First the answer …
    ("scores", "The answer", "Answer", headline),
    ("folds", "Fold by fold", "Folds", folds),
    ("trust", "Can it be trusted?", "Trust", trust),
    ("leak", "What a leak would have added", "Leak", leak),
    ("limits", "What limits it", "Limits", limits),
    ("diagnosis", "Diagnosis", "Diagnosis", diagnosis),
    ("unchecked", "What could not be checked", "Not checked", unchecked),
    # … then what it gets wrong …
    ("mistakes", "What it gets wrong", "Mistakes", mistakes),
    ("explanations", "What it gets right", "Right", explanations),
    ("boxes", "Best, median and worst", "Pictures", boxes),
    ("confusion", "What is taken for what", "Confusion", taken),
    ("kinds", "Mistakes by kind", "Kinds", kinds),
    ("classes", "Class by class", "Classes", classes),
    ("values", "Predicted values", "Values", values),
    ("ranking", "Every threshold", "Curves", ranking),
    ("calibration", "How sure, and how right", "Calibration", calibration),
    ("residuals", "Where values are off", "Residuals", residuals),
    ("slices", "Where it is weak", "Weak", slices),
    ("shortcuts", "With parts hidden", "Hidden", shortcuts),
    ("metrics", "All metrics", "Metrics", all_metrics),
    # … what the data is …
    ("masks", "Best, median and worst", "Pictures", masks),
    ("data", "The data", "Data", data),
    ("augmentation", "Augmentation", "Augmentation", augmentation),
    # … how it was made, and how it is made again.
    ("training", "Training", "Training", curves),
    ("weights", "Pretrained weights", "Weights", weights),
    ("plan", "Every decision", "Plan", decisions),
    ("reproduce", "Reproduce, resume, predict", "Reproduce", reproduce),
    ("environment", "The machine", "Machine", machine),
)
"""The id, the heading, the short name in the contents and the function of each section, in their order."""
_TASKS = {
    "classify": "Classification",
    "multilabel": "Multi-label classification",
    "regress": "Regression",
    "segment": "Segmentation",
    "detect": "Detection",
}


def page(facts: Facts) -> str:
    """The whole report as one HTML document that loads nothing, below 5 MB whatever its pictures are."""
    return within(facts, _page)


def _page(facts: Facts) -> str:
    found = [(name, title, short, body) for name, title, short, section in SECTIONS if (body := section(facts))]
    return document(
        f"{facts.name} · striate report",
        _top(facts),
        [(name, short) for name, _, short, _ in found],
        [section_of(name, title, body) for name, title, _, body in found],
        _foot(facts),
    )


def section_of(name: str, title: str, body: Html) -> Html:
    """A section under its heading."""
    return tag("section", tag("h2", title, id=f"{name}-title"), body, id=name, aria_labelledby=f"{name}-title")


def document(title: str, top: Html, contents: list[tuple[str, str]], sections: list[Html], foot: Html) -> str:
    """A page that loads nothing, and that can be read without its script.

    Args:
        contents: the id and the short name of each section.
    """
    first = contents[0][0]
    body = tag(
        "body",
        tag("a", "Skip to the answer", class_="skip", href=f"#{first}"),
        top,
        _contents(contents),
        tag("main", *sections),
        foot,
        tag("script", Html(SCRIPT)),
    )
    return f"<!doctype html>\n{tag('html', _head(title), body, lang='en')}\n"


def audit_page(facts: Facts) -> str:
    """What an audit found, as one HTML document that loads nothing, below 5 MB whatever its pictures are.

    Args:
        facts: of which the name, the audit and its figures are shown.
    """
    return within(facts, _audit_page)


def _audit_page(facts: Facts) -> str:
    top = tag("header", tag("div", tag("p", "striate · audit", class_="brand"), tag("h1", facts.name)), class_="top")
    foot = tag(
        "footer", tag("p", "Written by striate. This page loads nothing."), tag("p", tag("code", str(facts.path)))
    )
    section = section_of("data", "The data", data(facts))
    return document(f"{facts.name} · striate audit", top, [("data", "Data")], [section], foot)


def _contents(contents: list[tuple[str, str]]) -> Html:
    """The contents: a line of links where there is room, a list to open on a phone; neither needs the script."""
    links = tag("ul", *(tag("li", tag("a", short, href=f"#{name}")) for name, short in contents))
    folded = tag("details", tag("summary", "Contents"), links)
    return join([tag("nav", links, class_="line", aria_label="Sections"),
                 tag("nav", folded, class_="folded", aria_label="Sections, folded")])  # fmt: skip


def _head(title: str) -> Html:
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode("ascii")
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        tag("style", Html(STYLE)),
    )


def _top(facts: Facts) -> Html:
    kind = _TASKS.get(facts.task, facts.task)
    words = in_words(facts)
    inside = [
        tag("p", join(["striate", kind or "report"], " · "), class_="brand"),
        tag("h1", facts.name),
        tag("p", words, class_="answer") if words is not None else None,
        _sum(facts),
        _trusted(facts),
    ]
    return tag("header", tag("div", *(part for part in inside if part is not None)), class_="top")


def _sum(facts: Facts) -> Html | None:
    """The figure that the Run is judged by, with its interval."""
    found, name = judged(facts), facts.headline
    value = None if found is None else found.value(name)
    if found is None or value is None:
        return None
    bounds = found.bounds(name)
    pictures = join([number(found.count), f" {found.words} pictures"]) if found.count is not None else None
    told = ["On ", pictures or f"the {found.words} split", f", {label(name)} is ", tag("b", number(found.scores[name]))]
    if bounds is not None:
        told += [" (95 % interval ", number(bounds[0]), " to ", number(bounds[1]), ")"]
    also = ". There was no test split, so this figure also chose the best epoch."
    told.append("." if found.key == "test" else also)
    return tag("p", join(told), class_="lead")


def _trusted(facts: Facts) -> Html | None:
    checks = checked(facts)
    if not checks:
        return None
    return tag("p", "Can it be trusted? ", verdict(checks), " ", tag("a", "Why", href="#trust"), class_="lead")


def _foot(facts: Facts) -> Html:
    version = (facts.environment.get("versions") or {}).get("striate") if facts.environment else None
    made = join(["Written by striate", f" {shown(version)}" if version and version != "absent" else None])
    words = " from the files of this Run: every figure above stands in one of them. This page loads nothing."
    return tag("footer", tag("p", made, words), tag("p", tag("code", escape(facts.path))))
