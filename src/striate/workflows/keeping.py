"""Before a training, where it is asked for: what a small probe finds not to keep the class is dropped."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from striate.core.errors import PlanError
from striate.core.events import Reporter
from striate.core.plan import Decision, Plan
from striate.data.augment import ASIDE, AUGMENTATIONS, Augmenter, ImageAugmentation, centre, switched_off, switched_on
from striate.plan.rules.augment import ProbedAugmentation, weaker
from striate.plan.rules.views import views_after
from striate.train.class_check import VIEWS, ClassProbe, Features, Known, frozen_features
from striate.train.patches import Patches, looked_at
from striate.workflows.augmenting import strengthened
from striate.workflows.materials import Materials
from striate.workflows.sheet import even_places

TAUGHT, ASKED = 2000, 1000
"""Samples at most, spread evenly, that the probe is fitted to, and that it is asked for."""
SHARE = 0.15
"""Of the time that is left, which the check may take."""
LEAST = 100
"""Samples that the probe is asked for, below which it could tell too little to be worth the time."""
TIMED = 32
"""Samples whose features are timed."""


@dataclass
class Outcome:
    """What became of each augmentation: by setting, or its name alone."""

    dropped: dict[str, Decision] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)

    @property
    def words(self) -> str:
        """All of it in a line."""
        words = f"checked: {', '.join(self.dropped) or 'nothing'} dropped, {', '.join(self.kept) or 'nothing'} kept"
        words += f", {', '.join(self.warned)} left though warned of" if self.warned else ""
        return words + (f"; for want of time not checked: {', '.join(self.unchecked)}" if self.unchecked else "")


def keeping_classes(materials: Materials, reporter: Reporter, seconds: float | None = None) -> Materials:
    """The same with what does not keep the class off in its plan, where `augment.check` asks for that.

    What the user has set stays, with a warning. The check is then off too, so that the plan is trained again as it is.

    Args:
        seconds: left for the training, of which the check takes no more than its share; None without a budget.

    Raises:
        PlanError: nothing can be checked: no classes, or no validation samples.
    """
    plan = materials.plan
    if not plan["augment.check"]:
        return materials
    if plan["task.kind"] != "classify" or "val" not in materials.pictures:
        why = "there are no validation samples" if plan["task.kind"] == "classify" else f"not {plan['task.kind']}"
        raise PlanError(
            f"augment.check asks a probe for the classes of validation samples: {why}",
            fix="leave augment.check out",
        )
    reporter.stage("checking augmentation")
    until = None if seconds is None else time.monotonic() + SHARE * max(0.0, seconds)
    settings, outcome = list(_settings(plan)), Outcome()
    probe = _probe(materials, len(settings), until)
    for setting, value, others in settings:
        if probe is None or (until is not None and time.monotonic() > until):
            outcome.unchecked.append(setting)
            continue
        _check(materials, probe, setting, value, others, outcome, reporter)
    if outcome.unchecked:
        reporter.warn(
            f"augment.check may take {SHARE:.0%} of the time that is left: not checked, and left as they are: "
            f"{', '.join(outcome.unchecked)}; give more --minutes, or --epochs in their place"
        )
    changed = replace(materials.prepared, plan=_without(plan, outcome, reporter))
    return replace(materials, prepared=changed)


def _check(
    materials: Materials,
    probe: ClassProbe,
    setting: str,
    value: Any,
    others: Mapping[str, Any],
    outcome: Outcome,
    reporter: Reporter,
) -> None:
    """Ask the probe for a setting, and add what becomes of it."""
    found, left = _judged(materials, probe, setting, value, others)
    if left == value:
        outcome.kept.append(setting)
    elif materials.plan.decisions[f"augment.{setting}"].by == "user":
        outcome.warned.append(setting)
        strong = f" ({_words(others)} for samples of small classes)" if setting == "minority" else ""
        reporter.warn(f"augment.{setting}={value}{strong} may not keep the class, and is yours to decide: {found}")
    else:
        instead = f"{left} in place of {value}" if left != _off(setting) else "off"
        outcome.dropped[setting] = Decision(left, f"{instead}: {value} does not keep the class: {found}", "measured")
        reporter.line(f"augment.{setting}: {outcome.dropped[setting].because}")
        if setting == "policy":
            outcome.dropped["policy_options"] = Decision({}, "of no policy", "measured")


def _words(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())


def _off(setting: str) -> Any:
    """The value at which a setting alters nothing."""
    return {"minority": 1.0, "function": None}[setting] if setting in ASIDE else switched_off(setting)


def _without(plan: Plan, outcome: Outcome, reporter: Reporter) -> Plan:
    checked = Decision(False, outcome.words, "measured")
    found = plan.replace(augment={**outcome.dropped, "check": checked})
    factor = float(found["augment.minority"])
    if outcome.dropped and factor != 1 and not strengthened(found.section("augment"), factor):
        because = f"off: nothing is left on that {factor:g} would strengthen"
        reporter.warn(f"augment.minority={factor:g} is {because}")
        found = found.replace(augment={"minority": Decision(1.0, because, "measured")})
    if "flip" in outcome.dropped and found.decisions["predict.views"].by != "user":
        found = found.replace(predict={"views": Decision(*views_after(found["augment.flip"]), "measured")})
    return found


def _settings(plan: Plan) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """What is on and alters single pictures: setting, value, and the settings that it is asked with.

    A factor for small classes is asked with what it makes of the other settings.
    """
    on = switched_on(plan.section("augment"))
    single = {name for _, one in AUGMENTATIONS.items() if isinstance(one, ImageAugmentation) for name in one.settings}
    single |= {"function"}
    for setting, value in on.items():
        if setting in single - {"policy_options"}:
            yield setting, value, {"policy_options": plan["augment.policy_options"]} if setting == "policy" else {}
    strong = strengthened(plan.section("augment"), float(plan["augment.minority"]))
    if strong:
        yield "minority", plan["augment.minority"], strong


def _judged(
    materials: Materials, probe: ClassProbe, setting: str, value: Any, others: Mapping[str, Any]
) -> tuple[ProbedAugmentation, Any]:
    """What the probe finds of a value, and the value that keeps the class: it, a weaker one, or that which is off."""
    first: ProbedAugmentation | None = None
    trying = value
    while trying is not None:
        augmenter = Augmenter({setting: trying, **others}, materials.plan["train.seed"], materials.shape[1:])
        found = probe.under(augmenter)
        first = first or found
        if found.keeps_class:
            return first, trying
        trying = weaker(setting, trying)
    assert first is not None
    return first, _off(setting)


def _probe(materials: Materials, settings: int, until: float | None) -> ClassProbe | None:
    """The probe, of fewer samples where all would take too long; None where too few would be left."""
    features, taught, asked = _features(materials), materials.count("train"), materials.count("val")
    taught, asked = min(TAUGHT, taught), min(ASKED, asked)
    if until is not None:
        pictures = (taught + asked) + settings * (taught + VIEWS * asked)
        each = _seconds(materials, features)
        share = min(1.0, (until - time.monotonic()) / (each * pictures))
        if share < 1 and share * asked < LEAST:
            return None
        taught, asked = int(share * taught), int(share * asked)
    train, held_out = _known(materials, "train", taught), _known(materials, "val", asked)
    classes = len(materials.prepared.dataset.target_names)
    return ClassProbe(features, train, held_out, materials.shape[1:], classes)


def _seconds(materials: Materials, features: Features) -> float:
    """What the features of a picture take."""
    pictures = materials.pictures["train"]
    shown = centre(pictures.batch(even_places(len(pictures), TIMED)), materials.shape[1:])
    started = time.monotonic()
    features(shown)
    return max(1e-9, time.monotonic() - started) / len(shown)


def _known(materials: Materials, part: str, most: int) -> Known:
    places = even_places(materials.count(part), most)
    units = materials.units(part)
    labels = materials.targets[part].argmax(1).numpy()
    return Known(materials.pictures[part], places, labels[places], units[places])


def _features(materials: Materials) -> Features:
    """Of the pretrained network where there are weights, else of patches of the pictures."""
    if materials.prepared.weights is not None:
        network, device = materials.networks()["network"], torch.device(materials.plan["execution.device"])
        return frozen_features(network, materials.normalize, materials.shape, device)
    pictures = materials.pictures["train"]
    shown = centre(pictures.batch(looked_at(len(pictures))), materials.shape[1:])
    return Patches(shown, materials.plan["train.seed"])
