"""Tokens, attention, gated stacks and embeddings."""

from __future__ import annotations

import math

import pytest
import torch

from striate.core.errors import NetworkError
from striate.nets import (
    ClassPool,
    ClassToken,
    Embedding,
    GatedStack,
    Network,
    PatchEmbed,
    PositionEncoding,
    PositionwiseDense,
    SelfAttention,
)


def test_attention_is_torch_s_multi_head_attention() -> None:
    torch.manual_seed(0)
    ours, theirs = SelfAttention(3).build((12, 5)), torch.nn.MultiheadAttention(12, 3, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.get_parameter("queries_keys_values.weight"))
        theirs.in_proj_bias.copy_(ours.get_parameter("queries_keys_values.bias").normal_())
        theirs.out_proj.weight.copy_(ours.get_parameter("project.weight"))
        theirs.out_proj.bias.copy_(ours.get_parameter("project.bias").normal_())
    x = torch.randn(2, 12, 5)
    tokens = x.transpose(1, 2)
    torch.testing.assert_close(ours(x), theirs(tokens, tokens, tokens)[0].transpose(1, 2), atol=1e-5, rtol=1e-5)


def test_patches_stand_row_by_row() -> None:
    module = PatchEmbed(4, size=2).build((3, 4, 6))
    x = torch.randn(1, 3, 4, 6)
    whole = module(x)
    assert whole.shape == (1, 4, 6)
    torch.testing.assert_close(module(x[:, :, 2:, 2:4])[0, :, 0], whole[0, :, 4])  # second row, second column


def test_sides_that_the_patch_does_not_divide_are_refused_with_the_nearest() -> None:
    with pytest.raises(NetworkError, match="needs sides that 16 divides") as raised:
        Network("x", (PatchEmbed(4),)).output_shape((3, 100, 33))
    assert raised.value.fix == "the nearest that it takes are 96×32"


def test_positions_are_vaswani_s() -> None:
    module = PositionEncoding("sinusoidal").build((6, 9))
    found = module(torch.zeros(1, 6, 9))[0]
    for position in range(9):
        for pair in range(3):
            angle = position / 10_000 ** (2 * pair / 6)
            assert found[2 * pair, position] == pytest.approx(math.sin(angle), abs=1e-6)
            assert found[2 * pair + 1, position] == pytest.approx(math.cos(angle), abs=1e-6)
    assert not list(module.parameters())
    with pytest.raises(NetworkError, match="even length"):
        PositionEncoding("sinusoidal").output_shape((5, 9))


def test_the_class_token_comes_first_and_is_what_is_pooled() -> None:
    network = Network("x", (ClassToken(name="token"), ClassPool())).build((4, 3))
    found = network(torch.randn(2, 4, 3))
    torch.testing.assert_close(found, network.get_parameter("token.token")[0].expand(2, 4))


def test_a_dense_layer_at_each_position_is_a_convolution_of_one() -> None:
    module = PositionwiseDense(5).build((3, 4, 6))
    x = torch.randn(2, 3, 4, 6)
    weight, bias = module.get_parameter("weight"), module.get_parameter("bias")
    expected = torch.nn.functional.conv2d(x, weight[:, :, None, None], bias)
    torch.testing.assert_close(module(x), expected)


def test_a_gated_stack_is_causal_and_sees_as_far_as_its_dilations_say() -> None:
    module = GatedStack(4, skip=3, dilations=(1, 2, 4)).build((2, 20)).double()
    x = torch.randn(1, 2, 20, dtype=torch.float64, requires_grad=True)
    module(x)[0, :, 12].sum().backward()
    assert x.grad is not None
    seen = x.grad[0].abs().sum(0).nonzero().flatten().tolist()
    assert seen == list(range(12 - 7, 13))


def test_every_weight_of_a_gated_stack_is_learnt() -> None:
    module = GatedStack(4, skip=3, dilations=(1, 2)).build((2, 9))
    module(torch.randn(1, 2, 9)).sum().backward()
    assert [name for name, one in module.named_parameters() if one.grad is None] == []
    with pytest.raises(NetworkError, match="dilations must name"):
        GatedStack(4, skip=3, dilations=())


def test_a_gated_layer_is_equation_2() -> None:
    module = GatedStack(4, skip=3, dilations=(2,)).build((2, 6))
    x = torch.randn(1, 2, 6)
    layer = module.get_submodule("layer1")
    weight, bias = layer.get_parameter("gate.weight"), layer.get_parameter("gate.bias")
    padded = torch.nn.functional.pad(x, (2, 0))
    both = torch.nn.functional.conv1d(padded, weight, bias, dilation=2)
    expected = layer.get_submodule("aside")(both[:, :4].tanh() * both[:, 4:].sigmoid())
    torch.testing.assert_close(module(x), expected)


def test_an_embedding_is_the_rows_of_its_table() -> None:
    module = Embedding(3, vocabulary=7).build((4,))
    tokens = torch.tensor([[0, 6, 2, 2]])
    torch.testing.assert_close(module(tokens)[0].T, module.get_parameter("weight")[tokens[0]])
    torch.testing.assert_close(module(tokens.float()), module(tokens))
