"""Made-up answers, scores worked out by hand where a test needs them."""

import polars as pl

TASKS = ("colour", "count")


def answers(method: str, budget: str | None, seed: int | None, scores: list[float | None]) -> pl.DataFrame:
    """One selection's answers: question q0, q1, ... in alternating tasks, two questions to an image."""
    positions = range(len(scores))
    return pl.DataFrame(
        {
            "method": method,
            "budget": budget,
            "seed": seed,
            "question_id": [f"q{i}" for i in positions],
            "image_hash": [f"image{i // 2}" for i in positions],
            "task": [TASKS[i % 2] for i in positions],
            "score": scores,
        },
        schema_overrides={"budget": pl.String, "seed": pl.Int64, "score": pl.Float64},
    )


def baseline(scores: list[float | None]) -> pl.DataFrame:
    """A baseline's answers to the same questions."""
    return answers("", None, None, scores).select("question_id", "image_hash", "task", "score")


def experiment() -> pl.DataFrame:
    """Two methods at two budgets and full data, two seeds, eight questions.

    Scores (mean over seeds): xmas 0.05 1/2, random 0.05 3/8, xmas 0.20 3/4, random 0.20 5/8, full 7/8.
    """
    right = {
        ("xmas", "0.05"): (4, 4),
        ("random", "0.05"): (3, 3),
        ("xmas", "0.20"): (6, 6),
        ("random", "0.20"): (4, 6),
        ("full", "1.00"): (7, 7),
    }
    return pl.concat(
        answers(method, budget, seed, [1.0] * count + [0.0] * (8 - count))
        for (method, budget), counts in right.items()
        for seed, count in enumerate(counts)
    )


def costs() -> pl.DataFrame:
    """Selection 10 and 20 CPU seconds (mean 15), training 100 and 300 (mean 200), for xmas at 20 % alone."""
    return pl.DataFrame(
        {
            "method": ["xmas", "xmas"],
            "budget": ["0.20", "0.20"],
            "seed": [0, 1],
            "cpu_seconds_selection": [10.0, 20.0],
            "cpu_seconds_training": [100.0, 300.0],
        }
    )
