"""Records out of WebDataset shards: TAR files in which the files of one record stand together under one key."""

import tarfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.contracts.messages import one_line, shown
from xmas_assets.contracts.samples import Reason
from xmas_assets.data.image_values import IMAGE_FIELDS
from xmas_assets.data.images import MAX_FILE_BYTES
from xmas_assets.data.json_records import RawRecord, parsed_record
from xmas_assets.data.json_slices import MAX_RECORD_BYTES, RawSlice

IMAGE_ENDINGS = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff")
_MAX_FILES = 1000  # of one record
_TURNS = ("messages", "conversations", "prompt")
_DEPTH = 6  # turns, turn, parts, part, address, and the text in it
_OF_PARTS = ("image", "path", "url", "image_url")
_BLOCK = tarfile.BLOCKSIZE


def tar_records(path: Path, source_file: int) -> Iterator[RawRecord]:
    """Records of a shard: the JSON of each key, its pictures as bytes, and its other files as fields.

    A key is a file's path up to the first dot of its name, and the record's id if the JSON names none. Pictures are
    those that the JSON names by ending or by file name, in a field or in typed parts, in its order; if it names none of
    them but as many, or nothing, all in the order of the shard.

    Raises:
        DatasetError: If the shard is damaged, cut off, or goes on after its end.
    """
    with path.open("rb") as stream:
        members = _members(path, stream)
        for row, (key, files) in enumerate(groupby(members, lambda member: _key_of(member[0].name))):
            yield _record(key, [(member, data) for member, data in files], source_file, row)


def _members(path: Path, stream: BinaryIO) -> Iterator[tuple[tarfile.TarInfo, bytes | None]]:
    """The files of a shard with their bytes; None for what is no regular file, or too large to be held."""
    n_files = 0
    try:
        with tarfile.open(fileobj=stream, mode="r:") as shard:
            while (member := shard.next()) is not None:
                shard.members.clear()  # pyright: ignore[reportAttributeAccessIssue] - one object per file is kept otherwise
                if not member.isdir():
                    yield member, _data(shard, member)
                    n_files += 1
            stream.seek(shard.offset)
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        problem = one_line(error, 200)
        raise DatasetError(f"{path.name}: damaged after {n_files} files ({problem}); get the file again") from None
    check_end(path, stream)


def _data(shard: tarfile.TarFile, member: tarfile.TarInfo) -> bytes | None:
    most = MAX_RECORD_BYTES if _ending_of(member.name) == "json" else MAX_FILE_BYTES
    if not member.isreg() or member.issparse() or member.size > most:
        return None
    source = shard.extractfile(member)
    data = source.read() if source is not None else b""
    if len(data) < member.size:
        raise tarfile.ReadError(f"{member.name[:100]!r} ends too early")
    return data


def check_end(path: Path, stream: BinaryIO) -> None:
    """Refuse a TAR file that was cut off between two files, or that others were appended to: they would be lost.

    Raises:
        DatasetError: If it does not end where a stream stands, behind its last file.
    """
    end = stream.read(_BLOCK)
    if end.strip(b"\x00") or len(end) < _BLOCK:
        raise DatasetError(f"{path.name}: is cut off, its end mark is missing; get the file again")
    while chunk := stream.read(1 << 20):
        if chunk.strip(b"\x00"):
            raise DatasetError(
                f"{path.name}: goes on after its end mark; give the files that were joined to it one by one"
            )


