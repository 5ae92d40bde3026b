"""striate's training loop in plain torch, on one page: the digits, one cycle of SGD, an average of weights.

    python examples/one_file.py

A test holds it equal to `striate.train` to the bit: same losses, same weights. Only the network, the standardisation,
the order of samples and the seeds of dropout are taken from striate; the rest is torch.
"""

import copy
import math

import torch
from sklearn.datasets import load_digits
from torch.nn.functional import one_hot

from striate.core.seeds import derive, permutation
from striate.nets import Normalize, build, resolve


def one_cycle(step: int, steps: int, warmup: float) -> float:
    """The factor on the rate: 1/25 at first, 1 after the warm-up, 4e-6 at last, along cosines."""
    top = warmup * steps - 1
    if step <= top:
        start, end, share = 1 / 25, 1.0, step / top
    else:
        start, end, share = 1.0, 1e-4 / 25, min(1.0, (step - top) / (steps - 1 - top))
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))


def train(
    images: torch.Tensor,  # (N, C, H, W) uint8
    labels: torch.Tensor,  # (N,) int64
    network: torch.nn.Module,
    *,
    normalize: torch.nn.Module,
    epochs: int,
    batch_size: int,
    rate: float,
    seed: int,
    warmup: float = 0.25,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    smoothing: float = 0.1,
    clip: float = 5.0,
    accumulate: int = 2,
    ema: float = 0.02,
) -> tuple[torch.nn.Module, list[float]]:
    """Train, and return the averaged network with the loss of each step."""
    decayed = [parameter for parameter in network.parameters() if parameter.dim() > 1]
    plain = [parameter for parameter in network.parameters() if parameter.dim() <= 1]
    optimizer = torch.optim.SGD(
        [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}],
        lr=rate,
        momentum=momentum,
        nesterov=True,
        fused=True,
    )
    steps = epochs * (len(images) // batch_size)
    average, horizon, step, losses = copy.deepcopy(network), ema * steps, 0, []
    network.train()
    for epoch in range(epochs):
        order = torch.from_numpy(permutation(len(images), seed, "shuffle", epoch))
        for start in range(0, len(images) - batch_size + 1, batch_size):
            chosen = order[start : start + batch_size]
            total = 0.0
            for part, rows in enumerate(chosen.chunk(accumulate)):
                torch.manual_seed(derive(seed, "step", step, part))
                outputs = network(normalize(images[rows]))
                targets = one_hot(labels[rows], outputs.shape[1]) * (1 - smoothing) + smoothing / outputs.shape[1]
                loss = -(targets * outputs.log_softmax(1)).sum(1).sum() / batch_size
                loss.backward()
                total += loss.item()
            torch.nn.utils.clip_grad_norm_(network.parameters(), clip)
            for group in optimizer.param_groups:
                group["lr"] = rate * one_cycle(step, steps, warmup)
            optimizer.step()
            optimizer.zero_grad()
            decay = min(1 - 1 / max(horizon, 1.0), (1 + step) / (10 + step))
            with torch.no_grad():
                for old, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
                    old.lerp_(new, 1 - decay) if old.is_floating_point() else old.copy_(new)
            losses.append(total)
            step += 1
    return average.eval(), losses


if __name__ == "__main__":
    digits = load_digits()
    pixels = torch.from_numpy((digits.images * 255 / 16).round()).to(torch.uint8)[:, None]
    answers = torch.from_numpy(digits.target)
    torch.manual_seed(0)
    untrained = build(resolve("compact", outputs=10, channels=1, height=8, width=8, arguments={"width": 32}))
    standard = Normalize([0.305], [0.376])
    trained, _ = train(
        pixels[:1440], answers[:1440], untrained, normalize=standard, epochs=12, batch_size=64, rate=0.05, seed=0
    )
    with torch.no_grad():
        right = trained(standard(pixels[1440:])).argmax(1) == answers[1440:]
    print(f"accuracy on the last {len(right)} digits: {right.float().mean():.3f}")
