"""A sheet on which people rate answers without knowing whose they are, and what comes back on it."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.data.outputs import csv_bytes
from xmas_assets.evaluation.benchmarks.base import Item, JudgedBenchmark
from xmas_assets.evaluation.benchmarks.official_files import entry, read_table

_COLUMNS = ("answer_id", "image", "question", "answer", "rating")


class RatedAnswer(NamedTuple):
    """An answer that a person is to rate; answers of several models that are the same are one."""

    answer_id: str
    item: Item
    answer: str


def answer_id(item_id: str, answer: str) -> str:
    """What an answer is called on a sheet: it names the question and the words, and no model."""
    return hashlib.sha256(f"{item_id}\0{answer}".encode()).hexdigest()[:16]


def rated_answers(items: Iterable[Item], answers: Iterable[Mapping[str, str]]) -> list[RatedAnswer]:
    """Every distinct answer to each item, by its id.

    Args:
        items: Of the benchmark.
        answers: Those of each model by item id.
    """
    models = list(answers)
    found = {}
    for item in items:
        for said in (model[item.item_id] for model in models if item.item_id in model):
            name = answer_id(item.item_id, said)
            found[name] = RatedAnswer(name, item, said)
    return [found[name] for name in sorted(found)]


def sheet(answers: Iterable[RatedAnswer], *, seed: int) -> bytes:
    """The answers as CSV in an order drawn by the seed; its last column, ``rating``, is empty."""
    rows = list(answers)
    order = np.random.default_rng(seed).permutation(len(rows))
    return csv_bytes(_COLUMNS, [_cells(rows[place]) for place in order])


def read_ratings(path: Path, *, known: Iterable[RatedAnswer], benchmark: JudgedBenchmark) -> dict[str, str]:
    """Ratings by answer id from a rater's sheet.

    Args:
        path: The sheet.
        known: All answers that could be rated.
        benchmark: Says which ratings there are.

    Raises:
        DatasetError: If it is no such sheet, an answer is not known or there twice, or a rating is missing or not one
            of the scale; in one line, with the first place.
    """
    ids = {answer.answer_id for answer in known}
    ratings: dict[str, str] = {}
    for number, row in enumerate(read_table(path, delimiter=","), start=1):
        where = f"{path}: row {number}"
        name, rating = entry(row, "answer_id", where), entry(row, "rating", where).strip()
        if name not in ids:
            raise DatasetError(f"{where}: answer {name[:40]!r} is none of {len(ids)} known ones; write the sheet again")
        if name in ratings:
            raise DatasetError(f"{where}: answer {name[:40]!r} is rated twice; leave one of its rows")
        if not rating:
            raise DatasetError(f"{where}: answer {name[:40]!r} has no rating; give one, or remove the row")
        if not benchmark.reply_is_readable(rating):
            raise DatasetError(f"{where}: rating {rating[:40]!r} is not on the scale of {benchmark.title}; correct it")
        ratings[name] = rating.upper()
    if not ratings:
        raise DatasetError(f"{path} has no rating; rate its answers first")
    return ratings


def _cells(answer: RatedAnswer) -> tuple[str, ...]:
    image = answer.item.images[0] if answer.item.images else ""
    return answer.answer_id, image if isinstance(image, str) else "", answer.item.question, answer.answer, ""
