"""Nested values in the ways that columns hold them: as JSON text, as a struct of lists."""

from contextlib import suppress
from typing import Any

import orjson


def from_json_text(value: Any) -> Any:
    """A nested value that a column holds as JSON text; any other value as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        with suppress(orjson.JSONDecodeError):
            return orjson.loads(value)
    return value


def unpacked(value: Any) -> Any:
    """A list that a column holds as JSON text or as a struct of lists; any other value as it is.

    Example:
        >>> unpacked({"from": ["human", "gpt"], "value": ["Who?", "Me."]})
        [{'from': 'human', 'value': 'Who?'}, {'from': 'gpt', 'value': 'Me.'}]
    """
    value = from_json_text(value)
    if isinstance(value, dict) and value:
        columns = list(value.values())
        if all(isinstance(column, list) and len(column) == len(columns[0]) for column in columns):
            return [dict(zip(value, row, strict=True)) for row in zip(*columns, strict=True)]
    return value
