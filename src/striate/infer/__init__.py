"""The one forward loop, and the Model: weights and one JSON that predict anywhere, to the bit."""

from striate.infer.forward import (
    VIEWS,
    Views,
    each_view,
    evaluating,
    forward,
    in_parts,
    predict_outputs,
    stream_outputs,
)
from striate.infer.model import Model
from striate.infer.prediction import Prediction

__all__ = [
    "VIEWS",
    "Model",
    "Prediction",
    "Views",
    "each_view",
    "evaluating",
    "forward",
    "in_parts",
    "predict_outputs",
    "stream_outputs",
]
