"""Which mask is whose: pictures and masks in folders told apart and paired by their names.

A folder's name says what it holds (`images`, `masks`, `train_labels`, `valannot`) and of which split; what is left of
the path, with the file's stem, is the pair's key. A mask's stem may end in `_mask`, `_L`, `_seg` and the like, or begin
with `mask_`. Where a mask's key has one folder more, that folder or its stem is a class: `masks/STEM/CLASS.png`,
`masks/CLASS/STEM.png`. Or a file is one thing of several in a picture: `STEM/images/STEM.png`, `STEM/masks/*.png`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Literal, NamedTuple, TypeAlias, cast

from striate.core.errors import DataError
from striate.core.records import Source, Split
from striate.data.readers._listing import SPLIT_NAMES
from striate.data.store import printable

IMAGES = frozenset(
    {
        *("images", "image", "img", "imgs", "photos", "photo", "pictures"),
        *("originals", "original", "inputs", "input", "rgb"),
    }
)
MASKS = frozenset(
    {
        *("masks", "mask", "labels", "label", "annotations", "annotation", "annot", "annots", "gt"),
        *("groundtruth", "ground_truth", "truth", "segmentations", "segmentation", "seg", "segs"),
        *("targets", "target", "mattes", "matte"),
    }
)
UNLABELLED = frozenset({"unlabelled", "unlabeled", "unannotated"})

_ENDING = re.compile(
    r"(?i)[_\-. ](masks?|labels?|l|seg|segmentation|gt|groundtruth|ground_truth|annotation|anno|annot|lbl|matte)$"
)
_BEGINNING = re.compile(r"(?i)^(masks?|labels?|seg|gt)[_\-. ]")
_OF_PICTURE = re.compile(r"(?i)[_\-. ](images?|imgs?|sat|rgb|photo)$|^(images?|imgs?|photo)[_\-. ]")

Key: TypeAlias = tuple[str, ...]


class Placed(NamedTuple):
    """A picture of some kind, with what its folders say.

    Args:
        role: what it is; "" where no folder says.
        key: folders that say nothing, a split's by its plain name, and the stem.
    """

    name: str
    source: Source
    role: Literal["image", "mask", "unlabelled", ""]
    split: Split | None
    key: Key


@dataclass(frozen=True)
class Pair:
    """A picture and its masks: one, or one a class, by the name of the class."""

    name: str
    source: Source
    masks: tuple[tuple[str, Source], ...]
    split: Split | None = None
    group: str | None = None


@dataclass
class Paired:
    """Pairs, and what has no counterpart.

    Args:
        by_class: how masks of single classes are told apart: "" where a mask holds all.
        bare: pictures without a mask.
        orphans: masks without a picture.
        unlabelled: pictures in a folder that says so.
        beside: pictures in other folders.
    """

    pairs: list[Pair] = field(default_factory=list)
    by_class: Literal["", "stem", "folder"] = ""
    bare: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    unlabelled: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)


@cache
def role_of(folder: str) -> tuple[str, str]:
    """What a folder's name says of what lies in it: a role and a split, "" for none.

    >>> role_of("train_labels"), role_of("valannot"), role_of("Images"), role_of("cats")
    (('mask', 'train'), ('mask', 'val'), ('image', ''), ('', ''))
    """
    name = folder.lower()
    if name in SPLIT_NAMES:
        return "", SPLIT_NAMES[name]
    for role, words in (("mask", MASKS), ("image", IMAGES), ("unlabelled", UNLABELLED)):
        if name in words:
            return role, ""
        for word in words:
            for rest in (name.removesuffix(word), name.removeprefix(word)):
                if rest != name and rest.strip("_-. ") in SPLIT_NAMES:
                    return role, SPLIT_NAMES[rest.strip("_-. ")]
    return "", ""


def placed(pictures: Iterable[tuple[str, Source]]) -> list[Placed]:
    """What folders say of each picture."""
    found = []
    for name, source in pictures:
        *folders, base = name.split("/")
        role, split, key = "", "", []
        for folder in folders:
            one, of = role_of(folder)
            role, split = role or one, split or of
            if of or not one:
                key.append(f"({of})" if of else folder)
        stem = posixpath.splitext(base)[0]
        found.append(Placed(name, source, cast(Literal[""], role), cast(Split, split or None), (*key, stem)))
    return _in_one_folder(found)


def _in_one_folder(found: list[Placed]) -> list[Placed]:
    """Where no folder holds masks, those beside their pictures are told by how their names end."""
    if any(one.role == "mask" for one in found):
        return found
    keys = {one.key for one in found}
    return [
        one._replace(role="mask") if _ENDING.search(one.key[-1]) and _plain(one.key) in keys else one for one in found
    ]


def holds_pairs(pictures: Iterable[str]) -> bool:
    """Whether names of pictures look like those of pictures and masks: by their folders, and as half of the masks pair.

    Classes may be called like masks (`target` and `clutter`), and then nothing pairs. But where all there is are one
    folder of pictures and one of masks, what does not pair is a mistake to be told, not two classes.

    >>> holds_pairs(["images/a.jpg", "masks/a.png"]), holds_pairs(["mask/a.jpg", "no_mask/a.jpg"])
    (True, False)
    >>> holds_pairs(["train/target/a.jpg", "train/clutter/b.jpg", "test/target/c.jpg", "test/clutter/d.jpg"])
    False
    """
    named = [(name, Source("file", name)) for name in pictures]
    found = placed(named)
    return _named_so(found) and (_only_two_folders(found) or _half_pair(named))


def _named_so(found: Sequence[Placed]) -> bool:
    """Whether folders, or the ends of names, say of some that they are masks and of others that they are pictures."""
    masks = [one for one in found if one.role == "mask"]
    images = [one for one in found if one.role == "image"]
    plain = [one for one in found if one.role == ""]
    if not any(role_of(folder)[0] == "mask" for one in masks for folder in one.name.split("/")[:-1]):
        return len(masks) >= 0.3 * len(found) and len(masks) > 0  # side by side in one folder
    splits = {one.split for one in masks} - {None}
    return bool(images) or any(one.split in splits for one in plain)


def _only_two_folders(found: Sequence[Placed]) -> bool:
    """Whether all lie in folders of one name for pictures and one for masks, apart from splits."""
    names = {
        (one.role, tuple(folder for folder in one.name.split("/")[:-1] if role_of(folder)[0] in ("image", "mask")))
        for one in found
        if one.role != "unlabelled"
    }
    return sorted(role for role, _ in names) == ["image", "mask"]


def _half_pair(pictures: Iterable[tuple[str, Source]]) -> bool:
    try:
        result = paired(pictures)
    except DataError:
        return True  # some pair even twice: the reader says so
    return sum(len(pair.masks) for pair in result.pairs) >= len(result.orphans)


def _plain(key: Key) -> Key:
    return (*key[:-1], _BEGINNING.sub("", _ENDING.sub("", key[-1])))


def paired(pictures: Iterable[tuple[str, Source]]) -> Paired:
    """Pairs of pictures and masks.

    Raises:
        DataError: two pictures or two masks of one key.
    """
    found = placed(pictures)
    masks = [one for one in found if one.role == "mask"]
    has_role = any(one.role == "image" for one in found)
    images = [one for one in found if one.role == ("image" if has_role else "")]
    result = Paired(
        unlabelled=[one.name for one in found if one.role == "unlabelled"],
        beside=[one.name for one in found if has_role and one.role == ""],
    )
    by_key = _by_key(images)
    owners = {one.name: _owner(one, by_key) for one in masks}
    if 2 * sum(owner is not None for owner in owners.values()) < len(masks):
        for how in ("stem", "folder"):
            of_class = {one.name: _owner_of_class(one, by_key, how) for one in masks}
            if sum(owner is not None for owner in of_class.values()) > sum(one is not None for one in owners.values()):
                owners, result.by_class = of_class, cast(Literal["stem"], how)
    given: dict[str, list[tuple[str, Placed]]] = {}
    for one in masks:
        owner = owners[one.name]
        if owner is None:
            result.orphans.append(one.name)
        else:
            given.setdefault(owner.name, []).append((_class_of(one, result.by_class), one))
    for image in images:
        own = given.get(image.name)
        if own is None:
            result.bare.append(image.name)
            continue
        _check_one_each(image, own)
        files = tuple((name, one.source) for name, one in sorted(own))
        result.pairs.append(Pair(image.name, image.source, files, image.split))
    return result


def _by_key(images: Sequence[Placed]) -> dict[Key, Placed]:
    """Pictures by key, and by the key without an ending such as `_sat`, where that is no other's."""
    found: dict[Key, Placed] = {}
    for one in images:
        if one.key in found:
            raise DataError(
                f"{printable(found[one.key].name)} and {printable(one.name)} could both be the picture of one mask",
                fix="give each picture a stem of its own",
            )
        found[one.key] = one
    for one in images:
        found.setdefault((*one.key[:-1], _OF_PICTURE.sub("", one.key[-1])), one)
    return found


def _owner(mask: Placed, by_key: dict[Key, Placed]) -> Placed | None:
    return by_key.get(mask.key) or by_key.get(_plain(mask.key))


def _owner_of_class(mask: Placed, by_key: dict[Key, Placed], how: str) -> Placed | None:
    if len(mask.key) < 2:
        return None
    *folders, last, stem = mask.key
    if how == "stem":
        return by_key.get((*folders, last)) or by_key.get((*folders, last, last))
    return _owner(mask._replace(key=(*folders, stem)), by_key)


def _class_of(mask: Placed, how: str) -> str:
    return printable({"": "", "stem": mask.key[-1], "folder": mask.key[-2] if len(mask.key) > 1 else ""}[how])


def _check_one_each(image: Placed, own: Sequence[tuple[str, Placed]]) -> None:
    names = [name for name, _ in own]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        both = [printable(one.name) for name, one in own if name == twice][:2]
        raise DataError(
            f"{printable(image.name)} has two masks{f' of {twice}' if twice else ''}: {' and '.join(both)}",
            fix="keep one of them, or name them after the classes that they are of: masks/STEM/CLASS.png",
        )
