"""Training ended before it was done."""

from __future__ import annotations

from striate.evaluate.findings import Evidence, Finding, finding

FEW = 5
"""Epochs below which a curve shows no end to its fall."""
FALLING = 1 / 6
"""A straight fall does a third of itself in the last third of the epochs; what still does half of that is not done."""
NEARLY = 0.9
"""Of the epochs: what the clock cuts after so many had its rate all but at its end."""
MARGIN = 1.2
"""Beyond the time that the epochs left out would have taken: starting and scoring take theirs."""


@finding("ended_by_budget", order=4, explains=("under_fitting",))
def ended_by_budget(evidence: Evidence) -> Finding | None:
    """The clock cut it well before its schedule was over, or it was still learning its samples at the end."""
    losses = evidence.losses
    done = len(losses)
    if evidence.ended_by == "time" and (done < NEARLY * evidence.epochs or evidence.short):
        figures = f"the time was over in epoch {done} of {evidence.epochs}, before the rate had fallen to its end"
        if evidence.train is not None:
            figures += f"; {evidence.learnt}"
        return Finding("ended by budget", figures, *_more(evidence, MARGIN * evidence.epochs / max(1, done)))
    if not evidence.short or evidence.ended_by == "patience" or not losses or evidence.apart or evidence.turned:
        return None  # more of what it learns by heart is no help
    if len(losses) >= FEW:
        fall, late = losses[0] - losses[-1], losses[-1 - len(losses) // 3] - losses[-1]
        if fall <= 0 or late <= FALLING * fall:
            return None
        seen = f"{late / fall:.0%} of the fall of the training loss came in the last third of the epochs"
    else:
        seen = f"{len(losses)} epochs are {len(losses) * evidence.samples:,} looks at {evidence.samples:,} samples"
    return Finding(
        "ended by budget", f"{evidence.learnt}; {seen}", *_more(evidence, 3.0 if len(losses) >= FEW else 10.0)
    )


def _more(evidence: Evidence, times: float) -> tuple[str, str]:
    if evidence.minutes is not None:
        return "more time", f"--minutes {float(f'{times * evidence.minutes:.2g}'):g}"
    return "more epochs", f"--epochs {max(FEW, round(times * evidence.epochs))}"
