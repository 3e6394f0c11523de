"""Our own artifacts on disk: Parquet tables and DuckDB over them."""
