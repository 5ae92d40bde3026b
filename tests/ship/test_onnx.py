"""ONNX: agrees with the Model at every batch size, carries its preprocessing, and is not written otherwise."""

from __future__ import annotations

import builtins
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from small_models import NAMES, pictures, small_model

from striate.core.errors import NetworkError, ParityError, UsageError
from striate.infer import Model, Views
from striate.ship import EXPORTERS
from striate.ship import onnx as exporter
from striate.tasks import TASKS, Sets, TaskSettings

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def run(path: Path, pixels: torch.Tensor) -> np.ndarray[Any, Any]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"pixels": pixels.float().numpy()})
    return np.asarray(found)


@pytest.mark.parametrize("task", ["classify", "multilabel", "regress"])
def test_the_file_answers_as_the_model_does(tmp_path: Path, task: str) -> None:
    model = small_model(tmp_path / "model", task)
    path, samples = tmp_path / "model.onnx", pictures(9)
    report = exporter.export(model, path, samples)
    for count in (1, 2, 3, 9, 65):
        fresh = pictures(count, seed=5)
        np.testing.assert_allclose(run(path, fresh), model.scores(fresh), atol=1e-3 if task == "regress" else 1e-5)
    assert report["batches"] == [1, 2, 7, 64]
    assert 0 <= report["largest_difference"] < 1e-4
    assert report["bytes"] == path.stat().st_size
    assert report["samples"] == 9
    assert json.loads(json.dumps(report)) == report


def test_the_batch_is_free_and_the_rest_is_not(tmp_path: Path) -> None:
    model = small_model(tmp_path / "model", size=24)
    exporter.export(model, tmp_path / "model.onnx", pictures(4, size=24))
    graph = onnx.load(tmp_path / "model.onnx").graph
    batch, *rest = graph.input[0].type.tensor_type.shape.dim
    assert batch.dim_param
    assert [dim.dim_value for dim in rest] == [3, 24, 24]
    assert [one.name for one in graph.input] == ["pixels"]
    assert graph.output[0].type.tensor_type.shape.dim[0].dim_param == batch.dim_param


def test_one_sample_alone_does_not_freeze_the_batch(tmp_path: Path) -> None:
    model = small_model(tmp_path / "model")
    exporter.export(model, tmp_path / "model.onnx", pictures(1))
    assert run(tmp_path / "model.onnx", pictures(5)).shape == (5, 3)


def test_preprocessing_and_classes_travel_in_the_file(tmp_path: Path) -> None:
    model = small_model(tmp_path / "model")
    report = exporter.export(model, tmp_path / "model.onnx", pictures(2))
    found = {entry.key: entry.value for entry in onnx.load(tmp_path / "model.onnx").metadata_props}
    assert json.loads(found["striate.preprocessing"]) == json.loads(json.dumps(model.preprocessing.to_dict()))
    assert json.loads(found["striate.classes"]) == list(NAMES["classify"])
    assert found["striate.task"] == "classify"
    for text in (found["striate.note"], report["note"]):
        assert "resizing, which the caller does" in text
        assert "0..255" in text


@pytest.mark.parametrize("extra", [{"channels_last": True}, {"precision": "bfloat16"}], ids=["channels_last", "bf16"])
def test_other_executions_export_the_float32_network(tmp_path: Path, extra: dict[str, Any]) -> None:
    model = small_model(tmp_path / "model", **extra)
    before = model.scores(pictures(6))
    report = exporter.export(model, tmp_path / "model.onnx", pictures(6))
    plain = small_model(tmp_path / "plain")
    np.testing.assert_allclose(run(tmp_path / "model.onnx", pictures(6)), plain.scores(pictures(6)), atol=1e-5)
    assert np.array_equal(model.scores(pictures(6)), before)
    assert (report["precision_difference"] > 1e-5) == ("precision" in extra)


@pytest.mark.parametrize(("views", "turn"), [("mirrored", (-1,)), ("flipped", (-1, -2))])
def test_the_flipped_images_are_part_of_the_file(tmp_path: Path, views: Views, turn: tuple[int, ...]) -> None:
    model = small_model(tmp_path / "model", views=views)
    exporter.export(model, tmp_path / "model.onnx", pictures(6))
    found = run(tmp_path / "model.onnx", pictures(6))
    np.testing.assert_allclose(found, model.scores(pictures(6)), atol=1e-5)
    np.testing.assert_allclose(found, run(tmp_path / "model.onnx", pictures(6).flip(turn)), atol=1e-5)


