"""Evaluation: metrics with their intervals, tables, what could not be judged, and what validation decides."""

from striate.evaluate.box_thresholds import BoxThresholds, choose_box_thresholds
from striate.evaluate.calibration import Temperature, fit_temperature
from striate.evaluate.conformal import fit_sets, judge_sets
from striate.evaluate.curves import curves, reliability
from striate.evaluate.intervals import Interval, bootstrap, percentile_interval, resample_counts, units_of
from striate.evaluate.postprocess import Tidied, choose_tidying
from striate.evaluate.residuals import residuals
from striate.evaluate.scoring import score
from striate.evaluate.thresholds import LabelThresholds, Moved, choose_thresholds, even_f1, move_thresholds

__all__ = [
    "BoxThresholds",
    "Interval",
    "LabelThresholds",
    "Moved",
    "Temperature",
    "Tidied",
    "bootstrap",
    "choose_box_thresholds",
    "choose_thresholds",
    "choose_tidying",
    "curves",
    "even_f1",
    "fit_sets",
    "fit_temperature",
    "judge_sets",
    "move_thresholds",
    "percentile_interval",
    "reliability",
    "resample_counts",
    "residuals",
    "score",
    "units_of",
]
