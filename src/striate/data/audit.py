"""The audit: every file read and fully decoded once, in parallel; what is damaged, doubled, leaking or odd.

The one decode also stores what planning needs (sizes, channels, statistics), so that nothing is read twice for it.
Every figure is the same whatever the number of workers: sums of integers are exact, and sums over samples are
rounded once (`math.fsum`). Imports no torch, so that worker processes start quickly.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from html import escape
from typing import Any

import numpy as np

from striate.core.errors import DataError
from striate.core.events import Reporter, duration, time_left
from striate.core.records import Box, Boxes, Damaged, Dataset, Label, Mask, Sample
from striate.core.wording import plural
from striate.data.audit_figures import (
    full_scale,
    orientation_of,
    pictures_of_class,
    pixel_shares,
    sizes,
    statistics,
    target_summary,
)
from striate.data.boxes import box_figures
from striate.data.classes import count_classes
from striate.data.examination import Examine, Facts, Finding, Row
from striate.data.near import SECONDS
from striate.data.oddities import Examined, Oddity, find_oddities
from striate.data.oddities.marks import MOST_CLASSES, copied
from striate.data.store import Store
from striate.data.twins import Near, near_duplicates
from striate.data.workers import WorkerPool, chunks

DAMAGE_LIMIT = 0.05
"""Share of damaged samples above which training stops."""

_CHUNK = 32
_OF_MASKS = ("pixel_shares", "pictures_of_class")


@dataclass(frozen=True)
class Audit:
    """What one full read of every sample found.

    Args:
        samples: samples in the data, the quarantined ones included.
        quarantined: samples that cannot be used, with the reason.
        duplicates: groups of keys whose decoded pixels are equal.
        conflicts: those of the groups whose targets differ.
        leaks: pairs that straddle splits which the data itself gives, as {"test", "train", "kind"}; "test" is the
            one held out for testing or, failing that, for validation.
        classes: undamaged samples of each class, also of none; empty for regression and for masks.
        sizes: min, median and max of "height", "width" (pixels) and "aspect" (width over height).
        by_size: samples by height and width, such as "480x640".
        channels: samples by number of channels, as text.
        modes: samples by what the files hold, such as "RGB" or "I;16".
        notes: samples by what decoding had to do, such as "turned by EXIF".
        depth: bits of the deepest picture: 8, 16, or 32 for floating point.
        value_range: lowest and highest value in the deepest pictures, in the files' own scale.
        full_scale: the value in deep pictures that means white; 255 where all have 8 bits.
        mean, std: of each channel on a 0 to 1 scale, each picture counting the same; from the training part where
            the data gives splits.
        detail: how far the pictures' detail reaches, as a share of their resolution, in the median; well below 1 where
            they were enlarged from smaller ones.
        orientation: shares of the pictures that a linear classifier recognises when they are flipped, of one picture of
            each group; see `striate.data.orientation`. From the training part where the data gives splits. Empty where
            they are too few or too small to judge.
        target_summary: for regression, {column: {mean, std, min, max, distinct}}.
        boxes: for detection, see `striate.data.boxes.box_figures`; else empty.
        near: what is known of near-duplicates.
        findings: what is odd about the undamaged samples, the severest first; see `striate.data.oddities`.
        pixel_shares: the share of each class in the pixels of the masks, void left out, also of none; from the training
            part where the data gives splits. Empty without masks, and then in no file.
        pictures_of_class: undamaged samples in which a class is found, whatever their split; as `pixel_shares`.
        remarks: sentences for the user.
        fingerprint: SHA-256 over keys, pixels and targets: equal where the data are.
        hashes: SHA-256 of each undamaged sample's pixels by key; not written to files.
        sides: height and width of each undamaged sample by key, in pixels; neither.
    """

    samples: int
    quarantined: tuple[Damaged, ...] = ()
    duplicates: tuple[tuple[str, ...], ...] = ()
    conflicts: tuple[tuple[str, ...], ...] = ()
    leaks: tuple[dict[str, str], ...] = ()
    classes: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, dict[str, float]] = field(default_factory=dict)
    by_size: dict[str, int] = field(default_factory=dict)
    channels: dict[str, int] = field(default_factory=dict)
    modes: dict[str, int] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)
    depth: int = 8
    value_range: tuple[float, float] = (0.0, 255.0)
    full_scale: float = 255.0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    detail: float = 1.0
    orientation: dict[str, float] = field(default_factory=dict)
    target_summary: dict[str, dict[str, float]] = field(default_factory=dict)
    boxes: dict[str, Any] = field(default_factory=dict)
    near: Near = field(default_factory=Near)
    findings: tuple[Oddity, ...] = ()
    pixel_shares: dict[str, float] = field(default_factory=dict)
    pictures_of_class: dict[str, int] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    fingerprint: str = ""
    hashes: dict[str, str] = field(default_factory=dict, repr=False, compare=False)
    sides: dict[str, tuple[int, int]] = field(default_factory=dict, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as `audit.json` holds them; without the hashes, which the fingerprint sums up."""
        content = asdict(replace(self, hashes={}, sides={}))
        del content["hashes"], content["sides"]
        content["quarantined"] = [{"path": one.key, "reason": one.reason} for one in self.quarantined]
        for name in ("duplicates", "conflicts"):
            content[name] = [list(group) for group in content[name]]
        for name in ("leaks", "value_range", "mean", "std", "remarks"):
            content[name] = list(content[name])
        content["findings"] = [{**asdict(one), "samples": list(one.samples)} for one in self.findings]
        del content["near"]
        for name in _OF_MASKS:
            if not content[name]:
                del content[name]
        return content | self.near.to_dict()

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Audit:
        """What `to_dict` wrote. Raises `DataError` where it is something else."""
        known = {one.name for one in fields(cls)} - {"hashes", "sides", "near"}
        content = {key: value for key, value in content.items() if key != "samples_by_size"}  # a Run keeps it beside
        near = Near.take(content)
        # audits from before these were looked for may be read
        later = {"orientation", "by_size", "findings", "boxes", *_OF_MASKS}
        if (set(content) ^ known) - later:
            odd = ", ".join(sorted(set(content) ^ known))
            raise DataError(f"this is not an audit of this version of striate: {odd}", fix="run `striate audit` again")
        plain = {**content, "near": near}
        plain["quarantined"] = tuple(Damaged(one["path"], one["reason"]) for one in content["quarantined"])
        for name in ("duplicates", "conflicts"):
            plain[name] = tuple(tuple(group) for group in content[name])
        for name in ("leaks", "value_range", "mean", "std", "remarks"):
            plain[name] = tuple(content[name])
        found = content.get("findings", [])
        plain["findings"] = tuple(Oddity(**{**one, "samples": tuple(one["samples"])}) for one in found)
        return cls(**plain)

    def _repr_html_(self) -> str:
        sides = [f"{name} {one['min']:g} to {one['max']:g}" for name, one in self.sizes.items()]
        rows = {
            "samples": f"{self.samples:,}",
            "quarantined": f"{len(self.quarantined):,}",
            "groups of exact duplicates": f"{len(self.duplicates):,}",
            "of these with different targets": f"{len(self.conflicts):,}",
            "leaks between given splits": f"{len(self.leaks):,}",
            "groups of near-duplicates": f"{len(self.near.duplicates):,}" if self.near.checked else "not checked",
            "classes": ", ".join(f"{name}: {count:,}" for name, count in self.classes.items())
            or ", ".join(f"{name}: {share:.2%} of the pixels" for name, share in self.pixel_shares.items()),
            **({"boxes": _boxes_in_words(self.boxes)} if self.boxes else {}),
            "sizes": ", ".join(sides),
            "detail": f"{self.detail:.0%} of the resolution",
            "recognised when flipped": ", ".join(
                f"{name.replace('_', ' ')} {share:.0%}" for name, share in self.orientation.items()
            )
            or "not judged",
            "channels": ", ".join(f"{count:,} with {number}" for number, count in self.channels.items()),
            "findings": " ".join(f"{one.name}: {one.text}." for one in self.findings) or "none",
            "remarks": " ".join(self.remarks),
        }
        cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in rows.items())
        return f"<table>{cells}</table>"