@pytest.mark.parametrize("task", ["classify", "multilabel"])
def test_what_validation_decided_travels_in_the_file(tmp_path: Path, task: str) -> None:
    plain = small_model(tmp_path / "plain", task)
    own = {"thresholds": (0.2, 0.3, 0.9)} if task == "multilabel" else {"sets": Sets(0.9, (0.1, 0.2, 0.3))}
    decided = plain.task.with_decisions(temperature=2.5, **own)
    model = Model.load(Model.save(tmp_path / "m", plain.network, plain.spec, plain.preprocessing, decided))
    exporter.export(model, tmp_path / "model.onnx", pictures(6))
    found = run(tmp_path / "model.onnx", pictures(6))
    np.testing.assert_allclose(found, model.scores(pictures(6)), atol=1e-5)
    assert np.abs(found - plain.scores(pictures(6))).max() > 0.01
    kept = {entry.key: json.loads(entry.value) for entry in onnx.load(tmp_path / "model.onnx").metadata_props[-2:]}
    assert kept["striate.decision"]["thresholds"] == (list(own["thresholds"]) if task == "multilabel" else None)
    assert kept["striate.possible"] == (None if task == "multilabel" else {"coverage": 0.9, "bounds": [0.1, 0.2, 0.3]})


def test_a_network_left_in_training_mode_is_exported_in_evaluation_mode(tmp_path: Path) -> None:
    """Batch norm in training mode would use the batch's own statistics: 0 % accuracy, and no error."""
    model = small_model(tmp_path / "model")
    expected = model.scores(pictures(4))
    model.network.train()
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    exporter.export(model, tmp_path / "model.onnx", pictures(4))
    np.testing.assert_allclose(run(tmp_path / "model.onnx", pictures(4)), expected, atol=1e-5)
    assert model.network.training
    assert all(torch.equal(value, before[name]) for name, value in model.network.state_dict().items())


LIBRARY = ["torchvision/resnet18", "torchvision/squeezenet1_1", "timm/mobilenetv3_small_050"]


@pytest.mark.parametrize("name", LIBRARY)
def test_library_networks_agree(tmp_path: Path, name: str) -> None:
    """ResNet-18 by this exporter once scored 0 % (pytorch #169178)."""
    model = small_model(tmp_path / "model", name=name, size=32)
    report = exporter.export(model, tmp_path / "model.onnx", pictures(8, size=32))
    assert report["largest_difference"] < 1e-4


# -- what disagrees is not written


def sabotage(monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], Any]) -> None:
    """Let the exporter make another file than it would: `change` alters the ONNX model in place."""
    original = exporter.to_bytes

    def changed(*arguments: Any) -> bytes:
        proto = onnx.load_from_string(original(*arguments))
        change(proto)
        return bytes(proto.SerializeToString())

    monkeypatch.setattr(exporter, "to_bytes", changed)


def nudge_largest_weight(proto: Any) -> None:
    weights = max(proto.graph.initializer, key=lambda one: len(one.raw_data))
    values = onnx.numpy_helper.to_array(weights) * 1.5
    weights.CopyFrom(onnx.numpy_helper.from_array(values, weights.name))


def freeze_batch(proto: Any) -> None:
    for one in (*proto.graph.input, *proto.graph.output):
        one.type.tensor_type.shape.dim[0].dim_value = 2
    del proto.graph.value_info[:]


def swap_softmax(proto: Any) -> None:
    for node in proto.graph.node:
        if node.op_type == "Softmax":
            node.op_type = "Sigmoid"
            del node.attribute[:]


@pytest.mark.parametrize("change", [nudge_largest_weight, freeze_batch, swap_softmax])
def test_a_file_that_disagrees_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], None]
) -> None:
    model = small_model(tmp_path / "model")
    sabotage(monkeypatch, change)
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(ParityError, match=r"model\.onnx was not written"):
        exporter.export(model, folder / "model.onnx", pictures(8))
    assert list(folder.iterdir()) == []


def test_a_file_from_before_still_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model(tmp_path / "model")
    path = tmp_path / "model.onnx"
    path.write_bytes(b"from before")
    sabotage(monkeypatch, nudge_largest_weight)
    with pytest.raises(ParityError):
        exporter.export(model, path, pictures(4))
    assert path.read_bytes() == b"from before"


def test_rows_swapped_between_pictures_are_found(tmp_path: Path) -> None:
    model = small_model(tmp_path / "model")
    exported = exporter._Exported(model).eval()
    expected = exported(pictures(6).float()).detach().numpy()
    assert isinstance(exporter._compare(expected, expected, model), float)
    assert "differs" in str(exporter._compare(expected[::-1], expected, model))
    assert "shape" in str(exporter._compare(expected[:, :2], expected, model))
    assert "differs" in str(exporter._compare(np.full_like(expected, np.nan), expected, model))


def test_another_decision_is_found_within_the_tolerance_but_ties_pass() -> None:
    expected = np.array([[0.5, 0.5 - 9e-5], [0.9, 0.1]], np.float32)
    plain, several = deciding("classify"), deciding("multilabel")
    assert exporter._flips(expected[:, ::-1], expected, plain) == 1
    assert exporter._flips(expected, expected, plain) == 0
    sure = np.array([[0.5 + 5e-5, 0.2]], np.float32)
    assert exporter._flips(np.array([[0.5 - 4e-5, 0.2]], np.float32), sure, several) == 0
    assert exporter._flips(np.array([[0.3, 0.2]], np.float32), sure + 0.1, several) == 1
    lower = deciding("multilabel", thresholds=(0.2, 0.2))
    assert exporter._flips(np.array([[0.3, 0.2]], np.float32), sure + 0.1, lower) == 0


