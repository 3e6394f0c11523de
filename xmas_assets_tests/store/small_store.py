"""A store of two tiny datasets, typed by hand, for the tests of the database and its queries."""

from pathlib import Path

import polars as pl

from xmas_assets.store.tables import partition_directory, write_tables

SAMPLES = pl.DataFrame(
    {
        "row": [0, 1, 2, 3, 4, 5],
        "sample_id": ["a", "b", "c", "d", "e", "f"],
        "task": ["count", "count", "count", "colour", "colour", None],
        "image_hashes": [["h1"], ["h1"], ["h2"], ["h1", "h1"], [], ["h2"]],
        "n_turns": [1, 1, 1, 2, 1, 1],
        "n_images": [1, 1, 1, 2, 0, 1],
    }
)
QUARANTINE = pl.DataFrame(
    {
        "split": ["samples", "samples", "samples", "test"],
        "reason": ["image_missing", "bad_json", "image_missing", "bad_json"],
        "detail": ["y.png", "line 3", "x.png", "line 9"],
    }
)
CLUSTERS = pl.DataFrame(
    {
        "row": [0, 1, 2, 3, 4, 5],
        "sample_id": ["a", "b", "c", "d", "e", "f"],
        "label": [0, 0, 1, 0, -1, 1],
        "instability": [1.0, 2.0, 4.0, 6.0, None, 5.0],
        "stability_rank": [0, 1, 0, 2, -1, 1],
    }
)
SUBSETS = {"xmas_b0.50_s0": [0, 2, 4], "random_b0.50_s1": [3, 4, 5]}
# question q1 and q2 ask for counts, q3 for a colour; the second seed of xmas left q3 unanswered
ANSWERS = {
    "xmas_b0.50_s0": [1.0, 0.0, 1.0],
    "xmas_b0.50_s1": [1.0, 1.0, None],
    "random_b0.05_s0": [0.0, 0.0, 1.0],
    "balanced_random_b0.50_s0": [1.0, 0.0, 0.0],
}


def write_store(root: Path) -> None:
    """Dataset ``shapes`` in full, and ``other`` with a single row per table that no query about shapes may see."""
    for dataset, n_rows in (("shapes", 6), ("other", 1)):
        directory = partition_directory(root, "raw_dataset", dataset=dataset)
        write_tables(directory, {"samples": SAMPLES.head(n_rows), "quarantine": QUARANTINE.head(n_rows)})
        write_tables(partition_directory(root, "clusters", dataset=dataset), {"clusters": CLUSTERS.head(n_rows)})
        for selection, rows in SUBSETS.items():
            chosen = SAMPLES.select("row", "sample_id")[rows].head(n_rows)
            write_tables(_selected(root, "selected_subset", dataset, selection), {"subset": chosen})
        for selection, scores in ANSWERS.items():
            write_tables(
                _selected(root, "benchmark_scores", dataset, selection), {"answers": _answers(scores).head(n_rows)}
            )


def _selected(root: Path, asset: str, dataset: str, selection: str) -> Path:
    return partition_directory(root, asset, dataset=dataset, selection=selection)


def _answers(scores: list[float | None]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "question_id": ["q1", "q2", "q3"],
            "sample_id": ["t1", "t2", "t3"],
            "image_hash": ["h8", "h8", "h9"],
            "task": ["count", "count", "colour"],
            "question": ["How many?", "How many?", "Which colour?"],
            "reference": ["2", "3", "red"],
            "answer": ["2", "2", "red"],
            "score": scores,
        },
        schema_overrides={"score": pl.Float64},
    )
