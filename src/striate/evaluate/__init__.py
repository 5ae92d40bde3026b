"""Evaluation: metrics with their intervals, tables, and what could not be judged."""

from striate.evaluate.intervals import Interval, bootstrap, percentile_interval, resample_counts, units_of
from striate.evaluate.scoring import score
from striate.evaluate.thresholds import Moved, even_f1, move_thresholds

__all__ = [
    "Interval",
    "Moved",
    "bootstrap",
    "even_f1",
    "move_thresholds",
    "percentile_interval",
    "resample_counts",
    "score",
    "units_of",
]
