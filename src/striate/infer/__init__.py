"""The one forward loop, and the Model: weights and one JSON that predict anywhere, to the bit."""

from striate.infer.agreed import agreed
from striate.infer.box_tiles import Side, Tiling, tiling_of
from striate.infer.ensemble import Ensemble
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
from striate.infer.prediction import FoundBox, Prediction
from striate.infer.ready import (
    ForwardWay,
    Ready,
    batch_rates,
    computes_bfloat16,
    forward_rates,
    found_device,
    made_ready,
    wait_for,
    waves,
)
from striate.infer.tiles import Whole, on_whole

__all__ = [
    "VIEWS",
    "Ensemble",
    "ForwardWay",
    "FoundBox",
    "Model",
    "Prediction",
    "Ready",
    "Side",
    "Tiling",
    "Views",
    "Whole",
    "agreed",
    "batch_rates",
    "computes_bfloat16",
    "each_view",
    "evaluating",
    "forward",
    "forward_rates",
    "found_device",
    "in_parts",
    "made_ready",
    "on_whole",
    "predict_outputs",
    "stream_outputs",
    "tiling_of",
    "wait_for",
    "waves",
]
