"""Fields of records under the names that their users gave them."""

from collections.abc import Mapping
from typing import Any

from xmas_assets.contracts.messages import one_of
from xmas_assets.data.image_values import IMAGE_FIELDS
from xmas_assets.data.shapes import SHAPES

READ_FIELDS = ("id", "task", *IMAGE_FIELDS, *dict.fromkeys(name for shape in SHAPES for name in shape.fields), "system")
"""The fields that another name may stand for."""


def check_columns(columns: dict[str, str]) -> dict[str, str]:
    """The mapping of the users' names to ours.

    Raises:
        ValueError: If a name of ours is not known, or two names stand for one.
    """
    for theirs, ours in columns.items():
        if ours not in READ_FIELDS:
            raise ValueError(f"column {theirs[:80]!r} cannot be read as {ours[:80]!r}; {one_of(ours, READ_FIELDS)}")
        if list(columns.values()).count(ours) > 1:
            names = ", ".join(repr(name[:80]) for name, other in columns.items() if other == ours)
            raise ValueError(f"columns {names} are all to be read as {ours!r}; name one of them")
    return columns


def renamed(record: Any, columns: Mapping[str, str] | None) -> Any:
    """A record in which the users' names are ours; one that stands under our name already gives way.

    Example:
        >>> renamed({"source": "coco", "task": 7, "id": 1}, {"source": "task"})
        {'task': 'coco', 'id': 1}
    """
    if not columns or not isinstance(record, dict):
        return record
    given = {ours: record[theirs] for theirs, ours in columns.items() if theirs in record}
    return {columns.get(name, name): given.get(columns.get(name, name), value) for name, value in record.items()}
