"""``XMAS_HOME`` on disk: registered datasets, settings, stored tables and signals, locks and costs. No Dagster."""
