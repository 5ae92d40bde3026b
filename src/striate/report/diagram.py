"""The diagram of a network: one offline page, drawn by its own script from the figures that `inspect` found."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from striate.core.artifacts import write_text
from striate.report.diagram_style import SCRIPT, STYLE
from striate.report.html import Html, shown, tag
from striate.report.style import STYLE as PAGE_STYLE


def write_diagram(path: Path, content: Mapping[str, Any]) -> Path:
    """Write the page.

    Args:
        path: of the file.
        content: what `striate inspect --json` prints.

    Returns:
        the path.
    """
    write_text(path, diagram(content))
    return path


def diagram(content: Mapping[str, Any]) -> str:
    """The page as one HTML document that loads nothing."""
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode("ascii")
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    # No text of the network's can end the element that holds it.
    data = json.dumps(content, allow_nan=False).replace("<", "\\u003c")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"{content['network']} · striate"),
        tag("style", Html(PAGE_STYLE + STYLE)),
    )
    body = tag(
        "body",
        _header(content),
        tag("div", _controls(), tag("div", id="canvas", tabindex="0", aria_label="Diagram"), class_="stage"),
        tag("aside", tag("p", "Choose a layer for its figures.", class_="note"), id="panel", aria_live="polite"),
        tag("script", Html(data), type="application/json", id="data"),
        tag("script", Html(SCRIPT), type="module"),
        class_="diagram",
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _header(content: Mapping[str, Any]) -> Html:
    memory, batch = content["memory"], content["batch"]
    size = "×".join(map(str, content["input"]))
    kept = content["parameters"] - content["trainable"]
    facts = [
        ("input", size),
        ("parameters", shown(content["parameters"]) + (f", {shown(kept)} not trained" if kept else "")),
        ("multiply-accumulates", shown(content["macs"])),
        (f"training, {batch} at once", _megabytes(memory["training"])),
        (f"inference, {batch} at once", _megabytes(memory["inference"])),
    ]
    rows = (tag("div", tag("dt", name), tag("dd", value)) for name, value in facts)
    return tag("header", tag("h1", content["network"]), tag("dl", *rows, class_="facts"))


def _controls() -> Html:
    names = (
        ("less", "Fold", "Fold the innermost open parts"),
        ("more", "Unfold", "Unfold all parts by one level"),
        ("out", "−", "Smaller"),
        ("in", "+", "Larger"),
        ("fit", "Fit", "Fit the width"),
    )
    buttons = (tag("button", text, type="button", id=name, title=title) for name, text, title in names)
    return tag("div", *buttons, tag("span", "", id="count", class_="note"), class_="controls")


def _megabytes(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
