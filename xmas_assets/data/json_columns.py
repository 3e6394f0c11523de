"""Records out of one JSON object of lists by column, as pandas and Hugging Face ``datasets`` write with ``to_dict``."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import orjson

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.contracts.messages import shown
from xmas_assets.data.json_records import RawRecord, listed_records
from xmas_assets.data.json_slices import HEAD_BYTES, MAX_RECORD_BYTES, ListSplitter, RawSlice
from xmas_assets.data.shapes import SHAPES
from xmas_assets.data.source_bytes import opened

MAX_COLUMNS = 64
"""Columns of a file; each is read by a window of its own, of a megabyte or a value's size."""
_LIST_FIRST = re.compile(rb'\{\s*"(?:[^"\\]|\\.)*"\s*:\s*\[')
_NOTHING = object()
_TURNS = frozenset(shape.fields[0] for shape in SHAPES)


def is_by_column(path: Path, text: bytes) -> bool:
    """Whether a file is an object of lists by column, and not a record whose fields are all lists.

    Of a record with turns in a list, the first turn is an object with a text; by column there is a whole conversation.

    Args:
        path: The file; its first object is gone through, unless it is seen at once that it is none.
        text: Its first bytes, which begin with ``{``.
    """
    if not _LIST_FIRST.match(text):
        return False
    firsts: dict[str, Any] = {}
    with suppress(DatasetError, orjson.JSONDecodeError), opened(path) as stream:
        splitter = ListSplitter(path.name, stream)
        for name, is_list in splitter.members():
            if not is_list:
                return False
            first = _NOTHING
            for number, item in enumerate(splitter.items()):
                if number == 0:
                    first = None if item.is_cut else orjson.loads(item.raw)
                    if name.strip('"') in _TURNS and _is_turn(first):
                        return False
            firsts[name.strip('"')] = first
        known = _TURNS.intersection(firsts)
        return not any(firsts[name] is _NOTHING or _is_turn(firsts[name]) for name in known or firsts)
    return False


def _is_turn(value: Any) -> bool:
    """Whether a value is an object with a value that is no list, as a turn has; one of lists is a conversation."""
    return isinstance(value, dict) and any(not isinstance(part, list) for part in value.values())


def column_records(path: Path, source_file: int) -> Iterator[RawRecord]:
    """Records whose values stand at the same place of each list; the file is gone through twice, in bounded memory.

    Raises:
        DatasetError: If the lists are of unequal length, a column stands there twice, there are more than
            ``MAX_COLUMNS``, or a value is not JSON.
    """
    yield from listed_records(path, _row_slices(path), source_file)


def _row_slices(path: Path) -> Iterator[RawSlice]:
    """The record of each row, written as JSON."""
    starts = _starts(path)
    with ExitStack() as stack:
        streams = [stack.enter_context(opened(path)) for _ in starts]
        splitters = [
            ListSplitter(path.name, stream, start=start) for stream, start in zip(streams, starts.values(), strict=True)
        ]
        for values in zip(*(splitter.items() for splitter in splitters), strict=True):
            fields = [name.encode() + b": " + value.raw for name, value in zip(starts, values, strict=True)]
            record = b"{" + b", ".join(fields) + b"}"
            is_cut = any(value.is_cut for value in values) or len(record) > MAX_RECORD_BYTES
            yield RawSlice(values[0].offset, record[:HEAD_BYTES] if is_cut else record, is_cut)


def _starts(path: Path) -> dict[str, int]:
    """Where the list of each column begins, by its name in JSON."""
    starts: dict[str, int] = {}
    lengths: dict[str, int] = {}
    with opened(path) as stream:
        splitter = ListSplitter(path.name, stream)
        for name, is_list in splitter.members():
            if name in starts or not is_list or len(starts) == MAX_COLUMNS:
                problem = "stands there twice" if name in starts else "is no list"
                problem = problem if name in starts or not is_list else f"is one of more than {MAX_COLUMNS}"
                raise DatasetError(f"{path.name}: column {shown(name.strip(chr(34)), 40)} {problem}; repair the file")
            starts[name] = splitter.offset
            lengths[name] = sum(1 for _ in splitter.items())
    if len(set(lengths.values())) > 1:
        seen = ", ".join(f"{shown(name.strip(chr(34)), 40)} has {length}" for name, length in list(lengths.items())[:8])
        raise DatasetError(f"{path.name}: its columns are of unequal length ({seen}); write a value of each per record")
    return starts
