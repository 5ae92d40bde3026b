"""The rate was too low to get anywhere in the steps there were."""

from __future__ import annotations

from striate.evaluate.findings import Evidence, Finding, finding

FACTOR = 10
"""Below the usual by so many times: so many times as many steps would be needed for the same way."""


@finding("rate_too_low", order=2, explains=("under_fitting", "ended_by_budget", "label_noise"))
def rate_too_low(evidence: Evidence) -> Finding | None:
    """Little was learnt, at a rate far below the usual, and the loss never rose by much: nothing was torn."""
    if not evidence.short or not evidence.losses or evidence.rate * FACTOR > evidence.usual_rate:
        return None
    less = evidence.usual_rate / evidence.rate if evidence.rate else float("inf")
    return Finding(
        "rate too low",
        f"{evidence.learnt}; the peak rate of {evidence.rate:.3g} is {less:.3g} times less than the usual for "
        f"{evidence.optimizer}, and the training loss went from {evidence.losses[0]:.3g} to {evidence.losses[-1]:.3g}",
        f"the usual {evidence.usual_rate:.2g}, or leave the rate out, so that a range test chooses it",
        f"--set optimizer.rate={evidence.usual_rate:.2g}",
    )
