"""Decoding: every mode against Pillow's own conversions or against arithmetic, EXIF against ImageOps, damage."""

from __future__ import annotations

import contextlib
import io
import struct
import subprocess
import sys
import threading
import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageFile, ImageOps

from striate.core.errors import DataError
from striate.core.records import Sample, Source
from striate.data.decode import DecodeError, decode, decode_sample, picture_of, picture_of_array
from striate.data.store import Store

RANDOM = np.random.default_rng(0)


def noise(*shape: int, high: int = 256, kind: Any = np.uint8) -> NDArray[Any]:
    return RANDOM.integers(0, high, shape).astype(kind)


def encoded(image: Image.Image, file_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def png(pixels: NDArray[Any], colour: int, *, bits: int = 16, extra: bytes = b"") -> bytes:
    """A PNG of 8 or 16 bits, written by hand since Pillow writes no 16-bit colour. Pixels (H, W, C)."""
    height, width = pixels.shape[:2]
    kind = ">u2" if bits == 16 else "u1"
    rows = b"".join(b"\0" + row.astype(kind).tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND")


def chunk(name: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def tiff(
    pixels: NDArray[Any],
    order: Literal["<", ">"] = "<",
    *,
    separate: bool = False,
    compressed: bool = False,
    kind: int = 1,
) -> bytes:
    """A TIFF of one strip (or one a channel), written by hand. Pixels (H, W, C); kind is SampleFormat."""
    height, width, channels = pixels.shape
    data = pixels.astype(pixels.dtype.newbyteorder(order))
    strips = [data[:, :, c].tobytes() for c in range(channels)] if separate else [data.tobytes()]
    strips = [zlib.compress(strip) for strip in strips] if compressed else strips
    bits = pixels.dtype.itemsize * 8
    entries: list[tuple[int, int, list[int]]] = [
        (256, 4, [width]),
        (257, 4, [height]),
        (258, 3, [bits] * channels),
        (259, 3, [8 if compressed else 1]),
        (262, 3, [2 if channels >= 3 else 1]),
        (273, 4, [0] * len(strips)),
        (277, 3, [channels]),
        (278, 4, [height]),
        (279, 4, [len(strip) for strip in strips]),
        (284, 3, [2 if separate else 1]),
        (339, 3, [kind] * channels),
    ]
    if channels == 4:
        entries.insert(10, (338, 3, [2]))
    sizes = {3: 2, 4: 4}
    base = 8 + 2 + 12 * len(entries) + 4
    long_bytes = sum(sizes[t] * len(v) for _, t, v in entries if sizes[t] * len(v) > 4)
    offset, starts = base + long_bytes, []
    for strip in strips:
        starts.append(offset)
        offset += len(strip)
    table, tail = b"", b""
    for tag, field, values in entries:
        values = starts if tag == 273 else values
        packed = struct.pack(order + {3: "H", 4: "I"}[field] * len(values), *values)
        if len(packed) > 4:
            packed, tail = struct.pack(order + "I", base + len(tail)), tail + packed
        table += struct.pack(order + "HHI", tag, field, len(values)) + packed.ljust(4, b"\0")
    mark = b"II*\0" if order == "<" else b"MM\0*"
    head = mark + struct.pack(order + "IH", 8, len(entries)) + table + struct.pack(order + "I", 0)
    return head + tail + b"".join(strips)


def over_white(colour: NDArray[Any], alpha: NDArray[Any], full: int) -> NDArray[Any]:
    share = alpha.astype(float)[..., None] / full
    return np.rint(colour * share + full * (1 - share))


def test_one_bit_is_black_and_white() -> None:
    bits = noise(5, 9, high=2).astype(bool)
    picture = decode(encoded(Image.fromarray(bits), "PNG"))
    assert picture.mode == "1"
    assert picture.pixels.dtype == np.uint8
    assert np.array_equal(picture.pixels[:, :, 0], bits * 255)


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF", "PPM", "GIF"])
def test_grey_stays_one_channel(file_format: str) -> None:
    grey = noise(6, 4)
    picture = decode(encoded(Image.fromarray(grey), file_format))
    if file_format == "GIF" and picture.mode == "P":
        picture = decode(encoded(Image.fromarray(grey), "PNG"))
    assert picture.pixels.shape == (6, 4, 1)
    assert np.array_equal(picture.pixels[:, :, 0], grey)
    assert picture.notes == ()


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF", "PPM", "WEBP", "JPEG2000"])
def test_colour_is_exact_in_lossless_formats(file_format: str) -> None:
    colour = noise(7, 5, 3)
    options = {"lossless": True} if file_format == "WEBP" else {}
    picture = decode(encoded(Image.fromarray(colour), file_format, **options))
    assert picture.mode == "RGB"
    assert np.array_equal(picture.pixels, colour)


def test_avif_and_jpeg_equal_pillow() -> None:
    image = Image.fromarray(noise(16, 16, 3))
    for file_format in ("JPEG", "AVIF"):
        content = encoded(image, file_format)
        assert np.array_equal(decode(content).pixels, np.asarray(Image.open(io.BytesIO(content))))


def test_alpha_is_laid_over_white_and_said() -> None:
    colour, alpha = noise(6, 5, 3), noise(6, 5)
    alpha[0, 0], alpha[0, 1] = 0, 255
    image = Image.fromarray(np.dstack([colour, alpha]))
    picture = decode(encoded(image, "PNG"))
    assert picture.mode == "RGBA"
    assert picture.notes == ("alpha over white",)
    assert np.array_equal(picture.pixels, over_white(colour, alpha, 255))
    assert picture.pixels[0, 0].tolist() == [255, 255, 255]
    white = Image.new("RGBA", image.size, "white")
    theirs = np.asarray(Image.alpha_composite(white, image).convert("RGB")).astype(int)
    assert np.abs(theirs - picture.pixels).max() <= 1


def test_grey_with_alpha_stays_one_channel() -> None:
    both = noise(6, 5, 2)
    picture = decode(encoded(Image.fromarray(both, "LA"), "PNG"))
    assert picture.mode == "LA"
    assert picture.pixels.shape == (6, 5, 1)
    assert np.array_equal(picture.pixels, over_white(both[:, :, :1], both[:, :, 1], 255))


def test_a_palette_becomes_colour_and_its_transparent_entry_white() -> None:
    indices = noise(5, 6, high=3)
    image = Image.fromarray(indices, "P")
    palette = np.array([[10, 20, 30], [200, 100, 50], [7, 8, 9]], np.uint8)
    image.putpalette(palette.tobytes())
    picture = decode(encoded(image, "PNG"))
    assert picture.mode == "P"
    assert np.array_equal(picture.pixels, palette[indices])
    assert picture.notes == ()
    for file_format in ("PNG", "GIF"):
        clear = decode(encoded(image, file_format, transparency=1))
        expected = palette[indices]
        expected[indices == 1] = 255
        assert np.array_equal(clear.pixels, expected)
        assert clear.notes == ("alpha over white",)


def test_a_palette_with_alpha_for_each_entry() -> None:
    indices = noise(5, 6, high=2)
    image = Image.fromarray(indices, "P")
    image.putpalette(bytes([100, 100, 100, 0, 50, 200]))
    picture = decode(encoded(image, "PNG", transparency=bytes([128, 255])))
    expected = np.array([[177, 177, 177], [0, 50, 200]])[indices]  # 100·128/255 + 255·127/255 = 177.2
    assert np.array_equal(picture.pixels, expected)


def test_a_palette_with_an_alpha_channel() -> None:
    image = Image.fromarray(noise(4, 4, 4), "RGBA").convert("PA")
    picture = picture_of(image)
    rgba = np.asarray(image.convert("RGBA"))
    assert picture.mode == "PA"
    assert np.array_equal(picture.pixels, over_white(rgba[:, :, :3], rgba[:, :, 3], 255))


def test_transparent_colours_of_png_without_alpha() -> None:
    colour = noise(4, 4, 3)
    colour[1, 2] = (9, 8, 7)
    picture = decode(png(colour, 2, bits=8, extra=chunk(b"tRNS", struct.pack(">HHH", 9, 8, 7))))
    expected = colour.copy()
    expected[1, 2] = 255
    assert np.array_equal(picture.pixels, expected)
    grey = noise(4, 4, 1, high=200)
    picture = decode(png(grey, 0, bits=8, extra=chunk(b"tRNS", struct.pack(">H", int(grey[0, 0, 0])))))
    assert np.array_equal(picture.pixels, np.where(grey == grey[0, 0, 0], 255, grey))
    deep = noise(4, 4, 1, high=60000, kind=np.uint16)
    picture = decode(png(deep, 0, extra=chunk(b"tRNS", struct.pack(">H", int(deep[0, 0, 0])))))
    assert np.array_equal(picture.pixels, np.where(deep == deep[0, 0, 0], 65535, deep))
    assert picture.notes == ("alpha over white",)


def test_transparent_grey_of_few_bits() -> None:
    # 4 bits, two pixels a byte: greys 3 and 12 are 51 and 204 of 255; 3 is transparent
    header = struct.pack(">IIBBBBB", 2, 1, 4, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"tRNS", b"\0\3") + chunk(b"IDAT", zlib.compress(b"\0\x3c"))
    picture = decode(b"\x89PNG\r\n\x1a\n" + parts + chunk(b"IEND"))
    assert picture.pixels.ravel().tolist() == [255, 204]
    header = struct.pack(">IIBBBBB", 2, 1, 1, 0, 0, 0, 0)  # 1 bit: black is transparent
    parts = chunk(b"IHDR", header) + chunk(b"tRNS", b"\0\0") + chunk(b"IDAT", zlib.compress(b"\0\x40"))
    assert decode(b"\x89PNG\r\n\x1a\n" + parts + chunk(b"IEND")).pixels.ravel().tolist() == [255, 255]


def test_cmyk_becomes_colour() -> None:
    image = Image.fromarray(noise(16, 16, 4), "CMYK")
    content = encoded(image, "TIFF")
    picture = decode(content)
    assert picture.mode == "CMYK"
    assert "CMYK to RGB" in picture.notes
    cmyk = np.asarray(image).astype(float)
    expected = (255 - cmyk[:, :, :3]) * (255 - cmyk[:, :, 3:]) / 255
    assert np.abs(picture.pixels - expected).max() <= 1.5
    jpeg = encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)
    assert np.abs(decode(jpeg).pixels.astype(int) - [255, 0, 0]).max() <= 12


def test_ycbcr_jpeg_is_red_where_it_was_red() -> None:
    content = encoded(Image.new("YCbCr", (16, 16), (76, 85, 255)), "JPEG", quality=95)
    picture = decode(content)
    assert picture.mode == "RGB"
    assert np.abs(picture.pixels.astype(int) - [254, 0, 0]).max() <= 6


def test_lab_becomes_colour() -> None:
    colours = Image.fromarray(noise(4, 4, 3))
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    image = ImageCms.profileToProfile(colours, srgb, lab, outputMode="LAB")
    assert image is not None
    picture = decode(encoded(image, "TIFF"))
    assert picture.mode == "LAB"
    assert np.abs(picture.pixels.astype(int) - np.asarray(colours)).mean() < 4  # two roundings to 8 bits


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "PPM", "JPEG2000"])
def test_16_bit_grey_keeps_every_value(file_format: str) -> None:
    deep = noise(9, 7, high=65536, kind=np.uint16)
    deep[0, :3] = 0, 256, 65535
    image = Image.fromarray(deep)
    picture = decode(encoded(image, file_format))
    assert picture.pixels.dtype == np.uint16
    assert np.array_equal(picture.pixels[:, :, 0], deep)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compressed", [False, True])
