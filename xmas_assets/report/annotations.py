"""What a person sees of signals from outside the proxy, and what must hold of them: lengths, tags, ratings."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from xmas_assets.contracts.remedies import how_to_make_again
from xmas_assets.report.text import Markdown, markdown_cell
from xmas_assets.store.reading import Table

_N_SHOWN = 20


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
    lines = ["| tag | rows |", "|---|---|", *(f"| {markdown_cell(tag)} | {count:,} |" for tag, count in shown)]
    return {
        "rows with tags": sum(map(bool, rows)),
        "rows without tags": sum(not row for row in rows),
        "different tags": len(counts),
        "tags per row": round(sum(map(len, rows)) / len(rows), 2),
        "notices": "\n".join(notices) or "none",
        "most frequent tags": Markdown("\n".join(lines)),
    }


def describe_ratings(ratings: pl.DataFrame) -> dict[str, object]:
    """The rated subsets, best first."""
    ordered = ratings.sort("rating", "subset", descending=[True, False], maintain_order=True)
    lines = ["| subset | rows | rating |", "|---|---|---|"]
    for name, rating, rows in ordered.select("subset", "rating", "rows").head(_N_SHOWN).iter_rows():
        lines.append(f"| {markdown_cell(name)} | {len(rows):,} | {rating:g} |")
    return {"rated subsets": len(ratings), "ratings": Markdown("\n".join(lines))}


def check_lengths(lengths: Table) -> list[str]:
    """No row without an answer token."""
    n_empty = int((lengths.column("n_answer_tokens") < 1).sum())
    return [f"{n_empty} rows have no answer token; {how_to_make_again('text_lengths')}"] if n_empty else []


def check_tags(tags: Table, samples: Table) -> list[str]:
    """One entry for every row of the dataset, in its order, and some row has a tag."""
    frame = tags.frame(["sample_id", "tags"])
    problems = []
    if frame["sample_id"].to_list() != samples.frame(["sample_id"])["sample_id"].to_list():
        problems.append(f"the rows are not those of the dataset; {how_to_make_again('tags')}")
    if not any(frame["tags"].to_list()):
        problems.append("no row has a tag; lower tags.min_count, or look at the source of the tags")
    return problems


def check_ratings(ratings: Table) -> list[str]:
    """Not all subsets rated alike."""
    is_varied = len(set(ratings.column("rating").tolist())) > 1
    return [] if is_varied else ["all subsets are rated alike, which teaches nothing; rate them apart"]
