"""A network of your own as a page of data: look at its layers, train it on the built-in digits, keep it as JSON.

Run it anywhere: `python custom_network.py [FOLDER]`. It takes about half a minute on two cores. From the command line:
`striate train --model custom_network.yaml`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import striate as st
from striate.nets import Network, profile, resolve

FILE = Path(__file__).with_name("custom_network.yaml")


def main(folder: Path) -> None:
    """Show the network's layers for the digits, train it in `folder`, find it in the Model."""
    network = Network.from_file(FILE)
    for layer in network.layers((1, 8, 8)):
        before, after = "×".join(map(str, layer.input)), "×".join(map(str, layer.output))
        print(f"{layer.number:3}  {layer.name:24} {before:>8} → {after}")
    found = profile(resolve(str(FILE), outputs=10, channels=1, height=8, width=8))
    print(f"{found.parameters:,} parameters, {found.macs:,} multiply-accumulates a picture")

    run = st.train(model=str(FILE), out=folder / "run", epochs=8)
    print(f"test accuracy {run.metrics['test']['accuracy']:.4f}")
    assert run.metrics["test"]["accuracy"] > 0.85

    description = json.loads((run.path / "model" / "model.json").read_text("utf-8"))
    assert description["network"]["network"]["name"] == network.name  # the file is not needed again
    print(st.load(run.path / "model"))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
