"""Data of boxes: what works with it, and what says that it does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_boxes import voc

from striate import api
from striate.core.errors import UsageError


def test_wrong_labels_are_looked_for_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="each sample has one class; this data is for detect"):
        api.label_errors(voc(tmp_path / "d"))


def test_the_audit_goes_through(tmp_path: Path) -> None:
    found = api.audit(voc(tmp_path / "d"), workers=0, near_duplicates=False)
    assert (found.samples, found.classes) == (3, {"cat": 1, "dog": 2})
