"""Near-duplicates in the audit: groups, labels at odds, leaks, what is said, what is kept; and the split that obeys."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_data import arrays, noise, picture_files, plain, scene
from PIL import Image

from striate.core.cache import Cache
from striate.core.events import Silent
from striate.core.records import Dataset, Label
from striate.data import twins
from striate.data.audit import Audit, run_audit
from striate.data.audit_cache import audit_key, find_audit, keep_audit
from striate.data.balance import unevenness
from striate.data.split import SplitTable, _strata, deal, make_split
from striate.data.twins import PICTURED, Near
from striate.workflows.alike import draw_near


def audited(data: Dataset, workers: int = 0, near: bool = True) -> Audit:
    return run_audit(data, workers=workers, reporter=Silent(), near=near)


@pytest.fixture
def copied(tmp_path: Path) -> Dataset:
    """Twelve scenes of two classes: one with an equal and a cropped copy, one with a copy of another label."""
    pictures = {f"{'ab'[seed % 2]}/{seed:02}.png": scene(seed, 70, 90) for seed in range(12)}
    pictures["a/equal.png"] = pictures["a/00.png"]
    pictures["a/cropped.png"] = pictures["a/00.png"][3:66, 6:87]
    pictures["a/other.png"] = pictures["b/01.png"] // 2 + 40
    pictures["a/tiny.png"] = noise(0, 12, 12)
    return picture_files(tmp_path, pictures)


@pytest.mark.parametrize("workers", [0, 2])
def test_groups_and_labels_at_odds_are_found(copied: Dataset, workers: int) -> None:
    audit = audited(copied, workers)
    near = audit.near
    assert near.duplicates == (("a/00.png", "a/cropped.png", "a/equal.png"), ("a/other.png", "b/01.png"))
    assert near.conflicts == (("a/other.png", "b/01.png"),)
    assert [(pair["one"], pair["other"]) for pair in near.pairs] == [
        ("a/other.png", "b/01.png"),
        ("a/00.png", "a/cropped.png"),
    ]
    assert (near.pairs_found, near.pairs_parted, near.skipped, near.missed, near.compared) == (2, 0, 1, 0, 14)
    assert near.checked
    remarks = " ".join(audit.remarks)
    assert "5 samples are in 2 groups of near-duplicates" in remarks
    assert "1 group of near-duplicates has different targets" in remarks
    assert "1 picture below 16 px" in remarks
    assert audit == audited(replace(copied, samples=copied.samples[::-1]))


def test_it_survives_a_file_and_back(copied: Dataset) -> None:
    audit = audited(copied)
    content = json.loads(json.dumps(audit.to_dict()))
    assert content["near_duplicates"] == [list(group) for group in audit.near.duplicates]
    assert content["near_duplicates_checked"] is True
    assert Audit.from_dict(content) == audit
    old = {name: value for name, value in content.items() if not name.startswith("near_")}
    found = Audit.from_dict({**old, "near_duplicates": [], "near_duplicates_checked": False})
    assert found.near == Near()
    assert found.near.unchecked()


def test_it_may_be_turned_off_and_is_kept_apart(copied: Dataset, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", 10**6)
    off = audited(copied, near=False)
    assert off.near == Near()
    assert any("were not searched for; exact ones were" in text for text in off.remarks)
    keys = [audit_key(copied, search=search) for search in (True, False)]
    assert None not in keys
    assert keys[0] != keys[1]
    for key, audit in zip(keys, (audited(copied), off), strict=True):
        assert keep_audit(str(key), audit, cache) is None
        assert find_audit(str(key), cache) == audit


def test_what_time_did_not_allow_is_said_and_not_kept(
    copied: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(twins, "search", lambda *found, seconds: twins_search(*found, seconds=-1))
    audit = audited(copied)
    assert audit.near.missed == 14
    assert not audit.near.checked
    assert any("14 pictures were not compared" in text for text in audit.near.unchecked())
    cache = Cache(tmp_path / "cache", 10**6)
    keep_audit("k", audit, cache)
    assert find_audit("k", cache) is None


twins_search = twins.search


def test_leaks_between_given_splits_are_named_and_leave_training(copied: Dataset) -> None:
    parts = {"a/cropped.png": "test", "b/01.png": "val", "a/02.png": "test", "b/03.png": "test"}
    data = replace(copied, samples=tuple(replace(one, split=parts.get(one.key, "train")) for one in copied.samples))  # type: ignore[arg-type]
    audit = audited(data)
    assert audit.leaks == (
        {"test": "a/cropped.png", "train": "a/00.png", "kind": "near-duplicate"},
        {"test": "b/01.png", "train": "a/other.png", "kind": "near-duplicate"},
    )
    table = make_split(data, audit, seed=0)
    assert {key: table.fates[key] for key in parts} == parts
    assert table.reasons["a/00.png"] == "a near-duplicate of a/cropped.png, which is given for test"
    assert {key for key, fate in table.fates.items() if fate == "excluded"} == {
        "a/00.png",
        "a/equal.png",
        "a/other.png",
    }
    assert any(
        "3 samples given for train are left out: 3 a near-duplicate of a held-out" in note for note in table.notes
    )


def test_arrays_are_searched_too() -> None:
    one = scene(0, 40, 40)
    stack = [one, scene(1, 40, 40), one // 2 + 9, scene(2, 40, 40)]
    found = audited(arrays(np.stack(stack), [Label("a"), Label("b"), Label("a"), Label("b")]))
    assert [len(group) for group in found.near.duplicates] == [2]


def near_of(*groups: tuple[str, ...]) -> Near:
    return Near(duplicates=groups, asked=True, compared=9)


@pytest.mark.parametrize("seed", range(6))
def test_a_group_never_straddles_and_classes_stay_divided_by_the_shares(seed: int) -> None:
    sizes = {"a": 130, "b": 80, "c": 40}
    data = plain({f"{name}/{n:04}": name for name, size in sizes.items() for n in range(size)})
    keys = [sample.key for sample in data.samples]
    groups = [tuple(keys[begin : begin + 9]) for begin in range(0, len(keys) - 20, 13)]
    table = make_split(data, Audit(len(data), near=near_of(*groups)), seed=seed)
    for group in groups:
        assert len({table.fates[key] for key in group}) == 1
    for name, size in sizes.items():
        for split, share in (("train", 0.64), ("val", 0.16), ("test", 0.2)):
            assert abs(sum(key[0] == name for key in table.keys(split)) - share * size) <= 6, (name, split)


@pytest.mark.parametrize("seed", range(4))
def test_large_groups_are_divided_more_evenly_than_in_turn(seed: int) -> None:
    data = plain({f"{'abc'[n % 3]}/{n:04}": "abc"[n % 3] for n in range(200)})
    groups = [
        tuple(f"{'abc'[n % 3]}/{n:04}" for n in range(begin, begin + 4 + begin % 17)) for begin in range(0, 180, 21)
    ]
    table = make_split(data, Audit(len(data), near=near_of(*groups)), seed=seed)
    home = {key: group[0] for group in groups for key in group}
    units: dict[str, list] = {}
    for sample in data.samples:
        units.setdefault(home.get(sample.key, sample.key), []).append(sample)
    members = list(units.values())
    shares = {"train": 0.64, "val": 0.16, "test": 0.2}
    strata, sizes = _strata(members), [len(unit) for unit in members]
    greedy = deal(members, (0.64, 0.16, 0.2), seed, strata)
    found = [table.fates[unit[0].key] for unit in members]
    assert unevenness(found, shares, strata, sizes) <= unevenness(greedy, shares, strata, sizes)
    assert unevenness(found, shares, strata, sizes) < 0.05


def test_data_without_groups_is_divided_as_ever() -> None:
    data = plain({f"{'ab'[n % 2]}/{n:04}": "ab"[n % 2] for n in range(60)})
    audit = Audit(len(data), duplicates=(("a/0000", "a/0002"),))
    table: SplitTable = make_split(data, audit, seed=3)
    units = [[data.samples[0], data.samples[1]], *[[sample] for sample in data.samples[2:]]]
    dealt = deal(units, (0.64, 0.16, 0.2), 3, _strata(units))
    assert [table.fates[unit[0].key] for unit in units] == dealt


def test_pairs_are_drawn_side_by_side(copied: Dataset, tmp_path: Path) -> None:
    audit = audited(copied)
    entries = draw_near(tmp_path / "figures", copied, audit.near, audit.full_scale)
    assert [entry["section"] for entry in entries] == ["near_duplicates"] * 2
    assert "labelled a and b" in entries[0]["caption"]
    assert "labelled" not in entries[1]["caption"]
    for entry in entries:
        with Image.open(tmp_path / "figures" / entry["file"]) as image:
            assert image.size == (226, 112)
    assert draw_near(tmp_path / "none", copied, Near(), 255.0) == []
    assert not (tmp_path / "none").exists()


def test_a_page_holds_no_more_than_fifty_pairs(tmp_path: Path) -> None:
    base = scene(0, 40, 40)
    data = picture_files(tmp_path, {f"a/{n:03}.png": base[n % 4 :, n // 4 :] for n in range(14)})
    near = audited(data).near
    assert near.pairs_found > PICTURED == len(near.pairs)
    shown = [pair["similarity"] for pair in near.pairs]
    assert shown == sorted(shown)
