"""Read stored results with polars and with DuckDB; run comparison.py before."""

import duckdb
import polars as pl

import xmas_assets as xa

home = xa.Home.open("comparison_home")
answers = home.stored("benchmark_scores", "shapes|xmas_b0.20_s0")["answers"].scan()
by_task = answers.group_by("task").agg(pl.col("score").mean()).sort("task").collect()
print(by_task)

# Every table is a Parquet file below tables/<asset>, in folders named by dataset and selection.
files = str(home.tables() / "selected_subset" / "**" / "subset.parquet")
counts = duckdb.sql(
    f"SELECT selection, count(*) AS n_rows FROM read_parquet('{files}', hive_partitioning = true) "
    "GROUP BY selection ORDER BY selection"
)
print(counts)
