"""Data of boxes: what works with it, and what says that it does not yet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_boxes import voc

from striate import api, cli
from striate.core.errors import DataError


@pytest.mark.parametrize("verb", [api.plan, api.label_errors, api.augment])
def test_what_needs_a_task_says_what_works(verb: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="can be read, audited and converted, but not trained yet") as caught:
        verb(voc(tmp_path / "d"))
    assert "striate convert" in str(caught.value.fix)


def test_training_ends_with_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", str(voc(tmp_path / "d")), "--out", str(tmp_path / "run")]) == 1
    assert "'detect'" in capsys.readouterr().err


def test_the_audit_goes_through(tmp_path: Path) -> None:
    found = api.audit(voc(tmp_path / "d"), workers=0, near_duplicates=False)
    assert (found.samples, found.classes) == (3, {"cat": 1, "dog": 2})
