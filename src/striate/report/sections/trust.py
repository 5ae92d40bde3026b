"""Whether the score can be trusted: a verdict, and each check that it rests on with its figure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from striate.core.wording import plural, some
from striate.report.facts import Facts
from striate.report.html import Html, escape, join, label, number, prose, shown, tag
from striate.report.judged import Judged, interval_bounds, judged, supports
from striate.report.sections.leak import leak as leak_section
from striate.report.tables import badge

GOOD, CAREFUL, DOUBT = "fine", "careful", "doubt"
WIDE = 0.1
"""Half the width of an interval above which a share says little: 0.8 could be 0.7 or 0.9."""
BROAD = 0.05
DAMAGED = 0.01
FEW = 10
"""Test samples of a class below which its figures hang on one or two of them."""
MISCALIBRATED = 0.05
SHARES = ("accuracy", "f1", "precision", "recall", "auc", "map", "map50", "map75")
"""How the names end of metrics whose scale is a share."""


@dataclass(frozen=True)
class Check:
    """One reason to trust a score or not.

    Args:
        level: "fine", "careful" or "doubt".
        text: the reason with its figure.
    """

    level: str
    text: Html


def trust(facts: Facts) -> Html | None:
    """The verdict and its checks, doubts first; None without a score."""
    checks = checked(facts)
    if not checks:
        return None
    order = (DOUBT, CAREFUL, GOOD)
    rows = (
        tag("li", badge(check.level, check.level), " ", tag("span", check.text), class_=check.level)
        for check in sorted(checks, key=lambda check: order.index(check.level))
    )
    return join([tag("p", verdict(checks), class_="lead"), tag("ul", *rows, class_="checks")])


def checked(facts: Facts) -> list[Check]:
    """Every check that the Run's files allow."""
    found = judged(facts)
    return [] if found is None else [check for one in CHECKS if (check := one(facts, found)) is not None]


def verdict(checks: list[Check]) -> Html:
    """Whether to trust it, in one sentence."""
    counts = {level: sum(check.level == level for check in checks) for level in (DOUBT, CAREFUL)}
    if counts[DOUBT]:
        more = f", and {plural(counts[CAREFUL], 'has', 'have')} a reservation" if counts[CAREFUL] else ""
        return escape(f"Not yet: of {len(checks)} checks, {plural(counts[DOUBT], 'gives', 'give')} doubt{more}.")
    if counts[CAREFUL]:
        return escape(f"With care: of {len(checks)} checks, {plural(counts[CAREFUL], 'has', 'have')} a reservation.")
    return escape(f"Yes: none of {len(checks)} checks speaks against it.")


def _kept_out(facts: Facts, found: Judged) -> Check:
    if found.key != "test":
        text = "There is no test split: these pictures also chose the best epoch, so the score is a little optimistic."
        return Check(CAREFUL, escape(text))
    if facts.folds.get("held_out") == "test":
        text = f"Each of {shown(found.count)} pictures was scored once, by the network of the fold that held it out."
        return Check(GOOD, escape(text))
    times = facts.metrics.get("scored")
    pictures = f"{shown(found.count)} test pictures" if found.count is not None else "The test pictures"
    if isinstance(times, int) and times > 1:
        text = f"The test was scored {times} times, and training went on in between: whoever chose by it fitted to it."
        return Check(CAREFUL, escape(text))
    once = ", and were scored once" if times == 1 else ""
    return Check(GOOD, escape(f"{pictures} were kept out of training and of every choice{once}."))


def _interval(facts: Facts, found: Judged) -> Check | None:
    """How much the score could differ by chance, where it is a share."""
    name = facts.headline
    bounds, value = found.bounds(name), found.value(name)
    if bounds is None or value is None or not name.endswith(SHARES):
        return None
    if bounds[0] == bounds[1]:
        text = f"Every resample of {_units(found)} gives the same score: that proves no certainty."
        return Check(CAREFUL, escape(text))
    half = (bounds[1] - bounds[0]) / 2
    level = DOUBT if half > WIDE else CAREFUL if half > BROAD else GOOD
    says = {DOUBT: "too wide to rely on", CAREFUL: "wide", GOOD: "scores that differ by less are told apart by luck"}
    more = "" if level == GOOD else "; four times as many pictures would halve it"
    return Check(level, escape(f"The score is known to ± {half:.3f}, by {_units(found)}: {says[level]}{more}."))


