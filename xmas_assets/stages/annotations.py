"""Annotations by a model, a column or a person, from a dataset's stored tables and settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.contracts.progress import ProgressCallback
from xmas_assets.contracts.remedies import how_to_make
from xmas_assets.data.fields import field_values
from xmas_assets.data.registration import Registration
from xmas_assets.home.home import Home
from xmas_assets.home.records import pictured_samples, training_samples
from xmas_assets.home.stored_tables import StoredTables, read_base, read_sources, stage
from xmas_assets.store.reading import Table


def tags_of_rows(
    home: Home,
    dataset: str,
    raw_dataset: StoredTables,
    base_model: StoredTables,
    *,
    workspace: Path,
    progress: ProgressCallback,
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Tags of each row from the source that the settings name, and what a person should know; see ``tag_table``.

    Raises:
        DatasetError: If a source file has changed since it was read, or no record has the column.
        ModelError: If the model cannot be used or asked.
    """
    from xmas_assets.annotation.tags import ask_for_tags, tag_table, tags_of_column

    settings, samples = home.settings(dataset), training_samples(raw_dataset)
    if settings.tags.source == "column" and settings.tags.column is not None:
        values = column_of_source(home.registration(dataset), raw_dataset["samples"], settings.tags.column)
        answers = tags_of_column(values)
    else:
        answers = ask_for_tags(
            samples,
            settings.tags,
            base=read_base(base_model),
            base_settings=settings.base_model,
            workspace=workspace / "answers",
            progress=progress,
        )
    return tag_table(samples, answers, settings.tags)


def column_of_source(registration: Registration, samples: Table, field: str) -> list[Any]:
    """What each row's original record holds in a field.

    Raises:
        DatasetError: If a source file has changed since it was read, or no record has the field.
    """
    then = [file.sha256 for file in read_sources(samples)]
    now = registration.source_hashes()[: len(registration.annotations)]
    if then[: len(now)] != list(now):
        remedy = how_to_make("raw_dataset", dataset=registration.name)
        raise DatasetError(f"the source files changed since {registration.name!r} was read; {remedy}")
    places = samples.frame(["source_file", "source_row"]).iter_rows()
    return list(field_values(registration, ((int(file), int(row)) for file, row in places), field))


def quality_tables(
    home: Home,
    dataset: str,
    raw_dataset: StoredTables,
    text_lengths: StoredTables,
    clip_embeddings: StoredTables,
    quality_ratings: StoredTables,
    *,
    workspace: Path,
    progress: ProgressCallback,
) -> tuple[Mapping[str, pl.DataFrame], tuple[str, ...]]:
    """Tables ``quality_indicators`` and ``rated_subsets``, and what a person should know.

    Raises:
        DatasetError: If no row has an image, or a rated subset has none.
        ModelError: If the judge cannot be asked.
    """
    from xmas_assets.annotation.quality import indicator_table, judge_rows, mean_indicators

    samples = pictured_samples(raw_dataset)
    rows = np.flatnonzero(raw_dataset["samples"].column("n_images") > 0)
    columns: list[NDArray[Any]] = [
        clip_embeddings["clip_embeddings"].column("score")[rows],
        text_lengths["text_lengths"].column("n_answer_tokens")[rows],
    ]
    settings, notices = home.settings(dataset).quality, ()
    if settings.endpoint is not None:
        part = samples.take(rows.tolist())
        scores, notices = judge_rows(part, settings, workspace=workspace / "answers", progress=progress)
        columns.append(scores)
    indicators = indicator_table(raw_dataset["samples"].column("sample_id").tolist(), rows, columns)
    rated = mean_indicators(quality_ratings["quality_ratings"].frame(), indicators["values"].to_numpy())
    return {"quality_indicators": indicators, "rated_subsets": rated}, notices


def stage_values(workspace: Path, table: str, raw_dataset: StoredTables, **columns: NDArray[Any]) -> StoredTables:
    """Stage one value per row and column, next to ``row`` and ``sample_id``."""
    ids = raw_dataset["samples"].frame(["row", "sample_id"])
    return stage(workspace, {table: ids.with_columns(pl.Series(name, values) for name, values in columns.items())})
