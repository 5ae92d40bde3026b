"""Worker processes that read and decode: a small pool that cannot hang and leaves nobody behind.

Why not `multiprocessing`: forking a process in which torch has threads may deadlock, and its other start methods run
the user's script a second time. Here a worker is a bare interpreter that imports only what its function needs (no
torch, so it starts in about 0.2 s) and talks over one socket. A worker that dies, most often because the kernel ran
out of memory, closes its socket, so that the parent sees it at once; a parent that dies closes it the other way.
Workers ignore Ctrl-C: only the parent decides.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import traceback
import weakref
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from striate.core.errors import DataError, StriateError

Item = TypeVar("Item")
Result = TypeVar("Result")

_POLL_SECONDS = 5.0


class WorkerPool(Generic[Item, Result]):
    """Applies one function to items, in worker processes or, with 0 workers, in this one; results keep the order.

    Args:
        function: picklable; sent to each worker once.
        workers: how many processes; 0 works in this process.
        describe: names an item in messages, such as "a.png to z.png".

    >>> with WorkerPool(len, 0) as pool:
    ...     list(pool.map(["a", "bcd"]))
    [1, 3]
    """

    def __init__(
        self, function: Callable[[Item], Result], workers: int, describe: Callable[[Item], str] = repr
    ) -> None:
        self.function = function
        self.workers = workers
        self.describe = describe
        self._processes: list[subprocess.Popen[bytes]] = []
        self._connections: list[Connection] = []
        self._busy: dict[Connection, tuple[int, Item]] = {}
        self._round = 0
        self._reap = weakref.finalize(self, _reap, self._processes, self._connections, os.getpid())

    def __enter__(self) -> WorkerPool[Item, Result]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers and wait for them; they hold nothing that could be lost. The next `map` starts new ones."""
        self._reap()
        self._processes, self._connections, self._busy = [], [], {}
        self._reap = weakref.finalize(self, _reap, self._processes, self._connections, os.getpid())

    def map(self, items: Iterable[Item], ahead: int | None = None) -> Iterator[Result]:
        """The function's results in the order of the items.

        Args:
            items: taken one by one, as they are needed.
            ahead: how many items at most are worked on or done beyond the one asked for; by default four a worker.

        Raises:
            DataError: a worker died.
            StriateError: what the function raised; anything else that it raised becomes a RuntimeError.
        """
        if self.workers == 0:
            yield from map(self.function, items)
            return
        self._start()
        self._drain()
        self._round += 1
        mine, window = self._round, max(1, 4 * self.workers if ahead is None else ahead)
        waiting = enumerate(items)
        done: dict[int, tuple[str, Any]] = {}
        given = taken = 0
        exhausted = False
        while True:
            if self._round != mine:
                raise RuntimeError("this pool was given other work before these results were taken")
            idle = [connection for connection in self._connections if connection not in self._busy]
            while idle and not exhausted and given - taken <= window:
                following = next(waiting, None)
                if following is None:
                    exhausted = True
                else:
                    self._give(idle.pop(), *following)
                    given += 1
            if taken in done:
                yield _opened(*done.pop(taken))  # an error too waits its turn: the first one is always the same
                taken += 1
            elif exhausted and taken == given:
                return
            else:
                for connection in wait(list(self._busy)):
                    assert isinstance(connection, Connection)
                    number, outcome = self._take(connection)
                    done[number] = outcome

    def _start(self) -> None:
        while len(self._connections) < self.workers:
            ours, theirs = Pipe()
            code = (
                f"import sys; sys.path[:] = {sys.path!r}; from striate.data.workers import serve; "
                f"serve({theirs.fileno()}, {os.getpid()})"
            )
            # Each works alone: threads of its numeric libraries would only compete. Its own process group keeps the
            # terminal's Ctrl-C from it even while it starts.
            process = subprocess.Popen(
                [sys.executable, "-c", code],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                process_group=0,
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
            )
            theirs.close()
            self._processes.append(process)
            self._connections.append(ours)
            try:
                ours.send(self.function)
            except (BrokenPipeError, ConnectionResetError) as error:
                raise self._death(ours, None) from error

    def _give(self, connection: Connection, number: int, item: Item) -> None:
        self._busy[connection] = (number, item)
        try:
            connection.send(item)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise self._death(connection, item) from error

    def _take(self, connection: Connection) -> tuple[int, tuple[str, Any]]:
        number, item = self._busy.pop(connection)
        try:
            outcome: tuple[str, Any] = connection.recv()
        except (EOFError, ConnectionResetError) as error:
            raise self._death(connection, item) from error
        return number, outcome

    def _drain(self) -> None:
        """Let the workers finish what an earlier, abandoned `map` had given them, and forget it."""
        for connection in list(self._busy):
            self._busy.pop(connection)
            try:
                connection.recv()
            except (EOFError, ConnectionResetError):
                self.close()
                self._start()
                return

    def _death(self, connection: Connection, item: Item | None) -> DataError:
        process = self._processes[self._connections.index(connection)]
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        status = process.returncode
        self.close()
        work = "while it started" if item is None else f"while it worked on {self.describe(item)}"
        if status is not None and status < 0:
            ended = f"was killed by {signal.Signals(-status).name}"
        else:
            ended = f"ended with status {status}"
        if status == -signal.SIGKILL:
            return DataError(
                f"a worker process {ended} {work}; most often memory has run out",
                fix="use fewer workers with --set execution.workers=0, or free memory",
            )
        return DataError(f"a worker process {ended} {work}", fix="look at those files, and try with 0 workers")


def _opened(outcome: str, content: Any) -> Any:
    """What a worker sent: its result, or the error that it met, raised here."""
    if outcome == "result":
        return content
    if outcome == "failed":
        raise RuntimeError(f"a worker process failed:\n{content}")
    kind, message, fix = content
    refusal: StriateError = kind.__new__(kind)  # the constructor of a subclass may want other arguments
    StriateError.__init__(refusal, message, fix)
    raise refusal


def _reap(processes: list[subprocess.Popen[bytes]], connections: list[Connection], owner: int) -> None:
    if os.getpid() != owner:
        return  # a forked child must not end its parent's workers
    for connection in connections:
        connection.close()
    for process in processes:
        process.kill()
    for process in processes:
        process.wait()


def serve(handle: int, parent: int) -> None:
    """What a worker process does: receive the function, then apply it to items until the parent is gone.

    Args:
        handle: the file descriptor of its end of the socket.
        parent: the process that started it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(EOFError, OSError), Connection(handle) as connection:  # the parent ended or gave up
        function: Callable[[Any], Any] = connection.recv()
        while True:
            # A process forked from the parent may hold the socket open beyond the parent's end.
            while not connection.poll(_POLL_SECONDS):
                if os.getppid() != parent:
                    return
            connection.send(_outcome(function, connection.recv()))


def _outcome(function: Callable[[Any], Any], item: Any) -> tuple[str, Any]:
    try:
        return "result", function(item)
    except StriateError as error:
        return "refused", (type(error), error.message, error.fix)
    except MemoryError:
        message = "memory ran out in a worker process"
        return "refused", (DataError, message, "use fewer workers with --set execution.workers=0, or free memory")
    except Exception:
        return "failed", traceback.format_exc()


def chunks(count: int, size: int) -> Iterator[range]:
    """The numbers below `count` in runs of at most `size`.

    >>> list(chunks(5, 2))
    [range(0, 2), range(2, 4), range(4, 5)]
    """
    for first in range(0, count, size):
        yield range(first, min(count, first + size))
