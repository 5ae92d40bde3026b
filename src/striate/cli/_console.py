"""What the command line shows: progress on standard error, results on standard output."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column, Table
from rich.text import Text

from striate.core.artifacts import finite
from striate.core.events import Reporter, duration, time_left

_REFRESH_SECONDS = 0.1


class Bars:
    """A Reporter for a terminal: a bar with its figures, and sentences above it.

    Drawn by the calling thread, ten times a second at most: a drawing thread could hold a lock while workers are
    started.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._title = ""
        self._began = self._drawn = 0.0
        self._first: int | None = None
        self._done = (0, 0)
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def stage(self, title: str) -> None:
        """The bar of the stage before ends in one line; a new stage begins. One begun twice is one stage."""
        if title == self._title and self._first is None:
            return
        self.close()
        self._title, self._began, self._first = title, time.monotonic(), None
        self.console.print(Text(title, style="bold"))

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Move the bar; its figures and the time left beside it."""
        now = time.monotonic()
        if self._first is None:
            self._first, self._began = (done, now) if done > 1 else (0, self._began)  # a resumed stage begins inside
        self._done = (done, total)
        if now - self._drawn < _REFRESH_SECONDS and done < total:
            return
        self._drawn = now
        if self._bar is None:
            self._bar = Progress(
                BarColumn(24),
                TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
                TextColumn(
                    "{task.fields[figures]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")
                ),
                console=self.console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._task = self._bar.add_task("", total=total, figures="")
            self._bar.start()
        if " left" not in text:  # a stage that knows better says so itself
            left = time_left(done - self._first, total - self._first, self._began)
            text = f"{text}  {left} left" if text else f"{left} left"
        self._bar.update(self._task, completed=done, total=total, figures=printable(text))
        self._bar.refresh()

    def line(self, text: str) -> None:
        """A sentence, above the bar."""
        self.console.print(Text(printable(text)))

    def warn(self, text: str) -> None:
        """A warning, above the bar."""
        self.console.print(Text.assemble(("warning: ", "yellow"), printable(text)))

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        """Not shown: the bar and the lines of epochs say as much."""

    def close(self) -> None:
        """Take the bar away; a stage that counted leaves one line."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
            self.console.print(Text(f"  {_counted(self._done, self._began)}", style="dim"))


class Lines:
    """A Reporter for a log: one line a stage, sentence or finished count; no colours, no carriage returns."""

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream
        self._title = ""
        self._began = 0.0
        self._done: tuple[int, int] | None = None

    def stage(self, title: str) -> None:
        """A line with the title, after one for what the stage before counted. One begun twice is one stage."""
        if title == self._title and self._done is None:
            return
        self.close()
        self._title, self._began = title, time.monotonic()
        self._print(title)

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Only counted: the stage's end tells."""
        self._done = (done, total)

    def line(self, text: str) -> None:
        """The sentence, on a line."""
        self._print(text)

    def warn(self, text: str) -> None:
        """The warning, on a line."""
        self._print(f"warning: {text}")

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        """Not printed: the lines of epochs say as much."""

    def close(self) -> None:
        """A line for what the stage counted."""
        if self._done is not None:
            self._print(f"{self._title}: {_counted(self._done, self._began)}")
            self._done = None

    def _print(self, text: str) -> None:
        print(printable(text), file=self.stream, flush=True)


def _counted(progress: tuple[int, int], began: float) -> str:
    done, total = progress
    count = f"{total:,}" if done >= total else f"{done:,} of {total:,}"
    return f"{count} in {duration(time.monotonic() - began)}"


@contextlib.contextmanager
def reporting() -> Iterator[Reporter]:
    """A Reporter on standard error, in the form that suits it; its bar is gone when the block ends, however it ends."""
    reporter: Bars | Lines
    if sys.stderr.isatty():
        reporter = Bars(Console(file=sys.stderr, force_terminal=True, highlight=False, markup=False, emoji=False))
    else:
        reporter = Lines(sys.stderr)
    try:
        yield reporter
    finally:
        reporter.close()


def printable(text: object) -> str:
    r"""Text that cannot move a terminal's cursor: control characters are spelt out.

    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    return "".join(
        character if character.isprintable() or "\udc80" <= character <= "\udcff" else ascii(character)[1:-1]
        for character in str(text)
    )


def say(text: str = "") -> None:
    """A line on standard output."""
    print("\n".join(printable(line) for line in text.split("\n")))


def note(text: str) -> None:
    """A line on standard error."""
    print(printable(text), file=sys.stderr, flush=True)


def print_json(content: Any) -> None:
    """One JSON object on standard output: strict JSON, in ASCII where a name is not Unicode."""
    text = json.dumps(finite(content), ensure_ascii=False, allow_nan=False, default=str)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(finite(content), allow_nan=False, default=str)
    print(text)


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[object]], *, right: Sequence[str] = (), title: str | None = None
) -> None:
    """A table on standard output: fitted to a terminal, unbroken lines in a file or pipe.

    Args:
        right: the columns that are set flush right.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title_justify="left", header_style="bold")
    for name in columns:
        table.add_column(Text(name), justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    if title is not None:
        say(title)
    terminal = sys.stdout.isatty()
    console = Console(file=sys.stdout, force_terminal=terminal, highlight=False, width=None if terminal else 10_000)
    with console.capture() as captured:
        console.print(table)
    print("\n".join(line.rstrip() for line in captured.get().split("\n")), end="")


def figure(value: object) -> str:
    """A metric as the tables show it.

    >>> figure(0.98765), figure(None), figure(1234.5)
    ('0.9877', '–', '1234.5')
    """
    if value is None:
        return "–"
    if not isinstance(value, int | float):
        return str(value)
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.6g}"


def interval(bounds: object) -> str:
    """An interval as the tables show it; nothing where there is none."""
    if isinstance(bounds, list | tuple) and len(bounds) == 2 and None not in bounds:
        return f"{figure(bounds[0])} to {figure(bounds[1])}"
    return ""
