"""Small pictures for a page, and how many of them fit into it."""

import base64
import io

from PIL import Image

_SIDES = ((8_000, 96), (20_000, 64))  # pixels of the longer side, for up to so many pictures
_SMALLEST = 48
_QUALITY = 65


def thumbnail_side(n_pictures: int) -> int:
    """Pixels of the longer side of each, so that so many of them fit."""
    return next((side for most, side in _SIDES if n_pictures <= most), _SMALLEST)


def thumbnail(image: Image.Image, side: int) -> str:
    """The picture as a small JPEG in text that needs no other file."""
    small = image.convert("RGB")
    small.thumbnail((side, side), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
