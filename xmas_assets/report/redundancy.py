"""How much a dataset repeats itself, as a table for people."""

from collections.abc import Mapping

import polars as pl

from xmas_assets.core.redundancy import N_COMPONENTS, NEAR_SHARE, Redundancy

REDUNDANCY_NOTE = (
    f"repeats: rows that have another one nearer than {NEAR_SHARE:g} x the median distance of two rows; group: mean "
    "size of such rows linked. nearest: median distance to the nearest row / median distance of two rows. evenness of "
    f"k-means cluster sizes: 1 = all equal. variance: share of the first {N_COMPONENTS} components."
)


def redundancy_cells(measures: Mapping[str, Redundancy]) -> pl.DataFrame:
    """A row per space, each measure as text."""
    rows = [
        (
            space.replace("_", " "),
            f"{found.n_rows:,}",
            f"{100 * found.duplicate_mass:.0f} %",
            f"{found.group_size:.1f}",
            f"{found.neighbour_distance:.2f}",
            f"{found.cluster_evenness:.2f}",
            f"{100 * found.leading_share:.0f} %",
        )
        for space, found in measures.items()
    ]
    columns = ["space", "rows", "repeats", "group", "nearest", "evenness", "variance"]  # fits 80 characters
    return pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")