def test_16_bit_grey_tiff_of_both_byte_orders(order: Literal["<", ">"], compressed: bool) -> None:
    deep = noise(9, 7, 1, high=65536, kind=np.uint16)
    picture = decode(tiff(deep, order, compressed=compressed))
    assert picture.mode.startswith("I;16")
    assert np.array_equal(picture.pixels, deep)


@pytest.mark.parametrize(("colour", "channels"), [(2, 3), (6, 4), (4, 2)])
def test_16_bit_colour_png_keeps_every_value(colour: int, channels: int) -> None:
    deep = noise(9, 7, channels, high=65536, kind=np.uint16)
    picture = decode(png(deep, colour))
    assert picture.pixels.dtype == np.uint16
    if channels == 3:
        assert np.array_equal(picture.pixels, deep)
        assert picture.mode == "RGB;16"
    else:
        expected = over_white(deep[:, :, :-1].astype(float), deep[:, :, -1], 65535)
        assert np.abs(picture.pixels - expected).max() <= 1
        assert picture.notes == ("alpha over white",)
        assert picture.pixels.shape[2] == channels - 1


def test_16_bit_colour_png_with_a_transparent_colour() -> None:
    deep = noise(4, 4, 3, high=60000, kind=np.uint16)
    key = struct.pack(">HHH", *deep[2, 1].tolist())
    expected = deep.copy()
    expected[2, 1] = 65535
    assert np.array_equal(decode(png(deep, 2, extra=chunk(b"tRNS", key))).pixels, expected)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("layout", ["chunky", "separate", "compressed"])
