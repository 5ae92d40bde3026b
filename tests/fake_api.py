"""A stand-in for `striate.api`: its functions with their real parameters, read from its source, that only record calls.

So the command line is tested without torch, and still fails where it passes what the real function does not take.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import striate

SOURCE = Path(striate.__file__).parent / "api.py"


@dataclass
class FakeApi:
    """What was called, and what calls give back.

    Args:
        results: by function name: a value to return, an exception to raise, or a function of the arguments.
        calls: (name, arguments that differ from their defaults), in order.
    """

    results: dict[str, Any]
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def answer(self, name: str, arguments: dict[str, Any], defaults: dict[str, Any]) -> Any:
        """Record a call and give its result."""
        shown = {key: value for key, value in arguments.items() if key not in defaults or value != defaults[key]}
        self.calls.append((name, shown))
        result = self.results.get(name)
        if isinstance(result, BaseException):
            raise result
        return result(**arguments) if callable(result) else result


def install(results: dict[str, Any]) -> tuple[FakeApi, ModuleType]:
    """The fake and the module that stands for `striate.api`."""
    fake, module = FakeApi(results), ModuleType("striate.api")
    for node in ast.parse(SOURCE.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            setattr(module, node.name, _recorder(node, fake))
    return fake, module


def patch(monkeypatch: pytest.MonkeyPatch, **results: Any) -> FakeApi:
    """Put the fake in the place of `striate.api` until the test ends."""
    fake, module = install(results)
    monkeypatch.setitem(sys.modules, "striate.api", module)
    monkeypatch.setattr(striate, "api", module, raising=False)
    return fake


def _recorder(node: ast.FunctionDef, fake: FakeApi) -> Callable[..., Any]:
    body = ast.parse(f"return _answer({node.name!r}, dict(locals()), _defaults)").body
    for argument in [*node.args.args, *node.args.kwonlyargs]:
        argument.annotation = None
    bare = ast.FunctionDef(node.name, node.args, body, [], None, type_params=[], lineno=1, col_offset=0)
    code = compile(ast.fix_missing_locations(ast.Module([bare], [])), "fake_api", "exec")
    space: dict[str, Any] = {"_answer": fake.answer}
    exec(code, space)
    function: Callable[..., Any] = space[node.name]
    names = [argument.arg for argument in node.args.args]
    positional = dict(zip(reversed(names), reversed(function.__defaults__ or ()), strict=False))  # type: ignore[attr-defined]
    space["_defaults"] = {**positional, **(function.__kwdefaults__ or {})}  # type: ignore[attr-defined]
    return function
