"""Some labels are wrong: by what the network is sure of."""

from __future__ import annotations

from striate.evaluate.findings import Evidence, Finding, finding
from striate.evaluate.findings._evidence import SURE

SEPARATION = 0.7
"""A network that is wrong on hard samples is surer of its right answers in most pairs of one and the other: in 0.8 to
0.95 of them (Hendrycks and Gimpel 2017, "A baseline for detecting misclassified and out-of-distribution examples",
table 1). A label drawn at random cannot be seen in the picture, so that it is as sure there as elsewhere: 0.5."""
ENOUGH = 10
"""Wrong ones below which nothing is told."""


@finding("label_noise", order=3, explains=("under_fitting", "ended_by_budget"))
def label_noise(evidence: Evidence) -> Finding | None:
    """On samples that it has not seen, the network is as sure where the label says otherwise as where it agrees.

    So are mislabelled samples found in confident learning (Northcutt, Jiang and Chuang 2021). It is asked only of
    networks that explain more than half of what chance leaves: others are sure of nothing.
    """
    doubt, val = evidence.doubt, evidence.val
    if doubt is None or val is None or doubt.wrong < ENOUGH or val.value < (1 + evidence.chance) / 2:
        return None
    if doubt.separation + SURE * doubt.error > SEPARATION:
        return None
    return Finding(
        "label noise suspected",
        f"of {doubt.right + doubt.wrong} validation samples {doubt.wrong} are labelled otherwise than the network "
        f"says, and it is surer of those that agree in {doubt.separation:.0%} ± {doubt.error:.0%} of the pairs alone, "
        "where chance gives 50 % and hard samples give 80 % and more",
        "list the likely wrong ones with `striate audit DATA --labels labels.csv`, correct them, and give them back "
        "with `--relabel`; "
        "mixed samples are learnt by heart less easily",
        "--set augment.mixup=0.2",
    )
