"""What a row's quality is judged by, and the rated subsets that its weight is learned from (InstructionGPT-4)."""

import csv
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from xmas_assets.annotation.chat_endpoint import ChatEndpoint
from xmas_assets.annotation.row_answers import Question, ask_rows, failed_notice, json_in, transcript
from xmas_assets.contracts.annotation import QualitySettings
from xmas_assets.contracts.errors import DatasetError, ModelError, SettingsError
from xmas_assets.contracts.manifest import Manifest
from xmas_assets.contracts.progress import ProgressCallback
from xmas_assets.contracts.samples import Sample
from xmas_assets.contracts.signals import requirement_of
from xmas_assets.core.arrays import FloatArray, IntArray
from xmas_assets.files.notes import note_bytes

_COLUMNS = ("subset", "rating")


@dataclass(frozen=True)
class RatedSubset:
    """Rows, and the quality that a model trained on them reached.

    Attributes:
        name: As the file of ratings names it.
        sample_ids: Its rows.
        rating: Larger is better.
    """

    name: str
    sample_ids: tuple[str, ...]
    rating: float


def judge_rows(
    samples: Sequence[Sample], settings: QualitySettings, *, workspace: Path, progress: ProgressCallback | None = None
) -> tuple[FloatArray, tuple[str, ...]]:
    """Ask the endpoint how good each row's answers are, or go on where a killed or failed run was.

    Args:
        samples: The rows with an image.
        settings: With an endpoint.
        workspace: Directory for finished shards; one run at a time may use it.
        progress: Called after each row.

    Returns:
        Scores 0 to 100, shape (n_samples,); a row without a readable score has the mean of the others. And what a
        person should know.

    Raises:
        ModelError: If the endpoint cannot be asked, or more than ``max_failed_share`` of the scores cannot be read;
            the answers given before are kept.
    """
    assert settings.endpoint is not None
    judge = ChatEndpoint(settings.endpoint, os.environ)
    answers = ask_rows(samples, judge, question=_QUESTION, settings=settings, workspace=workspace, progress=progress)
    notice = failed_notice(samples, answers, settings)
    scores = np.array([np.nan if answer.value is None else answer.value for answer in answers])
    if not notice:
        return scores, ()
    if np.isnan(scores).all():
        raise ModelError(f"{notice}; take another model as judge")
    return np.where(np.isnan(scores), np.nanmean(scores), scores), (f"{notice}; they count as the mean of the others",)


def quality_prompt(sample: Sample) -> str:
    """Ask how good a sample's answers are, 0 to 100."""
    return (
        "Below is a conversation about zero or more images, meant as a training example. Rate its answers: are they "
        "correct as far as the text shows, complete, relevant and clear?\n"
        'Answer with nothing but JSON, {"score": N}, where N is a number from 0 (useless) to 100 (flawless).\n\n'
        f"{transcript(sample)}"
    )


def read_score(text: str) -> float:
    """The score of a reply, 0 to 100.

    Raises:
        ValueError: If there is none, or it is out of range.

    Example:
        >>> read_score('{"score": 85}')
        85.0
    """
    score = json_in(text, "{", "}").get("score")
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 100:
        raise ValueError("the reply has no score from 0 to 100")
    return float(score)


_QUESTION = Question("quality", version=1, prompt=quality_prompt, read=read_score)


def indicator_table(sample_ids: Sequence[str], rows: IntArray, columns: Sequence[FloatArray]) -> pl.DataFrame:
    """Indicators of each row, in columns ``row``, ``sample_id`` and ``values`` (n_indicators,), float32.

    Args:
        sample_ids: Of the dataset, in row order.
        rows: Those with an image; all others are NaN.
        columns: One indicator each, of these rows; a row that has none of a kind (an image that the model's processor
            refuses) has none at all.
    """
    values = np.full((len(sample_ids), len(columns)), np.nan, dtype=np.float32)
    values[rows] = np.column_stack(columns)
    values[np.isnan(values).any(axis=1)] = np.nan
    return pl.DataFrame(
        {
            "row": pl.Series(range(len(sample_ids)), dtype=pl.Int64),
            "sample_id": pl.Series(sample_ids, dtype=pl.String),
            "values": pl.Series(values, dtype=pl.Array(pl.Float32, values.shape[1])),
        }
    )


