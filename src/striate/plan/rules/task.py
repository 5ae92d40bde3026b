"""What is asked of the network, from the targets."""

from striate.plan.context import Context
from striate.plan.leaves import Leaf
from striate.plan.rule import Decisions, rule


@rule("task", {"task.kind": Leaf(str, "what is predicted", package="striate.tasks")})
def task(context: Context) -> Decisions:
    dataset = context.dataset
    names = dataset.target_names
    if dataset.task == "regress":
        because = f"the target is numeric: {', '.join(names)}"
    elif dataset.task == "multilabel":
        because = f"a sample may have several of the {len(names)} labels"
    elif dataset.task == "segment":
        because = f"each sample has a mask of {len(names)} classes: {', '.join(names[:6])}{', …' * (len(names) > 6)}"
    elif dataset.task == "detect":
        because = f"each picture has boxes of {len(names)} classes: {', '.join(names[:6])}{', …' * (len(names) > 6)}"
    else:
        shown = ", ".join(names[:6]) + (", …" if len(names) > 6 else "")
        because = f"each sample has one of {len(names)} classes: {shown}"
    return {"task.kind": (dataset.task, because)}
