"""What must hold for each stage's tables; every function returns the problems it found, in words."""

from collections.abc import Mapping
from decimal import Decimal

import numpy as np
import polars as pl

from xmas_assets.contracts.artifacts import budget_count
from xmas_assets.store.reading import Table


def check_ledger(tables: Mapping[str, Table]) -> list[str]:
    """Rows in = rows out + quarantined, and the tables hold what the ledger says."""
    problems = []
    for row in tables["ledger"].scan().collect().iter_rows(named=True):
        n_refused = (
            tables["quarantine"].scan().filter(pl.col("split") == row["split"]).select(pl.len()).collect().item()
        )
        n_stored = tables[row["split"]].n_rows if row["split"] in tables else 0
        if (n_stored, n_refused) != (row["rows_out"], row["quarantined"]) or row["rows_in"] != n_stored + n_refused:
            problems.append(
                f"{row['split']}: {row['rows_in']} rows in, {n_stored} stored and {n_refused} quarantined do not add up"
            )
    return problems


def check_overlap(tables: Mapping[str, Table]) -> list[str]:
    """No test question stands in training with the same pictures and the same words."""
    return _in_common(tables["test"], "test", tables["samples"], "training") if "test" in tables else []


def check_validation(tables: Mapping[str, Table], raw: Mapping[str, Table]) -> list[str]:
    """As many rows as the ledger says, none of which stands in training or test with the same pictures and words.

    Args:
        tables: Of the validation records.
        raw: Of the dataset.
    """
    problems = check_ledger(tables) + _in_common(tables["samples"], "validation", raw["samples"], "training")
    return problems + (_in_common(tables["samples"], "validation", raw["test"], "test") if "test" in raw else [])


def check_warmup(checkpoints: Table) -> list[str]:
    """Checkpoints of ascending steps, with learning rates not below 0, and above it somewhere."""
    frame = checkpoints.scan().collect()
    problems = []
    if frame.is_empty() or not (frame["step"].is_sorted() and frame["step"].is_unique().all()):
        problems.append(f"steps {frame['step'].to_list()} are not ascending")
    rates = frame["learning_rate"].to_list()
    if not all(np.isfinite(rate) and rate >= 0 for rate in rates) or not any(rates):
        problems.append(f"mean learning rates {rates} are not above 0; raise warmup.share or warmup.epochs")
    return problems


def check_checkpoints(checkpoints: Table) -> list[str]:
    """Two or more checkpoints, of ascending steps and different weights."""
    frame = checkpoints.scan().collect()
    problems = []
    if len(frame) < 2:
        problems.append(f"{len(frame)} checkpoints; a trajectory needs 2 or more")
    if not (frame["step"].is_sorted() and frame["step"].is_unique().all()):
        problems.append(f"steps {frame['step'].to_list()} are not ascending")
    if frame["digest"].n_unique() < len(frame):
        problems.append("two checkpoints have the same weights; the proxy did not learn between them")
    return problems


def check_labels(tables: Mapping[str, Table]) -> list[str]:
    """Labels 0..K-1 with no empty cluster; -1 where there is no instability."""
    labels, moves = tables["clusters"].column("label"), tables["clusters"].column("instability")
    n_clusters = tables["centroids"].n_rows
    problems = []
    if not np.array_equal(np.unique(labels[labels >= 0]), np.arange(n_clusters)):
        problems.append(f"labels are not 0..{n_clusters - 1} with every cluster used")
    if not np.array_equal(labels < 0, np.isnan(moves)) or labels.min() < -1:
        problems.append("rows without a label and rows without instability differ")
    return problems


def check_subset(subset: Table, samples: Table, budget: Decimal, *, n_excluded: int = 0) -> list[str]:
    """Exactly the budget's number of the rows that were not excluded, ascending and unique, with the dataset's ids."""
    rows = subset.column("row")
    problems = []
    expected = budget_count(budget, samples.n_rows - n_excluded)
    if len(rows) != expected:
        problems.append(f"{len(rows)} rows selected, the budget buys {expected}")
    if len(rows) and ((np.diff(rows) <= 0).any() or rows[0] < 0 or rows[-1] >= samples.n_rows):
        problems.append("rows are not ascending, unique and inside the dataset")
    elif not np.array_equal(samples.take("sample_id", rows), subset.column("sample_id")):
        problems.append("sample ids are not those of the dataset's rows; the dataset has changed, select again")
    return problems


def check_answers(answers: Table) -> list[str]:
    """Each question once, and scores in 0..1."""
    frame = answers.scan().select("question_id", "score").collect()
    problems = []
    if frame["question_id"].n_unique() < len(frame):
        problems.append("a question was answered twice")
    if not frame["score"].is_between(0, 1).all():
        problems.append("a score is outside 0..1")
    return problems


def check_speech(answers: Table) -> list[str]:
    """A model that says something."""
    said = answers.column("answer")
    if len(said) and not any(said):
        return [f"all {len(said)} answers are empty; the model says nothing, look at its training"]
    return []


def _in_common(some: Table, name: str, others: Table, other_name: str) -> list[str]:
    """The records of one table that ask what a record of the other asks, in words."""
    common = _asked(some).collect().join(_asked(others).collect(), on="asked", how="semi")
    if common.is_empty():
        return []
    first = ", ".join(common["sample_id"].head(3))
    return [
        f"{len(common)} {name} records have the pictures and question of a {other_name} record (first: {first}); "
        "remove them from one of the two files"
    ]


def _asked(samples: Table) -> pl.LazyFrame:
    """Pictures and first question of each record as one hash-like text."""
    question = pl.col("turns").list.eval(pl.element().filter(pl.element().struct["role"] == "user").struct["text"])
    pictures = pl.col("image_hashes").list.join(",")
    text = question.list.first().str.strip_chars()
    return samples.scan().select("sample_id", asked=pl.concat_str(pictures, text, separator="\n"))
