"""What a person sees of each signal and annotation: counts and pictures, as plain values for the UI's metadata."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from xmas_assets.contracts.artifacts import ScalarTrajectories
from xmas_assets.core.arrays import rows_with_values
from xmas_assets.report.canvas import markdown_image
from xmas_assets.report.figures import histogram_figure, trajectory_figure
from xmas_assets.report.text import markdown_table
from xmas_assets.store.reading import Table
from xmas_assets.store.signal_values import row_norms, signal_columns

_N_SHOWN = 20


def describe_signal(table: Table, *, has_image: NDArray[np.bool_], notices: Sequence[str] = ()) -> dict[str, object]:
    """How many rows have a value, why others have none, and how the values are distributed.

    Args:
        table: One value, or one fixed-size list of values, per row and column; NaN where a row has none.
        has_image: Of the same rows, shape (n_rows,).
        notices: What a person should know about how it was made.
    """
    sizes = {name: row_norms(table, name) for name in signal_columns(table)}
    present = {name: ~np.isnan(values) for name, values in sizes.items()}
    shown = {f"{name}{_norm_note(table, name)}": sizes[name][rows] for name, rows in present.items() if rows.any()}
    return {
        "rows": table.n_rows,
        **{f"rows with {name}": int(rows.sum()) for name, rows in present.items()},
        **{f"rows without {name}": _without(rows, has_image) for name, rows in present.items() if not rows.all()},
        "notices": "\n".join(notices) or "none",
        "distribution": markdown_image(histogram_figure(shown)) if shown else "no row has a value",
    }


def describe_trajectories(trajectories: ScalarTrajectories, *, notices: Sequence[str] = ()) -> dict[str, object]:
    """How attention to images develops over the dataset, by quartile of its value at the last checkpoint."""
    sums = trajectories.sums[rows_with_values(trajectories.sums)]
    quartile = np.searchsorted(np.quantile(sums[:, -1], [0.25, 0.5, 0.75]), sums[:, -1])
    return {
        "rows with a trajectory": len(sums),
        "checkpoints at steps": ", ".join(map(str, trajectories.steps)),
        "notices": "\n".join(notices) or "none",
        "development by quartile": markdown_image(
            trajectory_figure(sums, quartile + 1, steps=trajectories.steps, noun="quartile")
        ),
    }


def describe_gradients(norms: NDArray[np.float32], *, notices: Sequence[str] = ()) -> dict[str, object]:
    """How long the gradients are at the last checkpoint.

    Args:
        norms: Of the rows' gradients before projection, shape (n_rows, n_checkpoints); NaN where there is none.
        notices: What a person should know about how they were made.
    """
    last = norms[~np.isnan(norms[:, -1]), -1]
    quartiles = np.quantile(last, [0, 0.25, 0.5, 0.75, 1]) if len(last) else []
    return {
        "rows with a gradient": len(last),
        "gradient norm (min, quartiles, max)": ", ".join(f"{value:.3g}" for value in quartiles) or "none",
        "notices": "; ".join(notices) or "none",
    }


def describe_lengths(lengths: NDArray[np.integer]) -> dict[str, object]:
    """Answer tokens of the rows, shape (n_rows,): how many in all, and their spread."""
    quartiles = np.quantile(lengths, [0, 0.25, 0.5, 0.75, 1])
    return {
        "rows": len(lengths),
        "answer tokens in all": int(lengths.sum()),
        "answer tokens (min, quartiles, max)": ", ".join(f"{value:g}" for value in quartiles),
    }


def describe_tags(tags: Table, *, notices: Sequence[str] = ()) -> dict[str, object]:
    """How many rows have tags, and the most frequent ones."""
    rows = tags.frame(["tags"])["tags"].to_list()
    counts = Counter(tag for row in rows for tag in row)
    shown = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:_N_SHOWN]
    table = markdown_table(["tag", "rows"], ((tag, f"{count:,}") for tag, count in shown))
    return {
        "rows with tags": sum(map(bool, rows)),
        "rows without tags": sum(not row for row in rows),
        "different tags": len(counts),
        "tags per row": round(sum(map(len, rows)) / len(rows), 2),
        "notices": "\n".join(notices) or "none",
        "most frequent tags": table,
    }


def describe_ratings(ratings: pl.DataFrame) -> dict[str, object]:
    """The rated subsets, best first."""
    ordered = ratings.sort("rating", "subset", descending=[True, False], maintain_order=True)
    shown = ordered.select("subset", "rating", "rows").head(_N_SHOWN).iter_rows()
    rows = ((name, f"{len(rows):,}", f"{rating:g}") for name, rating, rows in shown)
    return {"rated subsets": len(ratings), "ratings": markdown_table(["subset", "rows", "rating"], rows)}


def _norm_note(table: Table, column: str) -> str:
    return " (L2 norm)" if pa.types.is_fixed_size_list(table.schema.field(column).type) else ""


def _without(present: NDArray[np.bool_], has_image: NDArray[np.bool_]) -> str:
    """Why rows have no value, in words."""
    missing = ~present
    text_only, others = int((missing & ~has_image).sum()), int((missing & has_image).sum())
    return f"{text_only:,} text-only, {others:,} others (left out; see notices)"
