"""It knows its training samples far better than others."""

from __future__ import annotations

from striate.evaluate.findings import Evidence, Finding, finding


@finding("over_fitting", order=6, explains=("under_fitting",))
def over_fitting(evidence: Evidence) -> Finding | None:
    """The score on validation is surely far below that on training samples, both of pictures as they are.

    That gap is what over-fitting is (Goodfellow, Bengio and Courville 2016, "Deep Learning", section 5.2). The training
    loss alone does not show it, as it is of altered pictures and smoothed targets; but where the weights of an early
    epoch were taken, it fell on after that, while that of validation rose.
    """
    turned = evidence.turned
    if not evidence.apart and turned is None:
        return None
    figures = []
    if evidence.apart and evidence.train is not None and evidence.val is not None and evidence.gap is not None:
        figures.append(
            f"{evidence.learnt}, and on validation {evidence.val.value:.3f}: {evidence.gap[0]:.3f} ± "
            f"{evidence.gap[1]:.3f} apart"
        )
    if turned is not None:
        figures.append(
            f"the validation loss rose from {turned[1]:.3g} in epoch {turned[0]} to {turned[2]:.3g} at the end, while "
            "that of training fell"
        )
    words = f"{'; '.join(figures)}; {evidence.samples:,} samples were learnt"
    if evidence.tuned:
        less = (1 + evidence.kept_share) / 2
        flag = f"--set transfer.kept_share={less:.2g}" if less < 1 else ""
        return Finding("over-fitting", words, "more samples; let less of the network learn", flag)
    return Finding(
        "over-fitting",
        words,
        "more samples; weights that have seen others (`--weights FILE`); or stronger augmentation",
        "--set augment.mixup=0.2 --set augment.erase=0.3",
    )
