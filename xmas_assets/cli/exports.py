"""``xmas export``: a subset as records of its source's own form, or as a folder that another program trains from."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from xmas_assets.cli.options import (
    Dataset,
    Selection,
    find_home,
    format_names,
    image_file_ways,
    path_kinds,
    tool_names,
)
from xmas_assets.cli.output import note

if TYPE_CHECKING:
    from xmas_assets.contracts.artifacts import SelectionKey
    from xmas_assets.data.trainers.export import Exported
    from xmas_assets.home.home import Home

app = typer.Typer()
Word = TypeVar("Word", bound=str)


@app.command()
def export(
    dataset: Dataset,
    selection: Selection,
    to: Annotated[
        Path,
        typer.Option(
            help="File to write, .json, .jsonl or .parquet, with its manifest next to it; with --for, a folder."
        ),
    ],
    tool: Annotated[
        str | None,
        typer.Option("--for", help="Write a folder that this program trains from.", autocompletion=tool_names),
    ] = None,
    image_files: Annotated[
        str | None,
        typer.Option(
            help="With --for: copy the pictures into the folder, link them there, leave them where they are, or embed "
            "them in the rows.",
            autocompletion=image_file_ways,
        ),
    ] = None,
    paths: Annotated[
        str | None,
        typer.Option(
            help="With --for: name pictures by paths that count from the folder, or by absolute ones.",
            autocompletion=path_kinds,
        ),
    ] = None,
    with_scores: Annotated[
        bool, typer.Option("--with-scores", help="With --for: add the method's score, rank and group of each row.")
    ] = False,
    format: Annotated[  # noqa: A002
        str | None, typer.Option(help="Write the records anew, as this format.", autocompletion=format_names)
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that is no earlier export; never an input.")
    ] = False,
) -> None:
    """Write a subset: its original records, unchanged and in order, or with --for what another program trains from.

    Example: xmas export mine xmas_b0.20_s0 --to subset.json
    """
    from xmas_assets.contracts.artifacts import SelectionKey
    from xmas_assets.contracts.errors import SettingsError
    from xmas_assets.stages.exporting import export_selection

    home, key = find_home(), SelectionKey.read(selection)
    if tool is not None:
        if format is not None or force:
            raise SettingsError("--format and --force are for single files; leave them out, or --for")
        _export_for(home, tool, dataset, key=key, to=to, image_files=image_files, paths=paths, with_scores=with_scores)
        return
    if image_files is not None or paths is not None or with_scores:
        raise SettingsError(
            f"--image-files, --paths and --with-scores need --for with one of {', '.join(tool_names())}"
        )
    manifest, written = export_selection(home, dataset, key, to=to, file_format=format, force=force)
    print(f"{manifest.n_selected:,} records in {to}, manifest in {written}")


def _export_for(
    home: "Home",
    name: str,
    dataset: str,
    *,
    key: "SelectionKey",
    to: Path,
    image_files: str | None,
    paths: str | None,
    with_scores: bool,
) -> None:
    from xmas_assets.data.trainers.pictures import IMAGE_FILES, PATHS
    from xmas_assets.data.trainers.registry import TOOLS
    from xmas_assets.stages.exporting import export_for_tool

    _one_of(name, tuple(TOOLS), "--for")
    tool = TOOLS[name]
    exported = export_for_tool(
        home,
        dataset,
        key,
        tool=tool,
        to=to,
        image_files=_one_of(image_files, IMAGE_FILES, "--image-files"),
        paths=_one_of(paths, PATHS, "--paths"),
        with_scores=with_scores,
    )
    print(f"{exported.n_rows:,} records in {to} for {tool.title}; {to / 'README.md'} says how to load them")
    for line in _remarks(exported, with_scores=with_scores):
        note(line)


def _remarks(exported: "Exported", *, with_scores: bool) -> list[str]:
    """What is not in the folder, one line each."""
    remarks = []
    if exported.left_out:
        reasons = "; ".join(f"{len(ids):,}: {reason}" for reason, ids in exported.left_out.items())
        remarks.append(f"Left out, and listed in xmas_export.json: {reasons}.")
    if exported.lost:
        remarks.append(f"Fields of the source that are not carried: {', '.join(exported.lost)}.")
    missing = [name for name in ("score", "rank") if name not in exported.standing]
    if with_scores and missing:
        remarks.append(f"The method gives rows no {' and no '.join(missing)}.")
    return remarks


def _one_of(word: str | None, allowed: tuple[Word, ...], option: str) -> Word | None:
    """The word that was given, if it is an allowed one; None if none was."""
    from xmas_assets.contracts.errors import SettingsError
    from xmas_assets.contracts.messages import one_of

    if word is not None and word not in allowed:
        raise SettingsError(f"{option} {word!r} is not known; {one_of(word, allowed)}")
    return next((each for each in allowed if each == word), None)
