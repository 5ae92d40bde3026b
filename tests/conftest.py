"""Puts this folder on the path, so that tests may share helpers such as `small_models`; finds the real data."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from striate.core.load import Load

os.environ["STRIATE_CACHE"] = tempfile.mkdtemp(prefix="striate-test-cache-")  # not the user's own, here and in children
atexit.register(shutil.rmtree, os.environ["STRIATE_CACHE"], ignore_errors=True)


@pytest.fixture(autouse=True)
def _undisturbed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What else runs on the machine does not decide what tests see, but for those of `Load` itself."""
    if not request.module.__name__.endswith("test_load"):
        monkeypatch.setattr(Load, "disturbs", lambda self: False)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data beside the repository; skips where it is absent."""
    path = Path(os.environ.get("STRIATE_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not path.is_dir():
        pytest.skip(f"real data are not at {path} (set STRIATE_DATA)")
    return path
