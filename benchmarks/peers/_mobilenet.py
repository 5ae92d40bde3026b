"""torchvision's MobileNetV2 with the weights of timm's, computing what timm's computes with `pad_type="same"`."""

import json
from pathlib import Path

import torch
from torch import nn
from torchvision.models import mobilenet_v2

KINDS = {"F32": torch.float32, "I64": torch.int64}
BLOCKS = (1, 2, 3, 4, 3, 3, 1)


def mobilenet(path, classes):
    """The network for even sizes, with a new head."""
    network, given, layers = mobilenet_v2(num_classes=classes), read_safetensors(path), layer_names()
    modules = list(network.features.modules())
    convolutions = [module for module in modules if isinstance(module, nn.Conv2d)]
    norms = [module for module in modules if isinstance(module, nn.BatchNorm2d)]
    for module, name in zip(convolutions + norms, [*layers[0], *layers[1]], strict=True):
        names = [key for key in given if key.rpartition(".")[0] == name]
        module.load_state_dict({key.rpartition(".")[2]: given[key] for key in names})
    for convolution in convolutions:
        if convolution.stride == (2, 2):  # "same" pads an even size on the right and below alone
            convolution.padding = (0, 0)
            convolution.register_forward_pre_hook(pad_as_tensorflow)
    return network


def pad_as_tensorflow(_, inputs):
    return (nn.functional.pad(inputs[0], (0, 1, 0, 1)),)


def layer_names():
    """timm's names of the convolutions and of the norms, in order."""
    convolutions, norms = ["conv_stem"], ["bn1"]
    for stage, count in enumerate(BLOCKS):
        for block in range(count):
            kinds = ("conv_dw", "conv_pw") if stage == 0 else ("conv_pw", "conv_dw", "conv_pwl")
            convolutions += [f"blocks.{stage}.{block}.{kind}" for kind in kinds]
            norms += [f"blocks.{stage}.{block}.bn{number}" for number in range(1, len(kinds) + 1)]
    return [*convolutions, "conv_head"], [*norms, "bn2"]


def read_safetensors(path):
    """The tensors by name; not every peer's environment has the library."""
    data = Path(path).read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    found = {}
    for name, about in json.loads(data[8:start]).items():
        if name != "__metadata__":
            begin, end = about["data_offsets"]
            block = bytearray(data[start + begin : start + end])
            found[name] = torch.frombuffer(block, dtype=KINDS[about["dtype"]]).reshape(about["shape"])
    return found
