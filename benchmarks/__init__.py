"""Goals that are run, not asserted in passing: `python -m benchmarks goals` and `python -m benchmarks plain`."""
