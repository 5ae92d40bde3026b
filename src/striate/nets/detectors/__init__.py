"""Detectors: networks that find boxes, by name, a file each; every one on any backbone.

A detector is a class whose keyword-only arguments are plain values; `resolve` and `build` of `striate.nets.spec` make
its backbone by name. What all share is `Detector`, in `_detector.py`.

>>> import torch
>>> from striate.nets import build, resolve
>>> small = {"backbone": "compact", "backbone_arguments": {"width": 8}, "strides": [2, 4], "width": 8, "depth": 1}
>>> detector = build(resolve("fcos", outputs=2, channels=1, height=32, width=32, arguments=small, form="boxes"))
>>> targets = torch.tensor([[[0, 0, 1, 1, 32, 32, 0.0], [4, 4, 20, 28, 1, 0, 0]]])  # a `Frame`, and one truth
>>> {name: tuple(one.shape) for name, one in detector.losses(torch.zeros(1, 1, 32, 32), targets).items()}
{'classes': (1,), 'boxes': (1,), 'centres': (1,)}
>>> detector.eval()(torch.zeros(1, 1, 32, 32)).shape
torch.Size([1, 100, 6])
"""

from __future__ import annotations

from striate.core.registry import Registry
from striate.nets.detectors._detector import Detector
from striate.nets.detectors._taps import Maps

DETECTORS: Registry[type[Detector]] = Registry("detector", "striate.nets.detectors")

__all__ = ["DETECTORS", "Detector", "Maps"]
