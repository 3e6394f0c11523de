import io
import re
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from xmas_assets.contracts.errors import ImageError
from xmas_assets.data import decoding
from xmas_assets.data.decoding import decode_rgb, image_format
from xmas_assets_tests.data.making import picture


def saved(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def reason(data: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        decode_rgb(data)
    return caught.value.reason


def pixel(data: bytes) -> tuple[int, int, int]:
    image, _ = decode_rgb(data)
    assert image.mode == "RGB"
    return image.getpixel((0, 0))


def png_header(width: int, height: int) -> bytes:
    """A PNG that announces a size and holds one byte of pixels."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0")),
        (b"IEND", b""),
    ]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP"])
def test_five_formats_are_told_by_content(kind):
    assert image_format(picture(kind=kind)) == kind
    assert decode_rgb(picture(kind=kind))[0].size == (8, 8)


@pytest.mark.parametrize(
    "data",
    [
        b"<html><body>404</body></html>",
        b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        b"%PDF-1.7",
        b"%!PS-Adobe-3.0 EPSF-3.0",
        b"8BPS\x00\x01",
        b"SIMPLE  =                    T",
        b"\xff\xff\x00\x08\x00\x08gd2",
        b"II*\x00",
        b"RIFF\x00\x00\x00\x00WAVE",
        b"x",
    ],
    ids=["html", "svg", "pdf", "eps", "psd", "fits", "gd", "tiff", "wave", "byte"],
)
def test_other_formats_reach_no_decoder(data, monkeypatch):
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("a decoder was asked"))
    assert reason(data) == "image_format"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP"])
def test_a_truncated_image_is_corrupt(kind):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    data = saved(Image.fromarray(noise), kind)
    assert reason(data[: len(data) // 2]) == "image_corrupt"
    assert reason(data[:14]) == "image_corrupt"


@given(st.binary(max_size=40), st.integers(0, 200), st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "BMP"]))
@settings(max_examples=300, deadline=None)
def test_damaged_bytes_end_in_a_picture_or_an_image_error_and_nothing_else(noise, place, kind):
    data = picture(kind=kind)
    damaged = data[:place] + noise + data[place + len(noise) :]
    try:
        assert decode_rgb(damaged)[0].mode == "RGB"
    except ImageError as error:
        assert error.reason.startswith("image_")


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_taken_and_it_is_told(kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    data = saved(
        frames[0], kind, save_all=True, append_images=frames[1:], **({"lossless": True} if kind == "WEBP" else {})
    )
    assert pixel(data) == (255, 0, 0)
    assert decode_rgb(data)[1] == ("animated",)


def test_16_bit_grey_keeps_its_upper_bits():
    values = np.full((8, 8), 0x8040, dtype=np.uint16)
    assert pixel(saved(Image.fromarray(values))) == (0x80, 0x80, 0x80)


def test_cmyk_becomes_the_colour_it_prints():
    """No cyan, full magenta and yellow, no black is red."""
    red, green, blue = pixel(saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"))
    assert red > 200 and green < 60 and blue < 60


def test_transparency_is_laid_on_white():
    assert pixel(saved(Image.new("RGBA", (8, 8), (0, 0, 0, 0)))) == (255, 255, 255)
    assert pixel(saved(Image.new("LA", (8, 8), (0, 0)))) == (255, 255, 255)
    assert decode_rgb(saved(Image.new("LA", (8, 8), (0, 0))))[1] == ("transparent",)


def test_a_palette_with_a_transparent_entry_is_laid_on_white():
    image = Image.new("P", (8, 8), 0)
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    shown, _ = decode_rgb(saved(image, transparency=0))
    assert [shown.getpixel(place) for place in ((0, 0), (1, 0))] == [(255, 255, 255), (40, 50, 60)]


@pytest.mark.parametrize(("mode", "value"), [("1", 1), ("L", 255)])
def test_bilevel_and_grey_become_white_where_they_are_white(mode, value):
    assert pixel(saved(Image.new(mode, (8, 8), value))) == (255, 255, 255)


def test_exif_rotation_is_applied_and_told():
    """Orientation 6: the camera was turned; the first stored row is the right-hand column."""
    image = Image.new("RGB", (16, 8), "red")
    exif = Image.Exif()
    exif[0x0112] = 6
    upright, notices = decode_rgb(saved(image, "JPEG", exif=exif))
    assert upright.size == (8, 16)
    assert notices == ("rotated",)


def test_unreadable_exif_does_not_cost_the_picture():
    data = saved(Image.new("RGB", (8, 8), "red"), "JPEG", exif=b"Exif\x00\x00garbage that is no TIFF header")
    assert decode_rgb(data)[0].size == (8, 8)


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (1, 10_000), (10_000, 1), (4, 401)])
def test_specks_and_strips_are_refused_for_their_shape(size):
    assert reason(picture(size=size)) == "image_shape"


@pytest.mark.parametrize("size", [(4, 4), (4, 400), (400, 4)])
def test_small_and_long_images_within_the_bounds_are_taken(size):
    assert decode_rgb(picture(size=size))[0].size == size


@pytest.mark.parametrize("side", [8_001, 20_000, 65_000, 2_000_000_000])
def test_a_decompression_bomb_is_refused_from_its_header(side, monkeypatch):
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("pixels were decoded"))
    assert reason(png_header(side, side)) == "image_too_large"


def test_a_compressed_text_bomb_in_a_png_is_refused():
    text = zlib.compress(b"x" * 200_000_000, 1)
    data = picture()
    chunk = b"zTXt" + b"k\0\0" + text
    bomb = data[:33] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[33:]
    assert reason(bomb) == "image_corrupt"


def test_the_pixel_cap_is_64_million():
    assert decoding.MAX_PIXELS == 64_000_000


def test_the_same_damage_is_told_in_the_same_words():
    """Pillow names the object in memory, and the version of a dataset would be another each time it is read."""
    with pytest.raises(ImageError, match=re.escape("PNG cannot be decoded (cannot identify image file)")):
        decode_rgb(png_header(9, 9)[:33])  # ends after the chunk that tells the size
