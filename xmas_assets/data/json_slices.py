"""Byte slices of the records in JSON lists and JSON lines, one at a time, in bounded memory. No record is parsed."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.data.source_bytes import opened

MAX_RECORD_BYTES = 64 * 1024 * 1024
HEAD_BYTES = (
    8000  # what is kept of a record that is too large to hold; enough for the quarantine table's 2,000 characters
)
WRAPPERS = ("data", "rows", "records", "examples", "samples", "instances")
"""Keys under which a JSON object may hold the list of records."""
_CHUNK_BYTES = 1 << 20
_BOM = b"\xef\xbb\xbf"


def _nested(depth: int) -> bytes:
    """Pattern of an object or list that holds others at most ``depth - 1`` deep."""
    inner = b"|" + _nested(depth - 1) if depth > 1 else b""
    return rb'[{\[](?:[^"{}\[\]]++|"(?:[^"\\]++|\\.)*+"%s)*+[}\]]' % inner


# Possessive quantifiers: an unfinished string fails at once instead of being tried from every position.
_SHALLOW = re.compile(_nested(6), re.DOTALL)  # record, turns, turn, parts, part, address
_SPACE = re.compile(rb"[ \t\r\n]*+")
_TO_BRACKET = re.compile(rb'(?:[^"{}\[\]]++|"(?:[^"\\]++|\\.)*+")*+[{}\[\]]', re.DOTALL)
_SCALAR = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[^\s"{}\[\],]++', re.DOTALL)
_OUTSIDE_STRING = re.compile(rb'[^"{}\[\]]*+')
_INSIDE_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)


class RawSlice(NamedTuple):
    """Bytes of one record.

    Attributes:
        offset: Where they start in the (unpacked) file.
        raw: The bytes; only the first ones of a record that is too large.
        is_cut: Whether it is too large.
        is_unended: Whether a line is the file's last and has no line end, as after a broken download.
    """

    offset: int
    raw: bytes
    is_cut: bool
    is_unended: bool = False


def list_slices(path: Path) -> Iterator[RawSlice]:
    """The values of a file's top-level JSON list, as bytes, in order.

    Raises:
        DatasetError: If the file is not one JSON list: cut off, a comma too many or too few, text after its end.
    """
    with opened(path) as stream:
        yield from ListSplitter(path.name, stream).slices()


def wrapped_slices(path: Path) -> Iterator[RawSlice]:
    """The values of the list under one of ``WRAPPERS`` in a file that is one JSON object, as ``list_slices``."""
    with opened(path) as stream:
        yield from ListSplitter(path.name, stream).wrapped_slices()


def line_slices(path: Path) -> Iterator[RawSlice]:
    """The lines of a JSONL file that are not blank, as bytes without their line end, in order."""
    offset = 0
    with opened(path) as stream:
        while line := stream.readline(MAX_RECORD_BYTES + 1):
            start, is_cut = offset, len(line) > MAX_RECORD_BYTES
            offset += len(line)
            last = line
            while is_cut and not last.endswith(b"\n") and (last := stream.readline(_CHUNK_BYTES)):
                offset += len(last)
            text = line.removeprefix(_BOM) if start == 0 else line
            if is_cut:
                yield RawSlice(start, text[:HEAD_BYTES], True)
            elif stripped := text.strip(b" \t\r\n"):
                yield RawSlice(start + line.index(stripped), stripped, False, not line.endswith(b"\n"))


def write_records(records: Iterable[bytes], target: Path, *, lines: bool) -> int:
    """Write records, each as its bytes, as JSON lines or as one JSON list; returns how many."""
    opening, between, closing = (b"", b"\n", b"\n") if lines else (b"[", b",\n", b"]\n")
    n_written = 0
    with target.open("wb") as stream:
        stream.write(opening)
        for record in records:
            stream.write(between if n_written else b"")
            stream.write(record)
            n_written += 1
        stream.write(closing)
    return n_written


def on_one_line(record: bytes) -> bytes:
    r"""A record's JSON without line ends; no value changes, since a string in JSON cannot span lines.

    Example:
        >>> on_one_line(b'{"id": 7,\\n  "n": 1.50}')
        b'{"id": 7, "n": 1.50}'
    """
    return b" ".join(line.strip(b" \t") for line in record.splitlines())


class ListSplitter:
    """A window that slides over one JSON list or object; ``_at`` is the position in it, ``_base`` its offset."""

    def __init__(self, name: str, stream: BinaryIO, *, start: int = 0) -> None:
        """Begin to read.

        Args:
            name: Of the file, for messages.
            stream: At its beginning.
            start: Where in it to begin, from 0.
        """
        self._name = name
        self._stream = stream
        _skip(stream, start)
        self._data = stream.read(_CHUNK_BYTES)
        self._at = len(_BOM) if not start and self._data.startswith(_BOM) else 0
        self._base = start

    def slices(self) -> Iterator[RawSlice]:
        """The values of the list that the file is."""
        if self._peek() != b"[":
            raise self._error("the top level is not a list; write the records as [{...}, {...}]")
        yield from self.items()
        if self._peek():
            raise self._error("text after the end of the list; write one list per file")

    def wrapped_slices(self) -> Iterator[RawSlice]:
        """The values of the first list under one of ``WRAPPERS`` in the object that the file is."""
        is_found = False
        for name, is_list in self.members():
            if name.strip('"') in WRAPPERS and not is_found and is_list:
                is_found = True
                yield from self.items()
            else:
                self._value(0)
        if not is_found:
            raise self._error(f"an object with a list under one of {', '.join(WRAPPERS)} expected; repair the file")

    def members(self) -> Iterator[tuple[str, bool]]:
        """The fields of the top-level object, each as its name in JSON and whether it holds a list.

        Each is given before its value, which must be taken before the next one: by ``items`` if it is a list.
        """
        if self._peek() != b"{":
            raise self._error("the top level is not an object")
        self._at += 1
        while self._peek() == b'"':
            name = self._value(0).raw.decode("utf-8", "replace")
            if self._peek() != b":":
                raise self._error(f"':' expected; {self._ending_help()}")
            self._at += 1
            yield name, self._peek() == b"["
            if self._peek() == b",":
                self._at += 1
        if self._peek() != b"}":
            raise self._error(f"a field or the end of the object expected; {self._ending_help()}")
        self._at += 1
        if self._peek():
            raise self._error("text after the end of the object; write one object per file, or one record per line")

    @property
    def offset(self) -> int:
        """Where in the (unpacked) file what comes next stands."""
        return self._base + self._at

    def items(self) -> Iterator[RawSlice]:
        """The values of the list that starts here; what follows its end comes next."""
        self._at += 1
        if self._peek() != b"]":
            yield self._value(0)
            n_records = 1
            while self._peek() == b",":
                self._at += 1
                yield self._value(n_records)
                n_records += 1
            if self._peek() != b"]":
                raise self._error(f"',' or ']' expected after {n_records} records; {self._ending_help()}")
        self._at += 1

    def _value(self, row: int) -> RawSlice:
        first = self._peek()
        if first in (b"", b",", b"]", b"}"):
            raise self._error(f"record {row} expected (a comma too many, or the file is cut off); repair the file")
        offset = self._base + self._at
        length = self._nested_length() if first in b"{[" else self._scalar_length()
        if length is None or length > MAX_RECORD_BYTES:
            head = self._data[self._at : self._at + HEAD_BYTES]
            self._skip_value()
            return RawSlice(offset, head, True)
        start = self._at
        self._at += length
        return RawSlice(offset, self._data[start : self._at], False)

    def _nested_length(self) -> int | None:
        """Bytes of the object or list that starts here, None if it is larger than is ever held."""
        if (match := _SHALLOW.match(self._data, self._at)) is not None:  # in one go; what follows reads any depth
            return match.end() - self._at
        length, depth = 0, 0
        while True:
            match = _TO_BRACKET.match(self._data, self._at + length)
            if match is None:
                if len(self._data) - self._at > MAX_RECORD_BYTES:
                    return None
                self._refill_or_refuse()
                continue
            length = match.end() - self._at
            depth += 1 if self._data[match.end() - 1] in b"{[" else -1
            if depth == 0:
                return length

    def _scalar_length(self) -> int | None:
        """Bytes of the text, number or word that starts here, None if it is larger than is ever held."""
        while True:
            match = _SCALAR.match(self._data, self._at)
            if match is not None and match.end() < len(self._data):
                return match.end() - self._at
            if len(self._data) - self._at > MAX_RECORD_BYTES:
                return None
            self._refill_or_refuse()

    def _skip_value(self) -> None:
        """Move behind the value that starts here, holding no more than what is already read and one chunk."""
        depth, in_string = 0, False
        while True:
            pattern = _INSIDE_STRING if in_string else _OUTSIDE_STRING
            found = pattern.match(self._data, self._at)
            self._at = found.end() if found else self._at
            mark = self._data[self._at : self._at + 1]
            if mark in (b"", b"\\"):  # a backslash at the very end: the escaped byte is in the next chunk
                self._refill_or_refuse()
                continue
            self._at += 1
            if mark == b'"':
                in_string = not in_string
            else:
                depth += 1 if mark in b"{[" else -1
            if depth == 0 and not in_string:
                return

    def _peek(self) -> bytes:
        """The next byte that is not white space, without taking it; empty at the end of the file."""
        while True:
            space = _SPACE.match(self._data, self._at)
            self._at = space.end() if space else self._at
            if self._at < len(self._data) or not self._refill():
                return self._data[self._at : self._at + 1]

    def _refill(self) -> bool:
        """Let go of what lies behind and read on, as much again as is held; False at the end of the file."""
        held = self._data[self._at :]
        more = self._stream.read(max(_CHUNK_BYTES, len(held)))
        self._base += self._at
        self._at = 0
        self._data = held + more
        return bool(more)

    def _refill_or_refuse(self) -> None:
        if not self._refill():
            raise self._error(self._ending_help())

    def _ending_help(self) -> str:
        return "the file is cut off or a bracket or quote is missing; get the whole file or repair it"

    def _error(self, problem: str) -> DatasetError:
        return DatasetError(f"{self._name}: at byte {self._base + self._at}: {problem}")


def _skip(stream: BinaryIO, n_bytes: int) -> None:
    """Read on without keeping anything; a gzipped file cannot be entered elsewhere."""
    if stream.seekable():
        stream.seek(n_bytes)
        return
    while n_bytes and (skipped := len(stream.read(min(n_bytes, _CHUNK_BYTES)))):
        n_bytes -= skipped
