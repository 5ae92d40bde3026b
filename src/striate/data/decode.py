"""A picture's bytes to its pixels, right for every real file, or an error that says why not.

The rules:

- Only the formats in `FORMATS` are tried, and size is read from the header before any pixel is.
- The orientation in EXIF is applied.
- 1 bit becomes 0 and 255; palettes become RGB; CMYK, YCbCr and Lab become RGB; grey stays one channel.
- Alpha, and a colour declared transparent, are laid over white, and that is noted.
- 16 bits stay uint16 and floating point stays float32, in the file's own scale: nothing is clipped. Pillow keeps only
  the high byte of 16-bit colour; the low one is fetched by a second decode (PNG and TIFF). JPEG 2000, AVIF and
  premultiplied or CMYK TIFF of more than 8 bits a colour come as 8 bits.
- Of several frames the first is taken, and that is noted.
- A truncated file is an error, whatever Pillow's global switch says; so is a JPEG that ends in zeros.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageFile, UnidentifiedImageError

from striate.core.errors import DataError
from striate.core.records import Picture, Sample, Source
from striate.data.store import Store, printable

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "DIB", "TIFF", "WEBP", "PPM", "JPEG2000", "AVIF")
"""Formats that are decoded, by Pillow's names; JPEG covers the multi-picture kind (MPO) that cameras write."""

PIXEL_CAP = 100_000_000
"""Pixels of one picture above which it is refused: 196 megapixels fit in a PNG of 600 kB and take 800 MB decoded."""

_ZEROS = 64  # bytes at the end of a file: fewer may be a picture's own
_MAKER, _MODEL, _SHOT, _TAKEN = 0x010F, 0x0110, 0x8769, 0x9003
_ORIENTATION, _PLANAR, _BITS, _SAMPLE_FORMAT = 0x0112, 284, 258, 339


T = TypeVar("T")


class DecodeError(DataError):
    """A picture cannot be decoded; the message is a reason that follows "quarantined:"."""


def decode(content: bytes, *, pixel_cap: int = PIXEL_CAP) -> Picture:
    """Decode one picture completely.

    Args:
        content: the file's bytes.
        pixel_cap: height × width above which it is refused.

    Returns:
        pixels (H, W, C): uint8, uint16 or float32.

    Raises:
        DecodeError: another format, damaged, truncated, too large, or pixels that are not finite.

    >>> buffer = io.BytesIO()
    >>> Image.new("1", (3, 2), 1).save(buffer, "PNG")
    >>> picture = decode(buffer.getvalue())
    >>> picture.pixels.shape, int(picture.pixels.max()), picture.mode
    ((2, 3, 1), 255, '1')
    """
    return _whole_or_refused(content, pixel_cap, _decode)


def decode_values(content: bytes, *, pixel_cap: int = PIXEL_CAP) -> NDArray[Any]:
    """What a picture file holds, as numbers: of a palette which colour each pixel is, not the colour.

    Alpha is left out, and nothing is turned by EXIF.

    Returns:
        (H, W), or (H, W, 3) for colours.

    Raises:
        DecodeError: as for `decode`.
    """
    return _whole_or_refused(content, pixel_cap, _values)


