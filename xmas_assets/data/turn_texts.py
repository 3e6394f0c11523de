"""The text of a turn out of its content, and the pictures that stand in it: typed parts, marks of several families."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from xmas_assets.contracts.messages import shown
from xmas_assets.contracts.samples import IMAGE_MARK, Reason, Turn
from xmas_assets.data.image_values import ImageValue, image_of
from xmas_assets.data.refusals import RefusedError, is_empty, text_of

Place = ImageValue | int | None
"""What a mark stands for: a picture named in the text itself, the number of one (from 1), or the next of the record."""

_TEXT_PARTS = ("text", "input_text", "output_text")
_IMAGE_PARTS = ("image", "image_url", "input_image")
_NO_PICTURE = ("type", "text", "detail", "index", "min_pixels", "max_pixels", "resized_height", "resized_width")
_OTHER_MEDIA = ("video", "video_url", "audio", "audio_url", "input_audio", "input_video")

# Marks of other families, each a whole picture. A name between <img> tags is the picture's path, as in Qwen-VL.
_OTHER_MARKS = re.compile(
    r"<img>(?:<IMG_CONTEXT>)+</img>|<img>(?P<path>[^<>\n]{1,4096})</img>|(?:<IMG_CONTEXT>)+|<ImageHere>"
    r"|<\|vision_start\|>(?:<\|image_pad\|>)+<\|vision_end\|>|(?:<\|image_pad\|>)+"
    r"|<\|image_(?P<number>[0-9]{1,4})\|>|<\|image\|>|<start_of_image>|<__dj__image>"
)


class Content(NamedTuple):
    """A turn's text, with ``<image>`` for each picture, and what each mark stands for."""

    text: str
    places: tuple[Place, ...]


def content_of(given: Any, where: str) -> Content:
    """Read a text or a list of typed parts.

    The parts' texts are joined as they stand, as chat templates do.

    Raises:
        RefusedError: If it is neither, or a part is a video or sound, or of no known type.
    """
    if not isinstance(given, list):
        text = text_of(given, where)
        return Content(text, (None,) * text.count(IMAGE_MARK))
    texts, places = [], []
    for part in given:
        text, new_places = _part(part, where)
        texts.append(text)
        places += new_places
    return Content("".join(texts), tuple(places))


def _part(part: Any, where: str) -> Content:
    kind = part.get("type") if isinstance(part, dict) else None
    if isinstance(part, dict) and kind is None:  # Qwen-VL's first form: {"image": ...} and {"text": ...}
        kind = next((name for name in ("text", "image", "video", "audio") if part.get(name) is not None), None)
    if kind in _TEXT_PARTS:
        return content_of(text_of(part.get("text"), f"a part of {where}"), where)
    if kind in _IMAGE_PARTS:
        held = {name: value for name, value in part.items() if name not in _NO_PICTURE and not is_empty(value)}
        return Content(IMAGE_MARK, (image_of(held) if held else None,))
    if kind in _OTHER_MEDIA:
        raise RefusedError(Reason.OTHER_MEDIUM, f"{where} has a part of type {kind!r}; only text and images are read")
    raise RefusedError(Reason.BAD_VALUE, f"{where} has a part {shown(part)}; text and image are known")


def with_own_marks(turns: Sequence[Turn]) -> tuple[list[Turn], list[Place], str]:
    """Texts without ``<image>`` but with marks of another family: the same with ``<image>``.

    Returns:
        The turns, what each mark stands for, and the first mark as it was written ("" if there is none).
    """
    places: list[Place] = []
    written = ""

    def replaced(match: re.Match[str]) -> str:
        nonlocal written
        written = written or match[0]
        number, path = match["number"], match["path"]
        places.append(int(number) if number else path.strip() if path else None)
        return IMAGE_MARK

    changed = [
        turn._replace(text=_OTHER_MARKS.sub(replaced, turn.text)) if turn.role == "user" and "<" in turn.text else turn
        for turn in turns
    ]
    return changed, places, written
