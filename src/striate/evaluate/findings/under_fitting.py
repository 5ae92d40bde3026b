"""It has not learnt what it was shown, and nothing else explains why."""

from __future__ import annotations

from striate.evaluate.findings import Evidence, Finding, finding

_OR = ", or larger pictures (`--size`) where what tells the classes apart is too small to be seen"


@finding("under_fitting", order=5)
def under_fitting(evidence: Evidence) -> Finding | None:
    """The score on the training samples themselves is low, at the end of a curve that has flattened.

    A network that cannot fit what it was shown has too little capacity, or is held back too much (Goodfellow, Bengio
    and Courville 2016, "Deep Learning", sections 5.2 and 11.3.1).
    """
    if not evidence.short:
        return None
    figures = evidence.learnt
    if evidence.losses:
        figures += f", and the training loss has flattened at {evidence.losses[-1]:.3g}"
    if evidence.tuned:
        return Finding(
            "under-fitting",
            figures,
            "let more of the network learn, and longer",
            f"--set transfer.kept_share=0 --epochs {2 * evidence.epochs}",
        )
    width = evidence.arguments.get("width")
    if isinstance(width, int):
        inside = ", ".join(f"{name}: {value}" for name, value in {**evidence.arguments, "width": 4 * width}.items())
        return Finding("under-fitting", figures, f"a wider network{_OR}", f"--set 'network.arguments={{{inside}}}'")
    return Finding("under-fitting", figures, f"a larger network than {evidence.network}{_OR}", "--model resnet18")
