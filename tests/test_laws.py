"""The laws of the tree, enforced by walking its syntax: imports, cycles, pickles, writes, swallowed errors.

Each checker is a function from {module name: source} to violations in words, so that it is tested on planted ones too.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

import striate

ROOT = Path(striate.__file__).parent

# Each may import only what stands above it; names on one line never import each other.
LAW: tuple[tuple[str, ...], ...] = (
    ("core",),
    ("data", "nets", "losses", "metrics"),
    ("tasks",),
    ("infer",),
    ("plan",),
    ("train", "evaluate", "explain", "harden", "ship"),
    ("report", "workflows"),
    ("api",),
    ("cli", "studio"),
)
RANK = {name: rank for rank, names in enumerate(LAW) for name in names}

# Imports inside functions. Optional dependencies may be imported so anywhere; start-up time excuses the packages here.
OPTIONAL = {"onnx", "onnxruntime", "onnxscript", "captum", "tensorboard", "mlflow", "segmentation_models_pytorch"}
START_UP = {
    "striate.nets.libraries": {"timm", "torchvision"},  # a second or two; most networks are our own
    "striate.nets.smp": {"timm"},  # of which its encoders may be
    "striate.data.readers.digits": {"sklearn"},  # only the built-in data needs it
    "striate.data.masks": {"scipy"},  # a third of a second in each worker process, and most data has no masks
    "striate.data.mask_facts": {"scipy"},
    "striate.data.readers._mask_codes": {"scipy"},
}

# The only places that write files.
WRITERS = {
    "striate.core.artifacts": "the one writer",
    "striate.core.run": "the lock file, which holds nothing",
}


def tree() -> dict[str, str]:
    """The source of every module of the package, by dotted name."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = ["striate", *path.relative_to(ROOT).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text("utf-8")
    return found


@dataclass(frozen=True)
class Import:
    """One import: by which module, of which, at which line, and whether inside a function."""

    importer: str
    imported: str
    line: int
    inside: bool


def imports(modules: Mapping[str, str]) -> Iterator[Import]:
    """Every import, those under TYPE_CHECKING too; `from p import m` is of `p.m` where that is a module."""
    for importer, source in modules.items():
        whole = ast.parse(source)
        inside = {
            id(child)
            for node in ast.walk(whole)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for child in ast.walk(node)
        }
        for node in ast.walk(whole):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level:
                names = ["." * node.level]  # reported by `broken_imports`: absolute imports only
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                whole_names = [f"{base}.{alias.name}" for alias in node.names]
                names = [name if name in modules else base for name in whole_names]
            else:
                continue
            for name in dict.fromkeys(names):
                yield Import(importer, name, node.lineno, id(node) in inside)


def _layer(module: str) -> str:
    name = module.split(".")[1] if "." in module else ""
    return "cli" if name == "__main__" else name  # `python -m striate` is the command line


def broken_imports(modules: Mapping[str, str]) -> list[str]:
    """Imports against the law, and imports inside functions that nothing excuses."""
    found = []
    for one in imports(modules):
        where = f"{one.importer}:{one.line}"
        own, package = _layer(one.importer), one.imported.split(".")[0]
        if one.imported.startswith("."):
            found.append(f"{where} has a relative import")
            continue
        if one.importer != "striate" and own not in RANK:
            found.append(f"{where}: the law does not know striate.{own}")
            continue
        lazily = one.importer == "striate" or own in ("cli", "studio")
        excused = package in OPTIONAL or package in START_UP.get(one.importer, ())
        if one.inside and not lazily and not excused:
            found.append(f"{where} imports {one.imported} inside a function")
        if package != "striate" or one.importer == "striate":
            continue
        other = _layer(one.imported)
        if other == "":
            if own not in ("cli", "studio"):
                found.append(f"{where} imports the package's own front, striate")
        elif other not in RANK:
            found.append(f"{where} imports striate.{other}, which the law does not know")
        elif other != own and RANK[other] >= RANK[own]:
            word = "beside" if RANK[other] == RANK[own] else "to the right of"
            found.append(f"{where} imports {one.imported}, which stands {word} {own}")
        elif own in ("cli", "studio") and other not in (own, "api", "core"):
            found.append(f"{where} imports {one.imported}; {own} calls api only")
    return found