@pytest.mark.parametrize("how", ["factors", "costs"])
def test_another_decision_is_found_where_decisions_are_moved(how: str) -> None:
    """Both by two moved decisions: between them lies a probability of 1/6, far from the half."""
    moved: dict[str, Any] = {"factors": (1.0, 5.0)} if how == "factors" else {"costs": ((0.0, 1.0), (5.0, 0.0))}
    task, far = deciding("classify", **moved), 1e-3
    at = 1 / 6

    def rows(*second: float) -> np.ndarray:
        return np.array([[1 - one, one] for one in second], np.float32)

    assert exporter._flips(rows(at + far), rows(at - far), task) == 1
    assert exporter._flips(rows(at - 2e-5), rows(at + 2e-5), task) == 0, "a tie that the tolerance cannot tell"
    assert exporter._flips(rows(0.5 + far, at + far), rows(0.5 - far, at + far), task) == 0, "decided alike"
    assert exporter._flips(rows(0.5 + far), rows(0.5 - far), deciding("classify")) == 1


def test_ties_of_many_classes_are_those_that_probabilities_within_the_tolerance_could_turn() -> None:
    random = np.random.default_rng(0)
    tolerance = exporter.TOLERANCE
    for _ in range(200):
        costs = random.uniform(0, 3, (4, 4)) * (1 - np.eye(4))
        task = TASKS.get("classify")(tuple("abcd"), TaskSettings("cross_entropy", costs=tuple(map(tuple, costs))))
        expected = random.dirichlet(np.ones(4), 1)
        near = expected + random.uniform(-tolerance, tolerance, (1, 4))
        assert exporter._flips(near, expected, task) == 0
        other = random.dirichlet(np.ones(4), 1)
        chosen, wanted = (task.judged(one).argmax(1)[0] for one in (other, expected))
        gain = float(expected[0] @ (costs[:, chosen] - costs[:, wanted]))
        beyond = gain > tolerance * np.abs(costs[:, chosen] - costs[:, wanted]).sum()
        assert exporter._flips(other, expected, task) == int(beyond)


def deciding(task: str, **settings: Any) -> Any:
    loss = "cross_entropy" if task == "classify" else "binary_cross_entropy"
    return TASKS.get(task)(("a", "b"), TaskSettings(loss, **settings))


# -- what cannot be exported


@pytest.mark.parametrize("missing", ["onnx", "onnxscript", "onnxruntime"])
def test_without_the_extra_the_command_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    model = small_model(tmp_path / "model")
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UsageError, match=rf"needs {missing}, which is not") as caught:
        exporter.export(model, tmp_path / "model.onnx", pictures(2))
    assert caught.value.fix == 'pip install "striate[export]"'
    assert not (tmp_path / "model.onnx").exists()


def test_no_samples_no_proof(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="real pictures"):
        exporter.export(small_model(tmp_path / "model"), tmp_path / "model.onnx", pictures(0))


def test_a_network_that_cannot_be_traced_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model(tmp_path / "model")

    def depends_on_values(self: object, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.mean((2, 3)) if float(pixels.sum()) > 3 else pixels.sum((2, 3))

    monkeypatch.setattr(exporter._Exported, "forward", depends_on_values)
    with pytest.raises(NetworkError, match="cannot be exported"):
        exporter.export(model, tmp_path / "model.onnx", pictures(2))
    assert not (tmp_path / "model.onnx").exists()


def test_nothing_is_printed_on_standard_output(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    exporter.export(small_model(tmp_path / "model"), tmp_path / "model.onnx", pictures(2))
    assert capfd.readouterr().out == ""


def test_it_is_registered() -> None:
    assert EXPORTERS.get("onnx") is exporter.export
    assert builtins.callable(EXPORTERS.get("onnx"))


def test_the_model_itself_is_not_changed(tmp_path: Path) -> None:
    model: Model = small_model(tmp_path / "model")
    before = model.scores(pictures(4))
    exporter.export(model, tmp_path / "model.onnx", pictures(4))
    assert np.array_equal(model.scores(pictures(4)), before)


@pytest.mark.parametrize("rate", [1e-3, 1.0, 1e5])
def test_counts_are_held_by_their_logarithms(rate: float) -> None:
    settings = TaskSettings("poisson", mean=(float(np.log(rate)),), std=(1.0,))
    model: Any = SimpleNamespace(task=SimpleNamespace(settings=settings, kind="value"), classes=("cells",))
    expected = np.array([[rate], [3 * rate]])
    near = exporter._compare(expected * np.exp(5e-5), expected, model)
    assert near == pytest.approx(5e-5, rel=1e-3)
    assert "differs" in str(exporter._compare(expected * np.exp(2e-4), expected, model))
    assert exporter._compare(0 * expected, 0 * expected, model) == 0.0
    assert "differs" in str(exporter._compare(expected, 0 * expected, model))
