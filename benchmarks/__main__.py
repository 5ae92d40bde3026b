"""`python -m benchmarks goals [NAME…]` and `python -m benchmarks plain NAME`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks import goals, plain
from striate.core.errors import StriateError


def main() -> int:
    """Run what the call asks for; 0 where all was reached, 1 where not, 2 for a call that was not understood."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, text in (
        ("goals", "run goals of goals.toml and add a row a seed to results/"),
        ("plain", "train a plain torchvision-style loop on the split.csv and in the minutes of a goal's Runs"),
        ("list", "print the goals"),
    ):
        command = verbs.add_parser(verb, help=text, description=text)
        command.add_argument("names", nargs="+" if verb == "plain" else "*", metavar="NAME")
        command.add_argument("--seeds", type=int, nargs="+", help="other seeds than the goal's own")
        command.add_argument("--runs", type=Path, default=Path("runs/goals"), help="where the Runs are kept")
        command.add_argument("--results", type=Path, default=goals.HERE / "results", help="folder of the tables")
    call = parser.parse_args()
    try:
        chosen = goals.choose(goals.read_goals(), call.names)
        if call.verb == "list":
            for goal in chosen:
                print(f"{goal.name}: {goal.about}; {goal.metric} gate {goal.gate:g}, stretch {goal.stretch:g}")
            return 0
        work = goals.run if call.verb == "goals" else plain.run
        lines, reached = [], True
        for goal in chosen:
            table = goals.results_path(call.verb, call.results)
            values = work(goal, call.seeds or goal.seeds, call.runs.resolve(), table)
            if call.verb == "goals":
                line, done = goals.verdict(goal, values)
            else:
                line, done = plain.beside(goal, values, goals.read_rows(goals.results_path("goals", call.results)))
            lines.append(line)
            reached &= done
        print("\n".join(lines))
    except StriateError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
