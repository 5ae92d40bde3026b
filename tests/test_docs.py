"""The docs hold: links lead somewhere, commands and leaves are described, each "add a …" example works as it stands."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import striate
from striate.core.boxes import MOST
from striate.core.options import options_of
from striate.core.registry import file_names
from striate.data.augment import AUGMENTATIONS
from striate.data.augment.policy import POLICIES
from striate.losses import LOSSES, Loss
from striate.metrics import METRICS
from striate.nets import EDITS, NODES, Network, resolve
from striate.nets.detectors import DETECTORS
from striate.plan import boxes, leaves, read_plan
from striate.plan.rules.optimizer import THING_COUNTS
from striate.tasks import TASKS
from striate.train.optimizers import OPTIMIZERS
from striate.train.schedules import SCHEDULES

ROOT = Path(striate.__file__).parent
DOCS = Path(__file__).parent.parent / "docs"
if not DOCS.is_dir():
    pytest.skip("the docs are not beside the tests", allow_module_level=True)

EXAMPLE = re.compile(r"`src/striate/([\w/]+)\.py`[^\n]*\n+```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples() -> dict[str, str]:
    """The example files of the pages, by their path below the package."""
    found = {}
    for page in sorted(DOCS.glob("add-*.md")):
        for path, code in EXAMPLE.findall(page.read_text("utf-8")):
            assert path not in found, f"{path} is shown twice"
            found[path] = code
    return found


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
        assert "://" in link or (page.parent / link).exists(), f"{page.name} links to {link}, which is not there"


def test_each_command_has_a_page() -> None:
    for command in file_names("striate.cli"):
        page = DOCS / f"{command}.md"
        assert page.exists(), f"the command {command} has no page"
        assert f"striate {command}" in page.read_text("utf-8")


def test_each_leaf_of_the_plan_is_described() -> None:
    text = (DOCS / "plan.md").read_text("utf-8")
    assert set(re.findall(r"^\| `([\w.]+)` \|", text, re.MULTILINE)) == set(leaves())


def test_each_name_that_a_leaf_takes_is_named() -> None:
    text = (DOCS / "plan.md").read_text("utf-8")
    for key, leaf in leaves().items():
        (takes,) = re.findall(rf"^\| `{re.escape(key)}` \| .* \| (.*) \|$", text, re.MULTILINE)
        assert set(leaf.allowed() or ()) <= set(re.findall(r"\w+", takes)), f"the row of {key} lacks a name"


def test_everything_that_can_be_chosen_is_named_with_its_options() -> None:
    text = (DOCS / "craft.md").read_text("utf-8")
    for registry in (LOSSES, OPTIMIZERS, SCHEDULES, POLICIES):
        for name in registry.names():
            (row,) = re.findall(rf"^\| `{name}` \|.*$", text, re.M)
            entry = registry.get(name)
            options = options_of(entry.function if isinstance(entry, Loss) else entry)
            missing = [option for option in options if f"`{option}`" not in row and option not in ELSEWHERE]
            assert not missing, f"the row of {name} lacks {missing}"
    for name, one in AUGMENTATIONS.items():
        for setting in one.settings:
            assert f"`{setting}`" in text, f"the page lacks {setting}, of {name}"


def test_each_metric_is_described() -> None:
    text = (DOCS / "evaluate.md").read_text("utf-8")
    rows = "".join(re.findall(r"^\| `[^|]*\|", text, re.M))
    assert set(re.findall(r"`(\w+)`", rows)) == {*METRICS.names(), "expected_cost"}


def test_the_page_of_boxes_has_the_figures_of_its_rules() -> None:
    text = " ".join((DOCS / "boxes.md").read_text("utf-8").split())
    sides, small = boxes.SIDES, ", ".join(map(str, boxes.BATCHES[:-1]))
    told = (
        f"long side from {sides[0]} to {sides[-1]} px, to {boxes.MOST_OF_PROCESSOR} on a processor",
        f"at which nine of ten boxes have {boxes.SEEN} px or more",
        f"enlarged {({2: 'twice'})[boxes.ENLARGED]} at most",
        f"multiples of {boxes.GRID} px",
        f"strides from {boxes.FINEST} to {boxes.COARSEST}",
        f"Batches of {small} or {boxes.BATCHES[-1]} pictures, the largest with which an epoch has {boxes.STEPS} steps",
        f"a picture counts as {THING_COUNTS} samples",
        f"fewer than {boxes.FEW} training pictures",
        f"finds {MOST} things in a picture at most",
    )
    assert [one for one in told if one not in text] == []


def test_each_task_and_detector_is_named_where_one_is_chosen() -> None:
    text = (DOCS / "train.md").read_text("utf-8")
    for option, names in (("--task T", TASKS.names()), (r"--model NAME\|FILE", DETECTORS.names())):
        (row,) = re.findall(rf"^\| `{re.escape(option)}` \|.*$", text, re.M)
        assert [name for name in names if f"`{name}`" not in row] == []


ELSEWHERE = {"label_smoothing", "positive_ratios", "class_weights"}
"""Options that leaves of their own set."""


def test_networks_in_yaml_are_networks_and_every_node_is_named() -> None:
    text = (DOCS / "add-a-node.md").read_text("utf-8")
    found = [Network.from_dict(yaml.safe_load(code)) for code in re.findall(r"^```yaml\n(.*?)^```$", text, re.M | re.S)]
    assert found
    for network in found:
        assert network.with_head(3, (1, 16, 16)).output_shape((1, 16, 16)) == (3,)
    for node in NODES.names():
        assert f"`{node}`" in text, f"the page does not list the node {node}"


def test_every_edit_is_named_and_the_file_shown_is_one(tmp_path: Path) -> None:
    text = (DOCS / "edit.md").read_text("utf-8")
    for name in EDITS.names():
        assert f"`{name}(" in text, f"the page does not list the edit {name}"
    (code,) = re.findall(r"^```yaml\n(.*?)^```$", text, re.M | re.S)
    (tmp_path / "mine.yaml").write_text(code, "utf-8")
    spec = resolve(str(tmp_path / "mine.yaml"), outputs=3, channels=3, height=64, width=64)
    assert len(spec["edits"]) == 3


def test_the_plan_shown_is_a_plan(tmp_path: Path) -> None:
    (code,) = re.findall(r"^```yaml\n(.*?)^```$", (DOCS / "plan.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    (tmp_path / "plan.yaml").write_text(code, "utf-8")
    decisions = read_plan(tmp_path / "plan.yaml")
    assert (decisions["optimizer.name"].by, decisions["optimizer.rate"].by) == ("rule", "user")


def test_every_kind_has_a_page_with_an_example() -> None:
    kinds = {path.rsplit("/", 1)[0] for path in examples()}
    assert kinds >= {
        "data/readers",
        "data/augment",
        "nets/nodes",
        "nets/families",
        "losses",
        "metrics",
        "tasks",
        "plan/rules",
        "train/optimizers",
        "train/schedules",
    }


def test_the_examples_work_when_dropped_in(tmp_path: Path) -> None:
    copied = tmp_path / "striate"
    shutil.copytree(ROOT, copied, ignore=shutil.ignore_patterns("__pycache__"))
    for path, code in examples().items():
        target = copied / f"{path}.py"
        assert not target.exists(), f"{path} exists in the package; the page must show another"
        target.write_text(code, "utf-8")
    look_up = """
import importlib, json, pkgutil, sys
from striate.core.registry import Registry
import striate
found = {}
for info in pkgutil.walk_packages(striate.__path__, "striate."):
    for value in list(vars(importlib.import_module(info.name)).values()):
        if isinstance(value, Registry):
            found[value.package] = value.names()
print(json.dumps(found))
"""
    child = subprocess.run(
        [sys.executable, "-c", look_up],
        env={**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    names = json.loads(child.stdout)
    for path in examples():
        folder, name = path.rsplit("/", 1)
        if folder != "nets/nodes":  # a file of nodes registers classes
            assert name in names[f"striate.{folder.replace('/', '.')}"]