def test_16_bit_colour_tiff_keeps_every_value(order: Literal["<", ">"], layout: str) -> None:
    deep = noise(6, 5, 3, high=65536, kind=np.uint16)
    content = tiff(deep, order, separate=layout == "separate", compressed=layout == "compressed")
    picture = decode(content)
    assert picture.pixels.dtype == np.uint16
    assert np.array_equal(picture.pixels, deep)


def test_16_bit_colour_ppm() -> None:
    deep = noise(3, 4, 3, high=4096, kind=np.uint16)
    content = b"P6\n# a comment\n4 3\n4095\n" + deep.astype(">u2").tobytes()
    picture = decode(content)
    assert np.array_equal(picture.pixels, np.rint(deep.astype(float) * 65535 / 4095))
    with pytest.raises(DecodeError, match="truncated"):
        decode(content[:-2])


def test_32_bit_integers_are_not_clipped() -> None:
    wide = noise(4, 4, high=2**20, kind=np.int32)
    wide[0, 0], wide[0, 1] = -5, 2**20
    picture = decode(encoded(Image.fromarray(wide), "TIFF"))
    assert picture.pixels.dtype == np.float32
    assert np.array_equal(picture.pixels[:, :, 0], wide)
    unsigned = np.array([[[0], [3_000_000_000]]], np.uint32)
    assert decode(tiff(unsigned)).pixels.ravel().tolist() == [0.0, 3e9]
    assert decode(encoded(Image.fromarray(np.abs(wide) % 65536), "TIFF")).pixels.dtype == np.uint16


