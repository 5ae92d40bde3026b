"""Likely wrong labels of a data set: duplicates with two labels, then what models that had not seen a sample doubt.

A linear head is fitted to frozen features of all parts of the samples but one, and judges that one (Northcutt et al.
2021, see `striate.evaluate.labels`). Nothing below the head learns, so that it takes a pass over the pictures and
seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.core.errors import DataError, UsageError
from striate.core.events import Reporter, Silent
from striate.core.records import Dataset, Label, Sample
from striate.core.seeds import permutation
from striate.core.wording import some
from striate.data.audit import Audit
from striate.data.augment import centre
from striate.data.chained import Chains
from striate.data.pack import pack
from striate.data.split import near_chains, units_of_samples
from striate.evaluate.labels import Doubts, doubts, folds_of
from striate.tasks import Task
from striate.train.patches import Patches, looked_at
from striate.train.probe import Features, out_of_fold
from striate.workflows.choosing import AT_ONCE, Candidate
from striate.workflows.lineage import known_fates
from striate.workflows.planned import Prepared, preprocessing_of, spec_of, task_of
from striate.workflows.request import ReadRequest, refuse_inside, refuse_unwritable

FOLDS, DIRECTIONS = 5, 256
"""Parts that are judged in turn, and numbers that are kept of each sample's features."""
HEADER = ("path", "label", "suggested", "confidence", "reason")
"""The columns of the list; `label` is the one to correct."""


@dataclass(frozen=True)
class Suspect:
    """A label that is likely wrong.

    Args:
        path: the sample's key.
        label: as the data has it.
        suggested: what it likely is.
        confidence: the probability of that, by models that had not seen the sample.
        reason: why, in words.
    """

    path: str
    label: str
    suggested: str
    confidence: float
    reason: str