def run_audit(
    dataset: Dataset,
    *,
    workers: int,
    reporter: Reporter,
    limit: float = DAMAGE_LIMIT,
    near: bool = True,
    seconds: float = SECONDS,
) -> Audit:
    """Read and decode every sample once and say what was found. Alters nothing.

    Args:
        workers: processes that decode; 0 works in this one.
        limit: the share of damaged samples above which `check_audit` will refuse to train; here only a remark.
        near: whether to search for near-duplicates.
        seconds: after which that search ends, and says so.

    Raises:
        DataError: a worker process died. Damaged samples raise nothing: they are quarantined.
    """
    samples = sorted(dataset.samples, key=lambda sample: sample.key)
    examine = Examine(Store(dataset.arrays), near, copied(_keys_of_classes(samples)))
    findings = _examine(samples, examine, 0 if dataset.arrays else workers, reporter)
    pairs = list(zip(samples, findings, strict=True))
    quarantined = tuple(Damaged(sample.key, found) for sample, found in pairs if isinstance(found, str))
    whole = [(sample, found) for sample, found in pairs if isinstance(found, Facts)]
    taken = [pair for pair in whole if pair[0].key not in dataset.left_out]
    alike: dict[str, list[Sample]] = defaultdict(list)
    for sample, found in whole:
        alike[found.digest].append(sample)
    doubled = sorted((group for group in alike.values() if len(group) > 1), key=lambda group: group[0].key)
    kept = [[sample for sample in group if sample.key not in dataset.left_out] for group in doubled]
    targets = {sample.key: _target_of(sample, found) for sample, found in whole}
    twofold = [group for group in kept if len({targets[sample.key] for sample in group}) > 1]
    similar = _near(whole, dataset.left_out, seconds, reporter) if near else Near()
    depth = max((found.depth for _, found in whole), default=8)
    deepest = [found for _, found in whole if found.depth == depth]
    value_range = (
        min((found.low for found in deepest), default=0.0),
        max((found.high for found in deepest), default=255.0),
    )
    audit = Audit(
        samples=len(samples),
        quarantined=quarantined,
        duplicates=tuple(tuple(sample.key for sample in group) for group in doubled),
        conflicts=tuple(tuple(sample.key for sample in group) for group in twofold),
        leaks=_leaks([sample for sample in samples if sample.key not in dataset.left_out], kept, similar),
        classes=count_classes(dataset, [sample for sample, _ in taken]),
        sizes=sizes([found for _, found in whole]),
        by_size=_counts(f"{found.height}x{found.width}" for _, found in whole),
        channels=_counts(str(len(found.means)) for _, found in whole),
        modes=_counts(found.mode for _, found in whole),
        notes=_counts(note for _, found in whole for note in found.notes),
        depth=depth,
        value_range=value_range,
        full_scale=full_scale(depth, *value_range),
        detail=float(np.median([found.detail for _, found in whole])) if whole else 1.0,
        target_summary=target_summary(dataset, [sample for sample, _ in taken]),
        boxes=box_figures(dataset, [sample for sample, _ in taken], [found for _, found in taken]),
        fingerprint=_fingerprint(pairs),
        near=similar,
        hashes={sample.key: found.digest for sample, found in whole},
        sides={sample.key: (found.height, found.width) for sample, found in whole},
    )
    training = [pair for pair in taken if given_split(pair[0]) == "train"] or taken or whole
    mean, std = statistics([found for _, found in training], audit.full_scale)
    odd = find_oddities(
        Examined(
            [sample for sample, _ in taken],
            [found for _, found in taken],
            audit.full_scale,
            audit.classes,
            frozenset(dataset.given_splits),
            depth,
            dataset.target_names,
            dataset.unpaired,
        )
    )
    audit = replace(audit, mean=mean, std=std, orientation=orientation_of(training), findings=odd)
    if dataset.task == "segment":
        names, masks = dataset.target_names, [found for _, found in taken]
        audit = replace(
            audit,
            pixel_shares=pixel_shares(names, [found for _, found in training]),
            pictures_of_class=pictures_of_class(names, masks),
        )
    return replace(audit, remarks=tuple(_remarks(audit, dataset, limit)))


