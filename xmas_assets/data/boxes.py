"""Boxes beside the turns, as ms-swift writes them: marks in the texts, and their values in a field ``objects``."""

from collections.abc import Sequence
from typing import Any

from xmas_assets.contracts.messages import shown
from xmas_assets.contracts.samples import Reason, Turn
from xmas_assets.data.refusals import RefusedError, checked_text

BOX_MARK = "<bbox>"
NAME_MARK = "<ref-object>"
_FIELDS = {BOX_MARK: "bbox", NAME_MARK: "ref"}


def has_boxes(turns: Sequence[Turn]) -> bool:
    """Whether a text holds a mark that stands for a value in ``objects``."""
    texts = "\n".join([turn.text for turn in turns])
    return BOX_MARK in texts or NAME_MARK in texts


def filled_in(turns: Sequence[Turn], objects: Any) -> list[Turn]:
    """The turns with each ``<ref-object>`` replaced by the next name, and each ``<bbox>`` by the next box.

    A box is written as ``[x1, y1, x2, y2]`` with the numbers that the file has; none is scaled to the picture's size.

    Raises:
        RefusedError: If there are not as many marks as values, or a value is of another type.
    """
    texts = [turn.text for turn in turns]
    for mark, field in _FIELDS.items():
        values = objects.get(field) if isinstance(objects, dict) else None
        texts = _filled(texts, mark, field, values if isinstance(values, list) else [])
    return [turn._replace(text=text) for turn, text in zip(turns, texts, strict=True)]


def _filled(texts: list[str], mark: str, field: str, values: list[Any]) -> list[str]:
    n_marks = sum(text.count(mark) for text in texts)
    if n_marks != len(values):
        raise RefusedError(Reason.BOX_COUNT, f"{n_marks} {mark} marks for {len(values)} values of 'objects.{field}'")
    write = _box if mark == BOX_MARK else _name
    written = iter([write(value) for value in values])
    filled = []
    for text in texts:
        first, *others = text.split(mark)
        filled.append(first + "".join(next(written) + other for other in others))
    return filled


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise RefusedError(Reason.BAD_VALUE, f"'objects.ref' holds {shown(value)}; a text is needed")
    return checked_text(value, "a text of 'objects.ref'")


def _box(value: Any) -> str:
    is_box = isinstance(value, list) and len(value) in (2, 4)
    if not is_box or not all(isinstance(item, int | float) and not isinstance(item, bool) for item in value):
        raise RefusedError(Reason.BAD_VALUE, f"'objects.bbox' holds {shown(value)}; 2 or 4 numbers are needed")
    return f"[{', '.join(map(repr, value))}]"
