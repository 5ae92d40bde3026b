"""It knows its training samples far better than others."""

from __future__ import annotations

from striate.evaluate.findings import Evidence, Finding, finding
from striate.evaluate.findings._evidence import APART, SURE


@finding("over_fitting", order=6)
def over_fitting(evidence: Evidence) -> Finding | None:
    """The score on validation is surely far below that on training samples, both of pictures as they are.

    That gap is what over-fitting is (Goodfellow, Bengio and Courville 2016, "Deep Learning", section 5.2). The training
    loss alone does not show it, as it is of altered pictures and smoothed targets.
    """
    if evidence.gap is None or evidence.train is None or evidence.val is None:
        return None
    gap, error = evidence.gap
    if gap - SURE * error <= APART[evidence.kind]:
        return None
    name = evidence.metric.replace("_", " ")
    figures = (
        f"{name} is {evidence.train.value:.3f} on {evidence.train.count} training samples as they are and "
        f"{evidence.val.value:.3f} on validation, {gap:.3f} ± {error:.3f} apart; {evidence.samples:,} were learnt"
    )
    if evidence.tuned:
        return Finding(
            "over-fitting", figures, "more samples; let less of the network learn", "--set transfer.kept_share=0.5"
        )
    return Finding(
        "over-fitting",
        figures,
        "more samples; weights that have seen others (`--weights FILE`); or stronger augmentation",
        "--set augment.mixup=0.2 --set augment.erase=0.3",
    )