def _units(found: Judged) -> str:
    groups = found.scores.get("groups")
    if isinstance(groups, int):
        return f"{shown(groups)} groups"
    return f"{shown(found.count)} pictures" if found.count is not None else "its pictures"


def _chance(facts: Facts, found: Judged) -> Check | None:
    """Whether it surely beats the simplest guess."""
    if facts.task == "regress":
        if _decided(facts, "loss.name") == "quantile":  # it is not the mean that it aims at
            return None
        bounds, guess, words = found.bounds("r2"), 0.0, "always answering the mean (R² 0)"
    elif facts.task == "classify" and facts.headline == "macro_f1":  # the commonest class is given up for the rare
        counts = supports(facts, found.key)
        present = sum(count > 0 for count in counts.values())
        bounds, guess = found.bounds("balanced_accuracy"), 1 / max(1, present)
        words = f"naming classes by lot (balanced accuracy {guess:.3f})"
    elif facts.task == "classify" and facts.headline != "expected_cost":
        counts = supports(facts, found.key)
        bounds = found.bounds("accuracy")
        guess = max(counts.values()) / sum(counts.values()) if counts and sum(counts.values()) else 1.0
        words = f"always naming the commonest class (accuracy {guess:.3f})"
    else:
        return None
    if bounds is None or (facts.task == "classify" and not supports(facts, found.key)):
        return None
    if bounds[0] > guess:
        return Check(GOOD, escape(f"It is surely better than {words}: the interval begins at {shown(bounds[0])}."))
    return Check(DOUBT, escape(f"It is not surely better than {words}: the interval begins at {shown(bounds[0])}."))


def _leaks(facts: Facts, found: Judged) -> Check | None:
    """Equal pictures on both sides."""
    audit = facts.audit
    if "leaks" not in audit:
        return None
    leaks, twins = len(audit.get("leaks") or []), len(audit.get("duplicates") or [])
    if leaks:
        text = f"The given splits share {plural(leaks, 'picture', 'pictures')}: the copies were left out of training, "
        return Check(CAREFUL, escape(text + "so that the score does not count what was learnt by heart."))
    kept = f"; {plural(twins, 'group', 'groups')} of equal pictures stayed on one side" if twins else ""
    return Check(GOOD, escape(f"No {found.words} picture has the same pixels as a training one{kept}."))


def _worth(facts: Facts, found: Judged) -> Check | None:
    """What a leak would have added, where it was asked: the score itself has none that is known."""
    told = facts.metrics.get("leak")
    if not isinstance(told, dict) or not told.get("words"):
        return None
    measured = leak_section(facts) is not None
    more = [" ", tag("a", "With and without it", href="#leak"), "."] if measured else []
    level = CAREFUL if told.get("unmeasured") and not measured else GOOD
    return Check(level, join([prose(str(told["words"])), *more]))


def _near(facts: Facts, found: Judged) -> Check | None:
    if "near_duplicates_checked" not in facts.audit:
        return None
    if not facts.audit["near_duplicates_checked"]:
        text = "Near-duplicates (recompressed, resized or cropped copies) were not looked for."
        return Check(CAREFUL, escape(text))
    count, parted = len(facts.audit.get("near_duplicates") or []), facts.audit.get("near_pairs_parted") or 0
    if parted:
        words = plural(parted, "pair of near-duplicates", "pairs of near-duplicates")
        text = f"{words} may stand on both sides of the split, since their group would have grown too large."
        return Check(CAREFUL, escape(text))
    text = f"Near-duplicates were looked for: {plural(count, 'group was', 'groups were')} found"
    return Check(GOOD, escape(text + (", and each is on one side of the split." if count else ".")))


def _groups(facts: Facts, found: Judged) -> Check | None:
    if not facts.split:
        return None
    groups = {row.get("group") for row in facts.split if row.get("group")}
    if not groups:
        text = "No groups are known: where several pictures are of one object or person, the score is too high "
        return Check(CAREFUL, join([text, "for new ones. ", tag("code", "--group"), " keeps them together."]))
    kept = plural(len(groups), "group of pictures was", "groups of pictures were")
    return Check(GOOD, escape(f"{kept} kept whole, each on one side."))


