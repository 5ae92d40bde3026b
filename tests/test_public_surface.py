"""The public names of `striate`, pinned; and what importing it costs."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

import pytest

import striate

NAMES = {
    "Audit",
    "Converted",
    "Ensemble",
    "LabelErrors",
    "Model",
    "Plan",
    "Run",
    "StriateError",
    "__version__",
    "attack",
    "audit",
    "augment",
    "bench",
    "cache",
    "calc",
    "clear_cache",
    "compare",
    "convert",
    "evaluate",
    "explain",
    "export",
    "gradcheck",
    "gradients",
    "inspect",
    "label_errors",
    "load",
    "plan",
    "predict",
    "report",
    "resume",
    "runs",
    "side_by_side",
    "train",
}
VERBS = sorted(name for name in NAMES if name.islower() and not name.startswith("_"))

IMPORT = """
import json, os, sys, time
start = time.perf_counter(), time.process_time()
{statement}
wall, own = time.perf_counter() - start[0], time.process_time() - start[1]
print(json.dumps([wall, own, sorted({{name.split(".")[0] for name in sys.modules}})]))
"""


def test_the_names_are_those() -> None:
    assert set(striate.__all__) == NAMES
    assert set(dir(striate)) >= NAMES
    for name in NAMES:
        assert getattr(striate, name) is not None


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        striate.no_such_name  # noqa: B018


def test_the_star_import_gives_the_same_names() -> None:
    space: dict[str, object] = {}
    exec("from striate import *", space)
    assert set(space) >= NAMES


@pytest.mark.parametrize("name", VERBS)
def test_verbs_are_typed_documented_and_swallow_no_typos(name: str) -> None:
    verb = getattr(striate, name)
    signature = inspect.signature(verb)
    assert verb.__doc__
    assert signature.return_annotation is not inspect.Signature.empty
    for parameter in signature.parameters.values():
        assert parameter.kind is not inspect.Parameter.VAR_KEYWORD, f"{name} takes any keyword"
        assert parameter.annotation is not inspect.Parameter.empty, f"{name}({parameter.name}) has no type"


def test_the_version_is_the_distributions() -> None:
    try:
        assert striate.__version__ == version("striate")
    except PackageNotFoundError:
        pytest.skip("striate is not installed here, only on the path")


def cost(statement: str) -> tuple[float, set[str]]:
    """Seconds that a statement takes in a new interpreter, the least of five, and the packages it leaves imported.

    A busy machine makes the clock slow, not the work: of wall and processor time the smaller one counts.
    """
    seconds, packages = [], set()
    for _ in range(5):
        child = subprocess.run(
            [sys.executable, "-c", IMPORT.format(statement=statement)], capture_output=True, text=True, check=True
        )
        wall, own, names = json.loads(child.stdout.splitlines()[-1])
        seconds.append(min(wall, own))
        packages |= set(names)
    return min(seconds), packages


HEAVY = {"torch", "torchvision", "timm", "sklearn", "scipy", "numpy"}
HELP = (
    "import contextlib, io\n"
    "from striate.cli import main\n"
    "sys.argv = ['striate', '--help']\n"
    "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
    "    main()"
)


@pytest.mark.parametrize("statement", ["import striate", HELP], ids=["import", "help"])
def test_import_and_help_take_under_0_3_s_and_import_no_torch(statement: str) -> None:
    """On a slow machine, or a busy one, five times what typer alone takes."""
    seconds, packages = cost(statement)
    assert seconds < 0.3 or seconds < 5 * cost("import typer, rich.console, rich.table")[0]
    assert not packages & {"torch", "torchvision", "timm"}


def test_the_bare_import_takes_nothing_heavy_along() -> None:
    assert not cost("import striate")[1] & HEAVY