def _whole_or_refused(content: bytes, pixel_cap: int, read: Callable[[bytes, int], T]) -> T:
    """What `read` finds in a file's bytes; whatever goes wrong in it becomes an error that says so."""
    try:
        with _truncation_is_an_error():
            return read(content, pixel_cap)
    except (DecodeError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        found = re.search(r"\((\d+) pixels\)", str(error))
        count = f"{int(found[1]):,}" if found else "too many"
        raise DecodeError(f"it has {count} pixels; at most {pixel_cap:,} are decoded") from error
    except UnidentifiedImageError:
        raise DecodeError(_unidentified(content)) from None
    except Exception as error:  # damaged bytes make decoders raise anything
        text = printable(str(error)) or type(error).__name__
        truncated = isinstance(error, EOFError) or re.search("truncated|unexpected end|smaller than", text.lower())
        raise DecodeError(f"it is truncated: {text}" if truncated else f"it is damaged: {text}") from error


def taken(content: bytes) -> str:
    """When a picture was taken by its EXIF, as the camera wrote it; "" where its header does not say. Decodes nothing.

    >>> buffer = io.BytesIO()
    >>> Image.new("L", (2, 2)).save(buffer, "JPEG")
    >>> taken(buffer.getvalue()), taken(b"no picture")
    ('', '')
    """
    try:
        return _shot(_open(content))[1]
    except Exception:  # damaged bytes make decoders raise anything, and the audit says which
        return ""


def decode_sample(store: Store, sample: Sample) -> Picture:
    """Decode a sample; several sources are stacked as channels, in their order.

    8-bit sources beside 16-bit ones are brought to 16 bits (× 257, so that white stays white), and that is noted.

    Raises:
        DecodeError: a source cannot be read or decoded, or the sources do not fit together.
    """
    pictures = [_decode_source(store, source, several=len(sample.sources) > 1) for source in sample.sources]
    if len(pictures) == 1:
        return pictures[0]
    sizes = {picture.pixels.shape[:2] for picture in pictures}
    if len(sizes) > 1:
        shown = ", ".join(f"{picture.pixels.shape[0]}×{picture.pixels.shape[1]}" for picture in pictures)
        raise DecodeError(f"its {len(pictures)} pictures differ in height×width: {shown}")
    notes = list(dict.fromkeys(note for picture in pictures for note in picture.notes))
    layers = [picture.pixels for picture in pictures]
    kinds = {layer.dtype for layer in layers}
    if kinds == {np.dtype(np.uint8), np.dtype(np.uint16)}:
        layers = [layer if layer.dtype == np.uint16 else layer.astype(np.uint16) * np.uint16(257) for layer in layers]
        notes.append("8 bits beside 16 brought to 16")
    elif len(kinds) > 1:
        raise DecodeError(f"its pictures are of kinds without a common scale: {', '.join(sorted(map(str, kinds)))}")
    modes = "+".join(picture.mode for picture in pictures)
    return Picture(np.concatenate(layers, axis=2), modes, tuple(notes), pictures[0].camera, pictures[0].taken)


def _decode_source(store: Store, source: Source, *, several: bool) -> Picture:
    try:
        content = store.read(source)
        return decode(content) if isinstance(content, bytes) else picture_of_array(content)
    except DataError as error:
        reason = f"{printable(str(source))}: {error.message}" if several else error.message
        raise DecodeError(reason) from error


def picture_of(image: Image.Image) -> Picture:
    """The Picture in an open Pillow image, by the same rules (but 16-bit colour, which Pillow has already cut)."""
    image.load()
    pixels, notes = _pixels(image, 255 if image.mode == "1" else 1)
    turned = orientation(image)
    if turned != 1:
        notes.append("turned by EXIF")
    return Picture(np.ascontiguousarray(_turn(_checked(pixels), turned)), image.mode, tuple(notes))


def picture_of_array(pixels: NDArray[Any]) -> Picture:
    """The Picture in an array (H, W) or (H, W, C) of bool, uint8, uint16 or floating point.

    Raises:
        DecodeError: another shape or type, or pixels that are not finite.
    """
    if pixels.ndim not in (2, 3) or 0 in pixels.shape:
        raise DecodeError(f"an array of shape {pixels.shape} is no picture; expected (H, W) or (H, W, C)")
    mode = f"array {pixels.dtype}"
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * np.uint8(255)
    elif pixels.dtype.kind == "f":
        pixels = pixels.astype(np.float32)
    elif pixels.dtype not in (np.uint8, np.uint16):
        raise DecodeError(f"pixels of type {pixels.dtype} have no known scale; expected uint8, uint16 or float")
    pixels = pixels if pixels.ndim == 3 else pixels[:, :, None]
    return Picture(np.ascontiguousarray(_checked(pixels)), mode)


_decoding = 0
_switch = threading.Lock()
_switched_on = False


@contextlib.contextmanager
def _truncation_is_an_error() -> Iterator[None]:
    """Pillow pads truncated files with grey where a global switch says so, which other libraries turn on.

    It is off while any thread decodes here, and afterwards as it was found.
    """
    global _decoding, _switched_on
    with _switch:
        if _decoding == 0:
            _switched_on = ImageFile.LOAD_TRUNCATED_IMAGES
            ImageFile.LOAD_TRUNCATED_IMAGES = False
        _decoding += 1
    try:
        yield
    finally:
        with _switch:
            _decoding -= 1
            if _decoding == 0:
                ImageFile.LOAD_TRUNCATED_IMAGES = _switched_on


def _forget() -> None:
    """In a forked child: no thread decodes, and the lock may have been held."""
    global _decoding, _switch
    _decoding, _switch = 0, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _values(content: bytes, pixel_cap: int) -> NDArray[Any]:
    image = _opened(content, pixel_cap)
    image.load()
    if image.mode in ("P", "L") or image.mode.startswith("I"):
        return np.asarray(image)
    if image.mode == "1":
        return np.asarray(image.convert("L"))
    if image.mode in ("LA", "La"):
        return np.asarray(image.convert("LA"))[..., 0]
    return np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB"))[..., :3]


def _opened(content: bytes, pixel_cap: int) -> ImageFile.ImageFile:
    """A file's picture before its pixels are decoded, unless it is empty or too large."""
    if not content:
        raise DecodeError("the file is empty")
    image = _open(content)
    width, height = image.size
    if width * height > pixel_cap:
        raise DecodeError(f"it has {height:,} × {width:,} pixels; at most {pixel_cap:,} are decoded")
    return image


def _decode(content: bytes, pixel_cap: int) -> Picture:
    image = _opened(content, pixel_cap)
    if image.format in ("JPEG", "MPO") and _zeros_for_an_end(content):
        raise DecodeError("it is truncated: from somewhere on it holds nothing but zeros")
    deep = _deep_colour(content, image)
    if deep is None:
        step = _key_step(content, image)
        image.load()
        mode = image.mode
        pixels, notes = _pixels(image, step)
    else:
        pixels, notes, mode, image = deep
    turned = orientation(image)
    if turned != 1 or _turned_by_pillow(content, image):
        notes.append("turned by EXIF")
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        notes.append(f"first of {frames} frames")
    camera, taken = _shot(image)
    return Picture(np.ascontiguousarray(_turn(_checked(pixels), turned)), mode, tuple(notes), camera, taken)


def _zeros_for_an_end(content: bytes) -> bool:
    """Whether a JPEG ends in zeros without its end marker, as a broken download or disk leaves it.

    Zeros are valid codes: the decoder fills the rest of the picture with grey and finds nothing wrong.
    """
    return content.endswith(bytes(_ZEROS)) and content.find(b"\xff\xd9", content.rfind(b"\xff\xda")) < 0


def _open(content: bytes) -> ImageFile.ImageFile:
    image = Image.open(io.BytesIO(content), formats=FORMATS)
    assert isinstance(image, ImageFile.ImageFile)
    return image


def _checked(pixels: NDArray[Any]) -> NDArray[Any]:
    if pixels.dtype == np.float32 and not np.isfinite(pixels).all():
        raise DecodeError("it has pixels that are not finite numbers")
    return pixels


def _unidentified(content: bytes) -> str:
    """What a file that no decoder took may be."""
    start = content[:512].lstrip().lower()
    if content[4:8] == b"ftyp" and content[8:12] in (b"heic", b"heix", b"hevc", b"mif1", b"msf1"):
        return "it is a HEIC picture, which is not decoded; convert it to JPEG or PNG"
    if start.startswith((b"<!doctype html", b"<html")):
        return "it is a web page, not a picture"
    if not content.strip(b"\0"):
        return "it holds nothing but zeros"
    known = {b"\xff\xd8\xff": "JPEG", b"\x89PNG": "PNG", b"GIF8": "GIF", b"BM": "BMP", b"II*\0": "TIFF"}
    known |= {b"MM\0*": "TIFF", b"RIFF": "WebP"}
    for magic, name in known.items():
        if content.startswith(magic):
            return f"it begins like a {name} but its header is damaged, truncated or of a kind that is not decoded"
    return "it is not a picture of a known format (JPEG, PNG, GIF, BMP, TIFF, WebP, PPM, JPEG 2000, AVIF)"


def orientation(image: Image.Image) -> int:
    """The EXIF orientation still to be applied, 1 to 8; 1 where there is none or it cannot be read."""
    try:
        found = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # a damaged EXIF block, in a picture that is whole: upright, as viewers show it
        found = 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _shot(image: Image.Image) -> tuple[str, str]:
    """The camera and the time by EXIF (Exif 2.32, tags 0x010F, 0x0110 and 0x9003); "" for what is not said."""
    try:
        exif = image.getexif()
        if not exif:
            return "", ""
        found = [exif.get(_MAKER), exif.get(_MODEL), exif.get_ifd(_SHOT).get(_TAKEN)]
    except Exception:  # a damaged EXIF block, in a picture that is whole
        return "", ""
    maker, model, taken = (printable(one.strip("\0 ")) if isinstance(one, str) else "" for one in found)
    return f"{maker} {model}".strip(), taken


def _turned_by_pillow(content: bytes, image: Image.Image) -> bool:
    """Whether loading has turned the picture already, as Pillow does for TIFF, removing the tag."""
    return image.format == "TIFF" and orientation(_open(content)) != 1


def _turn(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Apply an EXIF orientation (Exif 2.32, tag 0x0112) to (H, W, C)."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def _pixels(image: Image.Image, step: int) -> tuple[NDArray[Any], list[str]]:
    """A loaded image's pixels (H, W, C) and what had to be done to them.

    Args:
        step: what a transparent grey is to be multiplied with; see `_key_step`.
    """
    mode = image.mode
    key = image.info.get("transparency")
    if mode == "F":
        return np.asarray(image, np.float32)[:, :, None], []
    if mode.startswith("I;16"):
        return _over_white_by_key(np.asarray(image).astype(np.uint16)[:, :, None], key)
    if mode == "I":
        return _integers(image)[:, :, None], []
    if mode in ("1", "L"):
        return _over_white_by_key(
            np.asarray(image.convert("L"))[:, :, None], key * step if isinstance(key, int) else None
        )
    if mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
        assert converted is not None  # only in-place conversion gives none
        return np.asarray(converted), ["Lab to RGB"]
    if mode == "LA":
        return _over_white(np.asarray(image))
    if mode == "La":
        return _over_white(np.asarray(image.convert("LA")))
    if image.has_transparency_data:
        return _over_white(np.asarray(image.convert("RGBA")))
    return np.asarray(image.convert("RGB")), ["CMYK to RGB"] if mode == "CMYK" else []


def _integers(image: Image.Image) -> NDArray[Any]:
    """32-bit integers: uint16 where they fit, as 16-bit grey comes this way too; else float32, exact up to 2²⁴."""
    values = np.asarray(image)
    tags: Any = getattr(image, "tag_v2", {})
    if tags.get(_BITS) == (32,) and tags.get(_SAMPLE_FORMAT, (1,)) == (1,):
        values = values.view(np.uint32)
    if values.min() >= 0 and values.max() <= 65535:
        return values.astype(np.uint16)
    return values.astype(np.float32)


def _key_step(content: bytes, image: Image.Image) -> int:
    """What one step of a PNG's transparent grey is on the scale 0 to 255 that pixels of fewer than 8 bits come in."""
    return {1: 255, 2: 85, 4: 17}.get(content[24], 1) if image.format == "PNG" and image.mode in ("1", "L") else 1


def _over_white_by_key(pixels: NDArray[Any], key: Any) -> tuple[NDArray[Any], list[str]]:
    """Pixels of one declared colour made white.

    Args:
        pixels: (H, W, C).
        key: a number or a tuple of C; anything else leaves the pixels as they are.
    """
    if not isinstance(key, int | tuple):
        return pixels, []
    clear = (pixels == np.asarray(key, np.int64).reshape(-1)).all(axis=2, keepdims=True)
    return np.where(clear, pixels.dtype.type(np.iinfo(pixels.dtype).max), pixels), ["alpha over white"]


def _over_white(pixels: NDArray[Any]) -> tuple[NDArray[Any], list[str]]:
    """Porter and Duff's "over" with a white background, on unsigned integers, rounded: c·a + white·(1 − a).

    Args:
        pixels: (H, W, C + 1), alpha last and not premultiplied.
    """
    full = np.uint32(np.iinfo(pixels.dtype).max)
    wide: NDArray[np.uint32] = pixels.astype(np.uint32)
    colour, alpha = wide[:, :, :-1], wide[:, :, -1:]
    mixed = (colour * alpha + full * (full - alpha) + full // np.uint32(2)) // full  # below 2³² for 16 bits too
    return mixed.astype(pixels.dtype), ["alpha over white"]


def _deep_colour(
    content: bytes, image: ImageFile.ImageFile
) -> tuple[NDArray[Any], list[str], str, ImageFile.ImageFile] | None:
    """16-bit colour, which Pillow alone would cut to 8 bits: pixels, notes, mode and the loaded image; else None."""
    if image.mode not in ("RGB", "RGBA") or not image.tile:
        return None
    tile = image.tile[0]
    raw = str(tile.args[0] if isinstance(tile.args, tuple) else tile.args)
    key = image.info.get("transparency")
    if image.format == "PPM" and tile.codec_name == "ppm" and isinstance(tile.args, tuple) and int(tile.args[1]) > 255:
        values = np.frombuffer(content, ">u2", image.width * image.height * 3, tile.offset)
        scaled = (values.astype(np.uint64) * 65535 + int(tile.args[1]) // 2) // int(tile.args[1])
        return scaled.astype(np.uint16).reshape(image.height, image.width, 3), [], "RGB;16", image
    if image.format == "PNG" and raw == "LA;16B":  # four bytes a pixel, as in RGBA of 8 bits
        _read_as(image, "RGBA")
        pixels, notes = _over_white(_whole(np.asarray(image).view(">u2")))
        return pixels, notes, "LA;16", image
    names = _high_and_low(image, tile.codec_name, raw)
    if names is None:
        return None
    loaded = [_open(content), _open(content)]
    for one, name in zip(loaded, names, strict=True):
        _read_as(one, name)
    high, low = (np.asarray(one).astype(np.uint16) for one in loaded)
    pixels, notes = high * np.uint16(256) + low, []
    pixels, notes = _over_white(pixels) if pixels.shape[2] == 4 else _over_white_by_key(pixels, key)
    return pixels, notes, f"{image.mode};16", loaded[0]


def _whole(pixels: NDArray[Any]) -> NDArray[np.uint16]:
    return pixels.astype(np.uint16)


def _high_and_low(image: ImageFile.ImageFile, codec: str, raw: str) -> tuple[str, str] | None:
    """The raw modes by which Pillow yields the high and the low byte of 16-bit colour, or None for other files."""
    tags: Any = getattr(image, "tag_v2", {})
    separate = tags.get(_PLANAR, 1) == 2
    if separate and codec == "raw" and set(tags.get(_BITS, ())) == {16}:
        high = "B" if tags.prefix == b"MM" else "L"
        return f";16{high}", f";16{'L' if high == 'B' else 'B'}"
    found = re.fullmatch(r"((?:RGB|RGBA|RGBX);16)([BLN])", raw)
    if found is None or separate:
        return None
    native = "L" if sys.byteorder == "little" else "B"
    high = native if found[2] == "N" else found[2]
    return raw, found[1] + ("L" if high == "B" else "B")


def _read_as(image: ImageFile.ImageFile, raw: str) -> None:
    """Load an image by another raw mode; one that begins with ";" is put behind each tile's own band."""
    image.tile = [_with_raw(tile, raw) for tile in image.tile]
    if raw == "RGBA":
        image._mode = "RGBA"
    image.load()


def _with_raw(tile: Any, raw: str) -> Any:
    old = tile.args[0] if isinstance(tile.args, tuple) else tile.args
    new = old + raw if raw.startswith(";") else raw
    return tile._replace(args=(new, *tile.args[1:]) if isinstance(tile.args, tuple) else new)
