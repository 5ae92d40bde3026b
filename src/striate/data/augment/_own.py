"""The user's own augmentation: a function of one picture, loaded by its name."""

from __future__ import annotations

import functools
import hashlib
import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.core.errors import DataError, StriateError, UsageError, nearest
from striate.core.seeds import generator

Function = Callable[[Tensor, np.random.Generator], Tensor]


class Own:
    """Applies a function of the user's to each picture.

    It is called as `function(image, generator)` with a float32 image (C, H, W) on 0 to 255 and a NumPy generator named
    by seed, epoch and sample, and gives an image of the same shape. What it draws should come from there, so that a
    resumed run sees the same.

    Args:
        name: "module:function"; the module is looked for in the working folder first.
        seed: the training's seed.
        keys: of the samples, to name one that the function fails on.

    Raises:
        UsageError: there is no such module or function.
    """

    def __init__(self, name: str, seed: int, keys: Sequence[str] = ()) -> None:
        self.name = name
        self.seed = seed
        self.keys = keys
        self._function = load(name)

    def __call__(
        self, images: Tensor, samples: NDArray[np.int64], epoch: int, shown: NDArray[np.int64] | None = None
    ) -> Tensor:
        """Altered images (N, C, H, W), float32.

        Args:
            samples: the samples' positions, (N,).
            shown: what names the draws of each; the positions unless given.

        Raises:
            DataError: the function raised, or gave something else; names the sample, and the line.
        """
        images = images.float()
        named = zip(images, samples, samples if shown is None else shown, strict=True)
        return torch.stack([self._one(image, int(place), int(draw), epoch) for image, place, draw in named])

    def _one(self, image: Tensor, sample: int, draw: int, epoch: int) -> Tensor:
        try:
            found: Any = self._function(image.clone(), generator(self.seed, "own", epoch, draw))
        except StriateError:
            raise
        except Exception as error:
            where = _line(self._function, error)
            raise DataError(
                f"{self.name} failed on {self._key(sample)} in {where}: {type(error).__name__}: {error}",
                fix="correct the function, or leave it out",
            ) from error
        if not isinstance(found, Tensor) or found.shape != image.shape:
            shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise DataError(
                f"{self.name} gave {shape} for {self._key(sample)}; a tensor of {tuple(image.shape)} was expected",
                fix="let the function give a picture of the shape that it was given",
            )
        altered: Tensor = found.to(image)  # a function may compute on the CPU
        if not bool(altered.isfinite().all()):
            raise DataError(
                f"{self.name} gave numbers that are not finite for {self._key(sample)}",
                fix="look at what it divides by, and at logarithms and roots",
            )
        return altered

    def _key(self, sample: int) -> str:
        return repr(self.keys[sample]) if sample < len(self.keys) else f"sample {sample}"


@dataclass(frozen=True)
class Origin:
    """Where a function of the user's comes from.

    Args:
        folder: the working folder when it was named, in which its module is looked for first.
        file: the module's file; None where it has none, as what is typed in a notebook.
        digest: SHA-256 of that file.
    """

    folder: str
    file: str | None
    digest: str | None


def origin(name: str, folder: str) -> Origin:
    """Load the function "module:function", looked for in that folder first, and say where it comes from.

    Raises:
        UsageError: there is none.
    """
    module = _split(name)[0]
    _forget_another(module, folder)
    load(name, folder)
    file = _file(sys.modules[module])
    return Origin(folder, file, None if file is None else _digest(file))


def load(name: str, folder: str | None = None) -> Function:
    """The function "module:function", as its file stands now.

    Args:
        folder: looked in first; by default the working folder, unless the module was loaded before.

    Raises:
        UsageError: there is none, or its module cannot be imported.
    """
    module, attribute = _split(name)
    place = os.getcwd() if folder is None else folder
    sys.path.insert(0, place)
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # nothing is left in the user's folder
    try:
        importlib.invalidate_caches()
        known = module in sys.modules
        found = importlib.import_module(module)
        if (file := _file(found)) is not None:
            digest = _digest(file)
            mine = Path(file).is_relative_to(os.path.realpath(place))  # what the user imported, and may have edited
            if known and _LOADED.get(module, "" if mine else digest) != digest:
                found = importlib.reload(found)
            _LOADED[module] = digest
    except (Exception, SystemExit) as error:
        raise UsageError(
            f"the module {module!r} of {name!r} cannot be imported: {_told(error)}", fix="correct it, or its name"
        ) from error
    finally:
        sys.dont_write_bytecode = written
        sys.path.remove(place)
    function = getattr(found, attribute, None)
    if not callable(function):
        near = nearest(attribute, [one for one, value in vars(found).items() if callable(value)])
        raise UsageError(f"{module} has no function {attribute!r}" + (f"; did you mean {near!r}?" if near else ""))
    return function  # type: ignore[no-any-return]


_LOADED: dict[str, str] = {}
"""The digests of the files of modules that were loaded for a function, by the modules' names."""


def _split(name: str) -> tuple[str, str]:
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        raise UsageError(f"an augmentation of your own is named module:function, not {name!r}")
    return module, attribute


def _forget_another(module: str, folder: str) -> None:
    """Let a module of the same name from another folder not stand in for that of this one."""
    top = module.partition(".")[0]
    known, here = sys.modules.get(top), PathFinder.find_spec(top, [folder])
    if known is None or here is None or here.origin is None or _file(known) == os.path.realpath(here.origin):
        return
    if module not in _LOADED:
        raise UsageError(
            f"{here.origin} cannot be imported: another module {top!r} is loaded already, {_file(known) or 'built in'}",
            fix="give your file another name",
        )
    for name in [name for name in sys.modules if name == top or name.startswith(top + ".")]:
        del sys.modules[name]
    del _LOADED[module]


def _file(module: ModuleType) -> str | None:
    file = getattr(module, "__file__", None)
    return None if file is None else os.path.realpath(file)


def _digest(file: str) -> str:
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()


def _told(error: BaseException) -> str:
    """What went wrong while a module was imported, and where, if that is in a file that is being read."""
    if isinstance(error, SyntaxError):
        return f"{error.msg} in line {error.lineno} of {_near(error.filename or '?')}"
    frames = [one for one in traceback.extract_tb(error.__traceback__) if "importlib" not in one.filename]
    said = f"{type(error).__name__}: {error}"
    if len(frames) < 2:  # the first is ours
        return said
    return f"{said} in line {frames[-1].lineno} of {_near(frames[-1].filename)}"


def _near(file: str) -> str:
    return os.path.relpath(file) if os.path.isabs(file) else file


def _line(function: Function, error: BaseException) -> str:
    """Where a function failed: the last line of its own file, however deep in a library that went."""
    plain = inspect.unwrap(function)
    plain = plain.func if isinstance(plain, functools.partial) else plain
    code = getattr(plain, "__code__", None) or getattr(type(plain).__call__, "__code__", None)
    _, *frames = traceback.extract_tb(error.__traceback__)  # the first is ours
    own = [one for one in frames if code is not None and one.filename == code.co_filename]
    if not (own or frames):
        return "a function that is not written in Python"
    last = (own or frames)[-1]
    return f"line {last.lineno} of {_near(last.filename)}"
