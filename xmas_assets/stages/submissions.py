"""A target's answers to a benchmark as the file that the benchmark's own server or script takes."""

from pathlib import Path
from typing import NamedTuple

import polars as pl

from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.contracts.errors import SettingsError, StoreError
from xmas_assets.contracts.remedies import how_to_make
from xmas_assets.data.export_folder import exporting
from xmas_assets.data.inputs import Inputs
from xmas_assets.evaluation.benchmarks.registry import benchmark_named
from xmas_assets.home.home import Home
from xmas_assets.stages.benchmarks import official_items
from xmas_assets.stages.comparison import ANSWERS


class Submission(NamedTuple):
    """What was written: the file's name, and how many questions it has, with and without an answer."""

    file: str
    n_questions: int
    n_unanswered: int


def write_submission(home: Home, name: str, dataset: str, key: SelectionKey, *, out: Path) -> Submission:
    """Write the official file to a folder, with a note of what it is.

    Every question of the official file is in it, in its order; those without an answer have an empty one.

    Args:
        home: The platform's folder.
        name: A registered benchmark.
        dataset: Name of a registered dataset.
        key: The selection whose target answered.
        out: Folder to write. An earlier submission to the same benchmark, unchanged, is replaced.

    Raises:
        SettingsError: If there is no such benchmark or dataset, or its form has no file for a server.
        DatasetError: If the official files cannot be read.
        StoreError: If the target was not asked this benchmark.
        OutputError: If something else is at ``out``, or it cannot be written.
    """
    registration = home.benchmarks.registration(name)
    items = official_items(registration)
    answers = target_answers(home, name, dataset, key)
    made = benchmark_named(registration.form).submission(items, answers)
    if made is None:
        raise SettingsError(f"{registration.form} has no server; people rate it: xmas benchmark sheet {name} {dataset}")
    file, content = made
    n_unanswered = sum(item.item_id not in answers for item in items)
    inputs = Inputs.of_home(home.root)
    with exporting(out, inputs=inputs, is_replaced=lambda note: note.get("benchmark") == name) as (folder, note):
        (folder / file).write_bytes(content)
        note.update({"benchmark": name, "dataset": dataset, "selection": str(key)})
        note.update({"questions": len(items), "unanswered": n_unanswered})
    return Submission(file, len(items), n_unanswered)


def target_answers(home: Home, name: str, dataset: str, key: SelectionKey) -> dict[str, str]:
    """What a target answered, by item id; ``StoreError`` if it was not asked this benchmark."""
    home.registration(dataset)
    partition = f"{dataset}|{key}"
    if home.is_stored("benchmark_scores", partition, ANSWERS):
        frame = home.stored("benchmark_scores", partition)[ANSWERS].frame(["benchmark", "item_id", "answer"])
        rows = frame.filter(pl.col("answer").is_not_null(), benchmark=name)
        if len(rows):
            return dict(rows.select("item_id", "answer").iter_rows())
    made = how_to_make("benchmark_scores", dataset=dataset, selection=key)
    raise StoreError(f"the target of {key} was not asked {name}; {made} --benchmark {name}")
