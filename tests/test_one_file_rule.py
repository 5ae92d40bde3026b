"""One-file rule: a file dropped into a registry's folder, or a plug-in, is all that a new entry takes.

Every `Registry` of the package is found by walking it; toys are dropped into a copy of the package, in a temporary
folder, and looked up in a process of their own.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import striate
from striate.core.registry import Registry, file_names

ROOT = Path(striate.__file__).parent

# Entries whose registered name is not their file's: a file holds the few nodes, or the sizes of a family, that belong
# together.
NAMED_OTHERWISE = {"edit", "family", "node"}

EXPECTED = {
    "reader",
    "augmentation",
    "node",
    "family",
    "detector",
    "edit",
    "loss",
    "metric",
    "task",
    "rule",
    "optimizer",
    "schedule",
    "finding",
    "oddity",
    "explanation",
    "attack",
    "exporter",
    "writer",
}

LOOK_UP = """
import importlib, json, sys
found = {}
for module, variable in json.loads(sys.argv[1]):
    registry = getattr(importlib.import_module(module), variable)
    try:
        found[f"{module}.{variable}"] = registry.names()
    except ValueError as error:
        found[f"{module}.{variable}"] = str(error)
print(json.dumps(found))
"""


def registries() -> dict[tuple[str, str], Registry[Any]]:
    """Every registry of the package, by the module and the name it is made under."""
    found: dict[int, tuple[str, str, Registry[Any]]] = {}
    for info in sorted(pkgutil.walk_packages(striate.__path__, "striate."), key=lambda info: len(info.name)):
        module = importlib.import_module(info.name)
        for name, value in vars(module).items():
            if isinstance(value, Registry) and value.package.startswith("striate."):
                found.setdefault(id(value), (info.name, name, value))
    return {(module, name): value for module, name, value in found.values()}


REGISTRIES = registries()


def copy_with(tmp_path: Path, toys: dict[str, str]) -> Path:
    """A copy of the package with a toy file for each registry: file name → the name it registers."""
    copied = tmp_path / "copy" / "striate"
    shutil.copytree(ROOT, copied, ignore=shutil.ignore_patterns("__pycache__"))
    for (module, variable), registry in REGISTRIES.items():
        folder = copied.joinpath(*registry.package.split(".")[1:])
        for file, name in toys.items():
            (folder / f"{file}.py").write_text(
                f'"""A toy."""\nfrom {module} import {variable}\n\n\nclass Toy:\n    """A toy."""\n\n\n'
                f"{variable}.register({name!r})(Toy())\n",
                "utf-8",
            )
    return copied.parent


def look_up(*path: Path) -> dict[str, Any]:
    """Each registry's names, or the error that its look-up raised, in a new process with `path` before all else."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), "OMP_NUM_THREADS": "1"}
    child = subprocess.run(
        [sys.executable, "-c", LOOK_UP, json.dumps(sorted(REGISTRIES))],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    found: dict[str, Any] = json.loads(child.stdout)
    assert len(found) == len(REGISTRIES)
    return found


def test_every_kind_of_thing_has_one_registry() -> None:
    kinds = [registry.kind for registry in REGISTRIES.values()]
    assert len(kinds) == len(set(kinds))
    assert set(kinds) >= EXPECTED


@pytest.mark.parametrize("registry", REGISTRIES.values(), ids=lambda registry: registry.kind)
def test_names_are_file_names_so_that_help_needs_no_import(registry: Registry[Any]) -> None:
    assert registry.names(), "an empty registry"
    if registry.kind not in NAMED_OTHERWISE:
        assert registry.names() == file_names(registry.package)


def test_a_dropped_file_adds_its_name_everywhere(tmp_path: Path) -> None:
    found = look_up(copy_with(tmp_path, {"zz_toy": "zz_toy"}))
    before = {f"{module}.{name}": registry.names() for (module, name), registry in REGISTRIES.items()}
    assert found == {key: sorted([*names, "zz_toy"]) for key, names in before.items()}


def test_a_duplicate_name_raises_everywhere(tmp_path: Path) -> None:
    found = look_up(copy_with(tmp_path, {"zz_one": "zz_same", "zz_two": "zz_same"}))
    for key, outcome in found.items():
        assert isinstance(outcome, str), f"{key} took two entries of one name"
        assert "'zz_same' is registered twice" in outcome


def test_an_entry_point_adds_to_every_registry(tmp_path: Path) -> None:
    plugin = tmp_path / "plugin"
    information = plugin / "zz_plugin-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: zz-plugin\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[striate.plugins]\nzz = zz_plugin\n")
    lines = [
        f"from {module} import {variable} as registry_{number}\nregistry_{number}.register('zz_plugin')(object())"
        for number, (module, variable) in enumerate(REGISTRIES)
    ]
    (plugin / "zz_plugin.py").write_text("\n".join(lines) + "\n")
    found = look_up(plugin, ROOT.parent)
    for key, names in found.items():
        assert "zz_plugin" in names, f"{key} did not take the plug-in's entry"
    assert not any("zz_plugin" in registry.names() for registry in REGISTRIES.values()), "without it there is none"
