"""It has not learnt what it was shown, and nothing else explains why."""

from __future__ import annotations

import shlex

import yaml

from striate.evaluate.findings import Evidence, Finding, finding
from striate.evaluate.findings._evidence import SURE

_OR = ", or larger pictures (`--size`) where what tells the classes apart is too small to be seen"
LARGER, ITS_PARAMETERS = "resnet18", 11_000_000
"""What is named to those whose network is smaller."""


@finding("under_fitting", order=5)
def under_fitting(evidence: Evidence) -> Finding | None:
    """The score on the training samples themselves is low, at the end of a curve that has flattened.

    A network that cannot fit what it was shown has too little capacity, or is held back too much (Goodfellow, Bengio
    and Courville 2016, "Deep Learning", sections 5.2 and 11.3.1). But where classes cannot be told apart in all of the
    pictures, no network scores higher on others, and a score alone does not tell. So it is told where the network
    explains less than half of what chance leaves, or has fewer parameters than samples (one with as many may learn any
    labels by heart: Zhang et al. 2017, "Understanding deep learning requires rethinking generalization", theorem 1);
    and only where validation does not surely score lower, as it does where samples are learnt by heart.
    """
    train, gap = evidence.train, evidence.gap
    if train is None or not evidence.short or (gap is not None and gap[0] > SURE * gap[1]):
        return None
    little = train.value + SURE * train.error < (1 + evidence.chance) / 2
    small = gap is not None and evidence.parameters < evidence.samples
    if not little and not small:
        return None
    figures = evidence.learnt
    if evidence.losses:
        figures += f", and the training loss has flattened at {evidence.losses[-1]:.3g}"
    if small:
        figures += f"; {evidence.parameters:,} parameters are fewer than the {evidence.samples:,} samples"
    return Finding("under-fitting", figures, *_larger(evidence))


def _larger(evidence: Evidence) -> tuple[str, str]:
    """What to try, and the flag that does it."""
    if evidence.tuned:
        if evidence.kept_share > 0:
            return "let more of the network learn", "--set transfer.kept_share=0"
        return f"other weights, or a larger network with them (`--weights`){_OR}", ""
    width = evidence.arguments.get("width")
    if isinstance(width, int):
        arguments = {**evidence.arguments, "width": 4 * width}
        wider = yaml.safe_dump(arguments, default_flow_style=True, sort_keys=False, width=10**6)
        return f"a wider network{_OR}", f"--set {shlex.quote(f'network.arguments={wider.strip()}')}"
    flag = f"--model {LARGER}" if evidence.parameters < ITS_PARAMETERS else ""
    return f"a larger network than {evidence.network}{_OR}", flag