def test_floating_point_stays_as_it_is_and_must_be_finite() -> None:
    values = RANDOM.normal(0, 1000, (5, 4)).astype(np.float32)
    picture = decode(encoded(Image.fromarray(values), "TIFF"))
    assert picture.mode == "F"
    assert np.array_equal(picture.pixels[:, :, 0], values)
    values[2, 2] = np.nan
    with pytest.raises(DecodeError, match="not finite"):
        decode(encoded(Image.fromarray(values), "TIFF"))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF", "WEBP", "MPO"])
def test_exif_orientation_is_that_of_pillow(orientation: int, file_format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if file_format == "WEBP" else {}
    content = encoded(Image.fromarray(noise(20, 12, 3)), file_format, exif=exif, **options)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(content))))
    picture = decode(content)
    assert np.array_equal(picture.pixels, expected)
    assert picture.pixels.flags["C_CONTIGUOUS"]
    assert picture.pixels.shape[0] == (20 if orientation < 5 else 12)
    assert ("turned by EXIF" in picture.notes) == (orientation != 1)


def test_exif_turns_deep_pictures_too() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = noise(5, 3, high=65536, kind=np.uint16)
    picture = decode(encoded(Image.fromarray(deep), "PNG", exif=exif))
    assert np.array_equal(picture.pixels[:, :, 0], np.rot90(deep, -1))
    colour = noise(5, 3, 3, high=65536, kind=np.uint16)
    content = png(colour, 2, extra=chunk(b"eXIf", exif.tobytes()[6:]))
    assert np.array_equal(decode(content).pixels, np.rot90(colour, -1))


