"""A subset of a dataset as a folder that a program trains from, with what the program wants to know about it."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import tee
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from xmas_assets.contracts.errors import OutputError
from xmas_assets.contracts.manifest import Manifest
from xmas_assets.contracts.samples import Turn
from xmas_assets.data.columns import renamed
from xmas_assets.data.export import check_unchanged
from xmas_assets.data.export_folder import exporting
from xmas_assets.data.fields import records_at
from xmas_assets.data.images import ImageRoot
from xmas_assets.data.inputs import Inputs
from xmas_assets.data.registration import Registration
from xmas_assets.data.samples import LOSS_WEIGHTS
from xmas_assets.data.trainers.columns import Columns, other_fields
from xmas_assets.data.trainers.pictures import ImageFiles, Paths, Picture, Pictures
from xmas_assets.data.trainers.rows import Row, Rows
from xmas_assets.data.trainers.tool import Guide, Tool

SAMPLE_COLUMNS = ("sample_id", "source_id", "source_file", "source_row", "task", "images", "image_hashes", "turns")
"""Columns of the samples table that an export reads; and ``loss_weights``, if the table has it."""
WEIGHTS = "weights of answers"
"""Stands for what is said beside single turns among the fields that are lost."""


@dataclass(frozen=True)
class Subset:
    """What is exported.

    Attributes:
        name: Fit for a file.
        registration: The dataset.
        manifest: What was chosen, and from which source files.
        samples: Opens the chosen rows of the samples table, ascending, as values of ``SAMPLE_COLUMNS``.
        images: Where their pictures are.
        standing: By name, ``score``, ``rank`` or ``group``, the type of the column and its value for each chosen row.
    """

    name: str
    registration: Registration
    manifest: Manifest
    samples: Callable[[], Iterator[dict[str, Any]]]
    images: ImageRoot
    standing: Mapping[str, tuple[str, list[Any]]]


class Exported(NamedTuple):
    """What was written.

    Attributes:
        n_rows: Rows in the folder.
        left_out: By reason, the sample ids of the rows that the program would not read.
        lost: By field of the source, why no row carries it.
        standing: Which of ``score``, ``rank`` and ``group`` the rows have.
    """

    n_rows: int
    left_out: dict[str, list[str]]
    lost: dict[str, str]
    standing: tuple[str, ...]


def export_for(
    subset: Subset,
    tool: Tool,
    *,
    to: Path,
    inputs: Inputs,
    image_files: ImageFiles | None = None,
    paths: Paths | None = None,
) -> Exported:
    """Write a subset to a folder, with a note of what it is; the same subset gives the same bytes.

    Every picture is compared with the hash that it had when the dataset was read. The records are read twice, a few at
    a time: first to see which fields there are.

    Args:
        subset: What is written.
        tool: For which program.
        to: The folder; missing parents are made. An earlier export, unchanged, is replaced when the new one is whole.
        inputs: What is never replaced.
        image_files: What happens to the pictures' files; None for the program's usual way.
        paths: How rows name their pictures; None for the program's usual way.

    Raises:
        OutputError: If the program's form has no such way, the program would read no row, something else is at ``to``,
            or it cannot be written.
        DatasetError: If a source file changed since the dataset was read.
        ImageError: If a picture is gone, or changed since.
    """
    image_files = image_files or tool.image_files[0]
    if image_files not in tool.image_files:
        raise OutputError(f"pictures for {tool.name} cannot be {image_files!r}; use {' or '.join(tool.image_files)}")
    check_unchanged(subset.registration, subset.manifest)
    survey = _survey(subset, tool)
    n_rows = subset.manifest.n_selected - sum(map(len, survey.left_out.values()))
    if n_rows == 0:
        raise OutputError(f"{tool.title} would read no row of {subset.name}: {'; '.join(survey.left_out)}")
    final = Path(os.path.abspath(to))  # noqa: PTH100 - a link on the way stays as the user wrote it
    with exporting(to, inputs=inputs, is_replaced=lambda note: "tool" in note) as (folder, note):
        pictures = Pictures(subset.images, folder, final, image_files, paths or tool.paths)
        opened = lambda: _rows(subset, tool, survey, pictures)  # noqa: E731
        weight = tool.weight if survey.weights else None
        rows = Rows(subset.name, survey.columns, survey.own, final, pictures.paths, n_rows, opened, weight)
        guide = tool.write(rows, folder)
        (folder / "README.md").write_text(_readme(subset, tool, guide, n_rows=n_rows), encoding="utf-8")
        (folder / f"{subset.name}.manifest.json").write_bytes(subset.manifest.to_bytes())
        note.update(tool=tool.name, dataset=subset.manifest.dataset, selection=subset.name, rows=n_rows)
        note.update(images=image_files, paths=pictures.paths, left_out=survey.left_out)
        columns = survey.columns
        note.update(fields=columns.names, fields_as_json_text=columns.as_json(), fields_lost=columns.lost)
    return Exported(n_rows, survey.left_out, survey.columns.lost, tuple(subset.standing))


class _Survey(NamedTuple):
    """What was seen of all rows before any is written: columns, which are left out for what reason, and the weights."""

    columns: Columns
    own: dict[str, str]
    left_out: dict[str, list[str]]
    weights: set[float]


def _survey(subset: Subset, tool: Tool) -> _Survey:
    standing = {name: kind for name, (kind, _) in subset.standing.items()}
    columns = Columns(tool.carried, taken={*tool.taken, "sample_id", "id", "task", *standing})
    has: dict[str, bool] = {"id": False, "task": False}
    left_out: dict[str, list[str]] = {}
    weights: set[float] = set()
    for sample, fields in _joined(subset):
        if reason := _why_unread(sample, tool):
            left_out.setdefault(reason, []).append(sample["sample_id"])
            continue
        columns.note(fields)
        weights.update(sample.get(LOSS_WEIGHTS) or ())
        has = {"id": has["id"] or sample["source_id"] is not None, "task": has["task"] or sample["task"] is not None}
    columns.settle()
    if weights and tool.weight is None:
        columns.lost[WEIGHTS] = f"{tool.title} reads none; every answer counts once"
    elif tool.weight is not None and tool.weight.is_flag and weights - {0.0, 1.0}:
        columns.lost[WEIGHTS] = f"{tool.title} knows 0 and 1; every other one counts as 1"
    return _Survey(columns, {**{name: "string" for name in has if has[name]}, **standing}, left_out, weights)


def _rows(subset: Subset, tool: Tool, survey: _Survey, pictures: Pictures) -> Iterator[Row]:
    for index, (sample, fields) in enumerate(_joined(subset)):
        if _why_unread(sample, tool):
            continue
        turns = tuple(Turn(turn["role"], turn["text"]) for turn in sample["turns"])
        images = zip(sample["images"], sample["image_hashes"], strict=True)
        known = {"id": sample["source_id"], "task": sample["task"]}
        known |= {name: values[index] for name, (_, values) in subset.standing.items()}
        columns = {name: known[name] for name in survey.own}
        yield Row(
            turns,
            tuple(Picture(ref, sha256, pictures) for ref, sha256 in images),
            {"sample_id": sample["sample_id"], **columns, **survey.columns.values(fields)},
            tuple(sample.get(LOSS_WEIGHTS) or ()),
        )


def _joined(subset: Subset) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each chosen row with the other fields of the record that it was read from; both come in source order."""
    samples, again = tee(subset.samples())  # the second is one row ahead at most
    places = ((sample["source_file"], sample["source_row"]) for sample in again)
    for sample, record in zip(samples, records_at(subset.registration, places), strict=True):
        yield sample, other_fields(renamed(record.value, subset.registration.columns))


def _why_unread(sample: Mapping[str, Any], tool: Tool) -> str | None:
    """Why the program would stop at a row, or misread it; None if it reads it."""
    for mark in tool.marks:
        if any(mark in turn["text"] for turn in sample["turns"]):
            return f"the text holds {mark}, which {tool.title} takes for the place of other media"
    return None


def _readme(subset: Subset, tool: Tool, guide: Guide, *, n_rows: int) -> str:
    head = "" if guide.head is None else f"---\n{yaml.safe_dump(guide.head, sort_keys=False)}---\n\n"
    manifest = subset.manifest
    return (
        f"{head}# {subset.name} for {tool.title}\n\n{n_rows} of the {manifest.n_samples} rows of `{manifest.dataset}`, "
        f"chosen by `{manifest.method}` with budget {manifest.budget} and seed {manifest.seed}.\n"
        f"`{subset.name}.manifest.json` replays the choice (`xmas verify`); `xmas_export.json` holds the hashes of all "
        f"files, and which rows and fields are not here.\n\n{guide.text}\n"
    )
