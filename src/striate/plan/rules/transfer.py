"""Fine-tuning: the head first on frozen features, then the whole with smaller rates below."""

import torch
from torch import nn

from striate.nets import build, head_name, read_base
from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule
from striate.plan.rules.batch import planned_size

NEW_LAYERS = "the weights are of the network before its edits: layers that are new must learn from the start"


@rule(
    "transfer",
    {
        "transfer.probe": Leaf(bool, "fit the head on frozen features, computed once, before training"),
        "transfer.probe_views": Leaf(bool, "fit it on every view that predictions average, not on the pictures alone"),
        "transfer.probe_folds": Leaf(
            bool, "choose its penalty by five parts of the training samples, not by the validation samples"
        ),
        "transfer.frozen_epochs": Leaf(int, "epochs in which only the head learns", low=0),
        "transfer.unfreeze_epochs": Leaf(
            int, "epochs after which one more group of depth learns, from the head down; 0: all learn at once", low=0
        ),
        "transfer.head_rate": Leaf(float, "rate of the head alone, while the rest is frozen", low=0),
        "transfer.stem_rate": Leaf(float, "factor on the rate at the stem, geometric up to the head", low=0, high=1),
        "transfer.kept_share": Leaf(float, "share of the depth, from the stem on, that never learns", low=0, high=1),
        "transfer.l2_sp": Leaf(float, "pull of the weights of the body towards those they began with", low=0),
        "transfer.margin": Leaf(
            float, "standard errors by which training must beat the fitted head, in a share", low=0, high=5
        ),
        "transfer.refit": Leaf(
            bool, "where no epoch beat the fitted head, fit it once more, on training and validation samples together"
        ),
        "transfer.frozen_norms": Leaf(bool, "keep batch norms at the statistics that the weights came with"),
        "transfer.forgetting": Leaf(bool, "measure after training how much of the weights' source is forgotten"),
    },
)
def transfer(context: Context) -> Decisions:
    if context["network.weights"] is None:
        because = "there are no weights to protect"
        return {
            "transfer.probe": (False, because),
            "transfer.probe_views": (False, because),
            "transfer.probe_folds": (False, because),
            "transfer.frozen_epochs": (0, because),
            "transfer.unfreeze_epochs": (0, because),
            "transfer.head_rate": (0.0, because),
            "transfer.stem_rate": (1.0, because),
            "transfer.kept_share": (0.0, because),
            "transfer.l2_sp": (0.0, because),
            "transfer.margin": (0.0, because),
            "transfer.refit": (False, because),
            "transfer.frozen_norms": (False, because),
            "transfer.forgetting": (False, "there are no weights to forget"),
        }
    count = len(context.train_samples)
    scarce = context.scarce
    mine = context.overrides.get("transfer.probe")
    edited = read_base(context["network.name"]) is not None
    flat = not edited and context.one_answer and _flat_head(context)
    fitted = flat and (mine is None or bool(mine.value))
    return {
        "transfer.probe": (
            flat,
            f"a new head would tear the features; fitting it to those of {count} samples costs a pass over them"
            if flat
            else NEW_LAYERS
            if edited
            else "the head is no dense layer on one vector a sample",
        ),
        "transfer.probe_views": _probe_views(context, fitted),
        "transfer.probe_folds": _probe_folds(context, fitted),
        "transfer.frozen_epochs": (
            (0, "the head is fitted on frozen features already")
            if fitted
            else (0, NEW_LAYERS)
            if edited
            else (0, "a pyramid and its towers are most of a detector, and learn little from features that stand still")
            if context.finds
            else (4 if scarce else 1, f"a new head would tear the features; {count} samples an epoch")
        ),
        "transfer.unfreeze_epochs": (0, "off: what it is worth beside rates that fall with depth was not measured"),
        "transfer.head_rate": (3e-3, "three times AdamW's usual rate: a single layer on fixed features"),
        "transfer.stem_rate": (
            0.03 if scarce else 0.1,
            f"{count} samples: the stem's filters are general and should move " + ("least" if scarce else "less"),
        ),
        "transfer.l2_sp": (0.0, "off: what it is worth here was not measured"),
        "transfer.kept_share": (0.0, "every layer learns"),
        "transfer.margin": _margin(context, fitted),
        "transfer.refit": _refit(context, fitted),
        "transfer.forgetting": (False, "off: it changes nothing, and costs two passes over the validation samples"),
        "transfer.frozen_norms": (False, NEW_LAYERS)
        if edited
        else (
            True,
            f"statistics over a batch of {planned_size(context)} are rougher than those that the weights came with",
        ),
    }


def _probe_views(context: Context, fitted: bool) -> tuple[bool, str]:
    count = len(context.train_samples)
    if not fitted:
        return False, "no head is fitted alone"
    if context["predict.views"] == "single":
        return False, "predictions see one view of a picture"
    if context.scarce:
        return True, f"{count} samples are few, and every view is one more to learn from, for one more pass"
    return False, f"{count} samples are enough; each view would cost another pass"


def _probe_folds(context: Context, fitted: bool) -> tuple[bool, str]:
    if not fitted:
        return False, "no head is fitted alone"
    count, judges = len(context.train_samples), len(context.split.keys("val"))
    if context.scarce:
        return True, f"{judges} validation samples say less of the penalty than {count} that take turns"
    return False, f"{judges} validation samples choose the penalty, at the cost of one fit each"


def _margin(context: Context, fitted: bool) -> tuple[float, str]:
    if not fitted:
        return 0.0, "no head is fitted alone, so there is none to beat"
    if context["task.kind"] == "regress":
        return 0.0, "the error of a measure of values is not known from one figure, so any gain counts"
    return 1.0, "the best of many epochs beats the head alone by luck, the sooner the fewer samples validate"


def _refit(context: Context, fitted: bool) -> tuple[bool, str]:
    if not fitted:
        return False, "no head is fitted alone"
    count, more = len(context.train_samples), len(context.split.keys("val"))
    if not more:
        return False, "there are no validation samples"
    if context.scarce:
        return True, f"{count} samples are few, and the {more} that chose the head are then free to teach it"
    return False, f"{count} samples are enough; the validation figures stay those of the Model"


def _flat_head(context: Context) -> bool:
    with torch.device("meta"):
        network = build(context.network_spec())
    return isinstance(network.get_submodule(head_name(network)), nn.Linear)
