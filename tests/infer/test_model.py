"""The Model: written, copied elsewhere, verified, and predicting the same to the bit."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_models import NAMES, as_array, pictures, small_model, write_pictures
from torch import nn

from striate.core.errors import DataError, NonFinite, RunError, UsageError, WeightsError
from striate.core.records import Sample
from striate.core.tensors import read_tensors
from striate.infer import Model, Prediction, intake, predictor
from striate.infer import model as model_module
from striate.tasks import Sets


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return small_model(tmp_path / "model")


def all_of(model: Model, *paths: Path, **options: object) -> list[Prediction]:
    return list(model.predict_paths(list(paths), **options))  # type: ignore[arg-type]


# -- on disk


def test_a_model_is_two_files_without_pickle(model: Model) -> None:
    assert model.path is not None
    assert sorted(path.name for path in model.path.iterdir()) == ["model.json", "model.safetensors"]
    content = json.loads((model.path / "model.json").read_text())
    assert content["striate_model"] == 1
    assert content["classes"] == list(NAMES["classify"])
    assert {"network", "preprocessing", "task", "sha256", "precision", "channels_last", "batch_size", "summary"} <= set(
        content
    )


@pytest.mark.parametrize("task", ["classify", "multilabel", "regress"])
def test_what_was_saved_comes_back(tmp_path: Path, task: str) -> None:
    first = small_model(
        tmp_path / "a", task, precision="bfloat16", channels_last=True, views="mirrored", summary={"accuracy": 0.9}
    )
    folder = Model.save(
        tmp_path / "b",
        first.network,
        first.spec,
        first.preprocessing,
        first.task,
        {
            "precision": "bfloat16",
            "channels_last": True,
            "views": "mirrored",
            "batch_size": 4,
            "summary": {"accuracy": 0.9},
        },
    )
    second = Model.load(folder)
    assert second.spec == first.spec
    assert second.preprocessing == first.preprocessing
    assert second.task.to_dict() == first.task.to_dict()
    assert (second.precision, second.channels_last, second.views) == ("bfloat16", True, "mirrored")
    assert second.batch_size == 4
    assert second.summary == {"accuracy": 0.9}
    images = pictures(6)
    assert np.array_equal(first.scores(images), second.scores(images))
    assert not second.network.training


def test_weights_are_stored_as_float32_with_their_layout(model: Model, tmp_path: Path) -> None:
    low = model.network.to(torch.bfloat16).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    folder = Model.save(tmp_path / "low", low, model.spec, model.preprocessing, model.task)
    tensors = read_tensors(folder / "model.safetensors")
    assert all(tensor.dtype == torch.float32 for tensor in tensors.values() if tensor.is_floating_point())
    wide = [tensor for tensor in tensors.values() if tensor.dim() == 4 and min(tensor.shape[1], tensor.shape[2]) > 1]
    assert wide
    assert all(tensor.is_contiguous(memory_format=torch.channels_last) for tensor in wide)


def test_a_run_or_the_json_itself_opens_the_model(model: Model, tmp_path: Path) -> None:
    assert model.path is not None
    assert Model.load(tmp_path).path == model.path
    assert Model.load(model.path / "model.json").path == model.path


def test_loading_leaves_the_random_state(model: Model) -> None:
    assert model.path is not None
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    Model.load(model.path)
    assert torch.equal(torch.rand(2), expected)


def test_what_a_model_does_not_have_cannot_be_saved(model: Model, tmp_path: Path) -> None:
    parts = (model.network, model.spec, model.preprocessing, model.task)
    with pytest.raises(UsageError, match="batchsize"):
        Model.save(tmp_path / "x", *parts, {"batchsize": 4})
    with pytest.raises(UsageError, match="precision 'float8'"):
        Model.save(tmp_path / "x", *parts, {"precision": "float8"})
    with pytest.raises(UsageError, match="batch_size"):
        Model.save(tmp_path / "x", *parts, {"batch_size": 0})
    assert not (tmp_path / "x").exists()


def decided(model: Model, folder: Path) -> Model:
    """The same Model with a temperature, and all of it possible that has 0.3."""
    task = model.task.with_decisions(temperature=2.5, sets=Sets(0.9, (0.3,) * 3))
    return Model.load(Model.save(folder, model.network, model.spec, model.preprocessing, task))


def test_what_validation_decided_is_in_the_model_and_in_its_predictions(model: Model, tmp_path: Path) -> None:
    other = decided(model, tmp_path / "decided")
    images = pictures(6)
    with torch.no_grad():
        expected = torch.softmax(model.outputs(images) / 2.5, dim=1).numpy()
    scores = other.scores(images)
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert (scores.argmax(1) == model.scores(images).argmax(1)).all()
    assert np.abs(scores - model.scores(images)).max() > 0.01
    found = other.predict(images.permute(0, 2, 3, 1).numpy())
    for one, row in zip(found, scores, strict=True):
        held = [name for name, share in zip(other.classes, row, strict=True) if share >= 0.3]
        assert set(one.possible or ()) == set(held)
        assert one.unsure == (len(held) != 1)
        assert one.to_dict()["possible"][:1] in ([one.label], [])
        assert one.probability == pytest.approx(float(row.max()))
    assert {"temperature": 2.5, "coverage": 0.9}.items() <= other.describe().items()
    assert model.predict(images[0].permute(1, 2, 0).numpy()).possible is None


# -- damage


def file_of(model: Model, name: str) -> Path:
    assert model.path is not None
    return model.path / name


def test_truncated_weights_are_refused(model: Model) -> None:
    file = file_of(model, "model.safetensors")
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(WeightsError, match="truncated"):
        Model.load(file.parent)


@pytest.mark.parametrize("place", [9, -1])
def test_one_flipped_bit_is_refused(model: Model, place: int) -> None:
    file = file_of(model, "model.safetensors")
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)
    with pytest.raises(WeightsError, match="SHA-256"):
        Model.load(file.parent)


@pytest.mark.parametrize(
    ("name", "error"), [("model.safetensors", WeightsError), ("model.json", RunError)], ids=["weights", "json"]
)
def test_a_missing_file_is_named(model: Model, name: str, error: type[Exception]) -> None:
    file = file_of(model, name)
    file.unlink()
    with pytest.raises(error, match=name.replace(".", r"\.")):
        Model.load(file.parent)


def test_another_version_is_refused(model: Model) -> None:
    file = file_of(model, "model.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), "striate_model": 2}))
    with pytest.raises(RunError, match="version 2; this striate reads version 1"):
        Model.load(file.parent)


def test_a_changed_description_is_refused(model: Model) -> None:
    file = file_of(model, "model.json")
    content = json.loads(file.read_text())
    content["preprocessing"]["mean"][0] += 0.1
    file.write_text(json.dumps(content))
    with pytest.raises(RunError, match="checksum"):
        Model.load(file.parent)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '"x"'])
def test_a_description_that_is_none_is_refused(model: Model, content: str) -> None:
    file = file_of(model, "model.json")
    file.write_text(content)
    with pytest.raises(RunError, match=r"model\.json"):
        Model.load(file.parent)


def test_spacing_and_order_of_the_json_do_not_matter(model: Model) -> None:
    file = file_of(model, "model.json")
    file.write_text(json.dumps(json.loads(file.read_text()), sort_keys=True, indent=4))
    Model.load(file.parent)


def test_weights_of_another_model_are_refused_by_their_hash(model: Model, tmp_path: Path) -> None:
    other = small_model(tmp_path / "other", seed=1)
    shutil.copy(file_of(other, "model.safetensors"), file_of(model, "model.safetensors"))
    with pytest.raises(WeightsError, match="another Model"):
        Model.load(file_of(model, "model.json"))


def test_weights_of_another_network_are_refused_by_name(model: Model, tmp_path: Path) -> None:
    wider = small_model(tmp_path / "wider", arguments={"width": 8})
    folder = Model.save(tmp_path / "mixed", wider.network, model.spec, model.preprocessing, model.task)
    with pytest.raises(WeightsError, match=r"another network .* instead of \("):
        Model.load(folder)
    lacking = nn.Sequential(nn.Linear(2, 2))
    folder = Model.save(tmp_path / "lacking", lacking, model.spec, model.preprocessing, model.task)
    with pytest.raises(WeightsError, match=r"missing.* and \d+ more"):
        Model.load(folder)


def test_no_model_there(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="does not exist"):
        Model.load(tmp_path / "nowhere")
    with pytest.raises(RunError, match="no Model in"):
        Model.load(tmp_path)


# -- prediction


def test_a_copy_elsewhere_predicts_the_same_bits_in_another_process(model: Model, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    write_pictures(folder, 7)
    assert model.path is not None
    copied = tmp_path / "elsewhere" / "copy"
    shutil.copytree(model.path, copied)
    expected = [one.to_dict() for one in all_of(model, folder)]
    assert expected == [one.to_dict() for one in all_of(model, folder)]
    script = (
        "import json, sys; from striate.infer import Model; "
        "print(json.dumps([p.to_dict() for p in Model.load(sys.argv[1]).predict_paths([sys.argv[2]])]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, copied, folder], capture_output=True, text=True, check=True, timeout=120
    )
    assert json.loads(done.stdout) == expected


def test_predictions_are_those_of_plain_torch(model: Model, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    paths = write_pictures(folder, 5, size=16)  # the network's own size: nothing is resized
    pixels = torch.stack([torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1) for path in paths])
    mean = torch.tensor(model.preprocessing.mean).view(3, 1, 1)
    std = torch.tensor(model.preprocessing.std).view(3, 1, 1)
    with torch.no_grad():
        expected = model.network((pixels / 255 - mean) / std).softmax(1)
    found = all_of(model, folder)
    for one, row in zip(found, expected, strict=True):
        assert list(one.scores) == list(NAMES["classify"])
        assert list(one.scores.values()) == pytest.approx(row.tolist(), abs=1e-6)
        assert one.label == NAMES["classify"][int(row.argmax())]
        assert one.probability == pytest.approx(float(row.max()), abs=1e-6)


def test_multilabel_and_regression_predictions(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "pictures", 6, size=16)
    many = small_model(tmp_path / "many", "multilabel")
    for one in all_of(many, *paths):
        assert one.labels == tuple(name for name, score in one.scores.items() if score >= 0.5)
        assert one.label is None
    values = small_model(tmp_path / "values", "regress")
    with torch.no_grad():
        raw = values.outputs(values.prepare([intake.picture_of(Image.open(path)) for path in paths]))
    for one, row in zip(all_of(values, *paths), raw, strict=True):
        assert one.values is not None
        assert list(one.values) == list(NAMES["regress"])
        assert one.values["height"] == pytest.approx(170 + 10 * float(row[0]), abs=1e-3)
        assert one.values["weight"] == pytest.approx(60 + 8 * float(row[1]), abs=1e-3)


def test_order_and_keys_of_files_folders_and_zips(model: Model, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    paths = write_pictures(folder / "b", 3) + write_pictures(folder / "a", 2, seed=1)
    archive = tmp_path / "pictures.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in paths[:2]:
            file.write(path, f"inside/{path.name}")
    found = all_of(model, archive, paths[2], folder)
    ends = ["inside/000.png", "inside/001.png", "002.png", "a/000.png", "a/001.png", "b/000.png", "b/001.png"]
    assert [one.key.endswith(end) for one, end in zip(found, ends, strict=False)] == [True] * 7
    assert len(found) == 8


def test_damaged_files_are_told_and_spoil_nothing(model: Model, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    paths = write_pictures(folder, 11)
    whole = [one.to_dict() for one in all_of(model, *paths[:2], *paths[3:7], *paths[8:])]
    paths[2].write_bytes(b"this is no picture")
    paths[7].write_bytes(paths[7].read_bytes()[:60])
    told: list[tuple[str, str]] = []
    found = all_of(model, folder, on_damaged=lambda key, reason: told.append((key, reason)))
    assert [Path(key).name for key, _ in told] == ["002.png", "007.png"]
    assert all(reason for _, reason in told)
    assert [one.to_dict()["scores"] for one in found] == [one["scores"] for one in whole]
    assert [Path(one.key).name for one in found] == [Path(one["key"]).name for one in whole]


def test_without_a_callback_damage_is_a_warning(model: Model, tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "pictures", 2)
    paths[0].write_bytes(b"")
    with pytest.warns(UserWarning, match=r"000\.png is skipped"):
        assert len(all_of(model, *paths)) == 1


def test_all_damaged_gives_nothing(model: Model, tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "pictures", 3)
    for path in paths:
        path.write_bytes(b"no")
    told: list[str] = []
    assert all_of(model, *paths, on_damaged=lambda key, _: told.append(key)) == []
    assert len(told) == 3


def test_a_path_that_does_not_exist(model: Model, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere"):
        all_of(model, tmp_path / "nowhere.png")


def test_the_number_of_workers_never_changes_a_result(model: Model, tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures", 9)
    one, four = (all_of(model, tmp_path / "pictures", workers=workers) for workers in (1, 4))
    assert one == four


def test_a_batch_size_may_be_named(model: Model, tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures", 5)
    seen: list[int] = []
    model.ready.register_forward_hook(lambda _, args, __: seen.append(len(args[0])))
    own, other = all_of(model, tmp_path / "pictures"), all_of(model, tmp_path / "pictures", batch_size=2)
    assert seen == [4, 1, 2, 2, 1]
    for first, second in zip(own, other, strict=True):
        assert list(first.scores.values()) == pytest.approx(list(second.scores.values()), abs=1e-5)
    with pytest.raises(UsageError, match="batch of 0"):
        all_of(model, tmp_path / "pictures", batch_size=0)


def test_pictures_are_decoded_ahead_but_not_without_end(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_pictures(tmp_path / "pictures", 60)
    begun: list[int] = []
    lock = threading.Lock()
    decode = intake.decode_sample

    def counted(*arguments: object) -> object:
        with lock:
            begun.append(1)
        return decode(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("striate.infer.predictor.decode_sample", counted)
    monkeypatch.setattr("striate.infer.model.TURN", 9)
    stream = model.predict_paths(paths, workers=2)
    for number in range(12):
        next(stream)
        assert len(begun) == (8 if number < 8 else 16)  # whole batches of 4, and none while they are computed
    stream.close()
    assert len(begun) == 16
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("striate-decode")]


def test_a_missing_path_is_said_before_anything_is_predicted(model: Model, tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "pictures", 2)
    with pytest.raises(DataError, match=r"missing\.png"):
        model.predict_paths([*paths, tmp_path / "missing.png"])


def test_folders_are_listed_lazily(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pictures(tmp_path / "pictures", 40)
    listed: list[int] = []
    listing = predictor.list_pictures

    def counted(paths: Sequence[str | Path]) -> Iterator[Sample]:
        for sample in listing(paths):
            listed.append(1)
            yield sample

    monkeypatch.setattr(predictor, "list_pictures", counted)
    monkeypatch.setattr(model_module, "TURN", 8)
    stream = model.predict_paths([tmp_path / "pictures"], workers=1)
    next(stream)
    assert len(listed) <= 10
    stream.close()


def test_not_a_number_in_the_pixels_is_damage(tmp_path: Path) -> None:
    model = small_model(tmp_path / "model", channels=1)
    Image.fromarray(np.full((16, 16), np.nan, np.float32)).save(tmp_path / "nan.tif")
    told: list[str] = []
    assert all_of(model, tmp_path / "nan.tif", on_damaged=lambda _, reason: told.append(reason)) == []
    assert len(told) == 1


def test_diverged_weights_are_said_with_the_picture(model: Model, tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "pictures", 2)
    with torch.no_grad():
        next(iter(model.network.parameters())).fill_(torch.nan)
    with pytest.raises(NonFinite, match=r"000\.png"):
        all_of(model, *paths)


# -- one picture, any form


def test_a_path_a_picture_and_pixels_agree(model: Model, tmp_path: Path) -> None:
    (path,) = write_pictures(tmp_path / "pictures", 1)
    by_path, by_text = model.predict(path), model.predict(str(path))
    image = Image.open(path)
    by_image, by_pixels = model.predict(image), model.predict(np.asarray(image))
    assert isinstance(by_path, Prediction)
    assert isinstance(by_image, Prediction)
    assert isinstance(by_pixels, Prediction)
    assert by_path == by_text
    assert by_path.scores == by_image.scores == by_pixels.scores
    assert by_pixels.key == "array"


def test_several_give_a_list(model: Model, tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "pictures", 3)
    stacked = np.stack([np.asarray(Image.open(path)) for path in paths])
    for found in (model.predict(paths), model.predict(tmp_path / "pictures"), model.predict(stacked)):
        assert isinstance(found, list)
        assert len(found) == 3
    named = model.predict(stacked)
    assert isinstance(named, list)
    assert [one.key for one in named] == ["array/0", "array/1", "array/2"]
    alone = model.predict([paths[1]])
    assert isinstance(alone, list)
    assert len(alone) == 1


def test_grey_pixels_and_other_depths(tmp_path: Path) -> None:
    model = small_model(tmp_path / "model", channels=1, full_scale=65535.0)
    deep = (pictures(1, 1)[0, 0].numpy().astype(np.uint16)) * 257
    whole, as_float = model.predict(deep), model.predict(deep.astype(np.float64))
    assert isinstance(whole, Prediction)
    assert isinstance(as_float, Prediction)
    assert whole.scores == as_float.scores


def test_what_is_no_picture(model: Model, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither"):
        model.predict(np.zeros(3, np.uint8))
    with pytest.raises(UsageError, match="int is not a picture"):
        model.predict(3)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="int64"):
        model.predict(np.zeros((4, 4, 3), np.int64))
    (tmp_path / "x.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"x\.png cannot be predicted"):
        model.predict(tmp_path / "x.png")


def test_a_model_shows_itself(model: Model) -> None:
    shown = model._repr_html_()
    assert "cat" in shown
    assert "classify" in shown
    assert "classify" in repr(model)


def test_pixels_taken_by_scores_are_those_of_prediction(model: Model, tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "pictures", 6, size=16)
    pixels = model.prepare([intake.picture_of(Image.open(path)) for path in paths])
    scores = model.scores(pixels)
    assert scores.dtype == np.float32
    assert [list(one.scores.values()) for one in all_of(model, *paths)] == scores.tolist()
    assert np.array_equal(as_array(pixels[0]), np.asarray(Image.open(paths[0])))
