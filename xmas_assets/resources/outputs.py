"""What an asset hands to Dagster: its tables, their version, and metadata that a person can read."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from xmas_assets.home.stored_tables import StoredTables
from xmas_assets.report.text import Markdown

warnings.filterwarnings("ignore", message="Parameter `data_version`", category=dg.BetaWarning)


def emit(staged: StoredTables, described: Mapping[str, object], *, output_name: str = "result") -> dg.Output:
    """The asset's output; named where there are several."""
    metadata = {name: _metadata_value(value) for name, value in described.items()}
    return dg.Output(staged, output_name=output_name, data_version=dg.DataVersion(staged.version), metadata=metadata)


def _metadata_value(value: Any) -> Any:
    if isinstance(value, Markdown):
        return dg.MetadataValue.md(str(value))
    if isinstance(value, Path):
        return dg.MetadataValue.path(str(value))
    return value
