"""The optimizer, its rate and what holds it back."""

import math

from striate.core.plan import AUTO, Plan
from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule
from striate.plan.rules.batch import planned_size, usual_size

BATCH_OF_REFERENCE = 128
USUAL_RATES = {"sgd": 0.1, "adagrad": 1e-2, "rmsprop": 1e-3, "lion": 3e-4}
"""From scratch; of all others 2e-3. Pretrained weights take half of it, of SGD a tenth."""
RATE_OF_CIFARNET = 0.2  # on 40,000 training pictures of CIFAR-10, validated on the other 10,000

DECOUPLED = {"adamw": 0.05, "nadam": 0.05, "muon": 0.05, "lion": 0.3}
"""Optimizers that shrink weights by themselves, and by how much; Lion's rate is a fraction of the others'."""
_UNMEASURED = "off: what it is worth here was not measured"
OFF: Decisions = {
    "optimizer.options": ({}, "the optimizer's own defaults"),
    "optimizer.clip_value": (0.0, _UNMEASURED),
    "optimizer.adaptive_clip": (0.0, _UNMEASURED),
    "optimizer.l1": (0.0, _UNMEASURED),
    "optimizer.sam": (0.0, "off: it takes twice the time a step"),
    "optimizer.lookahead": (0, _UNMEASURED),
    "optimizer.lookahead_share": (0.5, "the paper's"),
}
"""What stays off unless it is set."""


PATCH_COUNTS = 64
"""Samples as which a patch counts where pixels have classes, each of them an answer: on made shapes of 64 px, four a
step, a U-Net from 8 channels on came to a mean IoU of 0.86 in 24 epochs by a rate of 0.002, and to 0.98 by 0.008."""

THING_COUNTS = 16
"""Samples as which a picture counts in which things are looked for: it has many, each of them an answer."""


@rule(
    "optimizer",
    {
        "optimizer.name": Leaf(str, "the optimizer", package="striate.train.optimizers"),
        "optimizer.rate": Leaf(float, "peak learning rate", low=0, measured=True),
        "optimizer.momentum": Leaf(float, "momentum, or AdamW's first decay", low=0, high=0.9999),
        "optimizer.weight_decay": Leaf(float, "decay of weights, not of norms and biases", low=0),
        "optimizer.options": Leaf(dict, "further options of the optimizer, such as {beta2: 0.98}"),
        "optimizer.clip": Leaf(float, "largest norm of the gradient; 0 is off", low=0),
        "optimizer.clip_value": Leaf(float, "largest size of each number of the gradient; 0 is off", low=0),
        "optimizer.adaptive_clip": Leaf(
            float, "largest norm of a unit's gradient, as a share of its weights'; 0 is off", low=0
        ),
        "optimizer.l1": Leaf(float, "weight of the sum of absolute weights in the loss", low=0),
        "optimizer.sam": Leaf(float, "radius in which the worst loss is lowered; 0 is off", low=0),
        "optimizer.lookahead": Leaf(int, "fast steps between two slow ones; 0 is off", low=0),
        "optimizer.lookahead_share": Leaf(float, "how far the slow weights follow", low=0.01, high=1),
    },
)
def optimizer(context: Context) -> Decisions:
    tuned, mine = context["network.weights"] is not None, context.overrides.get("optimizer.name")
    if tuned or not context.one_answer or context["task.kind"] == "regress":
        scales = {"segment": "the maps of a network that comes back to full size", "detect": "body, pyramid and head"}
        why = "pretrained layers" if tuned else scales.get(context["task.kind"], "targets")
        why = f"{why} differ in scale"
        return {
            "optimizer.name": ("adamw", f"{why}, and it steps each weight by its own"),
            "optimizer.rate": _gentle_rate(context) if tuned else (AUTO, "a short range test decides"),
            "optimizer.momentum": (0.9, "the usual"),
            "optimizer.weight_decay": _decay("adamw" if mine is None else str(mine.value)),
            "optimizer.clip": (1.0, "keeps the first batches from tearing the weights"),
            **OFF,
        }
    rate: tuple[float | str, str] = (AUTO, "a short range test decides")
    if context["network.name"] == "cifarnet" and (mine is None or mine.value == "sgd"):
        rate = (
            round(RATE_OF_CIFARNET * (planned_size(context) / BATCH_OF_REFERENCE) ** 0.5, 4),
            f"every convolution is normalised, so its rate is known: {RATE_OF_CIFARNET} at a batch of "
            f"{BATCH_OF_REFERENCE}, by the square root of {planned_size(context)}",
        )
    return {
        "optimizer.name": ("sgd", "with Nesterov's momentum: the best final score from scratch on convolutions"),
        "optimizer.rate": rate,
        "optimizer.momentum": (0.9, "the usual"),
        "optimizer.weight_decay": _decay("sgd" if mine is None else str(mine.value)),
        "optimizer.clip": (5.0, "a rare large gradient is cut; ordinary ones pass"),
        **OFF,
    }


