"""The verbs from Python, on the built-in digits: audit, plan, train, look, predict, resume.

Run it anywhere: `python python_api.py [FOLDER]`. It takes about half a minute on two cores.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import striate as st


def main(folder: Path) -> None:
    """Train a small Run in `folder` and use it."""
    audit = st.audit()
    print(f"{audit.samples} samples, {len(audit.quarantined)} damaged, {len(audit.duplicates)} groups of duplicates")

    plan = st.plan(epochs=10, set={"optimizer.rate": 0.05})  # what you set wins over the rules, and is marked
    for key in ("network.name", "augment.flip", "optimizer.rate"):
        decision = plan.decisions[key]
        print(f"{key} = {decision.value}: {decision.because}")

    run = st.train(plan=plan, out=folder / "digits")
    test = run.metrics["test"]
    low, high = test["accuracy_interval"]
    print(f"test accuracy {test['accuracy']:.4f}, 95 % interval {low:.4f} to {high:.4f}")
    assert test["accuracy"] > 0.9

    model = st.load(run.path / "model")  # the model alone is enough; copy that folder anywhere
    digits = load_digits()
    pixels = (digits.images[:5] * (255 / 16)).round().astype(np.uint8)
    for prediction, truth in zip(model.predict(list(pixels)), digits.target[:5], strict=True):
        print(f"{prediction.label} ({prediction.probability:.3f}), in truth {truth}")

    print(st.resume(run.path))  # a finished Run is left as it is; a killed one goes on
    for summary in st.runs(folder):
        print(summary.path.name, summary.status, summary.metric, summary.value)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
