"""Wrong calls and wrong data, through the API: what is said, and that nothing half-made is left behind."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from safetensors.torch import save_file

import striate as st
from striate.cli import main
from striate.core.errors import (
    DataError,
    NetworkError,
    PlanError,
    RunError,
    RunLocked,
    StriateError,
    UnknownName,
    UsageError,
    WeightsError,
)
from striate.nets import build, resolve
from tests.e2e.made_photos import QUICK, folder, save, table


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return folder(tmp_path / "photos", {"dark": 20, "light": 20})


def refused(kind: type[StriateError], said: str, tmp_path: Path, *arguments, **options) -> StriateError:
    with pytest.raises(kind, match=said) as caught:
        st.train(*arguments, out=tmp_path / "run", **{"epochs": 1, **options})
    assert not (tmp_path / "run" / "model").exists()
    return caught.value


def test_a_path_that_does_not_exist_leaves_no_run(tmp_path: Path) -> None:
    refused(DataError, "does not exist", tmp_path, tmp_path / "nowhere")
    assert not (tmp_path / "run").exists()


def test_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(DataError, "no picture|no file|empty|nothing", tmp_path, tmp_path / "empty")


def test_one_class(tmp_path: Path) -> None:
    refused(DataError, "class", tmp_path, folder(tmp_path / "one", {"only": 10}))


def test_a_class_with_one_picture(tmp_path: Path) -> None:
    refused(DataError, "rare", tmp_path, folder(tmp_path / "p", {"common": 20, "rare": 1}))


@pytest.mark.parametrize("damaged", [40, 10])
def test_damaged_pictures_above_the_limit(tmp_path: Path, photos: Path, damaged: int) -> None:
    for path in sorted(photos.rglob("*.png"))[:damaged]:
        path.write_bytes(b"no picture")
    refused(DataError, "can be decoded|damaged", tmp_path, photos)


def test_targets_that_are_not_numbers(tmp_path: Path) -> None:
    path = table(tmp_path, "file,value", lambda number, brightness: "nan" if number == 7 else f"{brightness}.5")
    refused(DataError, "no target in column .value.: line 9", tmp_path, path, task="regress")


def test_a_test_class_that_training_lacks(tmp_path: Path) -> None:
    folder(tmp_path / "d" / "train", {"dark": 10, "light": 10})
    folder(tmp_path / "d" / "test", {"dark": 4, "new": 4})
    refused(DataError, "new", tmp_path, tmp_path / "d")


def test_pooling_that_leaves_nothing(tmp_path: Path, photos: Path) -> None:
    file = tmp_path / "net.yaml"
    nodes = [{"node": "Pool", "size": 4}] * 3 + [{"node": "Flatten"}, {"node": "Dense", "units": 2}]
    file.write_text(yaml.safe_dump({"name": "deep", "nodes": nodes}))
    refused(NetworkError, r"layer \d", tmp_path, photos, model=str(file), size=16)


def test_a_misspelt_model_key_and_reader(tmp_path: Path, photos: Path) -> None:
    refused(UnknownName, "compact", tmp_path, photos, model="compcat")
    refused(PlanError, "optimizer.rate", tmp_path, photos, set={"optimiser.rate": 1})
    refused(UnknownName, "folders", tmp_path, photos, reader="folder")


def test_a_value_of_the_wrong_type(tmp_path: Path, photos: Path) -> None:
    refused(PlanError, "a whole number", tmp_path, photos, set={"batch.size": "large"})


def test_two_budgets(tmp_path: Path, photos: Path) -> None:
    refused(UsageError, "two budgets", tmp_path, photos, minutes=1, epochs=1)


def test_weights_without_a_sidecar(tmp_path: Path, photos: Path) -> None:
    from striate.core.tensors import write_tensors
    from striate.nets import build, resolve

    network = build(resolve("compact", outputs=2, channels=3, height=16, width=16, arguments={"width": 8}))
    write_tensors(tmp_path / "w.safetensors", network.state_dict())
    error = refused(UsageError, "never guessed", tmp_path, photos, weights=tmp_path / "w.safetensors")
    assert "w.json" in str(error)


def test_weights_that_are_no_weights(tmp_path: Path, photos: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"not tensors")
    refused(WeightsError, "not a whole safetensors file", tmp_path, photos, weights=tmp_path / "w.safetensors")
    refused(WeightsError, "does not exist", tmp_path, photos, weights=tmp_path / "none.safetensors")


def test_a_folder_that_is_not_empty(tmp_path: Path, photos: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("years of work")
    refused(RunError, "not empty", tmp_path, photos)
    assert (tmp_path / "run" / "thesis.txt").read_text() == "years of work"


def test_two_trainings_into_one_folder(tmp_path: Path, photos: Path) -> None:
    run = st.train(photos, out=tmp_path / "run", epochs=1, set=QUICK)
    (run.path / "metrics.json").unlink()
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from pathlib import Path; from striate.core.run import RunFolder\n"
            "run = RunFolder.open(Path(sys.argv[1])); run.lock(); print('held', flush=True); time.sleep(60)",
            str(run.path),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunLocked, match="another process"):
            st.resume(run)
    finally:
        holder.kill()
        holder.wait()
    assert st.resume(run).finished


def test_a_run_of_another_version(tmp_path: Path, photos: Path) -> None:
    run = st.train(photos, out=tmp_path / "run", epochs=1, set=QUICK)
    content = json.loads((run.path / "environment.json").read_text())
    (run.path / "environment.json").write_text(json.dumps({**content, "striate_run": 99}))
    with pytest.raises(RunError, match="version 99"):
        st.resume(run.path)
    assert "version 99" in st.runs(tmp_path)[0].status


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a Run"):
        st.resume(tmp_path)
    with pytest.raises(RunError, match="no Run at"):
        st.resume(tmp_path / "none")


def test_a_picture_of_one_pixel_trains(tmp_path: Path, photos: Path) -> None:
    save(photos / "dark" / "pixel.png", np.zeros((1, 1, 3)))
    assert st.train(photos, out=tmp_path / "run", epochs=1, set=QUICK).finished


def test_a_picture_beyond_the_cap_is_quarantined(tmp_path: Path, photos: Path) -> None:
    Image.new("1", (30_000, 30_000)).save(photos / "dark" / "huge.png")
    run = st.train(photos, out=tmp_path / "run", epochs=1, set=QUICK)
    (one,) = run.audit.quarantined
    assert "huge.png" in one.key
    assert "900,000,000 pixels" in one.reason


def test_read_only_data_trains(tmp_path: Path, photos: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in photos.rglob("*")}
    for path in (*photos.rglob("*"), photos):
        os.chmod(path, 0o555 if path.is_dir() else 0o444)
    assert st.train(photos, out=tmp_path / "run", epochs=1, set=QUICK).finished
    assert {path: path.stat().st_mtime_ns for path in photos.rglob("*")} == before


def test_data_that_changed_since_a_run_was_started(tmp_path: Path, photos: Path) -> None:
    run = st.train(photos, out=tmp_path / "run", epochs=1, set=QUICK)
    (run.path / "metrics.json").unlink()
    (photos / "dark" / "000.png").unlink()
    with pytest.raises(RunError, match="samples"):
        st.resume(run)


def weights_of(name: str, path: Path, size: int = 32, **arguments: object) -> Path:
    """A file of a family's first weights with its sidecar."""
    network = build(resolve(name, outputs=2, channels=3, height=size, width=size, arguments=arguments))
    save_file(network.state_dict(), path)
    preprocessing = {"mean": [0.5] * 3, "std": [0.5] * 3, "size": size, "crop_pct": 1.0, "interpolation": "bilinear"}
    truth = {"network": name, "arguments": arguments, "preprocessing": preprocessing, "classes": 2}
    path.with_suffix(".json").write_text(json.dumps(truth))
    return path


