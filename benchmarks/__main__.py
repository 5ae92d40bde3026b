"""`python -m benchmarks VERB`, such as goals, compare or ablate; `--help` names them all.

Docs: docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks import (
    ablate,
    accuracy,
    compare,
    goals,
    gpu,
    growth,
    labels,
    memory,
    odd,
    plain,
    planted,
    referee,
    sweep,
)
from striate.core.errors import StriateError


def _parser() -> argparse.ArgumentParser:
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
    command = verbs.add_parser("compare", help=compare.__doc__.splitlines()[0], description=compare.__doc__)
    command.add_argument("--peers", nargs="*", default=[], metavar="NAME", help="of peers.toml; all without")
    command.add_argument("--measures", nargs="+", choices=compare.MEASURES, default=list(compare.MEASURES))
    command.add_argument(
        "--networks", nargs="+", default=["resnet18", "mobilenet_v3_small"], help="torchvision's names"
    )
    command.add_argument("--size", type=int, default=224)
    command.add_argument("--batch", type=int, default=32)
    command.add_argument("--count", type=int, default=640, help="pictures to train on, and to predict")
    command.add_argument("--epochs", type=int, default=2)
    command.add_argument("--repeats", type=int, default=3)
    command.add_argument("--install-only", action="store_true", help="make the virtual environments and stop")
    command.add_argument("--work", type=Path, default=Path("runs/compare"), help="environments, links and outputs")
    command.add_argument("--results", type=Path, default=goals.HERE / "results", help="folder of the table")
    command = verbs.add_parser("growth", help=growth.__doc__.splitlines()[0], description=growth.__doc__)
    command.add_argument("--counts", type=int, nargs="+", default=[1000, 10000, 100000], metavar="N")
    command.add_argument("--work", type=Path, default=Path("runs/growth"), help="the pictures made, and outputs")
    command.add_argument("--results", type=Path, default=goals.HERE / "results", help="folder of the table")
    command = verbs.add_parser("memory", help=memory.__doc__.splitlines()[0], description=memory.__doc__)
    command.add_argument("--networks", nargs="+", default=list(memory.NETWORKS), metavar="NAME")
    command.add_argument("--size", type=int, default=128)
    command.add_argument("--batches", type=int, nargs="+", default=[8, 32], metavar="N")
    command.add_argument("--results", type=Path, default=goals.HERE / "results", help="folder of the table")
    command = verbs.add_parser("accuracy", help=accuracy.__doc__.splitlines()[0], description=accuracy.__doc__)
    command.add_argument("--data", nargs="+", choices=accuracy.CONTESTS, default=list(accuracy.CONTESTS))
    command.add_argument("--minutes", nargs="+", type=float, default=[2.0])
    command.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    command.add_argument("--peers", nargs="*", default=[], metavar="NAME", help="of peers.toml; all without")
    command.add_argument("--settings", nargs="+", choices=accuracy.SETTINGS, default=list(accuracy.SETTINGS))
    command.add_argument("--mark", type=float, help="an accuracy, to say the least time to")
    command.add_argument("--work", type=Path, default=Path("runs/compare"), help="environments, data and outputs")
    command.add_argument("--results", type=Path, default=goals.HERE / "results", help="folder of the table")
    command = verbs.add_parser("ablate", help=ablate.__doc__.splitlines()[0], description=ablate.__doc__)
    command.add_argument("names", nargs="*", metavar="NAME", help="of ablations.toml; all without")
    command.add_argument("--switches", nargs="*", default=[], metavar="SWITCH", help="beside the base; all without")
    command.add_argument("--seeds", type=int, nargs="+", help="other seeds than the ablation's own")
    command.add_argument("--runs", type=Path, default=Path("runs/ablations"), help="where the Runs are kept")
    command.add_argument("--results", type=Path, default=goals.HERE / "results", help="folder of the table")
    command = verbs.add_parser("sweep", help=sweep.__doc__.splitlines()[0], description=sweep.__doc__)
    command.add_argument("--networks", nargs="*", default=[], metavar="NAME", help="such as timm/resnet18; all without")
    command.add_argument("--every", action="store_true", help="all of timm, and not the first of each of its files")
    command.add_argument("--results", type=Path, default=goals.HERE / "results", help="folder of the table")
    command = verbs.add_parser("gpu", help=gpu.__doc__.splitlines()[0], description=gpu.__doc__)
    command.add_argument("--networks", nargs="*", default=["resnet18", "resnet50"], help="torchvision's names")
    command.add_argument("--ways", nargs="*", choices=gpu.WAYS, default=["eager", "graphed"], help="of the plain loop")
    command.add_argument("--size", type=int, default=224)
    command.add_argument("--batch", type=int, default=128)
    command.add_argument("--count", type=int, default=4096, help="pictures, an eighth of them held out")
    command.add_argument("--epochs", type=int, default=3)
    command.add_argument("--set", nargs="*", default=["{}"], metavar="JSON", help="plans to train with, such as {}")
    command.add_argument("--cifar", nargs="*", default=[], metavar="JSON", help="arguments of `striate.train`, say {}")
    command.add_argument("--airbench", action="store_true", help="beside airbench94, which must be installed")
    command.add_argument("--repeats", type=int, default=3)
    command.add_argument("--work", type=Path, default=Path("runs/gpu"), help="pictures and Runs")
    command.add_argument("--results", type=Path, default=goals.HERE / "results", help="folder of the table")
    command = verbs.add_parser("referee", help=referee.__doc__.splitlines()[0], description=referee.__doc__)
    command.add_argument("names", nargs="*", choices=[[], *referee.CASES], metavar="NAME", help="trashnet or cifar10")
    command.add_argument("--results", type=Path, default=goals.HERE / "results", help="folder of the table")
    command = verbs.add_parser("planted", help=planted.__doc__.splitlines()[0], description=planted.__doc__)
    command.add_argument("--data", nargs="*", choices=planted.SETS, default=list(planted.SETS))
    command.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    command.add_argument("--count", type=int, default=150, help="pictures that faults are planted of, and as many more")
    command.add_argument("--natural", nargs="*", choices=planted.SETS, default=[], help="whole sets, as they are")
    command.add_argument("--judge", type=int, default=100, help="pairs of these that are listed to be judged")
    command.add_argument("--time", type=int, nargs="*", default=[], metavar="N", help="pictures to search")
    command.add_argument("--results", type=Path, default=goals.HERE / "results", help="folder of the table")
    command = verbs.add_parser("labels", help=labels.__doc__.splitlines()[0], description=labels.__doc__)
    command.add_argument("data", nargs="*", default=["trashnet"], metavar="DATA", help="folders of the data at hand")
    command.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4], metavar="N")
    command.add_argument("--share", type=float, default=0.05, help="of the labels that are flipped")
    command.add_argument("--no-weights", dest="weights", action="store_false", help="patches of the pictures alone")
    command.add_argument("--results", type=Path, default=goals.HERE / "results", help="folder of the table")
    command = verbs.add_parser("odd", help=odd.__doc__.splitlines()[0], description=odd.__doc__)
    command.add_argument("--data", nargs="*", choices=odd.SETS, default=["hymenoptera", "trashnet", "cifar10"])
    command.add_argument("--seeds", type=int, nargs="+", default=[1])
    command.add_argument("--count", type=int, default=120, help="pictures of a class, at most")
    command.add_argument("--each", type=int, default=5, help="pictures that a fault of a kind is planted in")
    command.add_argument("--results", type=Path, default=goals.HERE / "results", help="folder of the table")
    return parser


def main() -> int:
    """Run what the call asks for; 0 where all was reached, 1 where not, 2 for a call that was not understood."""
    call = _parser().parse_args()
    try:
        tables = {
            "compare": compare.run,
            "growth": growth.run,
            "memory": memory.run,
            "accuracy": accuracy.run,
            "ablate": ablate.run,
            "sweep": sweep.run,
            "gpu": gpu.run,
            "referee": referee.run,
            "planted": planted.run,
            "labels": labels.run,
            "odd": odd.run,
        }
        if call.verb in tables:
            print("\n".join(tables[call.verb](call)))
            return 0
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
