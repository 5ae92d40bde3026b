"""How it is computed: device, precision, layout, threads, workers."""

import itertools
from collections.abc import Mapping
from typing import NamedTuple, Protocol, TypeVar

from striate.core.plan import AUTO, Plan
from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule

CACHE_MOST = 20 * 10**9
DETOURS = "torch has no kernels for bfloat16 on this machine, and computes it far slower than float32"
WORTH = 1.05
"""How much faster another way must be than float32, the reference: less is within the noise."""


@rule(
    "execution",
    {
        "execution.device": Leaf(str, "where it is computed", names=("cpu", "cuda", "mps")),
        "execution.precision": Leaf(str, "arithmetic", names=("float32", "bfloat16"), measured=True),
        "execution.channels_last": Leaf(bool, "memory layout of pictures", measured=True),
        "execution.fold_norms": Leaf(bool, "norms of fixed statistics folded into convolutions", measured=True),
        "execution.graphed": Leaf(bool, "training passes replayed as CUDA graphs", measured=True),
        "execution.deterministic": Leaf(bool, "of cuDNN only kernels that give the same bits each time"),
        "execution.compile": Leaf(bool, "training steps compiled by torch"),
        "execution.threads": Leaf(int, "threads that compute", low=1),
        "execution.workers": Leaf(int, "processes that decode", low=0),
        "execution.pack_bytes": Leaf(int, "largest size of the decoded pictures kept in memory", low=0),
        "execution.cache_bytes": Leaf(int, "largest size of the decoded pictures kept on disk between runs", low=0),
    },
)
def execution(context: Context) -> Decisions:
    machine, chosen = context.machine, context.overrides.get("execution.device")
    timed = "a short timed trial decides"
    return {
        "execution.device": (machine.device, "what this machine has"),
        "execution.precision": (AUTO, timed) if machine.bfloat16 else ("float32", DETOURS),
        "execution.channels_last": (AUTO, timed),
        "execution.fold_norms": _folding(context, timed),
        "execution.graphed": _graphs(context, str(chosen.value if chosen else machine.device), timed),
        "execution.deterministic": (
            True,
            "two runs of a plan are equal to the bit; on a GPU, where no gradient goes through adaptive pooling to "
            "more than one place, resizing, or mirrored or repeated padding, for which torch takes other kernels",
        ),
        "execution.compile": (False, "compiling takes longer than a trial may, and gained nothing on processors"),
        "execution.threads": (machine.cores, f"{machine.cores} cores"),
        "execution.workers": (machine.processors or machine.cores, f"{machine.processors or machine.cores} processors"),
        "execution.pack_bytes": ((machine.host_bytes or machine.memory_bytes) // 4, "a quarter of the free memory"),
        "execution.cache_bytes": (
            min(CACHE_MOST, machine.disk_bytes // 10),
            f"a tenth of what is free on the disk, {CACHE_MOST / 1e9:.0f} GB at most"
            if machine.disk_bytes
            else "there is no folder for it (no home, nor STRIATE_CACHE), or its disk cannot be asked",
        ),
    }


def _folding(context: Context, timed: str) -> tuple[bool | str, str]:
    compiled = context.overrides.get("execution.compile")
    if not context["transfer.frozen_norms"]:
        return False, "norms learn from each batch"
    if compiled is not None and compiled.value:
        return False, "compiled steps do not fold them"
    return AUTO, timed


def _graphs(context: Context, device: str, timed: str) -> tuple[bool | str, str]:
    compiled = context.overrides.get("execution.compile")
    if device != "cuda":
        return False, "graphs are for CUDA devices"
    if compiled is not None and compiled.value:
        return False, "compiled steps are not recorded"
    if context.finds:
        return False, "what a detector compares itself with has another shape in each batch"
    if context["input.sizing"] == "own":
        return False, "pictures keep their own sizes, and a graph would be recorded for each"
    if context["optimizer.sam"] > 0:
        return False, "its second pass must leave the statistics of norms alone"
    if context["batch.accumulate"] > 1:
        return False, "the parts of a batch add up their gradients, which graphs overwrite"
    return AUTO, timed


class Way(NamedTuple):
    """A way to execute a step; the names are those of the plan's leaves."""

    precision: str
    channels_last: bool
    fold_norms: bool
    graphed: bool

    def __str__(self) -> str:
        layout = ", channels-last" if self.channels_last else ""
        return f"{self.precision}{layout}{', norms folded' if self.fold_norms else ''}{', graphed' * self.graphed}"


def ways(plan: Plan) -> list[Way]:
    """The ways to try, the likeliest first; what the plan has fixed stays.

    The first is the reference of the others: in float32, unless the plan fixes another precision. One where the plan
    leaves nothing open.
    """
    given = [plan[f"execution.{leaf}"] for leaf in Way._fields]
    usual = (("float32", "bfloat16"), (True, False), (True, False), (False, True))
    choices = [values if value == AUTO else (value,) for value, values in zip(given, usual, strict=True)]
    every = [Way(*values) for values in itertools.product(*choices)]
    possible = [way for way in every if not (way.graphed and way.fold_norms)]  # two ways in one
    likeliest, *others = possible or every  # the latter is refused, in words

    def apart(way: Way) -> int:
        """In how many respects it differs from the likeliest; graphs, recorded at once, may come on top of one."""
        computed = way._replace(graphed=likeliest.graphed)
        if way.graphed:  # which forbids folding, so that this is no choice of its own
            computed = computed._replace(fold_norms=likeliest.fold_norms)
        return sum(own != best for own, best in zip(computed, likeliest, strict=True))

    # A trial is short: what differs in two respects from the likeliest is left out.
    near = [way for way in others if apart(way) <= 1]
    return [likeliest, *sorted(near, key=lambda way: way.precision == likeliest.precision)]


class _Computed(Protocol):
    """Any way to compute something."""

    @property
    def precision(self) -> str: ...


W = TypeVar("W", bound=_Computed)


def fastest(rates: Mapping[W, float], what: str = "samples") -> tuple[W, str]:
    """The way to take, of a step or of a prediction, and the because.

    Args:
        rates: samples a second by way, of those that agree with float32.
        what: the word for them.
    """
    best = max(rates, key=lambda way: rates[way])
    exact = {way: rate for way, rate in rates.items() if way.precision == "float32"}
    if not exact:
        return best, f"set to {best.precision}, {rates[best]:.0f} {what} a second measured"
    exact_best = max(exact, key=lambda way: exact[way])
    if rates[best] < WORTH * rates[exact_best]:
        best = exact_best
    return best, f"{what} a second measured: " + "; ".join(f"{way}: {rate:.0f}" for way, rate in rates.items())