def test_weights_of_another_network_are_refused_before_the_data_are_read(
    tmp_path: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = weights_of("resnet20", tmp_path / "w.safetensors", width=4)
    set_ = {"network.name": "resnet32", "network.arguments": {"width": 4}}
    error = refused(WeightsError, "do not fit", tmp_path, tmp_path / "no data", weights=weights, set=set_)
    assert "and 55 more (--json names all)" in error.message
    assert len(error.details["missing"]) == 60  # 12 convolutions, each with its norm
    assert set(error.details) == {"missing"}
    assert not (tmp_path / "run").exists()
    command = ["train", str(photos), "--out", str(tmp_path / "run"), "--weights", str(weights), "--model", "resnet32"]
    assert main([*command, "--set", "network.arguments={width: 8}", "--json"]) == 1
    printed = json.loads(capsys.readouterr().out)
    assert "stem.conv1.weight is 4×3×3×3 in the file and 8×3×3×3 in the network" in printed["details"]["reshaped"]
    assert len(printed["details"]["missing"]) == 60
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"loss.name": "huber"}, UsageError, "is not for the task 'classify'"),
        ({"loss.class_weights": {"cta": 2}}, UsageError, "no class in loss.class_weights 'cta'"),
        ({"network.name": "lenet5", "network.stochastic_depth": 0.2}, NetworkError, "no residual blocks"),
        ({"network.name": "torchvision/resnet18", "network.init": "orthogonal"}, NetworkError, "draws its own"),
    ],
)
def test_what_does_not_fit_the_data_leaves_nothing_behind(
    settings: dict[str, Any], error: type[StriateError], said: str, tmp_path: Path, photos: Path
) -> None:
    refused(error, said, tmp_path, photos, size=32, epochs=1, weights="none", set=settings)
    assert not (tmp_path / "run").exists()


def test_weights_that_only_the_data_s_size_rules_out_leave_nothing_behind(tmp_path: Path, photos: Path) -> None:
    weights = weights_of("plain", tmp_path / "w.safetensors", filters=[4], units=8)
    error = refused(WeightsError, r"dense1\.weight is", tmp_path, photos, weights=weights, size=24)
    assert error.details == {"reshaped": ["dense1.weight is 8×900 in the file and 8×484 in the network"]}
    assert not (tmp_path / "run").exists()
    st.train(
        photos, out=tmp_path / "run", weights=weights, size=32, epochs=1, set={"optimizer.rate": 0.01, "batch.size": 8}
    )
