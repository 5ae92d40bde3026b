"""Groups in file names: found where they are, with a pattern that `--group` takes, and not where there are none."""

from __future__ import annotations

import random
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from made_data import plain
from PIL import Image

from striate.core.events import Silent
from striate.core.records import Label
from striate.data.audit import run_audit
from striate.data.dataset import open_dataset
from striate.data.naming import Named, likely_groups
from striate.data.readers import ReadOptions
from striate.data.readers._groups import groups_of


def slices(form: str, groups: int = 12, each: int = 6) -> Iterator[Named]:
    """Names by a form with {label}, {name} and {n}; the classes alternate within groups."""
    for group in range(groups):
        for n in range(each):
            label = "ab"[n % 2]
            name = ["george", "jackson", "lucas", "theo"][group % 4] + ("" if group < 4 else "xyz"[group // 4 - 1])
            yield Named(form.format(label=label, name=name, group=group, n=n, number=1000 + 37 * group), label)


@pytest.mark.parametrize(
    ("form", "pattern"),
    [
        ("{label}/patient{group}_slice{n:03}.png", "patient{group}_slice{b}"),
        ("{label}/IMG_{number}_{n:02}.jpg", "IMG_{group}_{b}"),
        ("{label}/{label}_{name}_{n}.wav.png", "{a}_{group}_{c}.wav"),
        ("{label}/p{group:02}s{n}.png", "p{group}s{b}"),
        ("{label}/{name}-{n}.png", "{group}-{b}"),
        ("{label}/clip {group} ({n}).png", "clip {group} ({b})"),
        ("{label}/clip{group:02}/{n}x{number}.png", "{group}/{index}"),
        ("{label}/{name} {name}_{n}.png", "{group} {b}_{c}"),
    ],
)
def test_groups_are_found_by_a_pattern_that_works(form: str, pattern: str) -> None:
    named = list(slices(form))
    found = likely_groups(named)
    assert found is not None
    assert (found.pattern, found.count, found.largest) == (pattern, 12, 6)
    groups = groups_of([one.key for one in named], found.pattern)
    assert len({(group, number // 6) for number, group in enumerate(groups)}) == 12
    assert found.members == tuple(one.key for one, group in zip(named, groups, strict=True) if group == found.example)


def test_names_of_unlike_parts_are_grouped_by_what_stands_before_the_number() -> None:
    prefixes = ["red apple", "pear", "green-fig-2", "plum_x", "long name of it"]
    named = [Named(f"{'ab'[n % 2]}/{prefix}_{n}.jpg", "ab"[n % 2]) for prefix in prefixes for n in range(8)]
    found = likely_groups(named)
    assert found is not None
    assert (found.count, found.where) == (5, "what stands before the running number")
    assert len(set(groups_of([one.key for one in named], found.pattern))) == 5


def test_of_nested_parts_the_coarser_with_enough_groups_is_taken() -> None:
    named = [
        Named(f"x/p{patient:02}_study{10 * patient + study}_{n}.png", "x")
        for patient in range(12)
        for study in range(3)
        for n in range(4)
    ]
    found = likely_groups(named)
    assert found is not None
    assert (found.pattern, found.count) == ("p{group}_study{b}_{c}", 12)


def quiet(*keys: str) -> list[Named]:
    return [Named(key, key.split("/")[0]) for key in keys]


RANDOM = random.Random(0)
COLOURS = ["red", "blue", "pink", "grey", "teal", "gold"]


def hashed(bits: int) -> str:
    return f"{RANDOM.getrandbits(bits):0{bits // 4}x}"


@pytest.mark.parametrize(
    "form",
    [
        lambda label, n: f"{n:04}",
        lambda label, n: f"{label}_{n:04}",
        lambda label, n: f"{label}{n}",
        lambda label, n: f"img_{label}_{n}",
        lambda label, n: f"{RANDOM.randrange(10**9)}_{hashed(40)}",
        lambda label, n: f"{RANDOM.randrange(10**9)}_{hashed(40)}_n",
        lambda label, n: f"2024-{n % 12 + 1:02}-{n % 28 + 1:02} {n % 24:02}.{n * 7 % 60:02}",
        lambda label, n: f"IMG_202405{n % 28 + 1:02}_{n % 24:02}{n * 7 % 60:02}{n * 11 % 60:02}",
        lambda label, n: f"{RANDOM.choice(COLOURS)}_{n:03}",
        lambda label, n: hashed(64),
    ],
    ids=[
        "number",
        "class_number",
        "classnumber",
        "class inside",
        "flickr",
        "sized",
        "date",
        "phone",
        "words",
        "hashes",
    ],
)
def test_names_without_groups_hear_nothing(form: Callable[[str, int], str]) -> None:
    assert (
        likely_groups(quiet(*(f"{label}/{form(label, n)}.jpg" for label in ("glass", "paper") for n in range(80))))
        is None
    )


def test_few_or_no_names_hear_nothing() -> None:
    assert likely_groups([]) is None
    assert likely_groups(quiet("a/1_1.png", "a/1_2.png", "b/2_1.png")) is None


@pytest.mark.parametrize("name", ["trashnet", "flowers", "hymenoptera"])
def test_natural_sets_hear_nothing(real_data: Path, name: str) -> None:
    data = open_dataset(real_data / name)
    named = [Named(one.key, one.target.name if isinstance(one.target, Label) else None) for one in data.samples]
    assert likely_groups(named) is None


def test_cifar_hears_nothing(real_data: Path) -> None:
    with zipfile.ZipFile(real_data / "cifar10.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".jpg")]
    assert likely_groups([Named(name, name.split("/")[1]) for name in names]) is None


def test_the_speakers_of_spoken_digits_are_found(real_data: Path) -> None:
    names = sorted(path.name for path in (real_data / "fsdd").rglob("*.wav"))
    found = likely_groups([Named(name, name[0]) for name in names])
    assert found is not None
    assert (found.pattern, found.count) == ("{a}_{group}_{c}", 6)


def test_the_flag_of_the_finding_groups_the_data(tmp_path: Path) -> None:
    for one in slices("{label}/patient{group}_slice{n}.png"):
        (tmp_path / one.key).parent.mkdir(exist_ok=True)
        Image.effect_noise((40, 40), 60).save(tmp_path / one.key)
    found = run_audit(open_dataset(tmp_path), workers=0, reporter=Silent(), near=False).findings
    (told,) = [one for one in found if one.name == "likely groups in the names"]
    assert told.flag == "--group 'patient{group}_slice{b}'"
    assert told.severity == "high"
    grouped = open_dataset(tmp_path, ReadOptions(group=told.flag.split("'")[1]))
    assert len({one.group for one in grouped.samples}) == 12
    again = run_audit(grouped, workers=0, reporter=Silent(), near=False).findings
    assert all(one.name != told.name for one in again)  # they are given now


def test_given_groups_are_not_doubted() -> None:
    assert all(one.group for one in plain({"a": "x"}, groups={"a": "g"}).samples)
