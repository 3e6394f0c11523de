"""What stands for a picture in a record: a path, an address, bytes, base64, or a struct of these."""

import base64
import binascii
import re
from typing import Any

from xmas_assets.contracts.messages import shown
from xmas_assets.contracts.samples import Reason
from xmas_assets.data.nested import from_json_text
from xmas_assets.data.refusals import RefusedError, checked_text, is_empty

ImageValue = str | bytes
"""A path as written in the source, or the picture's own bytes."""

IMAGE_FIELDS = ("image", "images")
OTHER_IMAGE_FIELDS = ("image_path", "image_paths", "image_file", "img_path", "img", "file_name")
"""Read where neither of ``IMAGE_FIELDS`` holds a picture."""

# Keys of a struct or part that may hold the picture, the one to be preferred first.
_HOLDS_DATA = ("bytes", "base64", "data")
_KEYS = (*_HOLDS_DATA, "path", "url", "image", "image_url", "source")
_MAX_DEPTH = 3
_DATA_ADDRESS = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)
# How base64 of PNG, JPEG, GIF and WebP begins; a JPEG's looks like a path, so shorter texts count as one.
_BASE64_STARTS = ("iVBORw0KGgo", "/9j/", "R0lGOD", "UklGR")
_MIN_BASE64_CHARS = 64
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]+={0,2}\s*")


def images_of(record: dict[str, Any]) -> tuple[tuple[ImageValue, ...], str]:
    """The pictures of a record's image field, in order, and the field's name ("" without one).

    Raises:
        RefusedError: If two fields differ, or one holds something else than pictures.
    """
    fields = [name for name in IMAGE_FIELDS if name in record and not is_empty(record[name])]
    if not fields:
        fields = [name for name in OTHER_IMAGE_FIELDS if name in record and not is_empty(record[name])][:1]
    found = [images_in(record[name]) for name in fields]
    if len(found) == 1:
        return found[0], fields[0] if found[0] else ""
    if len(found) == 2 and found[0] != found[1] and all(found):
        raise RefusedError(Reason.BAD_IMAGE_FIELD, "'image' and 'images' are both given and differ; give one")
    return next(((images, name) for images, name in zip(found, fields, strict=True) if images), ((), ""))


def images_in(given: Any) -> tuple[ImageValue, ...]:
    """The pictures of a field's value; nulls, empty texts and structs of nulls are none."""
    if isinstance(given, str):
        given = from_json_text(given)
    items = given if isinstance(given, list) else [given]
    return tuple(image for item in items if (image := image_of(item)) is not None)


def image_of(item: Any, *, depth: int = 0) -> ImageValue | None:
    """The picture that a value stands for; None if it stands for none.

    Raises:
        RefusedError: If it is something else, or base64 that cannot be decoded.
    """
    if item is None or item == "":
        return None
    if isinstance(item, bytes):
        return item
    if isinstance(item, str):
        return _from_text(item)
    if isinstance(item, dict) and depth < _MAX_DEPTH:
        return _from_struct(item, depth)
    raise RefusedError(Reason.BAD_IMAGE_FIELD, f"an image is {shown(item)}; a path is needed")


def _from_text(text: str) -> ImageValue:
    address = _DATA_ADDRESS.match(text)
    if address is not None:
        return _decoded(text[address.end() :])
    if text.startswith(_BASE64_STARTS) and len(text) >= _MIN_BASE64_CHARS and _BASE64.fullmatch(text):
        return _decoded(text)
    return checked_text(text, "the image's path", Reason.BAD_IMAGE_FIELD)


def _from_struct(struct: dict[str, Any], depth: int) -> ImageValue | None:
    """The picture of Hugging Face's struct of bytes and path, of a typed part, or of an address in an object."""
    given = [name for name in _KEYS if not is_empty(struct.get(name))]
    if not given and all(is_empty(value) for value in struct.values()):
        return None
    if not given:
        raise RefusedError(Reason.BAD_IMAGE_FIELD, f"an image is {shown(struct)}; one of {', '.join(_KEYS)} is needed")
    name, value = given[0], struct[given[0]]
    if name in _HOLDS_DATA and isinstance(value, str) and not _DATA_ADDRESS.match(value):
        return _decoded(value)
    if name in _HOLDS_DATA and not isinstance(value, bytes | str):
        raise RefusedError(Reason.BAD_IMAGE_FIELD, f"an image's {name} is {shown(value)}; base64 or bytes are needed")
    return image_of(value, depth=depth + 1)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise RefusedError(Reason.BAD_IMAGE_FIELD, f"an image is {shown(text)}, which is not base64") from None
