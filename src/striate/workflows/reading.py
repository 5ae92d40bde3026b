"""What a training is of: the data read, audited and divided, each found in the Run where it is there already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from striate.core.artifacts import read_json, write_json
from striate.core.cache import SMALL, Cache, cache_folder
from striate.core.errors import RunError, UsageError
from striate.core.events import Reporter
from striate.core.plan import Decision
from striate.core.records import Dataset
from striate.core.run import RunFolder
from striate.data.audit import Audit, run_audit
from striate.data.audit_cache import audit_key, find_audit, keep_audit
from striate.data.audit_figures import keys_by_size, sides_of_keys
from striate.data.checks import check_audit
from striate.data.contiguous import ORDERS
from striate.data.dataset import open_dataset
from striate.data.near import SECONDS
from striate.data.oddities import SEVERITIES
from striate.data.readers import ReadOptions
from striate.data.relabel import relabelled
from striate.data.split import SplitTable, make_split
from striate.workflows.lineage import keep_lineage, known_fates, met_before
from striate.workflows.request import ReadRequest, given_split

NEAR_SHARE = 0.1
"""Of the minutes of a training, what the search for near-duplicates may take."""


def read_dataset(request: ReadRequest, reporter: Reporter) -> Dataset:
    """Open the data, correct its labels where a list is given, and say what was inferred."""
    reporter.stage("reading")
    options = ReadOptions(request.task, request.label_depth, request.root, request.group, request.time)
    data = request.arrays if request.arrays is not None else request.data
    dataset = open_dataset(data, options, reader=request.reader, val=request.val, test=request.test)
    if request.relabel is not None:
        dataset = relabelled(dataset, request.relabel)
    for note in dataset.notes:
        reporter.line(note)
    return dataset


def audited(
    dataset: Dataset,
    run: RunFolder | None,
    workers: int,
    limit: float | None,
    cache: Cache,
    reporter: Reporter,
    near: bool = True,
    minutes: float | None = None,
) -> Audit:
    """The Run's audit, or one that was made of the same files before, or a new one.

    The Run's has no hashes of pixels, by which decoded pictures are found; where no file has changed since, those of
    the one that was kept stand.

    Args:
        limit: the share of damaged samples above which it is refused; None refuses none.
        near: whether near-duplicates are searched for.
        minutes: of the whole training, of which that search takes a share at most.
    """
    key = audit_key(dataset, search=near) if cache.limit_bytes else None
    found = find_audit(key, cache) if key is not None else None
    stands = run is not None and run.split.exists()  # else it is still made of the hashes
    if run is not None and run.audit.exists() and (stands or found is not None):
        content = read_json(run.audit)
        sides = sides_of_keys(content.pop("samples_by_size", {}))
        audit = replace(Audit.from_dict(content), sides=sides)
        if audit.samples != len(dataset):
            raise RunError(
                f"{dataset.path} has {len(dataset)} samples; when {run.path} was started it had {audit.samples}",
                fix="train again on the data as it is now",
            )
        if limit is not None:
            check_audit(audit, dataset, limit)
        if found is not None and found.fingerprint == audit.fingerprint:
            return replace(audit, hashes=found.hashes)
        return audit
    reporter.stage("audit")
    if found is not None:
        reporter.line(f"audit: none of the files has changed since {found.samples:,} samples were read before")
    seconds = SECONDS if minutes is None else min(SECONDS, 60 * minutes * NEAR_SHARE)
    audit = found or run_audit(dataset, workers=workers, reporter=reporter, near=near, seconds=seconds)
    if key is not None and found is None and (why := keep_audit(key, audit, cache)):
        reporter.line(f"the audit is not kept for another run: {why}")
    if limit is not None:
        check_audit(audit, dataset, limit)
    if run is not None:
        write_json(run.audit, {**audit.to_dict(), "samples_by_size": keys_by_size(audit.sides)})
    for damaged in audit.quarantined:
        reporter.warn(f"quarantined: {damaged.key}: {damaged.reason}")
    for odd in audit.findings:
        if odd.severity == SEVERITIES[0]:
            remedy = f" (`{odd.flag}`)" if odd.flag else ""
            reporter.warn(f"{odd.name}: {odd.text}. To do: {odd.advice}{remedy}")
        else:
            reporter.line(f"{odd.name} ({odd.severity}): {odd.text}.")
    for remark in audit.remarks:
        reporter.line(remark)
    return audit


def divided(
    dataset: Dataset,
    audit: Audit,
    run: RunFolder | None,
    overrides: dict[str, Decision],
    asked: str | Sequence[str] | None,
    reporter: Reporter,
) -> SplitTable:
    """The Run's split, or a new one.

    Args:
        asked: the weights that were asked for, whose Run's samples stay in their splits.
    """
    if run is not None and run.split.exists():
        split = SplitTable.read(run.split, dataset)
        check_unchanged(split, run, dataset)
        return split
    seed, order = overrides.get("split.seed"), overrides.get("split.order")
    known = known_fates(asked, audit)
    split = make_split(
        dataset,
        audit,
        seed=seed.value if seed else 0,
        file=given_split(run, overrides),
        known=known,
        fold=fold_of(overrides),
        order=order.value if order else ORDERS[0],
    )
    for note in split.notes:
        reporter.line(note)
    for sentence in met_before(split):
        reporter.warn(sentence)
    if run is not None:
        keep_lineage(run, split, audit, asked)
        split.write(run.split, dataset)
    return split


def fold_of(overrides: Mapping[str, Decision]) -> tuple[int, int] | None:
    """Which fold is held out of how many; the first where none is named, and None without folds.

    Raises:
        UsageError: there is no such fold.
    """
    count, number = (overrides[key].value if key in overrides else None for key in ("split.folds", "split.fold"))
    if count is None and number is None:
        return None
    if count is None or (number is not None and number > count):
        raise UsageError(
            f"split.fold={number} is one of {count or 'no'} folds", fix="give split.folds too, and a fold from 1 to it"
        )
    return number or 1, count


def check_unchanged(
    split: SplitTable,
    run: RunFolder,
    dataset: Dataset,
    folds: Mapping[str, int] | None = None,
    units: Mapping[str, str] | None = None,
) -> None:
    """Refuse to go on with data whose targets or groups are not those that the Run was started with.

    Args:
        folds, units: of a Run of folds, as `SplitTable.write` takes them.
    """
    again = run.path / ".split-again.csv"
    split.write(again, dataset, folds, units)
    same = again.read_bytes() == run.split.read_bytes()
    again.unlink()
    if not same:
        what = "targets or groups" if folds is None else "samples, targets or groups"
        raise RunError(
            f"{dataset.path} has other {what} than when {run.path} was started",
            fix="train again on the data as it is now",
        )


def small_cache(kind: str, chosen: Mapping[str, Any]) -> Cache:
    """What is kept of one kind between runs, unless the plan or the user keeps nothing.

    Args:
        chosen: decisions, or values, by key.
    """
    limit = chosen.get("execution.cache_bytes")
    limit = limit.value if isinstance(limit, Decision) else limit
    return Cache(cache_folder(kind), 0 if limit == 0 else SMALL[kind])
