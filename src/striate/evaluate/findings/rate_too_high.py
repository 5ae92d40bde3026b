"""The rate was too high for what it had to learn."""

from __future__ import annotations

from striate.evaluate.findings import Evidence, Finding, finding

FACTOR = 10
"""Beyond so many times the usual: a range test, too, reads no further than a few times from it."""
ROSE = 1.5
"""An epoch whose mean training loss is so many times the first's went astray: chance over an epoch does not do that."""


@finding(
    "rate_too_high",
    order=1,
    explains=("under_fitting", "ended_by_budget", "over_fitting", "rate_too_low", "label_noise"),
)
def rate_too_high(evidence: Evidence) -> Finding | None:
    """Little was learnt, at a rate far above the usual, or while the loss rose above where it began.

    Above a certain rate the steps of gradient descent grow where they should shrink (LeCun et al. 1998, "Efficient
    BackProp", section 5.1).
    """
    if not evidence.short or not evidence.losses:
        return None
    times, first, worst = evidence.rate / evidence.usual_rate, evidence.losses[0], max(evidence.losses)
    rose = worst > ROSE * first
    if times < FACTOR and not (rose and times > 1):
        return None
    last = evidence.losses[-1]
    seen = f"the training loss began at {first:.3g}, was {worst:.3g} at its highest and {last:.3g} at the end"
    return Finding(
        "rate too high",
        f"{evidence.learnt}; the peak rate of {evidence.rate:.3g} is {times:.3g} times the usual for "
        f"{evidence.optimizer}, and {seen}",
        f"the usual {evidence.usual_rate:.2g}, or leave the rate out, so that a range test chooses it",
        f"--set optimizer.rate={evidence.usual_rate:.2g}",
    )
