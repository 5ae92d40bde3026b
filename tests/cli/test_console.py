"""Progress: a bar where somebody looks, plain lines where nobody does; tables that fit both."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from striate.cli import _console
from striate.cli._console import Bars, Lines, print_json, print_table, printable, reporting


def terminal() -> tuple[Bars, io.StringIO]:
    stream = io.StringIO()
    return Bars(Console(file=stream, force_terminal=True, width=120, highlight=False, markup=False)), stream


def test_a_log_gets_a_line_a_stage_and_an_epoch() -> None:
    stream = io.StringIO()
    lines = Lines(stream)
    lines.stage("training")
    for epoch in range(1, 3):
        for step in range(100):
            lines.progress((epoch - 1) * 100 + step + 1, 200, "loss 0.1")
        lines.line(f"epoch {epoch}/2  val accuracy 0.9")
    lines.stage("evaluating")
    lines.warn("a class is small")
    lines.close()
    lines.close()
    told = stream.getvalue()
    assert "\r" not in told
    assert "\x1b" not in told
    assert told.splitlines() == [
        "training",
        "epoch 1/2  val accuracy 0.9",
        "epoch 2/2  val accuracy 0.9",
        "training: 200 in 0 s",
        "evaluating",
        "warning: a class is small",
    ]


def test_a_stage_that_was_cut_short_says_how_far_it_came() -> None:
    stream = io.StringIO()
    lines = Lines(stream)
    lines.stage("audit")
    lines.progress(30, 1200)
    lines.close()
    assert stream.getvalue().splitlines()[-1] == "audit: 30 of 1,200 in 0 s"


def test_a_stage_begun_twice_is_one_stage() -> None:
    stream = io.StringIO()
    lines = Lines(stream)
    bars, drawn = terminal()
    for reporter in (lines, bars):
        reporter.stage("audit")
        reporter.stage("audit")
        reporter.progress(1, 1)
        reporter.stage("audit")  # after it counted, it is another one
        reporter.close()
    assert stream.getvalue().splitlines() == ["audit", "audit: 1 in 0 s", "audit"]
    assert drawn.getvalue().count("audit") == 2


def test_a_terminal_gets_a_bar_with_figures_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10_000, 10))
    monkeypatch.setattr(_console.time, "monotonic", lambda: float(next(clock)))
    bars, stream = terminal()
    bars.stage("audit")
    bars.progress(1, 100, "damaged 0")
    bars.progress(2, 100, "damaged 1")
    told = stream.getvalue()
    assert "audit" in told
    assert "2/100" in told
    assert "damaged 1" in told
    assert "left" in told
    bars.close()


def test_a_stage_that_tells_the_time_left_itself_is_believed() -> None:
    bars, stream = terminal()
    bars.stage("training")
    bars.progress(1, 100, "loss 0.5  3 min 1 s left")
    bars.close()
    told = stream.getvalue()
    assert "loss 0.5  3 min 1 s left" in told
    assert told.count(" left") == told.count("3 min 1 s left")
    assert "1 of 100 in 0 s" in told


def test_a_bar_is_drawn_ten_times_a_second_at_most() -> None:
    bars, stream = terminal()
    bars.stage("training")
    for step in range(1, 5000):
        bars.progress(step, 5000)
    assert stream.getvalue().count("/5,000") <= 30
    bars.progress(5000, 5000)
    assert "5,000/5,000" in stream.getvalue()
    bars.close()
    assert stream.getvalue().rstrip("\n\x1b[0m").endswith("5,000 in 0 s")


def test_a_resumed_stage_counts_its_pace_from_where_it_began(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(_console.time, "monotonic", lambda: now[0])
    monkeypatch.setattr("striate.core.events.time.monotonic", lambda: now[0])
    bars, stream = terminal()
    bars.stage("training")
    bars.progress(901, 1000)
    now[0] = 10.0
    bars.progress(911, 1000)  # 10 units in 10 s leave 89 s, not the tenth of a second that 911 units in 10 s would
    assert "1 min 29 s left" in stream.getvalue()
    bars.close()


def test_names_are_not_taken_for_markup_or_commands() -> None:
    bars, stream = terminal()
    bars.stage("[red]audit[/red]")
    bars.line("a[b].jpg \x1b]0;owned\x07")
    bars.progress(1, 2, "[/]")
    bars.close()
    told = stream.getvalue()
    assert "[red]audit[/red]" in told
    assert "a[b].jpg" in told
    assert "\x1b]0;" not in told
    assert "[/]" in told


def test_without_a_terminal_there_are_lines_and_the_block_closes_them(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        with reporting() as reporter:
            assert isinstance(reporter, Lines)
            reporter.stage("audit")
            reporter.progress(3, 9)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        work()
    assert capsys.readouterr().err.splitlines() == ["audit", "audit: 3 of 9 in 0 s"]


def test_with_a_terminal_there_are_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stderr", Terminal())
    with reporting() as reporter:
        assert isinstance(reporter, Bars)


def test_tables_in_a_pipe_break_no_line_and_leave_no_trailing_space(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["name", "n"], [["x" * 300, 1], ["[b]y[/b]", 22]], right=["n"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("x" * 300)
    assert lines[2].startswith("[b]y[/b]")
    assert lines[2].endswith("22")
    assert all(line == line.rstrip() for line in lines)


def test_json_of_names_that_are_not_unicode_stays_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"path": "caf\udce9", "value": float("inf")})
    assert json.loads(capsys.readouterr().out) == {"path": "caf\udce9", "value": None}
    print_json({"path": "café"})
    assert "café" in capsys.readouterr().out


def test_printable_keeps_words_and_spells_out_the_rest() -> None:
    assert printable("café ✓") == "café ✓"
    assert printable("a\r\tb") == "a\\r\\tb"
