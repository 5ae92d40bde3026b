"""The command line: a file per command, found by listing this folder and imported when its command is named.

A command parses, calls `striate.api` and prints. Exit status 0: done; 1: the job failed; 2: the call cannot be
understood. Nothing here imports torch; `striate.api` does, and only a command that runs imports that.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from striate import __version__
from striate.core.errors import Interrupted, StriateError, UnknownName
from striate.core.memory import ran_out_of_memory
from striate.core.registry import file_names

STARTED = time.monotonic()
ORDER = (
    "train",
    "audit",
    "convert",
    "plan",
    "augment",
    "predict",
    "runs",
    "report",
    "evaluate",
    "compare",
    "explain",
    "attack",
    "export",
    "inspect",
    "calc",
    "bench",
    "cache",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: without the program's name; the process's own by default.

    Returns:
        the exit status.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    _tolerate_any_name()
    try:
        status = typer.main.get_command(app).main(list(arguments), prog_name="striate", standalone_mode=False)
    except StriateError as error:
        return _fail(error.message, error.fix, error.exit_status, arguments, error.details)
    except typer.TyperException as error:
        return _fail(_sentence(error), _see_help(error), error.exit_code, arguments)
    except (RuntimeError, MemoryError) as error:
        if not ran_out_of_memory(error):
            raise
        said = str(error).partition("\n")[0] or "memory ran out"
        return _fail(said, "a smaller --size, `--set batch.size=…` or a smaller network takes less", 1, arguments)
    except PermissionError as error:
        return _fail(f"{error.filename}: permission denied", "choose a path that you may use", 1, arguments)
    return status if isinstance(status, int) else 0


class Commands(TyperGroup):
    """The commands by name; each is imported when it is named, all of them for `striate --help`."""

    def list_commands(self, ctx: Any) -> list[str]:
        """All names, in the order of a first use; those not in that order last."""
        rank = {name: place for place, name in enumerate(ORDER)}
        return sorted(file_names(__name__), key=lambda name: (rank.get(name, len(rank)), name))

    def get_command(self, ctx: Any, name: str) -> Any:
        """One command: the function that its file is named after."""
        if name not in self.list_commands(ctx):
            return None
        single = typer.Typer(add_completion=False, rich_markup_mode="rich")
        single.command(name)(getattr(importlib.import_module(f"{__name__}.{name}"), name))
        return typer.main.get_command(single)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the first argument names. Raises `UnknownName`, which offers the nearest."""
        if not ctx.resilient_parsing and args[0] not in self.list_commands(ctx):
            raise UnknownName("command", args[0], self.list_commands(ctx))
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run it; Ctrl-C where nothing catches it ends in a sentence, not in a traceback."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted("stopped by Ctrl-C") from None


app = typer.Typer(cls=Commands, rich_markup_mode="rich", context_settings={"help_option_names": ["--help", "-h"]})


@app.callback(invoke_without_command=True)
def striate(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """From a folder of pictures to a convolutional network that can be trusted.

    Try [bold]striate train[/] first: it needs no data. Every command has --help with an example, and --json.
    """
    if version:
        typer.echo(f"striate {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help(), nl=False)


def _fail(
    message: str, fix: str | None, status: int, arguments: Sequence[str], details: Mapping[str, Any] | None = None
) -> int:
    print(f"error: {message}", file=sys.stderr)
    if fix:
        print(f"  fix: {fix}", file=sys.stderr)
    if "--json" in arguments:
        print(json.dumps({"error": message, "fix": fix, **({"details": dict(details)} if details else {})}))
    return status


def _sentence(error: typer.TyperException) -> str:
    """What is wrong with the call; a misspelt option with the nearest one."""
    name, near = getattr(error, "option_name", None), getattr(error, "possibilities", None)
    if name and near:
        return f"there is no option {name}; did you mean {' or '.join(near)}?"
    text = error.format_message()
    return (text[:1].lower() + text[1:]).rstrip(".")


def _see_help(error: typer.TyperException) -> str | None:
    context = getattr(error, "ctx", None)
    return f"see `{context.command_path} --help`" if context is not None else None


def _tolerate_any_name() -> None:
    """Let file names that are not Unicode through: as their own bytes on UTF-8, else spelt out."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            utf8 = (stream.encoding or "").lower().replace("-", "") == "utf8"
            stream.reconfigure(errors="surrogateescape" if utf8 else "backslashreplace")
