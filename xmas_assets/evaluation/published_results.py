"""What papers say that their methods reach: numbers to look at next to one's own, never to mix with them."""

from importlib.resources import files

import polars as pl

_TABLE = "relative_performance.csv"

NOTE = (
    "Published numbers are of the papers' data, models and benchmarks, not of yours. Where it says abstract, that is "
    "the source, and an empty cell is not said there. The papers' full tables are not in this package."
)
"""What a reader of the table must know."""


def published_results() -> pl.DataFrame:
    """Rel% as published, one row per number.

    Returns:
        ``paper``, ``arxiv`` (id with version), ``place`` in the paper, ``method`` as it is called here, ``data``,
        ``model``, ``n_benchmarks``, ``budget`` (decimal string), ``bound`` (``>=`` or ``>`` where the paper only gives
        a bound), ``rel_percent`` of training on everything. Null where the source does not say.
    """
    text = files("xmas_assets.evaluation").joinpath("published", _TABLE).read_bytes()
    return pl.read_csv(text, schema_overrides={"budget": pl.String, "rel_percent": pl.Float64})


def beside_own(leaderboard: pl.DataFrame) -> pl.DataFrame:
    """``published_results`` with ``own_rel_percent`` of the same method and budget on a leaderboard, null without."""
    own = leaderboard.filter(pl.col("budget").is_not_null()).select(
        "method", "budget", pl.col("rel_percent").alias("own_rel_percent")
    )
    return published_results().join(own, on=["method", "budget"], how="left", maintain_order="left")