def test_a_nonsense_orientation_is_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 77
    content = encoded(Image.fromarray(noise(4, 6, 3)), "PNG", exif=exif)
    assert decode(content).pixels.shape == (4, 6, 3)
    broken = png(noise(4, 6, 3), 2, bits=8, extra=chunk(b"eXIf", b"MM\0*\xff\xff"))
    assert decode(broken).pixels.shape == (4, 6, 3)


@pytest.mark.parametrize("file_format", ["GIF", "TIFF", "WEBP", "PNG"])
def test_of_several_frames_the_first_is_taken_and_said(file_format: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if file_format == "WEBP" else {}
    picture = decode(encoded(frames[0], file_format, save_all=True, append_images=frames[1:], **options))
    assert (picture.pixels == [255, 0, 0]).all()
    assert picture.notes == ("first of 3 frames",)


def test_the_pixel_cap_is_kept_before_decoding() -> None:
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 30000, 30000, 1, 0, 0, 0, 0))
    bomb += chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND")
    with pytest.raises(DecodeError, match="900,000,000 pixels; at most 100,000,000"):
        decode(bomb)
    small = encoded(Image.new("L", (11, 10)), "PNG")
    with pytest.raises(DecodeError, match="10 × 11 pixels; at most 109"):
        decode(small, pixel_cap=109)
    assert decode(small, pixel_cap=110).pixels.shape == (10, 11, 1)


def test_one_pixel_is_a_picture() -> None:
    for image in (Image.new("L", (1, 1), 7), Image.new("RGB", (1, 1)), Image.new("1", (1, 1))):
        assert decode(encoded(image, "PNG")).pixels.shape[:2] == (1, 1)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000"])
