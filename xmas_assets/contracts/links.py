"""Links between the two UIs, as they are kept with what was made: without a port, which may be another next time."""

from urllib.parse import quote

TO_DAGSTER = "/to-dagster/"
TO_MLFLOW = "/to-mlflow/"
PICTURES = "/pictures/"


def mlflow_run(experiment: str, run: str) -> str:
    """Link to a run in MLflow, from a page of either UI."""
    return f"{TO_MLFLOW}experiments/{experiment}/runs/{run}"


def dagster_run(run: str) -> str:
    """Link to a run in Dagster, from a page of either UI."""
    return f"{TO_DAGSTER}runs/{run}"


def dagster_asset(asset: str, partition: str) -> str:
    """Link to an asset's partition in Dagster, from a page of either UI."""
    return f"{TO_DAGSTER}assets/{asset}?view=partitions&partition={quote(partition)}"
