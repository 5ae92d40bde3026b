"""Faults planted into copies of real pictures, and how many of them the audit finds.

Pictures are drawn from each data set and written, as they are, into a temporary folder; beside them, of others, damaged
files and copies of every kind, one of each to a picture. The audit reads the folder; a copy is found where it stands in
one group with its original, a damaged file where it is quarantined. Of the near-duplicates that are named, those among
pictures that were not planted are listed beside the table, to be judged by eye.

Verdicts on such pairs are in `results/planted-judged.csv`.

`--time N` makes N miniatures (those of CIFAR-10, and their mirror images, which are no copies) and times the search.
"""

from __future__ import annotations

import csv
import io
import os
import random
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.goals import HERE, results_path
from benchmarks.tables import ORIGIN, add_rows, origin
from striate.core.artifacts import write_csv
from striate.core.errors import DataError
from striate.core.events import Silent
from striate.core.machine import processors
from striate.data.audit import Audit, run_audit
from striate.data.dataset import open_dataset
from striate.data.likeness import miniature
from striate.data.near import search

HEADER = ("data", "seed", "kind", "planted", "found", "share", *ORIGIN)
PAIRS = ("data", "one", "other", "similarity", "verdict")
SETS = ("hymenoptera", "cifar10", "trashnet", "flowers")
"""Thresholds were chosen on flowers and trashnet, and checked on a part of CIFAR-10 drawn with another seed."""
VERDICTS = HERE / "results" / "planted-judged.csv"

Pixels = NDArray[np.uint8]


def _jpeg(pixels: Pixels, quality: int) -> bytes:
    return _saved(pixels, "JPEG", quality=quality)


def _saved(pixels: Pixels, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def _recompressed(pixels: Pixels, draws: random.Random) -> bytes:
    return _jpeg(pixels, draws.randint(30, 90))


def _resized(pixels: Pixels, draws: random.Random) -> bytes:
    scale = 2 ** draws.uniform(-1, 1)
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    return _jpeg(np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)), 90)


def _brightened(pixels: Pixels, draws: random.Random) -> bytes:
    return _jpeg(np.clip(pixels * draws.uniform(0.85, 1.15), 0, 255).astype(np.uint8), 90)


def _cropped(pixels: Pixels, draws: random.Random) -> bytes:
    height, width = (round(0.9 * side) for side in pixels.shape[:2])
    top, left = draws.randint(0, pixels.shape[0] - height), draws.randint(0, pixels.shape[1] - width)
    return _jpeg(pixels[top : top + height, left : left + width], 90)


def _losslessly(pixels: Pixels, draws: random.Random) -> bytes:
    return _saved(pixels, draws.choice(["PNG", "BMP", "TIFF"]))


COPIES: dict[str, Callable[[Pixels, random.Random], bytes]] = {
    "exact, written again losslessly": _losslessly,
    "recompressed, quality 30 to 90": _recompressed,
    "resized by 0.5 to 2": _resized,
    "brightness by 0.85 to 1.15": _brightened,
    "cropped to 90 % of the side": _cropped,
}


def _truncated(content: bytes, draws: random.Random) -> bytes:
    return content[: int(len(content) * draws.uniform(0.1, 0.9))]


def _empty(content: bytes, draws: random.Random) -> bytes:
    return b""


def _foreign(content: bytes, draws: random.Random) -> bytes:
    return b"%PDF-1.7\n" + draws.randbytes(2000)


def _header_flipped(content: bytes, draws: random.Random) -> bytes:
    changed = bytearray(content)
    for place in range(2):
        changed[place] ^= 1 << draws.randrange(8)
    return bytes(changed)


