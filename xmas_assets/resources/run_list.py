"""The run list of MLflow with the columns that matter: a view that the experiment holds and a link opens.

MLflow keeps which columns are shown in each browser, and has no default that an experiment could set. What it has is
views that one user shares with another, as tags of the experiment; this is one.
"""

import json

_KEY = "xmas"
_COLUMNS = [
    "attributes.`Source`",
    "metrics.`score`",
    "metrics.`rel_percent`",
    "metrics.`vs_random`",
    "metrics.`benchmarks/rel`",
]

VIEW_TAG = f"mlflow.sharedViewState.{_KEY}"
VIEW = json.dumps(
    {
        "selectedColumns": _COLUMNS,
        "columnOrder": [],
        # By score, so that all runs stand in one list: those below a command would be folded away.
        "orderByKey": "metrics.`score`",
        "orderByAsc": False,
    }
)


def run_list(experiment_id: str) -> str:
    """Route of an experiment's run list with these columns."""
    return f"experiments/{experiment_id}/runs?viewStateShareKey={_KEY}"