def cycles(modules: Mapping[str, str]) -> list[str]:
    """Cycles between modules, each once, as `a → b → a`."""
    edges: dict[str, set[str]] = {name: set() for name in modules}
    for one in imports(modules):
        if one.imported in edges and one.imported != one.importer and one.importer != "striate":
            edges[one.importer].add(one.imported)
    found, done = [], set()
    path: list[str] = []

    def visit(name: str) -> None:
        path.append(name)
        for other in sorted(edges[name]):
            if other in path:
                found.append(" → ".join([*path[path.index(other) :], other]))
            elif other not in done:
                visit(other)
        path.pop()
        done.add(name)

    for name in sorted(edges):
        if name not in done:
            visit(name)
    return found


def _name(node: ast.expr) -> str:
    """`a.b.c` as text; what is not a plain dotted name is `?`."""
    if isinstance(node, ast.Name):
        return node.id
    return f"{_name(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else "?"


def _keyword(call: ast.Call, name: str) -> object:
    """The constant given to a keyword; the node itself where it is no constant; None where it is not given."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value.value if isinstance(keyword.value, ast.Constant) else keyword.value
    return None


def pickles(modules: Mapping[str, str]) -> list[str]:
    """Whatever can run code hidden in a file: pickle and its kin, unbound torch.load, torch.save, unsafe YAML."""
    found = []
    kin = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    for one in imports(modules):
        if one.imported.split(".")[0] in kin:
            found.append(f"{one.importer}:{one.line} imports {one.imported}")
    for module, source in modules.items():
        for node in ast.walk(ast.parse(source)):
            if not isinstance(node, ast.Call):
                continue
            called, where = _name(node.func), f"{module}:{node.lineno}"
            if called == "torch.save":
                found.append(f"{where} calls torch.save")
            if called == "torch.load" and _keyword(node, "weights_only") is not True:
                found.append(f"{where} calls torch.load without weights_only=True")
            if called.endswith(".load") and _keyword(node, "allow_pickle") not in (None, False):
                found.append(f"{where} calls {called} with allow_pickle")
            if called in ("yaml.load", "yaml.unsafe_load", "yaml.full_load"):
                found.append(f"{where} calls {called}; use yaml.safe_load")
            if called.endswith("read_pickle"):
                found.append(f"{where} calls {called}")
    return found


_MODE = re.compile(r"[rwaxbtU+]{1,4}(:\w+|\|\w+)?$")


def _writes(call: ast.Call, buffers: set[str]) -> str | None:
    """How a call writes a file, in words, or None where it does not."""
    called = _name(call.func)
    last = called.rsplit(".", 1)[-1]
    first = call.args[0] if call.args else None
    to_memory = isinstance(first, ast.Name) and first.id in buffers
    if last in ("open", "fdopen", "ZipFile", "TarFile", "GzipFile") and called != "os.open":
        mode = _keyword(call, "mode")
        position = 0 if isinstance(call.func, ast.Attribute) and last == "open" and called != "io.open" else 1
        for argument in call.args[position : position + 2]:
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str) and _MODE.match(argument.value):
                mode = mode if mode is not None else argument.value
        if isinstance(mode, ast.expr):
            return f"{called}(mode={ast.unparse(mode)}), a mode that is not written out"
        if called == "open" and len(call.args) > 1 and not isinstance(call.args[1], ast.Constant):
            return f"open(…, {ast.unparse(call.args[1])}), a mode that is not written out"
        if isinstance(mode, str) and set(mode.split(":")[0].split("|")[0]) & set("wax+") and not to_memory:
            return f"{called}(…, {mode!r})"
    if called == "os.open" and "RDONLY" not in ast.unparse(call):
        return "os.open for writing"
    base = called.rsplit(".", 1)[0] if "." in called else ""
    if last in ("write_text", "write_bytes") and isinstance(call.func, ast.Attribute) and base != "artifacts":
        return f"{called}(…)"
    if last in ("savez", "savez_compressed", "savetxt", "save_file", "savefig", "tofile") and not to_memory:
        return f"{called}(…)"
    if last == "memmap" and not any(isinstance(one, ast.Constant) and one.value == "r" for one in call.args):
        return f"{called}(…), not read-only"
    ours = base.rsplit(".", 1)[-1].lower() in ("model", "self")  # Model.save, which goes through the one writer
    if last == "save" and isinstance(call.func, ast.Attribute) and not to_memory and not ours and called != _BYTES:
        return f"{called}(…)"
    if base == "shutil" and last in ("copy", "copy2", "copyfile", "copytree", "move", "make_archive"):
        return f"{called}(…)"
    if base == "tempfile":
        return f"{called}(…)"
    return None


_BYTES = "safetensors.torch.save"  # returns bytes; the one that writes is save_file


def writes(modules: Mapping[str, str]) -> list[str]:
    """Files written elsewhere than by the one writer."""
    found = []
    for module, source in modules.items():
        if module in WRITERS:
            continue
        whole = ast.parse(source)
        buffers = {
            target.id
            for node in ast.walk(whole)
            if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr)
            and isinstance(node.value, ast.Call)
            and _name(node.value.func).endswith(("BytesIO", "StringIO"))
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(whole):
            if isinstance(node, ast.Call) and (how := _writes(node, buffers)):
                found.append(f"{module}:{node.lineno} writes by {how}")
    return found


def swallowed(modules: Mapping[str, str]) -> list[str]:
    """Handlers that go on in silence without a comment that says why, bare excepts, and broad suppressions."""
    found = []
    for module, source in modules.items():
        comments = {
            token.start[0]
            for token in tokenize.generate_tokens(io.StringIO(source).readline)
            if token.type == tokenize.COMMENT and len(token.string.strip("# ")) > 3 and "noqa" not in token.string
        }
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ExceptHandler):
                lines = set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
                if node.type is None:
                    found.append(f"{module}:{node.lineno} has a bare except")
                elif all(_silent(statement) for statement in node.body) and not lines & comments:
                    found.append(f"{module}:{node.lineno} swallows {ast.unparse(node.type)} without saying why")
            if isinstance(node, ast.Call) and _name(node.func).endswith("suppress"):
                broad = {_name(argument) for argument in node.args} & {"Exception", "BaseException"}
                if broad:
                    found.append(f"{module}:{node.lineno} suppresses every {broad.pop()}")
    return found


def _silent(statement: ast.stmt) -> bool:
    empty_return = isinstance(statement, ast.Return) and (
        statement.value is None or (isinstance(statement.value, ast.Constant) and statement.value.value is None)
    )
    dots = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Pass | ast.Continue | ast.Break) or empty_return or dots


@pytest.mark.parametrize("law", [broken_imports, cycles, pickles, writes, swallowed])
def test_the_tree_keeps_the_law(law: object) -> None:
    assert callable(law)
    found = law(tree())
    assert not found, f"{len(found)} violations:\n" + "\n".join(found)


def test_the_whole_tree_is_walked() -> None:
    modules = tree()
    assert {"striate", "striate.core", "striate.core.artifacts", "striate.core.run"} <= set(modules)
    assert len(modules) == len(list(ROOT.rglob("*.py")))
    assert set(WRITERS) <= set(modules), "an allowed writer that does not exist"


@pytest.mark.parametrize(
    ("importer", "statement", "words"),
    [
        ("striate.core.a", "from striate.data import audit", "to the right of core"),
        ("striate.core.a", "import striate.cli", "to the right of core"),
        ("striate.data.a", "from striate.nets import build", "beside data"),
        ("striate.losses.a", "from striate.metrics import METRICS", "beside losses"),
        ("striate.train.a", "import striate.evaluate.scoring as s", "beside train"),
        (
            "striate.plan.a",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import striate.train",
            "right of plan",
        ),
        ("striate.plan.a", "try:\n    import striate.train\nfinally:\n    pass", "to the right of plan"),
        ("striate.api", "from striate.cli import main", "to the right of api"),
        ("striate.cli.a", "from striate.train import loop", "calls api only"),
        ("striate.data.a", "def f():\n    import striate.core", "inside a function"),
        ("striate.data.a", "def f():\n    import timm", "inside a function"),
        ("striate.data.a", "class C:\n    async def f(self):\n        from html import escape", "inside a function"),
        ("striate.data.a", "from . import b", "relative import"),
        ("striate.data.a", "import striate", "own front"),
        ("striate.other.a", "import os", "does not know striate.other"),
        ("striate.api", "import striate.other", "does not know"),
    ],
)
def test_planted_imports_are_found(importer: str, statement: str, words: str) -> None:
    (found,) = broken_imports({importer: statement})
    assert words in found


@pytest.mark.parametrize(
    ("importer", "statement"),
    [
        ("striate", "def __getattr__(name):\n    from striate import api"),
        ("striate.cli.train", "def run():\n    from striate.api import train"),
        ("striate.cli.train", "from striate.core.errors import StriateError\nfrom striate.cli import _console"),
        ("striate.ship.onnx", "def export():\n    import onnxruntime"),
        ("striate.nets.libraries", "def make():\n    import timm.models"),
        ("striate.tasks.a", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from striate.data import Batch"),
        ("striate.api", "import striate.workflows.train, striate.core.plan"),
        ("striate.train.a", "from striate.train import optimizers\nimport torch.nn as nn"),
    ],
)
def test_lawful_imports_pass(importer: str, statement: str) -> None:
    assert broken_imports({importer: statement}) == []


def test_planted_cycles_are_found() -> None:
    modules = {
        "striate.data": "",
        "striate.data.a": "from striate.data import b",
        "striate.data.b": "import striate.data.c",
        "striate.data.c": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from striate.data.a import x",
    }
    assert cycles(modules) == ["striate.data.a → striate.data.b → striate.data.c → striate.data.a"]
    assert cycles({**modules, "striate.data.c": "from striate.data import x"}) == []


@pytest.mark.parametrize(
    "statement",
    [
        "import pickle",
        "from joblib import dump",
        "def f():\n    import dill",
        "torch.save(state, path)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=safe)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text, Loader=yaml.Loader)",
        "pandas.read_pickle(path)",
    ],
)
def test_planted_pickles_are_found(statement: str) -> None:
    assert len(pickles({"striate.data.a": statement})) == 1


def test_loads_bound_to_weights_pass() -> None:
    code = "torch.load(p, map_location='cpu', weights_only=True)\nnp.load(p, allow_pickle=False)\nyaml.safe_load(t)"
    assert pickles({"striate.nets.weights": code}) == []


@pytest.mark.parametrize(
    "statement",
    [
        "open(path, 'w')",
        "open(path, mode='ab')",
        "open(path, 'r+b')",
        "open(path, mode)",
        "path.open('x')",
        "path.open(mode=how)",
        "os.open(path, os.O_WRONLY | os.O_CREAT)",
        "os.fdopen(handle, 'w')",
        "Path(a).write_text('x')",
        "(folder / 'a').write_bytes(b'x')",
        "np.savez(path, a=a)",
        "np.save(path, a)",
        "safetensors.torch.save_file(t, path)",
        "image.save(path)",
        "image.save(folder / 'a.png')",
        "figure.savefig(path)",
        "array.tofile(path)",
        "np.memmap(path, 'uint8')",
        "np.memmap(path, 'uint8', 'r+')",
        "zipfile.ZipFile(path, 'w')",
        "tarfile.open(path, 'w:gz')",
        "shutil.copy(a, b)",
        "tempfile.NamedTemporaryFile()",
    ],
)
def test_planted_writes_are_found(statement: str) -> None:
    assert len(writes({"striate.data.a": statement})) == 1
    assert writes({"striate.core.artifacts": statement}) == []


@pytest.mark.parametrize(
    "statement",
    [
        "open(path)",
        "open(path, 'rb')",
        "np.memmap(path, 'uint8', 'r', shape=(3,))",
        "path.open(encoding='utf-8')",
        "Image.open(path)",
        "zipfile.ZipFile(path)",
        "archive.open(member, 'r')",
        "tarfile.open(path, 'r:*')",
        "os.open(folder, os.O_RDONLY)",
        "RunFolder.open('runs/x')",
        "write_text(path, 'x')",
        "artifacts.write_bytes(path, b'x')",
        "buffer = io.BytesIO()\nimage.save(buffer, 'PNG')",
        "buffer = BytesIO()\nnp.savez(buffer, a=a)",
        "safetensors.torch.save(tensors)",
        "run.model.save(folder)",
    ],
)
def test_reads_and_memory_pass(statement: str) -> None:
    assert writes({"striate.data.a": statement}) == []


@pytest.mark.parametrize(
    "statement",
    [
        "try:\n    f()\nexcept OSError:\n    pass",
        "try:\n    f()\nexcept (OSError, ValueError) as e:\n    ...",
        "def g():\n    try:\n        f()\n    except OSError:\n        return None",
        "for x in y:\n    try:\n        f()\n    except Exception:\n        continue",
        "try:\n    f()\nexcept:\n    raise",
        "try:\n    f()\nexcept OSError:  # noqa: S110\n    pass",
        "with contextlib.suppress(Exception):\n    f()",
    ],
)
def test_planted_silence_is_found(statement: str) -> None:
    assert len(swallowed({"striate.data.a": statement})) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "try:\n    f()\nexcept OSError:\n    pass  # no control group: the machine's own limit counts",
        "try:\n    f()\nexcept OSError as error:\n    raise DataError('x') from error",
        "try:\n    f()\nexcept OSError:\n    found = []",
        "with contextlib.suppress(OSError):\n    f()",
    ],
)
def test_handlers_that_act_or_explain_pass(statement: str) -> None:
    assert swallowed({"striate.data.a": statement}) == []
