"""One script a peer, each run in a virtual environment of its own; `benchmarks/compare.py` says what they are asked."""
