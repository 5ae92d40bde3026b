"""WaveNet: van den Oord et al. 2016, "WaveNet: a generative model for raw audio", figure 4, as a classifier.

As in its section 2.6, what the layers say is pooled over time; the generative network ends in a softmax at each step.
With ten dilations, 1 to 512, an output sees 1,024 steps.
"""

from __future__ import annotations

from collections.abc import Sequence as Numbers

from striate.nets.families import FAMILIES
from striate.nets.network import HEAD, Network
from striate.nets.nodes.activation import Activation
from striate.nets.nodes.conv import Conv
from striate.nets.nodes.dense import Dense
from striate.nets.nodes.pool import GlobalPool
from striate.nets.nodes.wavenet import GatedStack

DILATIONS = tuple(2**power for power in range(10))


@FAMILIES.register("wavenet")
def wavenet(
    outputs: int, *, filters: int = 32, skip: int = 128, dilations: Numbers[int] = DILATIONS, stacks: int = 1
) -> Network:
    """Gated dilated causal convolutions, for signals.

    Args:
        outputs: what the task needs.
        filters: of each layer.
        skip: channels of what the layers say aside.
        dilations: of the layers of a stack.
        stacks: how often the dilations come over again.
    """
    relu = Activation("relu")
    nodes = (
        Conv(filters, 2, padding="causal", name="stem"),
        GatedStack(filters, skip, tuple(dilations) * stacks),
        relu,
        Conv(skip, 1),
        relu,
        GlobalPool(),
        Dense(outputs, name=HEAD),
    )
    return Network("wavenet", nodes)