def _examine(samples: list[Sample], examine: Examine, workers: int, reporter: Reporter) -> list[Finding]:
    """Each sample's finding, in order. Arrays are examined in this process: sending them costs more than it gains."""
    reporter.stage("audit")
    started = time.monotonic()
    size = max(1, min(_CHUNK, math.ceil(len(samples) / max(1, 4 * workers))))
    items = ([_row(samples[number]) for number in numbers] for numbers in chunks(len(samples), size))
    findings: list[Finding] = []
    damaged = 0
    with WorkerPool(examine, min(workers, math.ceil(len(samples) / size)), _describe) as pool:
        for found in pool.map(items):
            findings += found
            damaged += sum(isinstance(one, str) for one in found)
            left = time_left(len(findings), len(samples), started)
            text = f"{damaged} damaged, {left} left" if damaged else f"{left} left"
            reporter.progress(len(findings), len(samples), text)
    if samples:
        pace = duration(time.monotonic() - started)
        reporter.line(f"audit: {len(samples):,} samples read and decoded in {pace}, {damaged:,} damaged")
    return findings


def _row(sample: Sample) -> Row:
    return sample.key, sample.sources, sample.target if isinstance(sample.target, Mask) else None


def _target_of(sample: Sample, found: Facts) -> object:
    """What is equal where targets are: of masks, wherever they lie, their classes; of boxes, in any order, these."""
    if found.mask is not None:
        return found.mask.digest
    return _in_order(sample.target) if isinstance(sample.target, Boxes) else sample.target


