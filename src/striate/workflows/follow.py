"""Followers of a Run beside what the user sees: they are told the same, and no fault of theirs touches the training."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from striate.core.events import Reporter
from striate.core.plan import Plan
from striate.core.run import RunFolder
from striate.plan import read_plan
from striate.train.followers import FOLLOWERS, Follower, absent


class Followed:
    """A Reporter that hands figures to followers too. One that fails is said once, and told no more.

    Args:
        reporter: hears everything.
        followers: by name.
    """

    def __init__(self, reporter: Reporter, followers: Mapping[str, Follower]) -> None:
        self.reporter, self.followers = reporter, dict(followers)

    def stage(self, title: str) -> None:
        """Hand it on."""
        self.reporter.stage(title)

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Hand it on."""
        self.reporter.progress(done, total, text)

    def line(self, text: str) -> None:
        """Hand it on."""
        self.reporter.line(text)

    def warn(self, text: str) -> None:
        """Hand it on."""
        self.reporter.warn(text)

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        """Hand it on, and those that are finite to the followers."""
        self.reporter.figures(step, values)
        found = {name: float(value) for name, value in values.items() if math.isfinite(value)}
        self.tell(lambda follower: follower.figures(step, found))

    def tell(self, what: Callable[[Follower], None]) -> None:
        """Tell every follower, and leave out from then on whichever fails."""
        for name, follower in list(self.followers.items()):
            try:
                what(follower)
            except Exception as error:  # whatever a tool or its server raises: the training does not depend on it
                del self.followers[name]
                why = (str(error).strip().splitlines() or [type(error).__name__])[0]
                self.warn(f"--{name}: {why}; nothing more is logged there until a resume, and all else goes on")


@contextlib.contextmanager
def following(run: RunFolder, plan: Plan, names: Sequence[str], reporter: Reporter) -> Iterator[Reporter]:
    """A reporter whose figures go to these followers as well."""
    followed = Followed(reporter, _made(run, plan, names, reporter))
    try:
        yield followed
    finally:
        followed.tell(lambda follower: follower.close())


def catch_up(run: RunFolder, names: Sequence[str], reporter: Reporter) -> None:
    """Tell followers what the history of a finished Run has of each epoch; of single steps nothing was kept."""
    flags = ", ".join(f"--{name}" for name in names)
    reporter.line(f"{flags}: told of the epochs of this Run; figures of single steps were not kept")
    with following(run, Plan(read_plan(run.plan)), names, reporter) as followed:
        for line in run.history.read_text("utf-8").splitlines():
            row = json.loads(line)
            if row.get("averaged"):
                continue  # the mean of weights, judged at the last epoch's step
            loss = {} if row["train_loss"] is None else {"train/loss": row["train_loss"]}
            judged = {f"val/{name}": figure for name, figure in row["val"].items() if figure is not None}
            followed.figures(row["step"], {**loss, **judged})


def deliver(run: RunFolder, reporter: Reporter) -> None:
    """Tell the followers of a Run that it is whole, so that they may keep its files."""
    names = run.read_environment().get("request", {}).get("follow", [])
    if names:
        plan = Plan(read_plan(run.plan))
        Followed(reporter, _made(run, plan, names, reporter)).tell(lambda follower: follower.finished())


def _made(run: RunFolder, plan: Plan, names: Sequence[str], reporter: Reporter) -> dict[str, Follower]:
    gone = absent(names)  # of a new Run there are none: that is asked before anything else
    for name in gone:
        reporter.warn(f'--{name}: {FOLLOWERS.get(name).package} is not installed; `pip install "striate[{name}]"`')
    return {name: FOLLOWERS.get(name)(run, plan) for name in names if name not in gone}
