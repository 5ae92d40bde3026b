"""What every node shares: checked fields, names, numbers of layers in messages."""

from __future__ import annotations

import re

import pytest

from striate.core.errors import NetworkError
from striate.nets import (
    Activation,
    BatchNorm,
    Conv,
    Dense,
    DenselyConnected,
    Dropout,
    Flatten,
    GatedStack,
    GlobalPool,
    Network,
    Node,
    Pool,
    Repeat,
    Residual,
    Sequence,
)
from striate.nets.node import named


def names(*nodes: Node) -> list[str]:
    return [name for name, _ in named(nodes)]


def test_a_layer_that_does_not_fit_is_named_by_its_number() -> None:
    nodes = (Conv(32, 3), Pool(), Conv(64, 3), Activation("relu"), Conv(64, 3), Pool(), Conv(64, kernel_size=7))
    with pytest.raises(NetworkError) as raised:
        Network("deep", nodes).output_shape((3, 32, 32))
    assert raised.value.message == (
        "layer 7 `Conv(64, kernel_size=7)`: needs at least 7×7, receives 64×5×5 from layer 6 `Pool`"
    )
    assert raised.value.fix == "pad by 1, or drop a pooling layer before it"
    nodes = (*nodes[:6], Conv(64, kernel_size=7, padding=1))
    assert Network("deep", nodes).output_shape((3, 32, 32)) == (64, 1, 1)


def test_the_first_layer_receives_the_input() -> None:
    with pytest.raises(NetworkError, match=re.escape("layer 1 `Dense(3)`: needs a vector, receives 1×8×8 from the in")):
        Network("n", (Dense(3),)).output_shape((1, 8, 8))


def test_a_layer_inside_structures_is_numbered_in_order_of_execution_and_called_by_its_path() -> None:
    block = Residual((Conv(8, 3, padding=1), Conv(8, 5)), name="block")
    nodes = (Conv(8, 3), Repeat(Residual((Conv(8, 3, padding=1),), name="block"), 2, name="stage1"), block)
    with pytest.raises(
        NetworkError, match=re.escape("layers 4 to 5 `Residual(…)` (block): has a body that gives 8×2×")
    ):
        Network("n", nodes).output_shape((3, 8, 8))
    nodes = (Pool(), Repeat(Sequence((Pool(),), name="part"), 3, name="stage1"))
    with pytest.raises(NetworkError) as raised:
        Network("n", nodes).output_shape((3, 8, 8))
    assert raised.value.message == (
        "layer 4 `Pool()` (stage1.part3.pool1): needs at least 2×2, receives 3×1×1 from layer 3 `Pool`"
    )


def test_names_count_within_their_kind_so_that_a_new_node_renames_few() -> None:
    before = [Conv(8), BatchNorm(), Activation("relu"), Conv(8), GlobalPool(), Dense(3, name="head")]
    assert names(*before) == ["conv1", "norm1", "activation1", "conv2", "global_pool1", "head"]
    assert names(*before[:3], Dropout(0.1), *before[3:]) == [
        "conv1", "norm1", "activation1", "dropout1", "conv2", "global_pool1", "head",
    ]  # fmt: skip
    assert names(*before[:3], Conv(8, name="extra"), *before[3:])[:5] == [
        "conv1", "norm1", "activation1", "extra", "conv2",
    ]  # fmt: skip


def test_two_nodes_of_one_name_are_refused() -> None:
    with pytest.raises(NetworkError, match="two nodes of one list are called 'conv1'"):
        names(Conv(8), Conv(9, name="conv1"))


@pytest.mark.parametrize("name", ["a.b", "1a", "", "a b", "forward", "type", "training", "append", "train"])
def test_a_name_that_cannot_be_a_module_s_is_refused(name: str) -> None:
    with pytest.raises(NetworkError, match="name"):
        Conv(8, name=name)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Conv("64"), "filters must be an integer, not '64'"),
        (lambda: Conv(True), "filters must be an integer"),
        (lambda: Conv(8, 3.0), "kernel_size must be an integer or a list of integers"),
        (lambda: Conv(8, padding="sme"), "did you mean 'same'"),
        (lambda: Conv(8, bias=1), "bias must be true or false"),
        (lambda: Conv(0), "filters must be at least 1, not 0"),
        (lambda: Conv(8, (3, 0)), "kernel_size must be at least 1"),
        (lambda: Conv(8, padding=-1), "padding must be at least 0"),
        (lambda: Conv(8, init="hee_normal"), "did you mean 'he_normal'"),
        (lambda: Dense(0), "units must be at least 1"),
        (lambda: Pool(kind="maximum"), "kind must be one of 'max', 'average'"),
        (lambda: Dropout(1.0), "rate must lie in"),
        (lambda: Activation("rellu"), "did you mean 'relu'"),
        (lambda: BatchNorm(momentum=0), "momentum must lie in"),
        (lambda: Residual((Conv(8), 3)), "body must be a list of nodes"),
        (lambda: Residual((Conv(8, name="shortcut"),)), "'shortcut' is taken"),
        (lambda: Repeat(Conv(8), 0), "count must be at least 1"),
        (lambda: Repeat("Conv", 2), "block must be a node"),
        (lambda: Network("n", ()), "has no nodes"),
        (lambda: Network("n", (Conv(8), "Pool")), "layer 2 of the network 'n' is not a node"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_where_it_is_written(make: object, words: str) -> None:
    with pytest.raises(NetworkError, match=re.escape(words)):
        make()  # type: ignore[operator]


def test_a_network_of_a_billion_layers_is_refused() -> None:
    bomb: Node = Flatten()
    for _ in range(9):
        bomb = Repeat(bomb, 10)
    with pytest.raises(NetworkError, match="more than 10,000 layers"):
        Network("bomb", (bomb,)).output_shape((1,))


def test_a_count_of_a_billion_is_refused_before_anything_is_made_of_it() -> None:
    for make in (
        lambda: Repeat(Flatten(), 10**9),
        lambda: DenselyConnected(Flatten(), 10**9),
        lambda: GatedStack(4, 4, (1,) * 10_001),
    ):
        with pytest.raises(NetworkError, match="may have 10,000 layers"):
            make()


def test_nodes_are_values() -> None:
    assert Conv(8, [3, 5]) == Conv(8, (3, 5))
    assert len({Conv(8), Conv(8), Conv(9)}) == 2
    assert str(Residual((Conv(8),), activation=None)) == "Residual(…, activation=None)"


def test_the_beginning_of_a_word_offers_the_words_that_begin_so() -> None:
    with pytest.raises(NetworkError, match="init must be one of") as raised:
        Conv(4, init="he")  # type: ignore[arg-type]
    assert raised.value.fix is not None
    assert raised.value.fix.startswith("did you mean 'he_normal' or 'he_uniform'")
