"""What every exporter must do; a new one is tested here by being registered."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest
import torch
from small_models import NAMES, pictures, small_model

from striate.core.errors import StriateError, UsageError
from striate.core.registry import file_names
from striate.ship import EXPORTERS, Exporter

exporters = pytest.mark.parametrize("export", [entry for _, entry in EXPORTERS.items()], ids=EXPORTERS.names())


def test_each_is_a_file_of_its_name() -> None:
    assert EXPORTERS.names() == file_names("striate.ship")
    for name, entry in EXPORTERS.items():
        assert inspect.unwrap(entry).__module__ == f"striate.ship.{name}"


@exporters
def test_it_is_documented(export: Exporter) -> None:
    assert export.__doc__
    assert "Raises:" in export.__doc__


@exporters
@pytest.mark.parametrize("task", list(NAMES))
def test_it_writes_one_whole_file_and_reports_in_plain_values(tmp_path: Path, export: Exporter, task: str) -> None:
    model = small_model(tmp_path / "model", task)
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    folder = tmp_path / "out"
    folder.mkdir()
    report = export(model, folder / "file", pictures(5))
    assert [path.name for path in folder.iterdir()] == ["file"]
    assert json.loads(json.dumps(report)) == report
    assert report["path"] == str(folder / "file")
    assert report["largest_difference"] <= report["tolerance"] <= 1e-4
    assert {1, 2, 7, 64} <= set(report["batches"])
    assert all(torch.equal(value, before[name]) for name, value in model.network.state_dict().items())


@exporters
def test_without_pictures_there_is_no_proof_and_no_file(tmp_path: Path, export: Exporter) -> None:
    with pytest.raises(UsageError):
        export(small_model(tmp_path / "model"), tmp_path / "file", pictures(0))
    assert not (tmp_path / "file").exists()


@exporters
def test_a_folder_that_is_not_there_is_said(tmp_path: Path, export: Exporter) -> None:
    with pytest.raises(StriateError, match="cannot be written"):
        export(small_model(tmp_path / "model"), tmp_path / "nowhere" / "file", pictures(2))
