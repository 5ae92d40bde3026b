"""Where weights come from: what is said of each source, licence and known bias too, from the nearest to the first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from striate.core.errors import WeightsError

Source = dict[str, str]
KEYS = ("source", "network", "license", "bias")


def sources_of(sidecar: Mapping[str, Any]) -> list[Source]:
    """What a network is trained from that begins with weights of such a sidecar; the nearest first.

    >>> sources_of({"network": "compact", "license": "MIT", "source": "birds", "sources": [{"source": "ImageNet"}]})
    [{'source': 'birds', 'network': 'compact', 'license': 'MIT'}, {'source': 'ImageNet'}]
    """
    own = {key: str(sidecar[key]) for key in KEYS if key in sidecar}
    return [own, *(dict(one) for one in sidecar.get("sources", ()))]


def check_sources(content: Any, place: str) -> list[Source]:
    """What a Model says of its sources. Raises `WeightsError` where it is something else."""
    fits = isinstance(content, list) and all(
        isinstance(one, dict) and set(one) <= set(KEYS) and all(isinstance(value, str) for value in one.values())
        for one in content
    )
    if not fits:
        raise WeightsError(f"{place}: sources must be a list of objects with texts for {', '.join(KEYS)}")
    return [dict(one) for one in content]


def described(source: Mapping[str, str]) -> str:
    """A source in words.

    >>> described({"source": "ImageNet", "license": "MIT", "bias": "few pictures from Africa"})
    'ImageNet; licence: MIT; known bias: few pictures from Africa'
    """
    parts = [source.get("source", "a source that is not stated"), f"licence: {source.get('license', 'not stated')}"]
    return "; ".join([*parts, *([f"known bias: {source['bias']}"] if source.get("bias") else [])])
