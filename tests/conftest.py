"""Puts this folder on the path, so that tests may share helpers such as `small_models`; finds the real data."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data beside the repository; skips where it is absent."""
    path = Path(os.environ.get("STRIATE_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not path.is_dir():
        pytest.skip(f"real data are not at {path} (set STRIATE_DATA)")
    return path
