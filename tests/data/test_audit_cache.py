"""An audit is found again where no file has changed, and only there."""

import os
from pathlib import Path

import pytest

from striate.core.cache import Cache
from striate.core.events import Silent
from striate.data.audit import run_audit
from striate.data.audit_cache import audit_key, find_audit, keep_audit
from striate.data.dataset import open_dataset
from striate.data.readers import ReadOptions
from tests.e2e.made_photos import folder


def key(place: Path, **options: object) -> str | None:
    return audit_key(open_dataset(str(place), ReadOptions(**options)))  # type: ignore[arg-type]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return folder(tmp_path / "photos", {"dark": 4, "light": 4})


def test_it_is_the_audit_that_was_kept(photos: Path, tmp_path: Path) -> None:
    audit, cache, name = (
        run_audit(open_dataset(str(photos)), workers=0, reporter=Silent()),
        Cache(tmp_path / "c", 10**7),
        key(photos),
    )
    assert name is not None
    assert find_audit(name, cache) is None
    assert keep_audit(name, audit, cache) is None
    assert find_audit(name, cache) == audit
    assert key(photos) == name


def test_any_change_makes_another_key(photos: Path) -> None:
    before = key(photos)
    first = sorted((photos / "dark").iterdir())[0]
    status = os.stat(first)
    content = bytearray(first.read_bytes())
    content[-1] ^= 1
    first.write_bytes(content)  # of the same length
    os.utime(first, ns=(status.st_atime_ns, status.st_mtime_ns))  # and said to be as old
    changed = key(photos)
    assert changed != before
    first.rename(first.with_name("other" + first.suffix))
    renamed = key(photos)
    assert renamed not in (before, changed)
    assert key(photos, label_depth=1) is not None


def test_a_file_that_is_gone_leaves_no_key(photos: Path) -> None:
    data = open_dataset(str(photos))
    sorted((photos / "dark").iterdir())[0].unlink()
    assert audit_key(data) is None


def test_arrays_have_none() -> None:
    assert audit_key(open_dataset(None)) is None


@pytest.mark.parametrize("content", ["{", "{}", '{"audit": {}, "hashes": {}}', "[]"])
def test_a_damaged_one_is_removed(photos: Path, tmp_path: Path, content: str) -> None:
    cache, name = Cache(tmp_path / "c", 10**7), str(key(photos))
    keep_audit(name, run_audit(open_dataset(str(photos)), workers=0, reporter=Silent()), cache)
    next(iter((tmp_path / "c").glob("*/audit.json"))).write_text(content)
    assert find_audit(name, cache) is None
    assert cache.entries() == []
