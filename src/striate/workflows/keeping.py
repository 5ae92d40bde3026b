"""Before a training, where it is asked for: what a small probe finds not to keep the class is dropped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from striate.core.errors import PlanError
from striate.core.events import Reporter
from striate.core.plan import Decision, Plan
from striate.data.augment import AUGMENTATIONS, Augmenter, BatchAugmentation, centre, switched_off, switched_on
from striate.evaluate import units_of
from striate.plan.rules.augment import Probed, weaker
from striate.plan.rules.views import views_after
from striate.train.class_check import ClassProbe, Features, Known, frozen_features
from striate.train.patches import Patches, looked_at
from striate.workflows.materials import Materials
from striate.workflows.sheet import spread

TAUGHT, ASKED = 2000, 1000
"""Samples at most, spread evenly, that the probe is fitted to, and that it is asked for."""


def keeping_classes(materials: Materials, reporter: Reporter) -> Materials:
    """The same with what does not keep the class off in its plan, where `augment.check` asks for that.

    What the user has set stays, with a warning. The check is then off too, so that the plan is trained again as it is.

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
    probe = _probe(materials)
    dropped: dict[str, Decision] = {}
    kept: list[str] = []
    warned: list[str] = []
    for setting, value, others in _settings(plan):
        decision = plan.decisions[f"augment.{setting}"]
        found, left = _judged(materials, probe, setting, value, others)
        if left == value:
            kept.append(setting)
        elif decision.by == "user":
            warned.append(setting)
            reporter.warn(f"augment.{setting}={value} may not keep the class, and is yours to decide: {found}")
        else:
            instead = f"{left} in place of {value}" if left != switched_off(setting) else "off"
            dropped[setting] = Decision(left, f"{instead}: {value} does not keep the class: {found}", "measured")
            reporter.line(f"augment.{setting}: {dropped[setting].because}")
            if setting == "policy":
                dropped["policy_options"] = Decision({}, "of no policy", "measured")
    changed = replace(materials.prepared, plan=_without(plan, dropped, kept, warned))
    return replace(materials, prepared=changed)


def _without(plan: Plan, dropped: Mapping[str, Decision], kept: Sequence[str], warned: Sequence[str]) -> Plan:
    words = f"checked: {', '.join(dropped) or 'nothing'} dropped, {', '.join(kept) or 'nothing'} kept"
    words += f", {', '.join(warned)} left though warned of" if warned else ""
    plan = plan.replace(augment={**dropped, "check": Decision(False, words, "measured")})
    if "flip" in dropped and plan.decisions["predict.views"].by != "user":
        plan = plan.replace(predict={"views": Decision(*views_after(plan["augment.flip"]), "measured")})
    return plan


def _settings(plan: Plan) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """What is on and alters single pictures: setting, value, and the settings that go with it."""
    on = switched_on(plan.section("augment"))
    mixing = {name for _, one in AUGMENTATIONS.items() if isinstance(one, BatchAugmentation) for name in one.settings}
    for setting, value in on.items():
        if setting not in {*mixing, "policy_options", "function"}:
            yield setting, value, {"policy_options": plan["augment.policy_options"]} if setting == "policy" else {}


def _judged(
    materials: Materials, probe: ClassProbe, setting: str, value: Any, others: Mapping[str, Any]
) -> tuple[Probed, Any]:
    """What the probe finds of a value, and the value that keeps the class: it, a weaker one, or that which is off."""
    first: Probed | None = None
    trying = value
    while trying is not None:
        augmenter = Augmenter({setting: trying, **others}, materials.plan["train.seed"], materials.shape[1:])
        found = probe.under(augmenter)
        first = first or found
        if found.keeps_class:
            return first, trying
        trying = weaker(setting, trying)
    assert first is not None
    return first, switched_off(setting)


def _probe(materials: Materials) -> ClassProbe:
    train, held_out = _known(materials, "train", TAUGHT), _known(materials, "val", ASKED)
    classes = len(materials.prepared.dataset.target_names)
    return ClassProbe(_features(materials), train, held_out, materials.shape[1:], classes)


def _known(materials: Materials, part: str, most: int) -> Known:
    places = spread(materials.count(part), most)
    units = units_of([sample.group for sample in materials.samples[part]])
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
