"""Validation is too small to tell one network from another."""

from __future__ import annotations

import math

from striate.evaluate.findings import Evidence, Finding, finding
from striate.evaluate.findings._evidence import Judged

WIDE = 0.1
"""Half the width of the interval above which validation cannot tell 0.8 from 0.9, say."""


@finding("small_validation", order=7)
def small_validation(evidence: Evidence) -> Finding | None:
    """The 95 % interval of the validation score, which chose the weights, is wide."""
    if evidence.val is None:
        return None
    half = _half_width(evidence.val, share=evidence.kind != "value")
    if half <= WIDE:
        return None
    name = evidence.metric.replace("_", " ")
    wanted, units = math.ceil(evidence.val.count * (half / WIDE) ** 2), "groups" if evidence.val.grouped else "samples"
    return Finding(
        "validation too small to tell",
        f"on {evidence.val.of_what('validation samples')} {name} is {evidence.val.value:.3f} ± {half:.3f}: epochs or "
        f"plans that differ by less are told apart by luck; about {wanted} {units} would tell {WIDE:g}",
        f"more labelled {units} for validation",
        "--val DIR",
    )


def _half_width(val: Judged, *, share: bool) -> float:
    """Half the interval; of a share at least that of Wilson 1927, which has a width where all are right.

    >>> round(_half_width(Judged(1.0, 0.0, 10), share=True), 3)
    0.139
    """
    half = 1.96 * val.error
    if share and 0 <= val.value <= 1:
        more = 1.96**2 / val.count
        wilson = 1.96 * math.sqrt(val.value * (1 - val.value) / val.count + more / (4 * val.count)) / (1 + more)
        half = wilson if val.value in (0, 1) else max(half, wilson)
    return half
