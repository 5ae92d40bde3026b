"""Networks as values: files, heads, and bits that repeat."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
import torch
import yaml

from striate.core.errors import NetworkError
from striate.nets import Conv, Dense, Flatten, GlobalPool, Network, Pool, build, resolve

NET = Network("tiny", (Conv(4, 3, name="first"), Pool(), GlobalPool()))


def test_a_network_survives_json_and_yaml(tmp_path: Path) -> None:
    plain = NET.to_dict()
    for name, text in (("n.json", json.dumps(plain)), ("n.yaml", yaml.safe_dump(plain)), ("n.yml", json.dumps(plain))):
        (tmp_path / name).write_text(text)
        assert Network.from_file(tmp_path / name) == NET


def test_every_field_is_written_so_that_a_default_may_change() -> None:
    assert NET.to_dict()["nodes"][0] == {
        "node": "Conv", "name": "first", "filters": 4, "kernel_size": 3, "stride": 1, "padding": "valid", "dilation": 1,
        "groups": 1, "bias": True, "init": "he_normal", "fill": "zeros",
    }  # fmt: skip


def test_a_short_file_trains_with_a_head_put_on(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "nodes:\n"
        "  - {node: Conv, filters: 8, kernel_size: [3, 5], padding: same}\n"
        "  - {node: Residual, body: [{node: Conv, filters: 8, padding: 1}]}\n"
        "  - {node: Repeat, count: 2, block: {node: Conv, filters: 4, name: c}, name: more}\n"
    )
    spec = resolve(str(path), outputs=3, channels=2, height=9, width=11)
    assert spec["name"] == "mine"
    network = build(spec)
    assert network(torch.zeros(2, 2, 9, 11)).shape == (2, 3)
    assert [name for name in network.state_dict() if name.endswith("weight")] == [
        "conv1.weight", "residual1.conv1.weight", "more.c1.weight", "more.c2.weight", "head.weight",
    ]  # fmt: skip
    path.unlink()
    assert torch.is_tensor(build(json.loads(json.dumps(spec)))(torch.zeros(2, 2, 9, 11)))


def test_heads() -> None:
    shape = (1, 9, 9)
    assert NET.with_head(5, shape).nodes[-1] == Dense(5, name="head")
    assert Network("n", (Conv(4),)).with_head(5, shape).nodes[1:] == (GlobalPool(), Dense(5, name="head"))
    assert Network("n", (Flatten(),)).with_head(5, shape).nodes[1:] == (Dense(5, name="head"),)
    whole = Network("n", (Flatten(), Dense(5)))
    assert whole.with_head(5, shape) == whole
    with pytest.raises(NetworkError, match="gives 5 outputs, the task needs 6"):
        whole.with_head(6, shape)
    assert whole.with_head(6, shape, renew=True).nodes[-1] == Dense(6)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nodes: [{node: Convv, filters: 3}]", "layer 1: there is no node 'Convv'; did you mean 'Conv'?"),
        (
            "nodes: [{node: Flatten}, {node: Conv, filters: 3, kernal_size: 3}]",
            "layer 2 `Conv`: there is no argument 'kernal_size'; did you mean 'kernel_size'?",
        ),
        ("nodes: [{node: Conv}]", "layer 1 `Conv`: filters must be given"),
        ("nodes: [{node: Conv, filters: many}]", "layer 1 `Conv`: filters must be an integer, not 'many'"),
        (
            "nodes: [{node: Residual, body: [{node: Flatten}, {node: Cnv}]}]",
            "layer 1, body 2: there is no node 'Cnv'",
        ),
        ("nodes: [Conv]", "layer 1 is not a node: 'Conv'"),
        ("nodes: [{filters: 3}]", "layer 1 is not a node"),
        ("nodes: []", "has no nodes"),
        ("layers: []", "this is not a network"),
        ("[1, 2]", "this is not a network"),
        ("just words", "this is not a network"),
        ("{name: a, nodse: [], nodes: []}", "no 'nodse'; did you mean 'nodes'?"),
        ("a: [", "cannot be read"),
        ("nodes: []\nnodes: [{node: Flatten}]", "the key 'nodes' stands twice"),
        ("!!python/object/apply:os.system ['true']", "cannot be read"),
    ],
)
def test_a_file_that_is_no_network_is_refused_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(text)
    with pytest.raises(NetworkError, match=re.escape(words)) as raised:
        Network.from_file(path)
    assert str(path) in raised.value.message


def test_a_missing_file_and_binary_are_said(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="does not exist"):
        Network.from_file(tmp_path / "none.yaml")
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(NetworkError, match="cannot be read"):
        Network.from_file(tmp_path / "b.json")
    (tmp_path / "c.json").write_text('{"nodes": [{"node": "Conv", "filters": 3, "filters": 4}]}')
    with pytest.raises(NetworkError, match="the key 'filters' stands twice"):
        Network.from_file(tmp_path / "c.json")


def test_layers_have_numbers_names_and_shapes() -> None:
    rows = NET.layers((1, 9, 9))
    assert [(one.number, one.name, one.input, one.output) for one in rows] == [
        (1, "first", (1, 9, 9), (4, 7, 7)),
        (2, "pool1", (4, 7, 7), (4, 3, 3)),
        (3, "global_pool1", (4, 3, 3), (4,)),
    ]
    assert "first" in NET.describe((1, 9, 9))
    assert "Conv(4, name" not in str(NET)


def test_building_after_a_seed_gives_equal_bits() -> None:
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        states.append(NET.build((3, 9, 9)).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["first.weight"], states[2]["first.weight"])


# -- files that ask for too much


def doubling(levels: int) -> str:
    """A file of a few lines that stands for 10^levels nodes."""
    lines = ["nodes:", "- &a0 {node: Activation}"]
    for level in range(1, levels + 1):
        lines.append(f"- &a{level} {{node: Sequence, nodes: [{', '.join([f'*a{level - 1}'] * 10)}]}}")
    return "\n".join(lines)


def nested(depth: int) -> str:
    return '{"nodes": [' + '{"node": "Sequence", "nodes": [' * depth + '{"node": "Activation"}' + "]}" * depth + "]}"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("bomb.yaml", doubling(9), "more than 500,000 values"),
        ("circle.yaml", "nodes: &n [{node: Sequence, nodes: *n}]", "nested more than 100 deep"),
        ("deep.json", nested(300), "nested more than 100 deep"),
        ("deeper.json", nested(100_000), "cannot be read"),
        ("deep.yaml", "nodes: " + "[" * 5000, "cannot be read"),
        ("large.yaml", "nodes: [{node: Activation}]\n#" + "x" * 5_000_000, "larger than 4 MiB"),
        ("code.yaml", "nodes: !!python/object/apply:os.system [ls]", "cannot be read"),
        ("wide.yaml", "nodes: [{node: Conv, filters: 1000000000000000000000}]", "must lie below 2^31"),
        ("wide2.yaml", "nodes: [{node: Conv, filters: 2000000000, padding: same}]", "more numbers than any memory"),
        ("levels.yaml", "nodes: [{node: SpatialPyramidPool, levels: [1000000]}]", "more numbers than any memory"),
        ("turns.yaml", "nodes: [{node: Flatten}, {node: DigitCapsules, count: 2, turns: 1000000000}]", "10,000 layers"),
        ("number.yaml", "nodes: [{node: Dropout, rate: .nan}]", "rate"),
        ("negative.yaml", "nodes: [{node: Conv, filters: -3}]", "at least 1"),
        ("bool.yaml", "nodes: [{node: Conv, filters: true}]", "must be an integer"),
    ],
)
def test_a_file_that_asks_for_too_much_is_refused_at_once(name: str, text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    started = time.monotonic()
    with pytest.raises(NetworkError, match=re.escape(words)):
        Network.from_file(tmp_path / name).output_shape((3, 32, 32))
    assert time.monotonic() - started < 10


def test_nested_files_that_are_networks_are_taken(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text(nested(45), "utf-8")
    network = Network.from_file(tmp_path / "deep.json")
    assert network.output_shape((3, 4, 4)) == (3, 4, 4)
    assert network.build((3, 4, 4))(torch.zeros(1, 3, 4, 4)).shape == (1, 3, 4, 4)


def test_weights_that_no_memory_holds_are_said(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text("nodes: [{node: Flatten}, {node: Dense, units: 2000000000}]", "utf-8")
    spec = resolve(str(tmp_path / "net.yaml"), outputs=2_000_000_000, channels=3, height=64, width=64)
    with pytest.raises(NetworkError, match="do not fit into memory"):
        build(spec)