@dataclass(frozen=True)
class LabelErrors:
    """What was found of the labels of a data set.

    Args:
        audit: of the data.
        samples: whose labels were judged.
        suspects: the likeliest first, duplicates with two labels before all.
        conflicting: how many of these are such duplicates.
        accuracy: how often the models agree with a label; where they seldom do, they doubt much that is only hard.
        estimated: the share of labels that is estimated to be wrong, with at least one of each picture with two.
        pairs: {"label", "is", "share"} of the samples, for each two classes that are likely confused, the most first.
        features: what the models looked at, in words.
        penalty: of their heads.
        notes: what else there is to know, in sentences.
        file: where the list was written; "" where it was not.
    """

    audit: Audit = field(repr=False)
    samples: int
    suspects: tuple[Suspect, ...] = field(repr=False)
    conflicting: int
    accuracy: float
    estimated: float
    pairs: tuple[dict[str, Any], ...]
    features: str
    penalty: float
    notes: tuple[str, ...] = ()
    file: str = ""

    def rows(self) -> list[list[Any]]:
        """The list, by the columns of `HEADER`."""
        return [[one.path, one.label, one.suggested, round(one.confidence, 4), one.reason] for one in self.suspects]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without the audit."""
        content = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "audit"}
        return {**content, "suspects": [asdict(one) for one in self.suspects], "folds": FOLDS}


def refuse_list(read: ReadRequest, file: Path) -> None:
    """Raise where the list would be written into the data, or over a file, which may hold corrections."""
    refuse_inside(read, file, "--labels")
    refuse_unwritable(file, "--labels")
    if file.exists():
        raise UsageError(f"{file} exists, and may hold corrections", fix="name another file, or move it away")


def find_label_errors(prepared: Prepared, asked: str | Sequence[str] | None, reporter: Reporter) -> LabelErrors:
    """Judge the labels of all whole samples, whatever split they are in.

    Args:
        prepared: the data, its audit, and a plan by which pictures are prepared for the weights, where there are any.
        asked: the weights that were asked for.

    Raises:
        UsageError, DataError: see `check_judged`.
    """
    check_judged(prepared.dataset, prepared.audit)
    samples = judged_samples(prepared.dataset, prepared.audit)
    task = task_of(prepared)
    reporter.stage("looking for wrong labels")
    rows = features_of(prepared, task, samples)
    reporter.line(
        f"labels: {len(samples):,} samples judged by heads on {features_words(prepared)}, {FOLDS} parts in turn"
    )
    notes = (
        []
        if prepared.weights is not None
        else ["No weights were given: patches of the pictures tell less of them; `--weights FILE` finds more."]
    )
    learnt = [key for key, fate in known_fates(asked, prepared.audit).items() if fate == "train"]
    if learnt:
        notes.append(
            f"The weights learnt from the labels of {len(learnt):,} of these samples: wrong ones among them may look "
            "right to it. Weights that know others tell more."
        )
    return judge(prepared.audit, samples, task, rows, features_words(prepared), tuple(notes))


def check_judged(dataset: Dataset, audit: Audit) -> None:
    """Refuse data whose labels cannot be judged.

    Raises:
        UsageError: samples have not one class each.
        DataError: there are too few to tell classes apart.
    """
    if dataset.task != "classify":
        raise UsageError(
            f"wrong labels are looked for where each sample has one class; this data is for {dataset.task}",
            fix="leave --labels out",
        )
    _check_enough(judged_samples(dataset, audit))


def judged_samples(dataset: Dataset, audit: Audit) -> list[Sample]:
    """The samples whose labels can be judged: whole ones, but those that the user leaves out."""
    gone = {one.key for one in audit.quarantined} | set(dataset.left_out)
    return [sample for sample in dataset.samples if sample.key not in gone and sample.target is not None]


def _check_enough(samples: Sequence[Sample]) -> None:
    counts = Counter(sample.target.name for sample in samples if isinstance(sample.target, Label))
    if len([name for name, count in counts.items() if count > 1]) < 2:
        raise DataError(
            f"there are {len(samples)} whole samples of {len(counts)} classes; two samples of each of two classes are "
            "the least of which labels can be judged",
            fix="give more samples",
        )


def features_words(prepared: Prepared) -> str:
    """What the models look at, in words."""
    if prepared.weights is None:
        return "patches of the pictures"
    return f"frozen features of {prepared.plan['network.name']}"


def features_of(prepared: Prepared, task: Task, samples: Sequence[Sample]) -> Tensor:
    """What is known of each sample before any label, (N, D) float64: by the weights, or by patches without any."""
    plan, preprocessing = prepared.plan, preprocessing_of(prepared.plan)
    if prepared.weights is not None:
        candidate = Candidate(prepared.weights, plan, task, preprocessing, spec_of(prepared, task))
        return candidate.features(candidate.network(), prepared.dataset, samples, plan["execution.workers"])
    pictures = pack(
        prepared.dataset,
        [sample.key for sample in samples],
        preprocessing,
        keep_margin=False,
        workers=plan["execution.workers"],
        memory_bytes=plan["execution.pack_bytes"] // 3,
        reporter=Silent(),
    )
    size = (preprocessing.height, preprocessing.width)
    try:
        look = Patches(centre(pictures.batch(looked_at(len(samples))), size), seed=0)
        places = np.arange(len(samples))
        found = [look(centre(pictures.batch(part), size)) for part in np.split(places, places[AT_ONCE::AT_ONCE])]
    finally:
        pictures.close()
    return torch.cat(found).double()


def judge(
    audit: Audit,
    samples: Sequence[Sample],
    task: Task,
    rows: Tensor,
    features: str,
    notes: tuple[str, ...] = (),
    seed: int = 0,
) -> LabelErrors:
    """Judge labels by features.

    Args:
        samples: the N that are judged, of one class each.
        rows: their features, (N, D).
        features: what they are, in words.
        seed: of the parts that are judged in turn.
    """
    places = {name: place for place, name in enumerate(task.target_names)}
    labels = np.array([places[_label(sample)] for sample in samples])
    conflicts = _conflicts(audit, samples)
    doubtful = {key for group in conflicts for key in group}
    units = units_of_samples(samples, audit)
    folds = folds_of(labels, units, FOLDS, permutation(int(units.max()) + 1, seed, "label folds"))
    condensed = _condensed(rows)
    weights = torch.tensor([float(sample.key not in doubtful) for sample in samples], dtype=torch.float64)
    known = Features(condensed, task.encode(samples).double(), weights, torch.arange(len(labels)), len(labels))
    head = nn.Linear(condensed.shape[1], task.outputs, device="meta")
    probabilities, penalty = out_of_fold(head, known, folds, task.unsmoothed())
    alone = weights.numpy() > 0
    found = doubts(probabilities[alone], labels[alone])
    outside = [sample for sample, one in zip(samples, alone, strict=True) if one]
    chances = {sample.key: row for sample, row in zip(samples, probabilities, strict=True)}
    suspects = [
        *_contradicting(conflicts, {sample.key: sample for sample in samples}, chances, task.target_names),
        *_doubted(outside, found, probabilities[alone], task.target_names),
    ]
    return LabelErrors(
        audit=audit,
        samples=len(samples),
        suspects=tuple(suspects),
        conflicting=len(doubtful),
        accuracy=float((probabilities.argmax(1) == labels)[alone].mean()),
        estimated=_estimated(found, conflicts, samples),
        pairs=_pairs(found, task.target_names),
        features=features,
        penalty=penalty,
        notes=(*notes, *_not_judged(labels, units, task.target_names, near_chains(samples, audit))),
    )


def _estimated(found: Doubts, conflicts: Sequence[Sequence[str]], samples: Sequence[Sample]) -> float:
    """The share of wrong labels: what models estimate, and of equal pictures all but the commonest label's."""
    known = {sample.key: _label(sample) for sample in samples}
    certain = sum(len(group) - max(Counter(known[key] for key in group).values()) for group in conflicts)
    alone = len(samples) - sum(map(len, conflicts))
    return (float(1 - np.trace(found.joint)) * alone + certain) / len(samples)


