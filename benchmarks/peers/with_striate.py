"""striate through its Python API, at its defaults but for network, size and batch.

Default: nothing was kept from before, so that it audits, decodes and measures. Again: the same data was trained on
before, so that audit, pictures and measurements are found. One view: predictions compute one view of a picture, as the
peers do, where a Run's own average as many as its plan says.
"""

import json
import os
import sys
import time
from collections.abc import Mapping

from _job import Clock, answer, latency, question
from PIL import Image

import striate as st


class Steps:
    """Hears of each step."""

    def __init__(self, clock: Clock, batch: int) -> None:
        self.clock, self.batch, self.training, self.per_epoch = clock, batch, False, 0

    def stage(self, title: str) -> None:
        self.training = title == "training"

    def progress(self, done: int, total: int, text: str = "") -> None:
        if self.training:
            if self.per_epoch and done == self.per_epoch + 1:
                self.clock.epoch()
                self.clock.resumed = self.mark
            self.per_epoch = self.per_epoch or total // job["epochs"]
            self.clock.step(self.batch)

    def line(self, text: str) -> None:
        if text.startswith("epoch "):
            self.mark = time.time() - self.clock.started
        print(text)

    def warn(self, text: str) -> None:
        print(text)

    def figures(self, step: int, values: Mapping[str, float]) -> None: ...


job = question()
if job["measure"] == "train":
    again = job["setting"] == "again"
    clock = Clock(job)
    st.train(
        job["data"],
        out=f"{job['out']}/run-{time.time_ns()}",
        model=f"torchvision/{job['network']}",
        weights="none",
        size=job["size"],
        epochs=job["epochs"],
        set={"batch.size": job["batch"], "task.kind": "classify"},
        cache_size=None if again else 0,
        reporter=Steps(clock, job["batch"]),
    )
    if again and "warmed" not in job:  # that was the training before
        later = json.dumps({**job, "warmed": True, "started": time.time()})
        os.execv(sys.executable, [sys.executable, sys.argv[0], later])
    answer(**clock.found())
else:
    trained = st.runs(job["trained"])
    if not trained:
        raise SystemExit("striate predicts with what it trained in this folder before: let --measures begin with train")
    model = st.load(max(trained, key=lambda one: one.path).path)
    if job["setting"] == "one view":
        model.views = "single"
    if job["measure"] == "predict":
        begun = time.time()
        count = sum(1 for _ in model.predict_paths([job["pictures"]]))
        answer(images=count, seconds=time.time() - begun, whole=time.time() - job["started"])
    else:
        picture = Image.open(job["picture"]).convert("RGB")
        answer(**latency(lambda: model.predict(picture)))
