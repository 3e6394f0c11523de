"""What an asset hands to Dagster: its tables, their version, and metadata that a person can read."""

import base64
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from xmas_assets.home.home import Home
from xmas_assets.home.pictures import keep_picture
from xmas_assets.home.stored_tables import StoredTables
from xmas_assets.report.canvas import narrowed
from xmas_assets.report.text import Markdown

warnings.filterwarnings("ignore", message="Parameter `data_version`", category=dg.BetaWarning)


_PICTURE = re.compile(r"!\[\]\(data:image/png;base64,([A-Za-z0-9+/=]+)\)")


def emit(
    home: Home, staged: StoredTables, described: Mapping[str, object], *, output_name: str = "result"
) -> dg.Output:
    """The asset's output; named where there are several."""
    metadata = {name: _metadata_value(home, value) for name, value in described.items()}
    return dg.Output(staged, output_name=output_name, data_version=dg.DataVersion(staged.version), metadata=metadata)


def _metadata_value(home: Home, value: Any) -> Any:
    if isinstance(value, Markdown):
        # Dagster shows Markdown of less than 1,000 characters at once, and any other behind a click.
        return dg.MetadataValue.md(_PICTURE.sub(lambda found: _linked(home, base64.b64decode(found[1])), value))
    if isinstance(value, Path):
        return dg.MetadataValue.path(str(value))
    return value


def _linked(home: Home, png: bytes) -> str:
    """A picture that fits beside Dagster's columns; a click on it opens the whole one."""
    whole = keep_picture(home, png)
    small = keep_picture(home, narrowed(png))
    return f"![]({whole})" if small == whole else f"[![]({small})]({whole})"
