"""Check an exported file by its manifest: that it is the file, and that it holds the selection's records in order."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import orjson

from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.contracts.errors import DatasetError, SelectionError
from xmas_assets.contracts.manifest import ExportedFile, Manifest
from xmas_assets.data.export_folder import NOTE, changed_parts
from xmas_assets.data.inputs import Inputs
from xmas_assets.data.readers import read_records
from xmas_assets.files.whole import file_sha256, temporary_path
from xmas_assets.home.home import Home
from xmas_assets.stages.exporting import write_subset
from xmas_assets.stages.subsets import stored_manifest
from xmas_assets.stages.verification import verify

_ORIGINAL = "original"


def verify_file(home: Home, path: Path) -> str:
    """Replay a manifest's selection, and check the file and the stored tables that it stands for.

    The rows are exported once more, and the file next to the manifest is compared with that.

    Returns:
        What was checked, in words.

    Raises:
        SelectionError: As ``verify``; or if the file is not there, not the one that the manifest was written with, or
            holds other records than the selection's, or the same in another order. It names the first that differs.
        StoreError: If the tables that are stored for the selection are damaged, or another's.
    """
    manifest = Manifest.read(path)
    said = verify(home, manifest)
    key = SelectionKey.make(manifest.method, manifest.budget, manifest.seed)
    if home.is_stored("selected_subset", f"{manifest.dataset}|{key}"):
        stored_manifest(home, manifest.dataset, key)
    if manifest.export is None:
        return _check_folder(path.parent, said) if path.with_name(NOTE).exists() else said
    _check_file(home, manifest, manifest.export, path)
    return f"{manifest.export.file} is as it was exported, and {said}"


def _check_folder(folder: Path, said: str) -> str:
    if changed := changed_parts(folder):
        names = ", ".join(changed[:3]) + (" and others" if len(changed) > 3 else "")
        raise SelectionError(f"{names} in {folder.name} changed since the export; export it again")
    return f"all of {folder.name} is as it was exported, and {said}"


def _check_file(home: Home, manifest: Manifest, export: ExportedFile, path: Path) -> None:
    stem = Path(export.file).stem
    if path.name != f"{stem}.manifest.json" or Path(export.file).name != export.file:
        raise SelectionError(f"{path.name} belongs to {export.file!r}; verify {stem}.manifest.json, or export it again")
    file = path.with_name(export.file)
    if not file.is_file():
        raise SelectionError(f"{file.name} of {path.name} is not next to it; put it there, or export it again")
    is_as_written = file_sha256(file) == export.sha256
    with temporary_path(home.path("work") / "verified") as folder:
        again = folder / file.name
        write_subset(
            home,
            manifest,
            to=again,
            inputs=Inputs([]),
            file_format=None if export.format == _ORIGINAL else export.format,
        )
        if is_as_written and file_sha256(again) == export.sha256:
            return
        difference = _difference(file, again)
    if difference is None and is_as_written:
        return  # written by another version of a library
    raise SelectionError(
        f"{file.name} is not what its manifest says: it {difference or 'was edited, but for its records'}; export it "
        "again"
    )


def _difference(file: Path, right: Path) -> str | None:
    """What is different in the records of a file, in words that follow its name; None if they are the same."""
    try:
        ours, theirs = list(_records(right)), list(_records(file))
    except DatasetError as error:
        return f"cannot be read ({error})"
    if ours == theirs:
        return None
    pairs = enumerate(zip(ours, theirs, strict=False), start=1)
    first = next((number for number, (one, other) in pairs if one != other), min(len(ours), len(theirs)) + 1)
    if Counter(ours) == Counter(theirs):
        return f"holds the selection's records in another order, from record {first} on"
    if len(ours) != len(theirs):
        return f"holds {len(theirs):,} records, and the selection {len(ours):,}; the first that differs is {first}"
    return f"holds another record {first} than the selection"


def _records(path: Path) -> Iterator[bytes]:
    for record in read_records((path,)):
        value = record.raw if record.value is None else record.value
        yield orjson.dumps(value, option=orjson.OPT_SORT_KEYS, default=bytes.hex)
