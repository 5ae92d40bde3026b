"""The page: its head, the sentence that sums it up, and the sections in the order in which a reader doubts."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any

from striate.report.facts import Facts
from striate.report.html import Html, escape, join, label, number, shown, tag
from striate.report.sections.calibration import calibration
from striate.report.sections.classes import classes
from striate.report.sections.curves import curves
from striate.report.sections.data import data
from striate.report.sections.decisions import decisions
from striate.report.sections.diagnosis import diagnosis
from striate.report.sections.headline import headline, interval_bounds
from striate.report.sections.machine import machine
from striate.report.sections.pictures import augmentation, explanations, mistakes
from striate.report.sections.ranking import ranking
from striate.report.sections.residuals import residuals
from striate.report.sections.shortcuts import shortcuts
from striate.report.sections.slices import slices
from striate.report.sections.unchecked import unchecked
from striate.report.sections.values import values
from striate.report.sections.weights import weights
from striate.report.style import SCRIPT, STYLE

Section = Callable[[Facts], Html | None]
SECTIONS: tuple[tuple[str, str, Section], ...] = (
    ("scores", "Scores", headline),
    ("diagnosis", "Diagnosis", diagnosis),
    ("unchecked", "What could not be checked", unchecked),
    ("classes", "Classes", classes),
    ("ranking", "Every threshold", ranking),
    ("values", "Predicted values", values),
    ("residuals", "Where values are off", residuals),
    ("calibration", "How sure, and how right", calibration),
    ("slices", "Where it is weak", slices),
    ("shortcuts", "With parts hidden", shortcuts),
    ("mistakes", "Mistakes", mistakes),
    ("explanations", "Where it looked", explanations),
    ("training", "Training", curves),
    ("augmentation", "Augmentation", augmentation),
    ("data", "Data", data),
    ("weights", "Pretrained weights", weights),
    ("plan", "Plan", decisions),
    ("environment", "Machine", machine),
)
_TASKS = {"classify": "Classification", "multilabel": "Multi-label classification", "regress": "Regression"}


def page(facts: Facts) -> str:
    """The whole report as one HTML document that loads nothing."""
    parts = [(name, title, found) for name, title, section in SECTIONS if (found := section(facts))]
    short = {"What could not be checked": "Not checked", "How sure, and how right": "Calibration"}
    short |= {"Every threshold": "Curves", "Where values are off": "Residuals"}
    links = (tag("li", tag("a", short.get(title, title), href=f"#{name}")) for name, title, _ in parts)
    bodies = (
        tag("section", tag("h2", title, id=f"{name}-title"), found, id=name, aria_labelledby=f"{name}-title")
        for name, title, found in parts
    )
    body = tag(
        "body",
        tag("a", "Skip to the scores", class_="skip", href="#scores"),
        _top(facts),
        tag("nav", tag("ul", *links), aria_label="Sections"),
        tag("main", *bodies),
        _foot(facts),
        tag("script", Html(SCRIPT)),
    )
    return f"<!doctype html>\n{tag('html', _head(facts), body, lang='en')}\n"


def audit_page(facts: Facts) -> str:
    """What an audit found, as one HTML document that loads nothing.

    Args:
        facts: of which the name, the audit and its figures are shown.
    """
    top = tag("header", tag("div", tag("p", "striate · audit", class_="brand"), tag("h1", facts.name)), class_="top")
    section = tag("section", tag("h2", "Data", id="data-title"), data(facts), id="data", aria_labelledby="data-title")
    foot = tag(
        "footer", tag("p", "Written by striate. This page loads nothing."), tag("p", tag("code", str(facts.path)))
    )
    body = tag("body", top, tag("main", section), foot, tag("script", Html(SCRIPT)))
    return f"<!doctype html>\n{tag('html', _head(facts), body, lang='en')}\n"


def _head(facts: Facts) -> Html:
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode("ascii")
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", f"{facts.name} · striate report"),
        tag("style", Html(STYLE)),
    )


def _top(facts: Facts) -> Html:
    kind = _TASKS.get(facts.task, facts.task)
    inside = [tag("p", join(["striate", kind or "report"], " · "), class_="brand"), tag("h1", facts.name), _sum(facts)]
    return tag("header", tag("div", *(part for part in inside if part is not None)), class_="top")


def _sum(facts: Facts) -> Html | None:
    """One sentence for someone who reads no further."""
    name = facts.headline
    for key, where in (("test", "test"), ("val", "validation")):
        scores: Any = facts.metrics.get(key)
        value = scores.get(name) if isinstance(scores, dict) else None
        if not isinstance(value, int | float):
            continue
        bounds, count = interval_bounds(scores.get(f"{name}_interval")), (facts.metrics.get("split") or {}).get(key)
        pictures = join([number(count), f" {where} pictures"]) if isinstance(count, int) else f"the {where} split"
        told = ["On ", pictures, f", {label(name)} is ", tag("b", number(value))]
        if bounds is not None:
            told += [" (95 % interval ", number(bounds[0]), " to ", number(bounds[1]), ")"]
        told.append("." if key == "test" else ". There was no test split, so this figure also chose the best epoch.")
        return tag("p", join(told), class_="lead")
    return None


def _foot(facts: Facts) -> Html:
    version = (facts.environment.get("versions") or {}).get("striate") if facts.environment else None
    made = join(["Written by striate", f" {shown(version)}" if version and version != "absent" else None])
    words = " from the files of this Run: every figure above stands in one of them. This page loads nothing."
    return tag("footer", tag("p", made, words), tag("p", tag("code", escape(facts.path))))
