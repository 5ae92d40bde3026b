"""Evaluation: metrics with their intervals, tables, and what could not be judged."""

from striate.evaluate.intervals import Interval, bootstrap, percentile_interval, units_of
from striate.evaluate.scoring import score

__all__ = ["Interval", "bootstrap", "percentile_interval", "score", "units_of"]