def _zeroed(content: bytes, draws: random.Random) -> bytes:
    begin = draws.randint(2, max(2, len(content) // 4))
    return content[:begin] + bytes(len(content) - begin)


def _flipped(content: bytes, draws: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(8):
        changed[draws.randrange(len(changed))] ^= 1 << draws.randrange(8)
    return bytes(changed)


def _png_flipped(content: bytes, draws: random.Random) -> bytes:
    return _flipped(_saved(np.asarray(Image.open(io.BytesIO(content)).convert("RGB")), "PNG"), draws)


DAMAGE: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "truncated": _truncated,
    "empty": _empty,
    "another format": _foreign,
    "bits of the header flipped": _header_flipped,
    "zeros from somewhere on": _zeroed,
    "8 bits of a PNG flipped": _png_flipped,
    "8 bits of a JPEG flipped": _flipped,
}


def pictures(name: str, data: Path) -> Iterator[tuple[str, bytes]]:
    """The files of a data set, by name."""
    if name == "cifar10":
        with zipfile.ZipFile(data / "cifar10.zip") as archive:
            for member in sorted(archive.namelist()):
                if member.endswith(".jpg"):
                    yield member, archive.read(member)
        return
    for path in sorted((data / name).rglob("*.jpg")):
        yield path.relative_to(data / name).as_posix(), path.read_bytes()


def plant(name: str, data: Path, folder: Path, count: int, seed: int) -> dict[str, list[tuple[str, str]]]:
    """Write pictures of a data set, and faults of every kind, into a folder.

    Args:
        count: pictures of which copies are made, and again as many, at most, of which damaged files are.

    Returns:
        by kind, the key of each planted file and that of its original.
    """
    draws = random.Random(f"{name} {seed}")
    files = list(pictures(name, data))
    drawn = draws.sample(files, min(len(files), 2 * count))
    planted: dict[str, list[tuple[str, str]]] = {kind: [] for kind in (*DAMAGE, "exact, the file's copy", *COPIES)}

    def put(key: str, content: bytes) -> str:
        path = folder / "all" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return f"all/{key}"

    for number, (_, content) in enumerate(drawn):
        put(f"{number:05}.jpg", content)
    for number, (_, content) in enumerate(drawn[:count]):
        original = f"all/{number:05}.jpg"
        pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
        planted["exact, the file's copy"].append((put(f"{number:05}-copy.jpg", content), original))
        for place, (kind, made) in enumerate(COPIES.items()):
            planted[kind].append((put(f"{number:05}-{place}.jpg", made(pixels, draws)), original))
        for place, (kind, damaged) in enumerate(DAMAGE.items()):
            planted[kind].append((put(f"{number:05}-damaged-{place}.jpg", damaged(content, draws)), original))
    return planted


def found_of(planted: dict[str, list[tuple[str, str]]], audit: Audit) -> dict[str, int]:
    """By kind, how many planted files the audit found."""
    bad = {one.key for one in audit.quarantined}
    exact, near = (
        {key: number for number, group in enumerate(groups) for key in group}
        for groups in (audit.duplicates, audit.near.duplicates)
    )
    return {
        kind: sum(
            key in bad
            if kind in DAMAGE
            else key in (home := exact if kind.startswith("exact") else near) and home[key] == home.get(original)
            for key, original in rows
        )
        for kind, rows in planted.items()
    }


def false_groups(planted: dict[str, list[tuple[str, str]]], audit: Audit) -> tuple[int, int]:
    """Near-duplicates in groups, and those of them in a group with a picture that is no copy of theirs."""
    own = {key: original for rows in planted.values() for key, original in rows}
    total = odd = 0
    for group in audit.near.duplicates:
        sources = {own.get(key, key) for key in group}
        total += len(group)
        odd += len(group) if len(sources) > 1 else 0
    return total, odd


def natural(name: str, data: Path) -> tuple[list[tuple[str, str, float]], int, float, float]:
    """All near-equal pairs of a whole data set, its pictures, and the seconds to decode it and to search it."""
    names, found, sides = [], [], []
    seen: set[bytes] = set()
    decoding = 0.0
    for key, content in pictures(name, data):
        started = time.perf_counter()
        pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
        small = miniature(pixels)
        decoding += time.perf_counter() - started
        if small is not None and (whole := pixels.tobytes()) not in seen:
            seen.add(whole)
            names.append(key)
            found.append(small)
            sides.append(min(pixels.shape[:2]))
    started = time.perf_counter()
    pairs = search(np.stack(found), np.array(sides)).pairs
    searching = time.perf_counter() - started
    return [(names[one.one], names[one.other], one.similarity) for one in pairs], len(names), decoding, searching


def many(count: int, data: Path) -> NDArray[np.uint8]:
    """Miniatures of CIFAR-10, then their mirror images, then these upside down."""
    own = [
        small
        for _, content in pictures("cifar10", data)
        if (small := miniature(np.asarray(Image.open(io.BytesIO(content)).convert("RGB")))) is not None
    ]
    stack = np.stack(own)
    stack = np.concatenate([stack, stack[:, :, ::-1], stack[:, ::-1], stack[:, ::-1, ::-1]])
    if count > len(stack):
        raise DataError(f"{count:,} pictures are more than the {len(stack):,} that can be made of CIFAR-10")
    return stack[:count]


def run(call: Any) -> list[str]:
    """Plant, audit, and write a row a kind; returns the shares as lines.

    Args:
        call: data, seeds, count, natural, time, results.
    """
    root, table, about = (
        Path(os.environ.get("STRIATE_DATA", "../shared/data")),
        results_path("planted", call.results),
        origin(),
    )
    lines: list[str] = []

    def say(name: str, seed: int | str, kind: str, planted: int, found: float) -> None:
        share = round(found / planted, 4) if planted else ""
        add_rows(table, HEADER, [[name, seed, kind, planted, found, share, *about]])
        lines.append(f"{name}, seed {seed}: {kind}: {found:,} of {planted:,}")
        print(lines[-1], flush=True)

    for name in call.data:
        for seed in call.seeds:
            with tempfile.TemporaryDirectory() as folder:
                planted = plant(name, root, Path(folder), call.count, seed)
                audit = run_audit(open_dataset(folder), workers=processors(), reporter=Silent())
            for kind, number in found_of(planted, audit).items():
                say(name, seed, kind, len(planted[kind]), number)
            say(name, seed, "near-duplicates in a group with no other picture", *_right(*false_groups(planted, audit)))
    for name in call.natural:
        pairs, count, decoding, searching = natural(name, root)
        say(name, "", "pairs found among as many pictures as they are", count, len(pairs))
        say(name, "", "seconds to decode them, one process", count, round(decoding, 1))
        say(name, "", "seconds to search them", count, round(searching, 1))
        draws = random.Random(f"judged {name}")
        chosen = sorted(draws.sample(pairs, min(len(pairs), call.judge)))
        path = call.results / f"planted-pairs-{name}.csv"
        write_csv(path, PAIRS, [[name, *pair, ""] for pair in chosen])
    for count in call.time:
        stack = many(count, root)
        started = time.perf_counter()
        search(stack, np.full(count, 32))
        say("cifar10, mirrored", "", "seconds to search so many", count, round(time.perf_counter() - started, 1))
    return lines + judged(VERDICTS)


def judged(path: Path) -> list[str]:
    """The share of the pairs that were judged to be of one picture or thing, by data set."""
    verdicts: dict[str, list[bool]] = {}
    with open(path, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            verdicts.setdefault(row["data"], []).append(row["verdict"] == "same")
    return [f"{name}: {sum(found)} of {len(found)} judged pairs are the same" for name, found in verdicts.items()]


def _right(total: int, odd: int) -> tuple[int, int]:
    return total, total - odd