def _decay(name: str) -> tuple[float, str]:
    """The usual weight decay of an optimizer."""
    if name in DECOUPLED:
        return DECOUPLED[name], f"decoupled, the usual for {name}"
    return 5e-4, "the usual, added to the gradient"


def _gentle_rate(context: Context) -> tuple[float | str, str]:
    """A fifth of the usual for few samples of classes: the fitted head leaves the features little to learn from them.

    Of 245 pictures of ants and bees, 49 of them for validation, the usual rate left the accuracy 2 points below that of
    the fitted head on three splits, and up to 8 in between; a fifth of it, tried on two, kept it.
    """
    count, mine = len(context.train_samples), context.overrides.get("optimizer.name")
    other = mine is not None and mine.value != "adamw"
    if not context.scarce or other or context["task.kind"] == "regress" or not context["transfer.probe"]:
        return AUTO, "a short range test decides"
    usual = default_rate("adamw", planned_size(context), tuned=True)
    return (
        float(f"{usual / 5:.3g}"),
        f"a fifth of the usual {usual:.2g}: {count} samples, which the fitted head explains already, teach the layers "
        "below little, and large steps tear them",
    )


def default_rate(name: str, batch_size: int, tuned: bool) -> float:
    """The rate that the range test starts from and stays near; it grows with the square root of the batch."""
    reference = USUAL_RATES.get(name, 2e-3) * ((0.1 if name == "sgd" else 0.5) if tuned else 1.0)
    return float(reference * (batch_size / BATCH_OF_REFERENCE) ** 0.5)


def rate_power(name: str) -> tuple[float, str]:
    """The power of the batch by which a rate grows up to the noise scale, and the words for it.

    Linear for SGD (Goyal et al. 2017, "Accurate, large minibatch SGD", section 2.1), whose step is the gradient's mean;
    the square root for those that divide it by its size (Malladi et al. 2022, "On the SDEs and scaling rules for
    adaptive gradient algorithms", section 5). `default_rate` grows more slowly for SGD: it holds beyond that scale too.
    """
    if name == "sgd":
        return 1.0, "linearly, as for SGD"
    return 0.5, f"by its square root, as for {name} and all that divide the gradient by its size"


def usual_rate(plan: Plan, batch_size: int, count: int) -> float:
    """The usual rate of a plan whose batch is known: where noise chose that, scaled from the batch it was measured by.

    Args:
        batch_size: samples a step.
        count: training samples.
    """
    name, tuned = plan["optimizer.name"], plan["network.weights"] is not None
    answers = PATCH_COUNTS if plan["input.sizing"] == "patch" else 1
    answers *= THING_COUNTS if plan["task.kind"] == "detect" else 1
    if plan.decisions["batch.size"].by != "measured":
        return default_rate(name, answers * batch_size, tuned=tuned)
    start = min(count, usual_size(count, tuned=tuned))
    return default_rate(name, answers * start, tuned=tuned) * float((batch_size / start) ** rate_power(name)[0])


def chosen_rate(curve: list[tuple[float, float]], usual: float) -> tuple[float, str]:
    """The rate that a range test's curve points to (Smith 2017, section 3.3), kept within a factor 2 of the usual.

    Args:
        curve: (rate, smoothed loss) with rising rates.
        usual: the rate that experience would take.

    Returns:
        the rate and the because.
    """
    finite = [(rate, loss) for rate, loss in curve if math.isfinite(loss)]
    if len(finite) < 20:
        return usual, f"the range test had time for {len(finite)} steps, too few to read, so the usual"
    low, middle, high = valley(finite)
    rate = min(max(middle, usual / 2), usual * 2)
    because = (
        f"the loss did half of its fall (to {min(loss for _, loss in finite):.3f}) at rates from {low:.2g} to "
        f"{high:.2g}; their middle, {middle:.2g}, is taken"
    )
    if rate != middle:
        because += f", kept within a factor 2 of the usual {usual:.2g}"
    return float(f"{rate:.3g}"), because


def valley(curve: list[tuple[float, float]]) -> tuple[float, float, float]:
    """The lowest rate, the geometric mean and the highest rate of those at which the loss has done half of its fall.

    It lies below the place of the lowest loss, which is no rate to train with and hangs on a few batches: over nine
    seeds on digits that spread by 2.2 to 4.0 times (residual network and LeNet-5, SGD and AdamW), this by 1.2 to 2.2.

    >>> valley([(0.001, 2.0), (0.01, 1.2), (0.1, 1.0), (1.0, 3.0)])
    (0.01, 0.0316227766016838, 0.1)
    """
    lowest = min(range(len(curve)), key=lambda place: curve[place][1])
    start, least = max(loss for _, loss in curve[: lowest + 1]), curve[lowest][1]
    inside = [rate for rate, loss in curve if loss <= (start + least) / 2]
    return inside[0], math.exp(sum(map(math.log, inside)) / len(inside)), inside[-1]
