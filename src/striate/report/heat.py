"""The key to the heat maps: one scale for all pictures of all Runs, so that no evidence looks like none."""

from __future__ import annotations

import numpy as np

from striate.explain import colours
from striate.explain.grad_cam import FULL_LOGITS
from striate.report.html import Html, join, tag

LOGITS = (0, 1, 2, 4, 8, 16)
"""Evidence that the key names, in logits."""
_WIDTH = 300


def key(unit: str) -> Html:
    """The colours from no evidence to much, with the evidence that each stands for.

    Args:
        unit: what evidence is counted in: "logits", or what values are.
    """
    places = 1 - np.exp(-np.array(LOGITS) / FULL_LOGITS)
    stops = np.linspace(0, 1, 25)
    bands = [
        tag("rect", x=f"{8 + stop * _WIDTH:.1f}", y=2, width=f"{_WIDTH / 24 + 0.5:.1f}", height=12, fill=_hex(stop))
        for stop in stops[:-1]
    ]
    marks = [
        tag("text", str(logit), x=f"{8 + place * _WIDTH:.0f}", y=30, text_anchor="middle")
        for logit, place in zip(LOGITS, places, strict=True)
    ]
    said = f"From dark violet, no evidence, to yellow, much: {', '.join(map(str, LOGITS))} {unit} along the scale."
    svg = tag("svg", tag("title", said), *bands, *marks, class_="heat", viewBox=f"0 0 {_WIDTH + 20} 34",
              width=_WIDTH + 20, height=34, role="img")  # fmt: skip
    note = (
        "Beside each picture, Grad-CAM: how strongly each place spoke for what was predicted, in "
        f"{unit}, over the picture in grey. All have one scale: where it is violet all over, there was no evidence."
    )
    return join([tag("p", note, class_="note"), tag("div", svg, class_="heat")])


def _hex(strength: float) -> str:
    red, green, blue = colours(np.array(strength)).tolist()
    return f"#{red:02x}{green:02x}{blue:02x}"
