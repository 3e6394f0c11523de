"""A subset of a dataset back in its users' form, with the manifest that says what it is."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from xmas_assets.contracts.errors import DatasetError, OutputError, SelectionError
from xmas_assets.contracts.manifest import ExportedFile, Manifest
from xmas_assets.contracts.messages import one_of
from xmas_assets.data.conversion import convert_records
from xmas_assets.data.image_archives import image_files
from xmas_assets.data.inputs import Inputs
from xmas_assets.data.json_records import RawRecord
from xmas_assets.data.originals import COPIED, write_originals
from xmas_assets.data.outputs import Claim, claim, place, place_folder, regular_file
from xmas_assets.data.readers import CONTAINERS, Container, described, detect_container, read_records
from xmas_assets.data.registration import FORMATS, Registration
from xmas_assets.files.whole import file_sha256, temporary_path

Place = tuple[int, int]
"""``(source_file, source_row)`` as in the samples table."""

_SUFFIXES: dict[str, Container] = {".json": "list", ".jsonl": "lines", ".parquet": "parquet"}
_MANIFEST = ".manifest.json"


def export_subset(
    registration: Registration,
    places: Iterable[Place],
    *,
    manifest: Manifest,
    to: Path,
    inputs: Inputs,
    file_format: str | None = None,
    force: bool = False,
) -> Path:
    """Write the selected records to ``to``, and a manifest next to it, ``<stem>.manifest.json``; return its path.

    The suffix decides between a JSON list (``.json``), JSON lines (``.jsonl``) and Parquet (``.parquet``). Without a
    format the records are the source's own, byte for byte, in the source's order (on one line each in JSON lines;
    Parquet: value for value). With one they are written anew from what was understood: id, turns, images and task;
    images that the source holds as bytes go to the folder ``<stem>_images`` next to a JSON file, which names them from
    there.

    Args:
        registration: The dataset.
        places: Which records, in any order; they are written in source order.
        manifest: What the subset is; its hashes of the source files are checked.
        to: File to write; missing folders are made. An earlier export, unchanged, is replaced when the new one is
            complete.
        inputs: What is never replaced.
        file_format: None for the source's own format, or ``llava_json, llava_jsonl, sharegpt, parquet``.
        force: Replace any regular file that is not an input.

    Raises:
        DatasetError: If a source file is not the one that was read, or a record is not there.
        OutputError: If a path may not be written, the suffix does not say the format, or the records cannot be written
            unchanged in it.
        ImageError: If an image that is to go into a Parquet file cannot be read.
    """
    regular_file(to)
    container = _container(to, file_format, registration.annotations)
    manifest_path = to.with_name(f"{to.stem}{_MANIFEST}")
    claims = _claim_both(manifest_path, to, inputs=inputs, force=force)
    check_unchanged(registration, manifest)
    try:
        with temporary_path(to) as staging:
            staging.mkdir()
            records, images = staging / to.name, staging / f"{to.stem}_images"
            _write_records(registration, places, records, container=container, file_format=file_format, images=images)
            exported = ExportedFile(file=to.name, sha256=file_sha256(records), format=file_format or "original")
            (staging / manifest_path.name).write_bytes(manifest.model_copy(update={"export": exported}).to_bytes())
            _place(claims, images, force=force)
    except OSError as error:
        raise OutputError(f"the export to {ascii(str(to))[:300]} failed: {error.strerror or error}") from error
    return manifest_path


def _container(to: Path, file_format: str | None, sources: Sequence[Path]) -> Container:
    """What the file's suffix says, after a check that the records can be written as that."""
    if file_format is not None and file_format not in FORMATS:
        raise DatasetError(f"format {file_format!r} is not known; {one_of(file_format, FORMATS)}")
    container = _SUFFIXES.get(to.suffix.lower())
    if container is None or to.name.endswith(_MANIFEST):
        raise OutputError(
            f"{ascii(to.name)[:100]} does not say its format; end the name in .json (a JSON list), .jsonl (JSON lines) "
            f"or .parquet, and not in {_MANIFEST}"
        )
    allowed = [name for name in FORMATS if container in CONTAINERS[name]]
    uncopied = [path for path in sources if detect_container(path) not in COPIED]
    if file_format is None and uncopied:
        raise OutputError(
            f"{uncopied[0].name} is {described(detect_container(uncopied[0]))}, whose rows cannot be copied unchanged; "
            f"add --format {' or '.join(allowed)} to convert them"
        )
    are_parquet = {detect_container(path) == "parquet" for path in sources}
    if file_format is None and are_parquet != {container == "parquet"}:
        held = " and ".join(sorted({described(detect_container(path)) for path in sources}))
        raise OutputError(
            f"{to.suffix} stands for {described(container)}, but the source is {held}; add --format "
            f"{' or '.join(allowed)} to convert the records, or choose another suffix"
        )
    if file_format is not None and file_format not in allowed:
        suffixes = " or ".join(suffix for suffix, held in _SUFFIXES.items() if held in CONTAINERS[file_format])
        raise OutputError(
            f"{to.suffix} stands for {described(container)}, but format {file_format!r} was asked for; end the name in "
            f"{suffixes}, or use --format {' or '.join(allowed)}"
        )
    return container


