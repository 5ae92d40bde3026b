"""Detectors: networks that find boxes, by name, a file each; every one on any backbone.

A detector is a class whose keyword-only arguments are plain values; `resolve` and `build` of `striate.nets.spec` make
its backbone by name. What all share is `Detector`, in `_detector.py`.
"""

from __future__ import annotations

from striate.core.registry import Registry
from striate.nets.detectors._detector import Detector

DETECTORS: Registry[type[Detector]] = Registry("detector", "striate.nets.detectors")

__all__ = ["DETECTORS", "Detector"]