def _in_order(target: Boxes) -> tuple[Box, ...]:
    """Boxes alone, without what the data says beside them, which names files by their place on this machine."""
    return tuple(sorted(target.boxes, key=repr))


def _boxes_in_words(boxes: dict[str, Any]) -> str:
    counts = ", ".join(f"{name}: {count:,}" for name, count in boxes["by_class"].items())
    return f"{boxes['boxes']:,} ({counts}); {boxes['dropped']:,} dropped"


def _keys_of_classes(samples: Iterable[Sample]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for sample in samples:
        if isinstance(sample.target, Label):
            found[sample.target.name].append(sample.key)
    return found


def _describe(rows: Sequence[Row]) -> str:
    return rows[0][0] if len(rows) == 1 else f"{rows[0][0]} to {rows[-1][0]}"


def _near(whole: list[tuple[Sample, Facts]], left_out: Collection[str], seconds: float, reporter: Reporter) -> Near:
    started = time.monotonic()
    splits = {sample.key: given_split(sample) for sample, _ in whole}
    found = near_duplicates(whole, splits, left_out=left_out, seconds=seconds)
    if found.compared:
        pace = duration(time.monotonic() - started)
        reporter.line(f"audit: {found.compared:,} pictures compared in {pace}, {found.pairs_found:,} pairs near-equal")
    return found


def given_split(sample: Sample) -> str:
    """The split that the data gives a sample; one without is there to be trained on."""
    return sample.split or "train"


def _leaks(samples: Sequence[Sample], doubled: Sequence[Sequence[Sample]], near: Near) -> tuple[dict[str, str], ...]:
    """Pairs that straddle given splits, by duplicates, by near-duplicates and by groups.

    Args:
        samples: those that the user does not leave out.
    """
    grouped: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        if sample.group is not None:
            grouped[sample.group].append(sample)
    by_key = {sample.key: sample for sample in samples} if near.duplicates else {}
    kinds: tuple[tuple[str, Iterable[Sequence[Sample]]], ...] = (
        ("exact duplicate", doubled),
        ("near-duplicate", ([by_key[key] for key in group if key in by_key] for group in near.duplicates)),
        ("same group", [grouped[name] for name in sorted(grouped)]),
    )
    found: list[dict[str, str]] = []
    exact: set[str] = set()
    for kind, groups in kinds:
        for group in groups:
            for held, others in (("test", ("train", "val")), ("val", ("train",))):
                outside = next((sample.key for sample in group if given_split(sample) in others), None)
                if outside is not None:
                    inside = [sample.key for sample in group if given_split(sample) == held]
                    told = kind == "near-duplicate"  # those that are equal were named already
                    found += [
                        {"test": key, "train": outside, "kind": kind} for key in inside if not (told and key in exact)
                    ]
        if kind == "exact duplicate":
            exact = {leak["test"] for leak in found}
    return tuple(found)


def _counts(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _fingerprint(pairs: Iterable[tuple[Sample, Finding]]) -> str:
    content = hashlib.sha256()
    for sample, found in pairs:
        digest = found.digest if isinstance(found, Facts) else "damaged"
        plain = _in_order(sample.target) if isinstance(sample.target, Boxes) else sample.target
        target = found.mask.digest if isinstance(found, Facts) and found.mask else repr(plain)
        line = f"{sample.key}\0{digest}\0{target}\n"
        content.update(line.encode("utf-8", "surrogateescape"))
    return content.hexdigest()


def _remarks(audit: Audit, dataset: Dataset, limit: float) -> Iterable[str]:
    if audit.quarantined:
        share = len(audit.quarantined) / audit.samples
        beyond = f", above the limit of {limit:.0%}: training will be refused" if share > limit else ""
        yield f"{plural(len(audit.quarantined), 'sample is', 'samples are')} quarantined ({share:.1%}{beyond})."
    if audit.duplicates:
        count = sum(len(group) for group in audit.duplicates)
        yield (
            f"{count} samples are in {plural(len(audit.duplicates), 'group', 'groups')} of exact duplicates; "
            "a group never straddles a split."
        )
    if audit.conflicts:
        yield (
            f"{plural(len(audit.conflicts), 'of these groups has', 'of these groups have')} different targets, "
            f"such as {' and '.join(audit.conflicts[0][:2])}: left out of training and validation."
        )
    if audit.leaks:
        yield (
            f"{plural(len(audit.leaks), 'held-out sample has', 'held-out samples have')} a duplicate or a member of "
            "their group in another given split: those in the training data are left out of it."
        )
    yield from audit.near.remarks()
    if dataset.task == "classify" and len(audit.classes) > MOST_CLASSES:
        yield f"Marks that a class shares were not looked for: more than {MOST_CLASSES:,} classes are too many for it."
    if not any(sample.group for sample in dataset.samples):
        yield "No groups are given: whether samples belong together (one patient, one speaker) could not be checked."
    yield from _scale_remarks(audit)


def _scale_remarks(audit: Audit) -> Iterable[str]:
    low, high = audit.value_range
    if audit.depth == 16 and audit.full_scale < 65535:
        yield f"The 16-bit pictures hold values up to {high:g} only: {audit.full_scale:g} is taken for white."
    elif audit.depth == 16:
        yield f"The 16-bit pictures hold values up to {high:g}: their full range, 65535, is taken for white."
    elif audit.depth == 32:
        yield f"The pictures hold real numbers from {low:g} to {high:g}: {audit.full_scale:g} is taken for white."
    elif high < 128 and audit.channels:
        yield f"The pictures are dark: no value is above {high:g} of 255."
    if len(audit.channels) > 1:
        found = ", ".join(f"{count:,} with {number}" for number, count in audit.channels.items())
        yield f"Pictures differ in channels: {found}."