def _label(sample: Sample) -> str:
    assert isinstance(sample.target, Label)
    return sample.target.name


def _condensed(rows: Tensor) -> Tensor:
    """The features, each standardised so that the penalty means the same for all networks, in the directions in which
    they differ most: on trashnet 256 of 1,280 found as many wrong labels, in a twentieth of the time.
    """
    rows = (rows - rows.mean(0)) / (rows.std(0) + 1e-6)
    if min(rows.shape) <= DIRECTIONS:
        return rows
    left, sizes, _ = torch.linalg.svd(rows, full_matrices=False)
    found: Tensor = (left * sizes)[:, :DIRECTIONS].contiguous()
    return found


def _conflicts(audit: Audit, samples: Sequence[Sample]) -> list[list[str]]:
    """Keys of equal pictures whose labels differ, of those that are judged."""
    known = {sample.key: _label(sample) for sample in samples}
    groups = [[key for key in group if key in known] for group in audit.duplicates]
    return [group for group in groups if len({known[key] for key in group}) > 1]


def _contradicting(
    conflicts: Sequence[Sequence[str]],
    samples: Mapping[str, Sample],
    chances: Mapping[str, NDArray[np.float64]],
    names: Sequence[str],
) -> list[Suspect]:
    """Equal pictures with two labels, one of which is wrong for certain.

    What most copies say is suggested, or else what the models hold for likelier.
    """
    found = []
    for group in conflicts:
        labels = [_label(samples[key]) for key in group]
        (first, most), *others = Counter(labels).most_common()
        mean = np.mean([chances[key] for key in group], axis=0)
        likely = max(set(labels), key=lambda name: (mean[names.index(name)], name))
        suggested = first if all(count < most for _, count in others) else likely
        for key, label in zip(group, labels, strict=True):
            other = next(one for one, said in zip(group, labels, strict=True) if said != label)
            kept = "its equal has another label: " if label == suggested else ""
            reason = f"{kept}the same picture as {other}, which is labelled {_label(samples[other])!r}"
            found.append(Suspect(key, label, suggested, float(mean[names.index(suggested)]), reason))
    return found


def _doubted(
    samples: Sequence[Sample], found: Doubts, probabilities: NDArray[np.float64], names: Sequence[str]
) -> list[Suspect]:
    suspects = []
    for place in found.order[: int(found.flagged.sum())]:
        label, suggested = _label(samples[place]), int(found.suggested[place])
        own, other = probabilities[place, names.index(label)], probabilities[place, suggested]
        reason = f"models that had not seen it give {names[suggested]!r} {other:.0%} and its label {own:.0%}"
        suspects.append(Suspect(samples[place].key, label, names[suggested], float(other), reason))
    return suspects


def _pairs(found: Doubts, names: Sequence[str]) -> tuple[dict[str, Any], ...]:
    rows, columns = np.nonzero(found.joint - np.diag(np.diag(found.joint)))
    pairs = [
        {"label": names[i], "is": names[j], "share": float(found.joint[i, j])}
        for i, j in zip(rows.tolist(), columns.tolist(), strict=True)
    ]
    return tuple(sorted(pairs, key=lambda pair: -pair["share"]))


def _not_judged(
    labels: NDArray[np.int64], units: NDArray[np.int64], names: Sequence[str], chained: Chains
) -> list[str]:
    """Classes that stand in one part alone, of which a model of the others knows nothing."""
    alone = [names[place] for place in np.unique(labels) if len(np.unique(units[labels == place])) < 2]
    if not alone:
        return []
    by_near = f" {chained.sentence()}" if chained else ""
    return [f"Of {some(alone)} there is one sample or group alone: models of the others know nothing of it.{by_near}"]
