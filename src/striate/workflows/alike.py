"""The near-duplicates that an audit names, drawn side by side, so that they can be judged by eye."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from striate.core.artifacts import make_folder, write_bytes
from striate.core.records import Boxes, Dataset, Label, Labels, Mask, Sample, Target, Value
from striate.core.wording import plural
from striate.data.decode import decode_sample
from striate.data.prepare import Preprocessing
from striate.data.store import Store
from striate.data.twins import Near

SECTION = "near_duplicates"
SIDE = 112
"""Of each picture, in pixels."""

_GAP, _QUALITY = 2, 80


def draw_near(folder: Path, dataset: Dataset, near: Near, full_scale: float) -> list[dict[str, str]]:
    """Draw each pair that an audit names; about 8 kB a pair.

    Args:
        folder: where the pictures are written.
        full_scale: the value in pictures of more than 8 bits that means white.

    Returns:
        entries for `figures/index.json`.

    Raises:
        DataError: a picture is no longer there.
    """
    if not near.pairs:
        return []
    make_folder(folder)
    store = Store(dataset.arrays)
    wanted = {pair[place] for pair in near.pairs for place in ("one", "other")}
    samples = {sample.key: sample for sample in dataset.samples if sample.key in wanted}
    entries = []
    for number, pair in enumerate(near.pairs, start=1):
        one, other = samples[pair["one"]], samples[pair["other"]]
        canvas = Image.new("RGB", (2 * SIDE + _GAP, SIDE), "white")
        for place, sample in enumerate((one, other)):
            canvas.paste(small(store, sample, full_scale), (place * (SIDE + _GAP), 0))
        buffer = io.BytesIO()
        canvas.save(buffer, "JPEG", quality=_QUALITY)
        name = f"near-{number:02}.jpg"
        write_bytes(folder / name, buffer.getvalue())
        entries.append({"file": name, "caption": _caption(one, other, pair["similarity"]), "section": SECTION})
    return entries


def small(store: Store, sample: Sample, full_scale: float, shade: float = 255.0) -> Image.Image:
    """The whole picture in a square, on ground of a shade from 0 to 255; of channels that are no colours the first."""
    picture = decode_sample(store, sample)
    if picture.pixels.shape[2] != 3:
        picture = type(picture)(picture.pixels[:, :, :1], picture.mode, picture.notes)
    ground = (shade,) * picture.pixels.shape[2]
    unit = (1.0,) * len(ground)
    frame = Preprocessing(SIDE, SIDE, len(ground), "pad", full_scale=full_scale, mean=unit, std=unit, fill=ground)
    pixels = frame.prepare(picture).clip(0, 255).astype("uint8")
    return Image.fromarray(pixels.transpose(1, 2, 0) if len(pixels) == 3 else pixels[0]).convert("RGB")


def _caption(one: Sample, other: Sample, similarity: float) -> str:
    words = [f"{similarity:.2f} alike: {one.key} and {other.key}"]
    if one.target != other.target and not isinstance(one.target, Mask):
        words.append(f"labelled {_named(one.target)} and {_named(other.target)}")
    if one.split != other.split:
        words.append(f"given for {one.split or 'training'} and {other.split or 'training'}")
    return "; ".join(words)


def _named(target: Target | None) -> str:
    if isinstance(target, Label):
        return target.name
    if isinstance(target, Labels):
        return ", ".join(target.names) or "nothing"
    if isinstance(target, Boxes):
        return plural(len(target.boxes), "box", "boxes")
    return ", ".join(f"{value:g}" for value in target.values) if isinstance(target, Value) else "nothing"
