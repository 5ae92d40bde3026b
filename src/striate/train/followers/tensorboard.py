"""TensorBoard: event files in the Run's `tensorboard` folder, for `tensorboard --logdir RUN`.

The package frames the records, and they are appended here, not through its writer's thread: forked workers would
inherit that one's locks, and a full disk would be said by the thread, not to the caller.
"""

from __future__ import annotations

import io
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from striate.core.artifacts import append_bytes, make_folder
from striate.core.plan import Plan
from striate.core.run import RunFolder
from striate.train.followers import FOLLOWERS, Follower


@FOLLOWERS.register("tensorboard")
class TensorBoard(Follower):
    """One event file for each time that the training goes on; the events of a step that comes again are taken back."""

    package = "tensorboard"

    def __init__(self, run: RunFolder, plan: Plan) -> None:
        super().__init__(run, plan)
        self.folder = run.path / "tensorboard"
        self._path: Path | None = None
        self._last = 0

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        """Write them at once."""
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary

        begins = self._path is None
        if begins:
            self._path = self._new_file()
            self._write(Event(file_version="brain.Event:2"))
        if begins or step < self._last:  # TensorBoard drops what it had read from this step on
            self._write(Event(step=step, session_log=SessionLog(status=SessionLog.START)))
        self._last = step
        scalars = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._write(Event(step=step, summary=Summary(value=scalars)))

    def _new_file(self) -> Path:
        make_folder(self.folder)
        # Files are read in the order of their names, so one of the same second must not sort before an older one.
        stamp = max([int(time.time()), *(_stamp(path) + 1 for path in self.folder.glob("events.out.tfevents.*"))])
        return self.folder / f"events.out.tfevents.{stamp:010d}.{socket.gethostname()}.{os.getpid()}.0"

    def _write(self, event: Any) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        event.wall_time = time.time()
        framed = io.BytesIO()
        RecordWriter(framed).write(event.SerializeToString())
        assert self._path is not None
        append_bytes(self._path, framed.getvalue())


def _stamp(path: Path) -> int:
    stamp = path.name.split(".")[3]
    return int(stamp) if stamp.isdecimal() else 0
