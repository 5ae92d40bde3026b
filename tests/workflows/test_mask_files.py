"""Files that hold what is of all masks together are never written over."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image

from striate.core.artifacts import read_json
from striate.core.errors import DataError
from striate.data.dataset import list_pictures
from striate.infer import Model, Prediction
from striate.workflows.mask_files import MaskFiles
from striate.workflows.predicted_files import written


def files(folder: Path, classes: tuple[str, ...] = ("ground", "cell"), **more: Any) -> MaskFiles:
    """Of a Model of these classes, for one picture."""
    picture = folder.parent / "a.png"
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(picture)
    model = SimpleNamespace(task=SimpleNamespace(per_pixel=True), classes=classes)
    return MaskFiles(cast(Model, model), folder, [picture], **more)


@pytest.mark.parametrize("content", [b'{"images": ["of others"]}', b"no JSON"])
@pytest.mark.parametrize("name", ["annotations.json", "classes.json"])
def test_what_is_there_is_refused_before_anything_is_predicted(tmp_path: Path, name: str, content: bytes) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name} exists already"):
        files(folder, outlines="coco")
    assert (folder / name).read_bytes() == content


def test_files_that_come_while_it_predicts_are_not_written_over(tmp_path: Path) -> None:
    late = files(tmp_path / "out", outlines="coco")
    (tmp_path / "out" / "annotations.json").write_text("{}")
    with pytest.raises(DataError, match="exists already"):
        late.close()
    assert (tmp_path / "out" / "annotations.json").read_text() == "{}"


def test_masks_of_the_same_classes_may_come_into_one_folder(tmp_path: Path) -> None:
    files(tmp_path / "out").close()
    before = (tmp_path / "out" / "classes.json").read_bytes()
    files(tmp_path / "out").close()
    assert (tmp_path / "out" / "classes.json").read_bytes() == before
    with pytest.raises(DataError, match=r"classes\.json exists already"):
        files(tmp_path / "out", ("ground", "wall"))


def test_a_picture_that_is_named_twice_is_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.png", "b.png"):
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    task = SimpleNamespace(per_pixel=True)
    prepared = [torch.zeros(3, 4, 4)]
    model = SimpleNamespace(task=task, classes=("ground", "cell"), prepare_each=lambda pictures: prepared)
    paths = ["a.png", "a.png", "."]
    drawn = MaskFiles(cast(Model, model), tmp_path / "out", paths, "coco")
    mask = np.ones((4, 4), np.uint8)
    told = written(drawn, (Prediction(sample.key, mask=mask) for sample in list_pictures(paths)))
    assert [one.key for one in told] == ["a.png", "a.png", "./a.png", "./b.png"]
    names = sorted(path.name for path in drawn.folder.iterdir())
    assert names == ["a.overlay.png", "a.png", "annotations.json", "b.overlay.png", "b.png", "classes.json"]
    content = read_json(drawn.folder / "annotations.json")
    assert [one["file_name"] for one in content["images"]] == ["a.png", "./b.png"]
