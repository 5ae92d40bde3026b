"""The first thing seen: the figure that the Run is judged by with its interval; and every other metric in a table."""

from __future__ import annotations

from typing import Any

from striate.report.charts import interval_bar
from striate.report.facts import Facts
from striate.report.html import Html, join, label, number, tag
from striate.report.judged import interval_bounds
from striate.report.sections.answer import answer
from striate.report.tables import Column, missing, table

MEANINGS = {
    "accuracy": "share of pictures whose likeliest class is the right one",
    "top5_accuracy": "share of pictures whose right class is among the five likeliest",
    "subset_accuracy": "share of pictures with exactly the right set of classes",
    "macro_precision": "of what is called a class, the share that is; mean over classes",
    "macro_recall": "of what is a class, the share that is found; mean over classes",
    "macro_f1": "harmonic mean of precision and recall; mean over classes",
    "micro_f1": "harmonic mean of precision and recall, all classes counted together",
    "balanced_accuracy": "share that is decided rightly, each class counting the same",
    "roc_auc": "how often a picture of a class is given more of it than another picture; mean over classes",
    "micro_roc_auc": "how often a class that a picture has is given more than one that it has not",
    "average_precision": "area under the precision-recall curve of a class; mean over classes",
    "micro_average_precision": "area under the precision-recall curve of all classes at once",
    "matthews": "correlation of what is decided with what is true; 0 is chance",
    "kappa": "agreement beyond what chance would give; 0 is chance",
    "brier": "half the squared distance of the probabilities from the truth; lower is better",
    "calibration_error": "how far confidence is from how often it is right, in 15 bins; lower is better",
    "log_loss": "mean of −log of the probability given to the right class; lower is better",
    "expected_cost": "mean cost of what was decided, by the costs of mistakes that were given; lower is better",
    "mean_iou": "of the pixels that are a class or called so, the share that is both; mean over classes",
    "dice": "twice the pixels that are a class and called so, over those of both; of two classes of the second",
    "pixel_accuracy": "share of the pixels whose class is the right one",
    "boundary_f1": "precision and recall of outlines, within 0.75 % of the diagonal; mean over pictures",
    "hausdorff95": "distance in pixels that 95 % of outlines are within; mean over pictures; lower is better",
    "map": "average precision over overlaps of 0.5 to 0.95, as COCO has it; mean over classes",
    "map50": "average precision where a box counts from an overlap of one half on; mean over classes",
    "map75": "average precision where a box counts from an overlap of 0.75 on; mean over classes",
    "map_small": "mAP of things of at most 32 × 32 px of their picture",
    "map_medium": "mAP of things of 32 × 32 to 96 × 96 px of their picture",
    "map_large": "mAP of things of at least 96 × 96 px of their picture",
    "mar100": "share of things that 100 boxes a picture find, over overlaps of 0.5 to 0.95; mean over classes",
    "loss": "the training loss, on these pictures; lower is better",
    "mae": "mean distance from the true value, in its unit; lower is better",
    "rmse": "root of the mean squared distance; large misses weigh more; lower is better",
    "median_absolute_error": "the distance from the true value that half of the pictures exceed; lower is better",
    "explained_variance": "share of the variance explained, a constant error forgiven",
    "spearman": "correlation of the order of predictions with that of true values",
    "pinball": "mean of q × what falls short and (1 − q) × what exceeds, q being {share}; lower is better",
    "r2": "share of the variance explained; 1 is perfect, 0 is the mean's guess",
}
_UNIT_SCALE = ("accuracy", "f1", "iou", "dice", "precision", "recall", "r2", "auc", "map", "map50", "map75")
_SPLITS = (("val", "validation"), ("test", "test"))


def headline(facts: Facts) -> Html:
    """The headline figure of each split, and what it means in plain words."""
    if not facts.metrics:
        reason = facts.missing.get("metrics.json", "it is empty")
        return missing(f"There are no scores: metrics.json cannot be shown ({reason}). The Run may not have finished.")
    counts = _object(facts.metrics.get("split"))
    shown = [one for one in reversed(_SPLITS) if not facts.folds or facts.metrics.get(one[0])]  # folds may test all
    cards = [_card(facts, key, words, counts.get(key)) for key, words in shown]
    return join([tag("div", *cards, class_="cards"), answer(facts)])


