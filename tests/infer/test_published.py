"""What published weights score on real data, the way a user would find out."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from striate.data.prepare import Preprocessing
from striate.infer import Model
from striate.nets import build, head_name, load_weights, read_weights, resolve, translated
from striate.tasks import TASKS, TaskSettings

DATA = Path(os.environ.get("STRIATE_DATA", Path(__file__).parents[3] / "shared" / "data"))
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason=f"there are no real data in {DATA}; set STRIATE_DATA")
def test_resnet20_scores_on_cifar_10_s_jpegs_what_its_weights_do(tmp_path: Path) -> None:
    spec = resolve("resnet20", outputs=10, channels=3, height=32, width=32)
    network = build(spec)
    weights = translated(read_weights(DATA / "weights" / "resnet20-12fca82f.th"), "resnet20", {})
    load_weights(network, weights, head=head_name(network))
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    preprocessing = Preprocessing(32, 32, 3, "squash", mean=mean, std=std, fill=tuple(255 * one for one in mean))
    task = TASKS.get("classify")(CLASSES, TaskSettings(loss="cross_entropy"))
    model = Model.load(Model.save(tmp_path / "model", network, spec, preprocessing, task))
    with zipfile.ZipFile(DATA / "cifar10.zip") as archive:
        archive.extractall(tmp_path, [name for name in archive.namelist() if "test/" in name])
    named = [(one.label, Path(one.key).parent.name) for one in model.predict_paths([tmp_path], batch_size=256)]
    assert len(named) == 10_000
    assert sum(label == target for label, target in named) / len(named) == pytest.approx(0.810, abs=0.003)
