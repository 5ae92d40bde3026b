"""What is wrong with a training, in words: a file a finding, which looks at the evidence of a finished Run.

A finding is stated by standard errors: what chance explains is not told. Where one finding is the cause of another, the
cause alone is told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from striate.core.registry import Registry
from striate.evaluate.findings._evidence import Doubt, Evidence, Judged, doubt_of


@dataclass(frozen=True)
class Finding:
    """Something that a reader of the scores should know.

    Args:
        name: what it is called, such as "over-fitting".
        figures: what was seen, with its figures; a sentence.
        advice: what to try; a sentence.
        flag: what does it on the command line; "" where no flag does.
    """

    name: str
    figures: str
    advice: str
    flag: str


@dataclass(frozen=True)
class Sign:
    """One way to look at the evidence.

    Args:
        look: gives the finding, or None.
        order: findings are told in this order, the likelier causes first.
        explains: names of registered findings that are not told beside this one, as this is their cause.
    """

    look: Callable[[Evidence], Finding | None]
    order: int
    explains: tuple[str, ...] = ()


FINDINGS: Registry[Sign] = Registry("finding", "striate.evaluate.findings")


def finding(
    name: str, *, order: int, explains: tuple[str, ...] = ()
) -> Callable[[Callable[[Evidence], Finding | None]], Callable[[Evidence], Finding | None]]:
    """A decorator that registers a function as the finding of that name; see `Sign`."""

    def file(look: Callable[[Evidence], Finding | None]) -> Callable[[Evidence], Finding | None]:
        FINDINGS.register(name)(Sign(look, order, explains))
        return look

    return file


def diagnose(evidence: Evidence) -> list[Finding]:
    """Everything that the evidence says, the likelier causes first; empty where nothing is wrong."""
    signs = sorted(FINDINGS.items(), key=lambda entry: entry[1].order)
    found = {name: one for name, sign in signs if (one := sign.look(evidence)) is not None}
    explained = {effect for name, sign in signs if name in found for effect in sign.explains}
    return [one for name, one in found.items() if name not in explained]


__all__ = ["FINDINGS", "Doubt", "Evidence", "Finding", "Judged", "Sign", "diagnose", "doubt_of", "finding"]