def _other_gaps(facts: Facts, found: Judged) -> Check | None:
    """What else the Run says it could not check; groups and near-duplicates have checks of their own."""
    told = [str(text) for text in facts.metrics.get("not_checked") or []]
    others = [text for text in told if not any(part in text for part in _ELSEWHERE)]
    if found.key == "test":  # what validation decided leaves the test as it is
        others = [text for text in others if not any(part in text for part in _OF_VALIDATION)]
    if not others:
        return None
    words = plural(len(others), "more thing", "more things")
    return Check(CAREFUL, join([f"{words} could not be checked: ", tag("a", "what", href="#unchecked"), "."]))


def _damage(facts: Facts, found: Judged) -> Check | None:
    count, quarantined = facts.audit.get("samples"), facts.audit.get("quarantined")
    if not isinstance(count, int) or not isinstance(quarantined, list) or not count:
        return None
    if not quarantined:
        return Check(GOOD, escape(f"All of {shown(count)} pictures could be read."))
    share = len(quarantined) / count
    text = f"{shown(len(quarantined))} of {shown(count)} pictures ({100 * share:.2g} %) are damaged and were left out."
    return Check(CAREFUL if share > DAMAGED else GOOD, escape(text))


def _conflicts(facts: Facts, found: Judged) -> Check | None:
    """Equal pictures with different targets: somebody is wrong about them, and perhaps about others."""
    count = len(facts.audit.get("conflicts") or [])
    if not count:
        return None
    text = f"{plural(count, 'group of equal pictures has', 'groups of equal pictures have')} different targets: "
    return Check(CAREFUL, escape(text + "some labels are wrong, in the test too perhaps."))


def _small_classes(facts: Facts, found: Judged) -> Check | None:
    counts = supports(facts, found.key, "pictures" if facts.task == "segment" else "support")
    if not counts:
        return None
    what = "things" if facts.task == "detect" else "pictures"
    few = sorted((name for name, count in counts.items() if count < FEW), key=lambda name: (counts[name], name))
    if not few:
        least = min(counts.items(), key=lambda one: one[1])
        text = f"Every class has at least {shown(least[1])} {found.words} {what}."
        return Check(GOOD, escape(text))
    listed = some([f"{name} ({counts[name]})" for name in few])
    text = f"{plural(len(few), 'class has', 'classes have')} fewer than {FEW} {found.words} {what}: {listed}. "
    return Check(CAREFUL, escape(text + "Their own figures hang on one or two of them."))


def _calibration(facts: Facts, found: Judged) -> Check | None:
    value = found.value("calibration_error")
    if value is None:
        return None
    level = GOOD if value <= MISCALIBRATED else CAREFUL
    says = "can be taken at their word" if level == GOOD else "are not to be taken at their word"
    bounds = interval_bounds(found.scores.get("calibration_error_interval"))
    spread = [" (", number(bounds[0]), " to ", number(bounds[1]), ")"] if bounds is not None else []
    return Check(level, join([f"Its confidences {says}: {label('calibration_error')} ", number(value), *spread, "."]))


def _labels(facts: Facts, found: Judged) -> Check | None:
    """What the diagnosis says of labels and validation; what it says of training limits the network, not its score."""
    findings: Any = facts.diagnosis.get("findings")
    if not isinstance(findings, list):
        return None
    names = [str(one.get("name")) for one in findings if isinstance(one, dict)]
    told = [name for name in names if "label" in name or "validation" in name]
    if not told:
        return Check(
            GOOD, escape("The diagnosis found no noise in the labels and no validation too small to choose by.")
        )
    return Check(
        CAREFUL, join([f"The diagnosis found: {some(told)}. ", tag("a", "What and why", href="#diagnosis"), "."])
    )


_ELSEWHERE = ("No groups were given", "Near-duplicates", "pairs of near-duplicates", "pair of near-duplicates")
_OF_VALIDATION = ("temperature", "thresholds", "What is held possible")


def _decided(facts: Facts, leaf: str) -> Any:
    """A value of the plan."""
    decision = facts.decisions.get(leaf)
    return None if decision is None else decision.value


CHECKS: tuple[Callable[[Facts, Judged], Check | None], ...] = (
    _kept_out,
    _interval,
    _chance,
    _leaks,
    _worth,
    _near,
    _groups,
    _small_classes,
    _conflicts,
    _damage,
    _calibration,
    _labels,
    _other_gaps,
)
