"""The samples that findings name, drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from made_data import noise, picture_files
from PIL import Image

from striate import api
from striate.core.events import Silent
from striate.data.audit import run_audit
from striate.workflows.odd import draw_findings


def odd_files(folder: Path) -> Path:
    pictures = {f"{'ab'[n % 2]}/{n:02}.png": noise(n, 40, 60) for n in range(44)}
    pictures["a/02.png"][:] = 77
    pictures["b/05.png"][:8] = pictures["b/05.png"][-8:] = 0
    picture_files(folder, pictures)
    return folder


def test_each_sample_is_drawn_once_in_its_own_shape_on_grey(tmp_path: Path) -> None:
    pictures = {f"{'ab'[n % 2]}/{n:02}.png": noise(n, 40, 60) for n in range(44)}
    pictures["a/02.png"][:] = 0
    data = picture_files(tmp_path, pictures)
    audit = run_audit(data, workers=0, reporter=Silent(), near=False)
    entries = draw_findings(tmp_path / "figures", data, [*audit.findings, *audit.findings], audit.full_scale)
    assert [(one["caption"], one["section"]) for one in entries] == [("a/02.png", "finding: constant pictures")] * 2
    assert len(list((tmp_path / "figures").iterdir())) == 1
    pixels = np.asarray(Image.open(tmp_path / "figures" / entries[0]["file"]))
    assert abs(int(pixels[2, 50, 0]) - 128) < 12
    assert pixels[56, 50].max() < 12


def test_nothing_odd_draws_nothing(tmp_path: Path) -> None:
    data = picture_files(tmp_path, {f"{'ab'[n % 2]}/{n:02}.png": noise(n, 40, 60) for n in range(4)})
    assert draw_findings(tmp_path / "figures", data, [], 255.0) == []
    assert not (tmp_path / "figures").exists()


def test_the_page_of_an_audit_shows_them(tmp_path: Path) -> None:
    api.audit(odd_files(tmp_path / "data"), near_duplicates=False, html=tmp_path / "audit.html", workers=0)
    html = (tmp_path / "audit.html").read_text("utf-8")
    assert "constant pictures" in html
    assert "bars at the edges" in html
    assert html.count("<img") == 2