def _card(facts: Facts, key: str, words: str, count: Any) -> Html | None:
    scores, name = _object(facts.metrics.get(key)), facts.headline
    value = scores.get(name)
    if not isinstance(value, int | float):
        reason = "the data has no such split" if not scores else f"it records no {label(name) or 'headline metric'}"
        return tag(
            "div", tag("p", f"{words}", class_="kicker"), missing(f"No {words} score: {reason}."), class_="card score"
        )
    pictures = (
        join([" on ", number(count), f" {words} pictures"]) if isinstance(count, int) else f" on the {words} split"
    )
    note = _by_folds(facts, key) if facts.folds else _kept_out(facts) if key == "test" else _used(facts)
    return tag(
        "div",
        tag("p", label(name), pictures, class_="kicker"),
        tag("p", number(value), class_="figure"),
        _interval(name, value, scores.get(f"{name}_interval"), scores.get("groups")),
        tag("p", note, class_="note"),
        class_=f"card score {key}",
    )


def _by_folds(facts: Facts, key: str) -> str:
    """How the figure of a Run of folds came about."""
    count = facts.folds.get("count")
    if facts.folds.get("held_out") != key:
        return f"kept out of training and of every choice, scored once, by the mean of {count} networks"
    each = f"each scored by the one of {count} networks that was not trained on it"
    return each if key == "test" else f"{each}, but whose epoch it chose, so a little optimistic"


def _kept_out(facts: Facts) -> str:
    times = facts.metrics.get("scored")
    if isinstance(times, int) and times > 1:
        return f"kept out of training, but scored {times} times: the Run was extended after it was scored"
    return "kept out of training and of every choice, scored once"


def _used(facts: Facts) -> str:
    if _object(facts.metrics.get("training")).get("refitted"):
        return "by the head that was chosen on these pictures, before it was fitted to them too"
    return "used to choose the best epoch, so a little optimistic"


def _interval(name: str, value: float, interval: Any, groups: Any) -> Html:
    bounds = interval_bounds(interval)
    if bounds is None:
        return tag("p", "no interval was recorded", class_="note")
    low, high = bounds
    over = [" over ", number(groups), " groups"] if isinstance(groups, int) else []
    words = tag("p", "95 % interval ", number(low), " to ", number(high), *over, class_="note strong")
    if name.endswith(_UNIT_SCALE) and 0 <= low <= high <= 1:
        return join([interval_bar(value, low, high, 0, 1), words])
    return words


def all_metrics(facts: Facts) -> Html | None:
    """Every metric of each split; None where nothing was scored, which the headline says."""
    if not facts.metrics:
        return None
    scored = [(key, words, found) for key, words in _SPLITS if (found := _object(facts.metrics.get(key)))]
    names = list(
        dict.fromkeys(
            name
            for _, _, found in scored
            for name, value in found.items()
            if name not in ("samples", "groups")
            and not name.endswith("_interval")
            and (value is None or isinstance(value, int | float))
        )
    )
    names.sort(key=lambda name: name != facts.headline)
    columns = [Column("metric", "name"), *(Column(words, "number") for _, words, _ in reversed(scored))]
    rows = [
        [label(name), *(_cell(found, name) for _, _, found in reversed(scored)), _meaning(name, facts)]
        for name in names
    ]
    return table("All metrics, with 95 % intervals where recorded", [*columns, Column("what it is", "about")], rows)


def _meaning(name: str, facts: Facts) -> str:
    """What a metric is, in a sentence; of a quantile with its share."""
    options = facts.decisions.get("loss.options")
    share = None if options is None else _object(options.value).get("share")
    return MEANINGS.get(name, "").format(share="the ½ of the loss's own default" if share is None else share)


def _cell(found: dict[str, Any], name: str) -> Html:
    bounds = interval_bounds(found.get(f"{name}_interval"))
    if bounds is None:
        return number(found.get(name))
    spread = tag("small", number(bounds[0]), " – ", number(bounds[1]))
    return join([number(found.get(name)), spread], " ")


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
