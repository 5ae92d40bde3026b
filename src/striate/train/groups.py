"""Parameter groups: no decay on norms and biases, smaller rates nearer the stem, and freezing below some depth."""

from __future__ import annotations

from typing import Any

from torch import nn

from striate.nets import depth_groups, head_parameters


def kept_parameters(network: nn.Module, share: float) -> set[str]:
    """The names of the parameters that never learn: those of the lowest `share` of the depth, never the head's."""
    depths = depth_groups(network)
    return {name for names in depths[: min(int(share * len(depths) + 1e-9), len(depths) - 1)] for name in names}


def resting_parameters(network: nn.Module, kept_share: float, opened: int | None) -> set[str]:
    """The names of the parameters that do not learn: those that never do, and those below what is opened.

    Args:
        kept_share: see `kept_parameters`.
        opened: groups of depth below the head that learn; None for all.
    """
    kept = kept_parameters(network, kept_share)
    if opened is None:
        return kept
    depths = depth_groups(network)
    return kept | {name for names in depths[: max(0, len(depths) - 1 - opened)] for name in names}


def parameter_groups(
    network: nn.Module, *, weight_decay: float, stem_rate: float, kept_share: float = 0.0
) -> list[dict[str, Any]]:
    """Groups for an optimizer, from the stem to the head.

    Args:
        kept_share: see `kept_parameters`, which are in no group.
        weight_decay: for tensors with two or more dimensions; norms' scales and biases have none (He et al. 2019,
            "Bag of tricks", section 3.1).
        stem_rate: the factor on the rate at the stem; it rises geometrically to 1 at the head (Howard and Ruder 2018,
            section 3.2).

    Returns:
        groups with `params`, `names`, `weight_decay`, `decayed` (whether they are of those that have one) and
        `factor`; the training loop sets `lr`.
    """
    named = dict(network.named_parameters())
    depths = depth_groups(network)
    kept = kept_parameters(network, kept_share)
    groups = []
    for depth, names in enumerate(depths):
        above = (len(depths) - 1 - depth) / max(1, len(depths) - 1)
        for decayed in (True, False):
            chosen = [name for name in names if (named[name].dim() > 1) == decayed and name not in kept]
            if chosen:
                groups.append(
                    {
                        "params": [named[name] for name in chosen],
                        "names": chosen,
                        "weight_decay": weight_decay if decayed else 0.0,
                        "decayed": decayed,
                        "factor": stem_rate**above,
                        "lr": 0.0,
                    }
                )
    return groups


def freeze_body(
    network: nn.Module,
    frozen: bool,
    frozen_norms: bool = False,
    kept_share: float = 0.0,
    opened: int | None = None,
) -> None:
    """Let only the head learn, with norms at their running statistics; or let everything learn again.

    Args:
        frozen: only the head learns.
        frozen_norms: batch norms keep their running statistics even where everything learns.
        kept_share, opened: see `resting_parameters`, which do not learn.
    """
    head, resting = set(head_parameters(network)), resting_parameters(network, kept_share, opened)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name in head if frozen else name not in resting)
    network.train(not frozen)
    for name, module in network.named_modules():
        own = {f"{name}.{inner}" for inner, _ in module.named_parameters(recurse=False)}
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and (frozen_norms or (own and own <= resting)):
            module.eval()