def _record(key: str, files: list[tuple[tarfile.TarInfo, bytes | None]], source_file: int, row: int) -> RawRecord:
    held = {_ending_of(member.name): data for member, data in files}
    n_bytes = sum(len(data) for data in held.values() if data is not None)

    def refused(reason: Reason, detail: str) -> RawRecord:
        return RawRecord(source_file, row, held.get("json"), n_bytes, None, reason, f"{shown(key, 100)}: {detail}")

    unread = [member.name for member, data in files if data is None]
    if unread:
        return refused(Reason.BAD_VALUE, f"{shown(unread[0], 100)} is a link, no file, or too large")
    if len(held) < len(files) or len(files) > _MAX_FILES:
        return refused(Reason.BAD_VALUE, f"{len(files)} files with {len(held)} endings; each may be there once")
    if "json" not in held:
        return refused(Reason.NO_CONVERSATION, f"no .json among its files ({', '.join(held)[:200]})")
    record = parsed_record(RawSlice(0, held["json"] or b"", False), source_file, row)
    if not isinstance(record.value, dict):
        return record
    value = {"id": key, **record.value, **_other_fields(held)}
    images = _pictures(key, held, value)
    if images is None:
        named = next(value[name] for name in IMAGE_FIELDS if value.get(name))
        return refused(
            Reason.IMAGE_MISSING, f"its JSON names {shown(named, 100)}, its files are {', '.join(held)[:200]}"
        )
    value |= images
    return record._replace(value=value, n_bytes=n_bytes)


def _other_fields(held: dict[str, bytes | None]) -> dict[str, str]:
    """Files beside the JSON and the pictures, such as a caption or a class: counted as fields that are not read."""
    others = {ending: data for ending, data in held.items() if ending != "json" and not _is_picture(ending)}
    return {ending: (data or b"").decode("utf-8", "replace") for ending, data in others.items()}


def _pictures(key: str, held: dict[str, bytes | None], value: dict[str, Any]) -> dict[str, list[Any]] | None:
    """The record's field of pictures, as bytes; None if the JSON names some that are not there."""
    pictures = {ending: data for ending, data in held.items() if _is_picture(ending)}
    field = next((name for name in IMAGE_FIELDS if value.get(name)), None)
    if not pictures:
        return {}
    by_name = {name: data for ending, data in pictures.items() for name in _names(key, ending)}
    turns = {name: _with_parts(value[name], by_name) for name in _TURNS if isinstance(value.get(name), list)}
    if field is None:
        filled = [data for given in turns.values() for data in _bytes_in(given)]
        return turns if len(filled) == len(pictures) else turns | {"images": list(pictures.values())}
    named = value[field] if isinstance(value[field], list) else [value[field]]
    known = [isinstance(name, str) and name in by_name for name in named]
    if all(known):
        return turns | {field: [by_name[name] for name in named]}
    return None if any(known) or len(named) != len(pictures) else turns | {field: list(pictures.values())}


def _with_parts(value: Any, by_name: dict[str, bytes | None], *, depth: int = _DEPTH) -> Any:
    """Turns in which the names of pictures in typed parts are the pictures themselves; texts stay as they are."""
    if isinstance(value, list) and depth:
        return [_with_parts(item, by_name, depth=depth - 1) for item in value]
    if not isinstance(value, dict) or not depth:
        return value
    made = {name: _with_parts(item, by_name, depth=depth - 1) for name, item in value.items()}
    named = {name: made[name] for name in _OF_PARTS if isinstance(made.get(name), str) and made[name] in by_name}
    return made | {name: by_name[item] for name, item in named.items()}


def _bytes_in(value: Any, *, depth: int = _DEPTH) -> list[bytes]:
    """All pictures inside of turns."""
    if isinstance(value, bytes):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [data for item in items for data in _bytes_in(item, depth=depth - 1)] if depth else []


def _names(key: str, ending: str) -> tuple[str, str, str]:
    """How a record may name one of its pictures."""
    return ending, f"{key}.{ending}", f"{key.rpartition('/')[2]}.{ending}"


def _is_picture(ending: str) -> bool:
    return ending.rpartition(".")[2] in IMAGE_ENDINGS


def _key_of(name: str) -> str:
    folder, slash, file = name.rpartition("/")
    return folder + slash + file.partition(".")[0]


def _ending_of(name: str) -> str:
    return name.rpartition("/")[2].partition(".")[2].lower()
