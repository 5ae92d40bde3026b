"""Registries: lazy, strict about names, filled from a folder and from plug-ins."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from striate.core import registry as module
from striate.core.errors import UnknownName
from striate.core.registry import Registry, file_names


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package `toys` with an empty `__init__` on the import path, and no plug-ins installed."""
    folder = tmp_path / "toys"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "from striate.core.registry import Registry\nTOYS = Registry('toy', 'toys')\n", "utf-8"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(module, "_plugins_loaded", True)
    yield folder  # type: ignore[misc]
    for name in [name for name in sys.modules if name == "toys" or name.startswith("toys.")]:
        del sys.modules[name]


def toys() -> Registry[object]:
    import toys

    return toys.TOYS  # type: ignore[no-any-return]


def add(folder: Path, file: str, name: str) -> None:
    (folder / f"{file}.py").write_text(
        f"from toys import TOYS\n@TOYS.register({name!r})\ndef entry(): return {file!r}\n", "utf-8"
    )


def test_a_file_in_the_folder_is_all_it_takes(package: Path) -> None:
    add(package, "zebra", "zebra")
    add(package, "ant", "ant")
    add(package, "_hidden", "hidden")
    assert toys().names() == ["ant", "zebra"]
    assert [name for name, _ in toys().items()] == ["ant", "zebra"]
    assert "ant" in toys()
    assert "hidden" not in toys()
    assert toys().get("ant")() == "ant"  # type: ignore[operator]


def test_nothing_is_imported_before_the_first_look_up(package: Path) -> None:
    add(package, "ant", "ant")
    assert toys()
    assert file_names("toys") == ["ant"]
    assert "toys.ant" not in sys.modules
    toys().names()
    assert "toys.ant" in sys.modules


def test_a_duplicate_name_raises_each_time_it_is_asked(package: Path) -> None:
    add(package, "one", "same")
    add(package, "two", "same")
    for _ in range(2):
        with pytest.raises(ValueError, match="registered twice"):
            toys().names()


def test_a_module_that_fails_does_not_leave_a_registry_that_looks_full(package: Path) -> None:
    add(package, "ant", "ant")
    (package / "broken.py").write_text("raise RuntimeError('broken module')\n", "utf-8")
    for _ in range(2):
        with pytest.raises(RuntimeError, match="broken module"):
            toys().get("ant")


def test_a_misspelt_name_offers_the_nearest(package: Path) -> None:
    add(package, "cross_entropy", "cross_entropy")
    with pytest.raises(UnknownName, match="did you mean 'cross_entropy'") as caught:
        toys().get("cross_entrpy")
    assert caught.value.exit_status == 2


def test_registering_the_same_object_again_is_no_duplicate() -> None:
    shapes: Registry[type] = Registry("shape", "striate.core")
    shapes.register("int")(int)
    shapes.register("int")(int)
    with pytest.raises(ValueError, match="registered twice"):
        shapes.register("int")(float)


class _Entry:
    def __init__(self, fails: int = 0) -> None:
        self.loads, self.fails = 0, fails

    def load(self) -> None:
        self.loads += 1
        if self.loads <= self.fails:
            raise ImportError("broken plug-in")


def test_plugins_are_loaded_once_for_all_registries(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = _Entry()
    asked: list[str] = []
    monkeypatch.setattr(module, "_plugins_loaded", False)
    monkeypatch.setattr(module, "entry_points", lambda group: asked.append(group) or [entry])
    toys().names()
    Registry[object]("other", "toys").names()
    assert entry.loads == 1
    assert asked == ["striate.plugins"]


def test_a_broken_plugin_is_said_again_on_the_next_look_up(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = _Entry(fails=2)
    monkeypatch.setattr(module, "_plugins_loaded", False)
    monkeypatch.setattr(module, "entry_points", lambda group: [entry])
    for _ in range(2):
        with pytest.raises(ImportError, match="broken plug-in"):
            toys().names()
    assert toys().names() == []