@pytest.mark.parametrize("pillow_pads", [False, True])
def test_a_truncated_file_is_an_error(file_format: str, pillow_pads: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", pillow_pads)
    content = encoded(Image.fromarray(noise(64, 64, 3)), file_format)
    for share in (0.05, 0.5, 0.9):
        with pytest.raises(DecodeError):
            decode(content[: int(len(content) * share)])
    assert ImageFile.LOAD_TRUNCATED_IMAGES is pillow_pads


def test_the_switch_stays_off_while_any_thread_decodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    content = encoded(Image.fromarray(noise(64, 64, 3)), "JPEG")
    wrong: list[str] = []

    def work(part: bytes, whole: bool) -> None:
        for _ in range(50):
            try:
                decode(part)
                if not whole:
                    wrong.append("a truncated file passed")
            except DecodeError as error:
                if whole:
                    wrong.append(str(error))

    threads = [
        threading.Thread(target=work, args=(content if n % 2 else content[: len(content) // 2], bool(n % 2)))
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\0" * 500, "zeros"),
        (b"<!DOCTYPE html><p>not found", "web page"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        (b"hello, world", "not a picture"),
        (b"\xff\xd8\xff\xe0 and nothing more", "JPEG|truncated|damaged"),
        (b"%PDF-1.7", "not a picture"),
    ],
)
def test_what_is_no_picture_is_called_what_it_is(content: bytes, words: str) -> None:
    with pytest.raises(DecodeError, match=words):
        decode(content)


def test_formats_not_on_the_list_are_refused() -> None:
    for file_format in ("PCX", "TGA", "ICO", "EPS"):
        with pytest.raises(DecodeError, match="not a picture of a known format"):
            decode(encoded(Image.new("RGB", (16, 16)), file_format))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 255), st.sampled_from(["JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP"]))
def test_a_changed_byte_gives_a_picture_or_a_decode_error(place: int, value: int, file_format: str) -> None:
    content = bytearray(encoded(Image.fromarray(np.arange(768, dtype=np.uint8).reshape(16, 16, 3)), file_format))
    content[place % len(content)] = value
    with contextlib.suppress(DecodeError):  # anything else that is raised fails the test
        assert decode(bytes(content)).pixels.ndim == 3


def test_several_sources_are_stacked_in_order(tmp_path: Path) -> None:
    red, green, colour = noise(4, 5), noise(4, 5), noise(4, 5, 3)
    sources = []
    for name, pixels in (("b.png", red), ("a.png", green), ("c.png", colour)):
        Image.fromarray(pixels).save(tmp_path / name)
        sources.append(Source("file", str(tmp_path / name)))
    picture = decode_sample(Store(), Sample("x", tuple(sources)))
    assert picture.pixels.shape == (4, 5, 5)
    assert np.array_equal(picture.pixels, np.dstack([red, green, colour]))
    assert picture.mode == "L+L+RGB"


def test_sources_that_do_not_fit_are_an_error(tmp_path: Path) -> None:
    Image.new("L", (4, 5)).save(tmp_path / "a.png")
    Image.new("L", (5, 4)).save(tmp_path / "b.png")
    sources = tuple(Source("file", str(tmp_path / name)) for name in ("a.png", "b.png"))
    with pytest.raises(DecodeError, match="differ in height×width: 5×4, 4×5"):
        decode_sample(Store(), Sample("x", sources))
    with pytest.raises(DecodeError, match=r"no\.png: the file does not exist"):
        decode_sample(Store(), Sample("x", (sources[0], Source("file", str(tmp_path / "no.png")))))
    with pytest.raises(DecodeError, match="does not exist"):
        decode_sample(Store(), Sample("x", (Source("file", str(tmp_path / "no.png")),)))


def test_8_and_16_bits_are_stacked_on_one_scale() -> None:
    store = Store({"a": np.full((1, 2, 2), 255, np.uint8), "b": np.full((1, 2, 2), 1000, np.uint16)})
    picture = decode_sample(store, Sample("x", (Source("array", "a"), Source("array", "b"))))
    assert picture.pixels.dtype == np.uint16
    assert picture.pixels[0, 0].tolist() == [65535, 1000]
    assert picture.notes == ("8 bits beside 16 brought to 16",)
    mixed = Store({"a": np.zeros((1, 2, 2), np.uint8), "b": np.zeros((1, 2, 2), np.float32)})
    with pytest.raises(DecodeError, match="float32, uint8"):
        decode_sample(mixed, Sample("x", (Source("array", "a"), Source("array", "b"))))


def test_arrays_are_pictures() -> None:
    assert picture_of_array(np.ones((2, 3), bool)).pixels.tolist() == [[[255]] * 3] * 2
    assert picture_of_array(np.zeros((2, 3, 5), np.uint8)).pixels.shape == (2, 3, 5)
    assert picture_of_array(np.zeros((2, 3))).pixels.dtype == np.float32
    for wrong in (np.zeros(3), np.zeros((0, 3)), np.zeros((2, 2), np.int64), np.full((2, 2), np.nan)):
        with pytest.raises(DecodeError):
            picture_of_array(wrong)


def test_decode_error_is_a_data_error() -> None:
    assert issubclass(DecodeError, DataError)


def test_decoding_imports_no_torch() -> None:
    code = (
        "import sys\n"
        "from striate.data import decode, store, dataset, readers\n"
        "readers.READERS.names()\n"
        "print([name for name in ('torch', 'sklearn', 'scipy') if name in sys.modules])"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert child.stdout.strip() == "[]"


def test_a_jpeg_that_ends_in_zeros_is_truncated_and_one_that_is_padded_is_not() -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.arange(64 * 64 * 3, dtype=np.uint32).reshape(64, 64, 3).astype(np.uint8)).save(buffer, "JPEG")
    content = buffer.getvalue()
    for cut in range(700, len(content) - 80, 97):
        with pytest.raises(DecodeError, match=r"truncated|damaged"):
            decode(content[:cut] + bytes(len(content) - cut))
    assert (decode(content + bytes(500)).pixels == decode(content).pixels).all()
