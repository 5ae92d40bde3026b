"""Equal pictures are labelled differently, so that other labels may be wrong too."""

from __future__ import annotations

import math

from striate.evaluate.findings import Evidence, Finding, finding
from striate.evaluate.findings._evidence import SURE

ENOUGH = 10
"""Groups of equal pictures below which nothing is told."""
CONFLICTS = 0.1
"""Of the groups of equal pictures, which share may be labelled differently."""


@finding("conflicting_labels", order=8)
def conflicting_labels(evidence: Evidence) -> Finding | None:
    """Surely more than a tenth of the groups of equal pictures have different labels.

    They were left out of training, so that they explain nothing that became of it.
    """
    groups, conflicts = evidence.duplicates, evidence.conflicts
    if groups < ENOUGH:
        return None
    share = (conflicts + 2) / (groups + 4)  # Agresti and Coull 1998
    if conflicts / groups - SURE * math.sqrt(share * (1 - share) / (groups + 4)) <= CONFLICTS:
        return None
    return Finding(
        "conflicting labels",
        f"of {groups} groups of equal pictures {conflicts} have different labels; these were left out, and others, of "
        "which there are no two, may be wrong as often",
        "look through them (`striate audit` lists them) and correct their labels",
        "",
    )
