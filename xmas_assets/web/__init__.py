"""The Dagster and MLflow servers behind a guard: only their own pages may use them."""
