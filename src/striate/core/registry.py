"""One-file rule: a folder imports its own modules, a decorator registers, a duplicate name raises."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Generic, TypeVar

from striate.core.errors import UnknownName

T = TypeVar("T")

PLUGIN_GROUP = "striate.plugins"
_plugins_loaded = False


class Registry(Generic[T]):
    """The things of one kind, by name: each lives in a file of its own in one package's folder.

    The folder is imported on the first look-up, so a new file there is all that a new entry takes. Other
    distributions add theirs through the entry point group `striate.plugins`, whose modules are imported then too.

    Args:
        kind: what an entry is called in messages, such as "loss".
        package: the package whose modules register entries, such as "striate.losses".

    >>> shapes: Registry[type] = Registry("shape", "striate.core")
    >>> @shapes.register("square")
    ... class Square: ...
    >>> shapes.get("square") is Square
    True
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self.package = package
        self._entries: dict[str, T] = {}
        self._loaded = False

    def register(self, name: str) -> Callable[[T], T]:
        """A decorator that files an entry under `name`. Raises `ValueError` where the name is taken."""

        def file(entry: T) -> T:
            if name in self._entries and self._entries[name] is not entry:
                raise ValueError(f"the {self.kind} {name!r} is registered twice: {self._entries[name]!r}, {entry!r}")
            self._entries[name] = entry
            return entry

        return file

    def get(self, name: str) -> T:
        """The entry of that name. Raises `UnknownName`, which offers the nearest."""
        self._load()
        if name not in self._entries:
            raise UnknownName(self.kind, name, self._entries)
        return self._entries[name]

    def names(self) -> list[str]:
        """All names, sorted."""
        self._load()
        return sorted(self._entries)

    def items(self) -> Iterator[tuple[str, T]]:
        """All entries by name, sorted."""
        self._load()
        yield from sorted(self._entries.items(), key=lambda entry: entry[0])

    def __contains__(self, name: object) -> bool:
        self._load()
        return name in self._entries

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True  # set first: a module may look itself up while it is imported
        try:
            import_modules(self.package)
            load_plugins()
        except BaseException:
            self._loaded = False  # a registry that failed to fill must not pass for a full one on the next look-up
            raise


def import_modules(package: str) -> None:
    """Import every public module of a package, in the order of their names."""
    for name in file_names(package):
        importlib.import_module(f"{package}.{name}")


def file_names(package: str) -> list[str]:
    """The public module names of a package, found by listing its folder: imports nothing but the outermost package.

    For `--help` and completion, which must not import torch. A contract test holds these equal to the registered
    names where the command line offers them.
    """
    top, *rest = package.split(".")
    folders = [str(Path(folder, *rest)) for folder in importlib.import_module(top).__path__]
    return sorted(module.name for module in pkgutil.iter_modules(folders) if not module.name.startswith("_"))


def load_plugins() -> None:
    """Import the modules that other distributions name in the entry point group `striate.plugins`, once."""
    global _plugins_loaded
    if not _plugins_loaded:
        _plugins_loaded = True
        try:
            for entry in entry_points(group=PLUGIN_GROUP):
                entry.load()
        except BaseException:
            _plugins_loaded = False
            raise
