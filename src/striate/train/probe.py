"""The first part of fine-tuning: a head fitted on frozen features, before anything below it moves.

The features are computed once, so that fitting costs one forward pass over the training samples, or one a view. Kumar
et al. 2022 ("Fine-tuning can distort pretrained features") show why the head comes first: a random one would send
gradients below that tear what the weights know.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from striate.core.errors import NetworkError
from striate.core.events import Reporter
from striate.data.loader import EvalBatches
from striate.infer import Views, each_view, in_parts
from striate.nets import head_name
from striate.train.recipe import Recipe

ITERATIONS = 200


def fit_head(network: nn.Module, recipe: Recipe, samples: EvalBatches, reporter: Reporter) -> float:
    """Fit the head of a network to its frozen features.

    Minimises the task's mean loss plus |W|² / 2N, logistic regression's usual penalty, by L-BFGS in float64, from a
    head of zeros: the result is a function of weights and data alone. With `transfer.probe_views` the mean is over
    every view of the samples that a prediction averages.

    Args:
        network: its head is replaced in place; nothing else moves.
        samples: the N training samples with targets and weights, as they are.

    Returns:
        the loss reached.
    """
    head = network.get_submodule(head_name(network))
    if not isinstance(head, nn.Linear):
        raise NetworkError(
            "the head is no dense layer on one vector a sample, so it cannot be fitted alone",
            fix="--set transfer.probe=false --set transfer.frozen_epochs=1",
        )
    features, targets, weights, count = _features(network, head, recipe, samples, reporter)
    matrix = torch.zeros(head.out_features, head.in_features, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(head.out_features, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([matrix, bias], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        losses = recipe.task.losses(features @ matrix.T + bias, targets)
        loss = (losses * weights).sum() / weights.sum() + matrix.square().sum() / (2 * count)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    loss = optimizer.step(closure).detach()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        head.weight.copy_(matrix)
        if head.bias is not None:
            head.bias.copy_(bias)
    return float(loss)


@torch.no_grad()
def _features(
    network: nn.Module, head: nn.Linear, recipe: Recipe, samples: EvalBatches, reporter: Reporter
) -> tuple[Tensor, Tensor, Tensor, int]:
    """What the head receives for each view of each sample, (V N, D) float64, with targets and weights, and N."""
    taken: list[Tensor] = []
    hook = head.register_forward_pre_hook(lambda _, inputs: taken.append(inputs[0].float().cpu()))
    network.to(recipe.device).to(memory_format=recipe.layout).eval()
    low = recipe.plan["execution.precision"] == "bfloat16"
    views: Views = recipe.plan["predict.views"] if recipe.plan["transfer.probe_views"] else "single"

    def compute(images: Tensor) -> Tensor:
        taken.clear()
        with torch.autocast(recipe.device.type, torch.bfloat16, enabled=low):
            network(recipe.normalize(images.to(recipe.device)).contiguous(memory_format=recipe.layout))
        return taken.pop()

    features, targets, weights, count = [], [], [], 0
    try:
        for number, batch in enumerate(samples):
            for view in each_view(batch.images, views):
                features.append(in_parts(compute, view))
                targets.append(batch.targets)
                weights.append(batch.weights)
            count += len(batch.images)
            reporter.progress(number + 1, len(samples))
    finally:
        hook.remove()
    return torch.cat(features).double(), torch.cat(targets).double(), torch.cat(weights).double(), count
