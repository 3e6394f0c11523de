"""Bytes into an RGB picture: which formats are let in, how large one may be, and what each odd mode becomes."""

import io
import re
import struct
import warnings
import zlib

import numpy as np
from PIL import Image, ImageOps

from xmas_assets.contracts.errors import ImageError
from xmas_assets.contracts.samples import Reason

MAX_PIXELS = 64_000_000
MIN_SIDE_PIXELS = 4  # below this a processor cannot tell pixels from channels: (3, 3, 3) is ambiguous
MAX_ASPECT = 100  # processors scale the short side up: 1 x 10,000 would become 336 x 3,360,000

warnings.filterwarnings("ignore", message="Corrupt EXIF data", module=r"PIL\.")  # the picture is read all the same

# By content, never by name. No other format (TIFF, PSD, EPS, SVG, PDF, FITS, ...) reaches a decoder.
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", 0, "PNG"),
    (b"\xff\xd8\xff", 0, "JPEG"),
    (b"GIF87a", 0, "GIF"),
    (b"GIF89a", 0, "GIF"),
    (b"WEBP", 8, "WEBP"),
    (b"BM", 0, "BMP"),
)
_PLACE = re.compile(r"<[^<>]* at 0x[0-9a-f]+>")  # an object's place in memory, another one each time
# What Pillow's decoders are known to raise on damaged files.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    AttributeError,
    NotImplementedError,
    MemoryError,
    struct.error,
    zlib.error,
)


def image_format(data: bytes) -> str:
    """Format of an image by its first bytes: PNG, JPEG, GIF, WEBP or BMP.

    Raises:
        ImageError: ``image_format`` for anything else.
    """
    for magic, offset, name in _MAGIC:
        if data[offset : offset + len(magic)] == magic:
            return name
    raise ImageError(
        Reason.IMAGE_FORMAT,
        f"starts with {data[:12]!r}; PNG, JPEG, GIF, WEBP and BMP are allowed; convert it (mogrify -format png FILE)",
    )


def decode_rgb(data: bytes) -> tuple[Image.Image, tuple[str, ...]]:
    """Decode one image completely.

    The first frame stands for an animation; EXIF orientation is applied; transparency is laid on white; 16-bit grey
    keeps its upper 8 bits; everything ends as 8-bit RGB.

    Args:
        data: The file's bytes.

    Returns:
        The picture, and notices of what was done to it (``animated``, ``rotated``, ``transparent``).

    Raises:
        ImageError: ``image_format``, ``image_corrupt``, ``image_shape``, or ``image_too_large`` (found from the
            header, before any pixel is decoded).
    """
    name = image_format(data)
    try:
        with Image.open(io.BytesIO(data), formats=(name,)) as image:
            _check_shape(*image.size)
            notices = ("animated",) if getattr(image, "is_animated", False) else ()
            image.seek(0)
            image.load()
            upright = _upright(image)
            if upright is not image:
                notices += ("rotated",)
            if upright.has_transparency_data:
                notices += ("transparent",)
            return _to_rgb(upright), notices
    except Image.DecompressionBombError:
        raise ImageError(Reason.IMAGE_TOO_LARGE, f"more than {MAX_PIXELS} pixels") from None
    except _DECODER_ERRORS as error:
        problem = " ".join(_PLACE.sub("", str(error)).split())[:120] or type(error).__name__
        raise ImageError(Reason.IMAGE_CORRUPT, f"{name} cannot be decoded ({problem})") from None


def _check_shape(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ImageError(Reason.IMAGE_TOO_LARGE, f"{width} x {height} is more than {MAX_PIXELS} pixels")
    short, long = sorted((width, height))
    if short < MIN_SIDE_PIXELS or long > MAX_ASPECT * short:
        allowed = f"sides from {MIN_SIDE_PIXELS} pixels and at most {MAX_ASPECT}:1 are allowed"
        raise ImageError(Reason.IMAGE_SHAPE, f"{width} x {height}; {allowed}")


def _upright(image: Image.Image) -> Image.Image:
    """The picture as its camera was held; the same object if nothing had to be turned or its EXIF is unreadable."""
    try:
        if image.getexif().get(0x0112, 1) in range(2, 9):
            return ImageOps.exif_transpose(image)
    except _DECODER_ERRORS:
        return image  # the pixels are fine, only the note about them is not
    return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # Pillow's own conversion clips at 255, which turns a 16-bit picture white.
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        ground = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(ground, layer).convert("RGB")
    return image.convert("RGB")
