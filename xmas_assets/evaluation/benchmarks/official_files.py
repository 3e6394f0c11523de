"""Reading the official files of benchmarks: JSON, JSON lines and tables, with one line for what is wrong in them."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.contracts.messages import shown
from xmas_assets.evaluation.benchmarks.base import Files, Item
from xmas_assets.files.notes import json_value, note_bytes

_MAX_BYTES = 4 * 2**30  # the largest official file, MMBench with its images, is 0.2 GB
_MAX_CELL = 64 * 2**20  # characters of a table's cell; an image as base64 is one


def one_question_file(files: Files) -> Path:
    """The question file of a benchmark that has one.

    Raises:
        DatasetError: If several were given.
    """
    if len(files.questions) != 1:
        raise DatasetError(
            f"{len(files.questions)} question files were given; this benchmark has one: --questions FILE"
        )
    return files.questions[0]


def question_object(files: Files) -> tuple[Path, dict[str, Any]]:
    """The question file of a benchmark whose only one is a JSON object, and that object.

    Raises:
        DatasetError: If several were given, or it holds anything else.
    """
    path = one_question_file(files)
    return path, mapping(read_json(path), str(path))


def annotation_file(files: Files) -> Path:
    """The file of right answers.

    Raises:
        DatasetError: If none was given.
    """
    if files.annotations is None:
        raise DatasetError("this benchmark's right answers are in a file of their own; name it by --annotations FILE")
    return files.annotations


def read_json(path: Path) -> Any:
    """A JSON file's value; ``DatasetError`` if it cannot be read as JSON."""
    try:
        return json_value(_text(path))
    except ValueError as error:
        raise DatasetError(f"{path} is not JSON ({error}); get the official file again") from error


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file with one per line, blank lines left out.

    Raises:
        DatasetError: If there are none, or a line is no JSON object.
    """
    found = []
    # Not ``splitlines``: it also ends a line at characters that stand inside JSON texts.
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json_value(line)
        except ValueError as error:
            raise DatasetError(f"{path}: line {number} is not JSON ({error}); get the official file again") from error
        found.append(mapping(value, f"{path}: line {number}"))
    if not found:
        raise DatasetError(f"{path} is empty; get the official file again")
    return found


def read_lines(path: Path) -> list[str]:
    """Lines of a text file, blank ones left out; ``DatasetError`` if there are none."""
    found = [line.removesuffix("\r") for line in _text(path).split("\n") if line.strip()]
    if not found:
        raise DatasetError(f"{path} is empty; get the official file again")
    return found


def read_table(path: Path, *, delimiter: str = "\t") -> list[dict[str, str]]:
    """Rows of a table with a head, by column; ``DatasetError`` if a row has more or fewer cells than the head."""
    csv.field_size_limit(_MAX_CELL)
    text = io.StringIO(_text(path), newline="")
    try:
        rows = list(csv.DictReader(text, delimiter=delimiter, strict=True, restkey="", restval=None))
    except csv.Error as error:
        raise DatasetError(f"{path} is not a table ({error}); get the official file again") from error
    for number, row in enumerate(rows, start=1):
        if "" in row or None in row.values():
            raise DatasetError(f"{path}: row {number} has not as many cells as the head; get the official file again")
    return rows


def read_parquet(path: Path) -> list[dict[str, Any]]:
    """Rows of a Parquet file; ``DatasetError`` if it cannot be read as one."""
    import pyarrow
    from pyarrow import parquet

    try:
        return parquet.read_table(path).to_pylist()
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}); name the official file") from error
    except pyarrow.ArrowException as error:
        raise DatasetError(f"{path} is not Parquet ({type(error).__name__}); get the official file again") from error


def mapping(value: Any, where: str) -> dict[str, Any]:
    """A JSON object; ``DatasetError`` if it is anything else."""
    if not isinstance(value, dict):
        raise DatasetError(f"{where} is a {type(value).__name__}, not an object; get the official file again")
    return value


def rows_of(value: Any, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a JSON list, each with the words that name its place; ``DatasetError`` if it has none."""
    if not isinstance(value, list):
        raise DatasetError(f"{where} is a {type(value).__name__}, not a list; get the official file again")
    if not value:
        raise DatasetError(f"{where} is empty; get the official file again")
    for number, row in enumerate(value):
        yield f"{where}[{number}]", mapping(row, f"{where}[{number}]")


def entry(row: Mapping[str, Any], name: str, where: str, *, kind: type | tuple[type, ...] = str) -> Any:
    """A field of an official record.

    Args:
        row: The record.
        name: Of the field.
        where: Words that name the record's place.
        kind: What it must be.

    Raises:
        DatasetError: If it is missing or of another type.
    """
    if name not in row:
        raise DatasetError(f"{where} has no {name!r}, only {sorted(row)[:8]}; get the official file")
    value = row[name]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise DatasetError(f"{where}: {name!r} is {shown(value, 60)}, which the official file never has; get it again")
    return value


def strings_of(row: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
    """A field that is a list of texts; ``DatasetError`` if it is anything else."""
    values = entry(row, name, where, kind=list)
    if not all(isinstance(value, str) for value in values):
        raise DatasetError(
            f"{where}: {name!r} is {shown(values, 60)}, not a list of texts; get the official file again"
        )
    return tuple(values)


def answers_of(row: Mapping[str, Any], where: str) -> tuple[str, ...]:
    """What each annotator answered, from the ``answers`` of a record of VQA's form."""
    return tuple(entry(answer, "answer", place) for place, answer in rows_of(row.get("answers"), f"{where}: answers"))


def word_in_name(path: Path, words: Sequence[str]) -> str:
    """The word of these that a file's name has; ``DatasetError`` if it has none."""
    found = next((word for word in words if word in path.stem), None)
    if found is None:
        raise DatasetError(f"{path} names none of {', '.join(words)}; keep the official file names")
    return found


def with_unique_ids(items: Iterable[Item], path: Path) -> list[Item]:
    """The items; ``DatasetError`` if there are none, one has no id or no prompt, or two have the same id."""
    found = list(items)
    if not found:
        raise DatasetError(f"{path} has no questions; get the official file again")
    if not all(item.item_id and item.prompt for item in found):
        raise DatasetError(f"{path}: a question's id is empty, or its text; get the official file again")
    name, count = Counter(item.item_id for item in found).most_common(1)[0]
    if count > 1:
        raise DatasetError(f"{path}: id {name[:80]!r} occurs {count} times; get the official file again")
    return found


def answer_lines(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Objects as JSON lines, UTF-8."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _text(path: Path) -> str:
    try:
        return note_bytes(path, most=_MAX_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}); name the official file") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8 (byte {error.start}); get the official file again") from error
    except ValueError as error:
        raise DatasetError(f"{path} cannot be read: {error}; name the official file") from error
