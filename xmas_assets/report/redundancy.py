"""How much a dataset repeats itself, as a table for people."""

from collections.abc import Mapping

import polars as pl

from xmas_assets.core.redundancy import N_COMPONENTS, NEAR_SHARE, Redundancy

REDUNDANCY_NOTE = (
    f"Near-duplicates: rows that have another one nearer than {NEAR_SHARE:g} x the median distance of two rows; such "
    "rows linked make a group. Nearest row: median distance to it / median distance of two rows. Evenness of k-means "
    f"cluster sizes: 1 = all equal. Variance: share of the first {N_COMPONENTS} components."
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
    columns = ["space", "rows", "near-duplicates", "group rows", "nearest row", "evenness", "variance"]
    return pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")
