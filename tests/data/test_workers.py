"""The worker pool: order, errors, death, Ctrl-C, and nobody left behind."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from striate.core.errors import DataError, UnknownName
from striate.data import workers
from striate.data.workers import WorkerPool, chunks


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie of ours."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_results_keep_the_order_with_and_without_processes() -> None:
    items = [list(range(number % 7)) for number in range(50)]
    for count in (0, 1, 3):
        with WorkerPool(len, count) as pool:
            assert list(pool.map(items)) == [number % 7 for number in range(50)]
            assert list(pool.map(items[:3])) == [0, 1, 2], "a pool is used again"


def test_items_are_taken_no_further_ahead_than_said() -> None:
    taken = 0

    def items() -> Iterator[str]:
        nonlocal taken
        for _ in range(100):
            taken += 1
            yield "x"

    with WorkerPool(len, 2) as pool:
        results = pool.map(items(), ahead=4)
        next(results)
        assert 1 <= taken <= 6


def test_the_work_is_done_in_other_processes_with_this_path() -> None:
    with WorkerPool(eval, 2) as pool:
        found = list(pool.map(["__import__('os').getpid()"] * 20))
        assert os.getpid() not in found
        assert set(found) <= {process.pid for process in pool._processes}
        assert set(pool.map(["tuple(__import__('sys').path)"] * 2)) == {tuple(sys.path)}


def test_an_abandoned_map_leaves_the_pool_usable() -> None:
    with WorkerPool(len, 2) as pool:
        first = pool.map(["ab"] * 40)
        assert next(first) == 2
        assert list(pool.map(["abc"] * 40)) == [3] * 40, "no result of the abandoned map is taken for a new one"
        with pytest.raises(RuntimeError, match="other work"):
            list(first)


@pytest.mark.parametrize("count", [0, 2])
def test_a_refusal_comes_back_as_itself(count: int) -> None:
    with WorkerPool(refuse, count) as pool, pytest.raises(UnknownName) as caught:
        list(pool.map(["fitst", "second"]))
    assert caught.value.message == "there is no thing 'fitst'; did you mean 'first'?"
    assert caught.value.fix == "choose one of: first"
    assert caught.value.exit_status == 2


def refuse(name: str) -> None:
    raise UnknownName("thing", name, ["first"])


def test_another_error_comes_back_with_its_place() -> None:
    with WorkerPool(int, 1) as pool, pytest.raises(RuntimeError, match=r"invalid literal for int\(\)"):
        list(pool.map(["x"]))


def test_a_killed_worker_is_an_error_that_says_so_not_a_hang() -> None:
    started = time.monotonic()
    with WorkerPool(eval, 2, lambda item: "b.png to c.png") as pool:
        work = ["__import__('os').kill(__import__('os').getpid(), 9)", "1"]
        with pytest.raises(
            DataError, match=r"SIGKILL while it worked on b\.png to c\.png; most often memory"
        ) as caught:
            list(pool.map(work))
        assert caught.value.fix is not None
        assert "workers" in caught.value.fix
        assert list(pool.map(["2"])) == [2], "the pool starts anew"
    assert time.monotonic() - started < 20


def test_a_worker_that_cannot_start_is_an_error() -> None:
    with WorkerPool(eval, 1) as pool, pytest.raises(DataError, match="ended with status 3"):
        list(pool.map(["__import__('os')._exit(3)"]))


def test_workers_ignore_the_interrupt() -> None:
    with WorkerPool(eval, 1) as pool:
        assert list(pool.map(["1"])) == [1]
        os.kill(pool._processes[0].pid, signal.SIGINT)
        assert list(pool.map(["2"])) == [2]
        assert pool._processes[0].poll() is None


def test_workers_end_with_the_pool_and_when_it_is_forgotten() -> None:
    pool = WorkerPool(len, 2)
    list(pool.map(["a"]))
    first = [process.pid for process in pool._processes]
    pool.close()
    assert not any(map(alive, first))
    list(pool.map(["a"]))
    second = [process.pid for process in pool._processes]
    assert all(map(alive, second))
    del pool
    gc.collect()
    assert not any(map(alive, second))


def test_closing_does_not_wait_for_work_under_way() -> None:
    pool = WorkerPool(eval, 2)
    results = pool.map(["1", "__import__('time').sleep(60)", "__import__('time').sleep(60)"])
    assert next(results) == 1
    pids = [process.pid for process in pool._processes]
    started = time.monotonic()
    pool.close()
    assert time.monotonic() - started < 20
    assert not any(map(alive, pids))


@pytest.mark.parametrize("end", ["SIGKILL", "SIGINT", "return"])
def test_workers_end_with_their_parent(end: str) -> None:
    script = textwrap.dedent("""
        import sys, time
        from striate.data.workers import WorkerPool
        pool = WorkerPool(eval, 2)
        list(pool.map(["1"] * 8))
        print(*[process.pid for process in pool._processes], flush=True)
        if sys.argv[1] != "return":
            list(pool.map(["__import__('time').sleep(0.05)"] * 10000))
    """)
    parent = subprocess.Popen(
        [sys.executable, "-c", script, end], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2
    if end != "return":
        time.sleep(0.2)
        parent.send_signal(getattr(signal, end))
    _, complaints = parent.communicate(timeout=20)
    assert complaints.count("Traceback") == (1 if end == "SIGINT" else 0), "workers say nothing of an interrupt"
    deadline = time.monotonic() + 10
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, pids))


def test_a_script_without_a_main_guard_is_not_run_again(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "print('once')\nfrom striate.data.workers import WorkerPool\n"
        "with WorkerPool(len, 2) as pool:\n    print(list(pool.map(['a', 'bc'])))\n"
    )
    child = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False, timeout=30)
    assert child.stdout == "once\n[1, 2]\n", child.stderr


@pytest.mark.parametrize("module", ["audit", "examination", "rendering", "prepare", "workers"])
def test_what_workers_import_is_light(module: str) -> None:
    code = f"import sys, striate.data.{module}; print([m for m in ('torch', 'sklearn', 'scipy') if m in sys.modules])"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert child.stdout == "[]\n"


def test_an_orphan_whose_socket_another_holds_open_ends_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_POLL_SECONDS", 0.05)
    ours, theirs = workers.Pipe()
    ours.send(len)
    old = signal.getsignal(signal.SIGINT)
    try:
        started = time.monotonic()
        workers.serve(os.dup(theirs.fileno()), parent=1 if os.getppid() != 1 else 2)
        assert time.monotonic() - started < 5
    finally:
        signal.signal(signal.SIGINT, old)
        ours.close()
        theirs.close()


def test_chunks_cover_everything_once() -> None:
    assert [list(part) for part in chunks(7, 3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(chunks(0, 3)) == []
