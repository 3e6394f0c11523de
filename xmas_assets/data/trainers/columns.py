"""Which other fields of the records an export carries, and as what: a column of a table has one type in all rows."""

import base64
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import orjson

from xmas_assets.data.validators import fields_not_read

Carried = Literal["typed", "any", "none"]
"""What a form does with other fields: typed columns, any JSON value, or nothing."""

_TYPES = {bool: "bool", int: "int64", float: "float64", str: "string"}
_JSON = "JSON text"
_INT64 = range(-(2**63), 2**63)


class Columns:
    """The columns of an export besides turns and pictures.

    Attributes:
        types: By column, ``bool``, ``int64``, ``float64`` or ``string``; for a form that takes any value, ``any``.
        names: By field of the source, the column that carries it.
        lost: By field of the source, why it is not carried.
    """

    def __init__(self, carried: Carried, *, taken: Iterable[str]) -> None:
        """Begin with no fields.

        Args:
            carried: What the form does with fields.
            taken: Names that a field cannot have, since the form or the program that reads it gives them a meaning.
        """
        self.types: dict[str, str] = {}
        self.names: dict[str, str] = {}
        self.lost: dict[str, str] = {}
        self._carried = carried
        self._taken = frozenset(taken)
        self._seen: dict[str, str | None] = {}

    def note(self, values: Mapping[str, Any]) -> None:
        """Take notice of what the fields of one record hold; done for all records before any is written."""
        for name, value in values.items():
            kind = _kind(value)
            before = self._seen.setdefault(name, kind)
            if kind is not None and kind != before:
                self._seen[name] = kind if before is None else _JSON

    def settle(self) -> None:
        """Decide, once every record was noted."""
        for field, kind in self._seen.items():
            if self._carried == "none":
                self.lost[field] = "this form has no room for other fields"
            elif kind is None:
                self.lost[field] = "it is empty in every row"
            else:
                name = self._free_name(field)
                self.names[field] = name
                self.types[name] = "any" if self._carried == "any" else "string" if kind == _JSON else kind

    def as_json(self) -> list[str]:
        """The fields that are carried as JSON text, since they are nested or of several types."""
        return [] if self._carried == "any" else [field for field in self.names if self._seen[field] == _JSON]

    def values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The columns of one row; None where the record lacks a field."""
        carried: dict[str, Any] = {}
        for field, name in self.names.items():
            value = values.get(field)
            is_text = self._carried == "typed" and self._seen[field] == _JSON and value is not None
            carried[name] = _json(value).decode() if is_text else value
        return carried if self._carried == "typed" else orjson.loads(_json(carried))

    def _free_name(self, field: str) -> str:
        name = field
        while name in self._taken or name in self.types:
            name = f"source_{name}"
        return name


def other_fields(record: Any) -> dict[str, Any]:
    """The fields of a record that are neither turns nor pictures, id or task."""
    return {name: record[name] for name in fields_not_read(record)}


def _kind(value: Any) -> str | None:
    if value is None:
        return None
    kind = _TYPES.get(type(value), _JSON)
    return _JSON if kind == "int64" and value not in _INT64 else kind


def _json(value: Any) -> bytes:
    return orjson.dumps(value, default=_as_text)


def _as_text(value: Any) -> str:
    """What JSON has no type for: bytes in base64, anything else as Python prints it."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