def read_ratings(settings: QualitySettings) -> list[RatedSubset]:
    """Read the rated subsets.

    Raises:
        SettingsError: If there is no file of ratings, it lacks a column, a rating is no finite number, there are fewer
            than two subsets, or a subset's file cannot be read or is empty.
        SelectionError: If a subset's manifest cannot be read.
    """
    if settings.ratings is None:
        raise SettingsError(f"quality_ratings: {requirement_of('ratings')}; set quality.ratings to a CSV file of them")
    path = Path(settings.ratings).expanduser()
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.DictReader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(f"{path} cannot be read as CSV ({error}); set quality.ratings to a CSV file") from None
    if len(lines) < 2 or any(lines[0].get(name) is None for name in _COLUMNS):
        raise SettingsError(
            f"{path} has {len(lines)} rows with the columns {list(lines[0]) if lines else []}; give two rated subsets "
            f"or more in the columns {', '.join(_COLUMNS)}"
        )
    return [_rated(path, number, line) for number, line in enumerate(lines, start=2)]


def _rated(path: Path, number: int, line: Mapping[str, str | None]) -> RatedSubset:
    name, text = (line[column] or "" for column in _COLUMNS)
    try:
        rating = float(text)
    except ValueError:
        rating = math.nan
    if not math.isfinite(rating):
        raise SettingsError(f"{path}, line {number}: rating {text[:40]!r} is no finite number; give one")
    sample_ids = _read_subset(path.parent / Path(name).expanduser(), where=f"{path}, line {number}")
    return RatedSubset(name, sample_ids, rating)


def _read_subset(path: Path, *, where: str) -> tuple[str, ...]:
    """Ids out of a manifest, or out of a text file with one per line."""
    if path.suffix == ".json":
        return Manifest.read(path).sample_ids
    try:
        sample_ids = tuple(line for line in note_bytes(path).decode().split("\n") if line)
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{where}: subset {str(path)!r} cannot be read ({error}); give a *.manifest.json, or a text file with one "
            "sample_id per line"
        ) from None
    if not sample_ids or len(set(sample_ids)) < len(sample_ids):
        raise SettingsError(f"{where}: subset {str(path)!r} is empty or names a row twice; list each of its rows once")
    return sample_ids


def rating_table(rated: Sequence[RatedSubset], sample_ids: Sequence[str]) -> pl.DataFrame:
    """The rated subsets with their rows.

    Args:
        rated: The subsets.
        sample_ids: Of the dataset, in row order.

    Returns:
        Columns ``subset``, ``rating``, and ``rows``, ascending.

    Raises:
        DatasetError: If a subset has a row that the dataset has not.
    """
    places = {sample_id: row for row, sample_id in enumerate(sample_ids)}
    rows: list[list[int]] = []
    for subset in rated:
        strange = next((sample_id for sample_id in subset.sample_ids if sample_id not in places), None)
        if strange is not None:
            raise DatasetError(
                f"subset {subset.name[:80]!r} has row {strange[:80]!r}, which the dataset has not; rate subsets of it"
            )
        rows.append(sorted(places[sample_id] for sample_id in subset.sample_ids))
    columns = {"subset": [subset.name for subset in rated], "rating": [subset.rating for subset in rated], "rows": rows}
    return pl.DataFrame(columns, schema={"subset": pl.String, "rating": pl.Float64, "rows": pl.List(pl.Int64)})


def mean_indicators(ratings: pl.DataFrame, indicators: FloatArray) -> pl.DataFrame:
    """Mean indicators of each rated subset over its rows with an image, in the order of the subsets.

    Args:
        ratings: As ``rating_table`` makes it.
        indicators: Of the dataset's rows, shape (n_samples, n_indicators); NaN where a row has no image.

    Returns:
        Columns ``subset`` and ``indicators`` (n_indicators,), float64.

    Raises:
        DatasetError: If a subset has no row with an image.
    """
    means = np.empty((len(ratings), indicators.shape[1]))
    for number, (name, rows) in enumerate(ratings.select("subset", "rows").iter_rows()):
        values = indicators[rows].astype(np.float64)
        usable = values[~np.isnan(values).any(axis=1)]
        if not len(usable):
            raise DatasetError(f"subset {name[:80]!r} has no row with an image; rate subsets that have some")
        means[number] = usable.mean(axis=0)
    kind = pl.Array(pl.Float64, means.shape[1])
    return pl.DataFrame({"subset": ratings["subset"], "indicators": pl.Series(means, dtype=kind)})
