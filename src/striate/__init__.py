"""striate: from a folder of pictures to a convolutional network that can be trusted.

>>> import striate as st
>>> run = st.train("photos/", minutes=10)       # doctest: +SKIP
>>> run.metrics["test"]["accuracy"]             # doctest: +SKIP
0.93
>>> run.model.predict("x.jpg").label            # doctest: +SKIP
'glass'

Names are resolved when they are first used, so that importing the package costs nothing and does not load torch.
"""

from __future__ import annotations

import importlib
import sys
from inspect import signature as _signature
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from striate.api import Run as Run
    from striate.api import attack as attack
    from striate.api import audit as audit
    from striate.api import augment as augment
    from striate.api import bench as bench
    from striate.api import cache as cache
    from striate.api import calc as calc
    from striate.api import clear_cache as clear_cache
    from striate.api import compare as compare
    from striate.api import convert as convert
    from striate.api import evaluate as evaluate
    from striate.api import explain as explain
    from striate.api import export as export
    from striate.api import gradcheck as gradcheck
    from striate.api import gradients as gradients
    from striate.api import inspect as inspect
    from striate.api import label_errors as label_errors
    from striate.api import load as load
    from striate.api import plan as plan
    from striate.api import predict as predict
    from striate.api import report as report
    from striate.api import resume as resume
    from striate.api import runs as runs
    from striate.api import side_by_side as side_by_side
    from striate.api import train as train
    from striate.core.errors import StriateError as StriateError
    from striate.core.plan import Plan as Plan
    from striate.data.audit import Audit as Audit
    from striate.infer import Ensemble as Ensemble
    from striate.infer import Model as Model
    from striate.workflows.convert import Converted as Converted
    from striate.workflows.labels import LabelErrors as LabelErrors

__version__ = "0.1.0"

_VERBS = (
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
)
_HOMES = {
    **dict.fromkeys((*_VERBS, "Run"), "striate.api"),
    "Audit": "striate.data.audit",
    "Converted": "striate.workflows.convert",
    "Ensemble": "striate.infer",
    "LabelErrors": "striate.workflows.labels",
    "Model": "striate.infer",
    "Plan": "striate.core.plan",
    "StriateError": "striate.core.errors",
}

__all__ = [
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
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'striate' has no attribute {name!r}")
    found = getattr(importlib.import_module(_HOMES[name]), name)
    return globals().get(name, found)  # importing the verbs may have put a package of the same name here, see _Verb


def __dir__() -> list[str]:
    return sorted(__all__)


class _Verb(ModuleType):
    """A package that shares its name with a verb and can be called as that verb: `striate.plan`, `striate.train` …

    Python puts every imported subpackage into its parent, over whatever stood there; so `striate.plan` is the function
    or the package, depending on what was imported first, unless the package is callable itself.
    """

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._function()(*arguments, **named)

    @property
    def __signature__(self) -> Any:
        return _signature(self._function())

    def _function(self) -> Any:
        return getattr(importlib.import_module("striate.api"), self.__name__.rpartition(".")[2])


class _Package(ModuleType):
    """This package, which makes its subpackages callable where they share a verb's name."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _VERBS and isinstance(value, ModuleType):
            value.__class__ = _Verb
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
