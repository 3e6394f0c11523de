"""What each stage does with stored tables: read them, call the floors below, stage the result. No Dagster."""