def _claim_both(manifest_path: Path, to: Path, *, inputs: Inputs, force: bool) -> list[Claim]:
    """Check that the manifest and the records may take their paths, in this order."""
    return [
        claim(manifest_path, inputs=inputs, why_not_ours=lambda: _why_not_its_manifest(manifest_path, to), force=force),
        claim(to, inputs=inputs, why_not_ours=lambda: _why_not_ours(to, manifest_path), force=force),
    ]


def _why_not_its_manifest(path: Path, to: Path) -> str | None:
    try:
        manifest = Manifest.read(path)
    except SelectionError:
        return "is not a manifest of an export"
    if manifest.export is None:
        return "does not name the file that it belongs to"
    if manifest.export.file != to.name:
        return f"belongs to {manifest.export.file!r}"
    return None if manifest.to_bytes() == path.read_bytes() else "was edited"


def _why_not_ours(to: Path, manifest_path: Path) -> str | None:
    if _why_not_its_manifest(manifest_path, to) is not None:
        return "is not an earlier export with its manifest"
    exported = Manifest.read(manifest_path).export
    return None if exported and file_sha256(to) == exported.sha256 else "was changed since it was exported"


def check_unchanged(registration: Registration, manifest: Manifest) -> None:
    """Refuse a dataset whose source files are others than those that a manifest was made of.

    Raises:
        DatasetError: Naming the file.
    """
    hashes = [file_sha256(path) for path in registration.annotations]
    expected = [file.sha256 for file in manifest.source_files]
    if hashes != expected:
        files = zip(registration.annotations, hashes, strict=True)
        changed = ", ".join(path.name for path, seen in files if seen not in expected)
        raise DatasetError(
            f"{changed or 'the list of source files'} changed since the dataset was read; "
            "restore it, or read the dataset and select again"
        )


def _write_records(
    registration: Registration,
    places: Iterable[Place],
    target: Path,
    *,
    container: Container,
    file_format: str | None,
    images: Path,
) -> None:
    wanted: list[set[int]] = [set() for _ in registration.annotations]
    for source_file, source_row in places:
        wanted[source_file].add(source_row)
    if file_format is None:
        n_written = write_originals(registration.annotations, wanted, target, container=container)
    else:

        def chosen() -> Iterator[RawRecord]:
            records = read_records(registration.annotations, registration.format, registration.columns)
            return (record for record in records if record.source_row in wanted[record.source_file])

        n_written = convert_records(
            chosen,
            file_format,
            lines=container == "lines",
            columns=registration.columns,
            read_image=image_files(registration.images).read,
            extracted=images,
            target=target,
        )
    n_wanted = sum(map(len, wanted))
    if n_written != n_wanted:
        raise DatasetError(f"{n_written} of {n_wanted} selected records are in the source; read the dataset again")


def _place(claims: Sequence[Claim], images: Path, *, force: bool) -> None:
    """Move all of an export out of its temporary folder; if one part cannot be, none is left.

    The manifest goes first: were we killed after it, the next export would find a manifest without its file, which it
    replaces; a file without its manifest would be a stranger's.
    """
    with ExitStack() as undo:
        if images.exists():
            folder = claims[0].path.with_name(images.name)
            undo.callback(place_folder(images, folder, may_merge=force or claims[0].seen is not None))
        for claimed in claims:
            finished = images.with_name(claimed.path.name)
            place(finished, claimed)
            if claimed.seen is None:
                undo.callback(claimed.path.unlink)
        undo.pop_all()
