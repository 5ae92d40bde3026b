"""How it is computed: device, precision, layout, threads, workers."""

from striate.core.plan import AUTO
from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule


@rule(
    "execution",
    {
        "execution.device": Leaf(str, "where it is computed", names=("cpu", "cuda", "mps")),
        "execution.precision": Leaf(str, "arithmetic", names=("float32", "bfloat16"), measured=True),
        "execution.channels_last": Leaf(bool, "memory layout of pictures", measured=True),
        "execution.threads": Leaf(int, "threads that compute", low=1),
        "execution.workers": Leaf(int, "processes that decode", low=0),
        "execution.pack_bytes": Leaf(int, "largest size of the decoded pictures kept in memory", low=0),
    },
)
def execution(context: Context) -> Decisions:
    machine = context.machine
    timed = "a short timed trial decides"
    return {
        "execution.device": (machine.device, "what this machine has"),
        "execution.precision": (AUTO, timed),
        "execution.channels_last": (AUTO, timed),
        "execution.threads": (machine.cores, f"{machine.cores} cores"),
        "execution.workers": (machine.cores, f"{machine.cores} cores"),
        "execution.pack_bytes": (machine.memory_bytes // 4, "a quarter of the free memory"),
    }


def fastest(rates: dict[tuple[str, bool], float]) -> tuple[tuple[str, bool], str]:
    """The execution to take, and the because.

    Args:
        rates: samples a second by (precision, channels last), of those that agree with float32.
    """
    best = max(rates, key=lambda way: rates[way])
    exact = {way: rate for way, rate in rates.items() if way[0] == "float32"}
    if not exact:
        return best, f"set to {best[0]}, {rates[best]:.0f} samples a second measured"
    exact_best = max(exact, key=lambda way: exact[way])
    if rates[best] < 1.05 * rates[exact_best]:
        best = exact_best  # less than 5 % is within the noise, and float32 is the reference
    shown = ", ".join(
        f"{precision}{' channels-last' if last else ''} {rate:.0f}" for (precision, last), rate in rates.items()
    )
    return best, f"samples a second measured: {shown}"
