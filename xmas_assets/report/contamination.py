"""What is said before scores of training rows that share pictures or questions with what scores the targets."""

import polars as pl

from xmas_assets.contracts.contamination import NEAR_IMAGE, SAME_IMAGE, SAME_QUESTION, SAME_TEXT
from xmas_assets.contracts.manifest import Exclusion
from xmas_assets.report.text import visible

_TOLD = {
    SAME_QUESTION: "a whole question",
    SAME_IMAGE: "a picture",
    NEAR_IMAGE: "a picture that looks alike",
    SAME_TEXT: "only or also the words of a question",
}


def exclusion_text(rule: Exclusion) -> str:
    """How many rows no method could select, and by which rule."""
    return f"{rule.n_rows:,} rows ({', '.join(rule.kinds)}; compared with {visible(', '.join(rule.items), 200)})"


def exclusion_notes(excluded: pl.DataFrame | None) -> list[str]:
    """What was left out of the selections, in at most one sentence.

    Args:
        excluded: ``n_excluded`` and ``rule`` of each selection, null where there was no rule; None if there was none.
    """
    if excluded is None:
        return []
    if excluded["rule"].n_unique() == 1:
        n_rows = excluded["n_excluded"][0]
        return [f"{n_rows:,} contaminated rows are in no selection; budgets are shares of the other rows."]
    n_ruled = len(excluded) - excluded["rule"].null_count()
    how = f"of {n_ruled:,} of {len(excluded):,} selections only" if n_ruled < len(excluded) else "by different rules"
    return [
        f"Contaminated rows were left out {how}, so the selections are not comparable; run all of them again with xmas "
        "run."
    ]


def contamination_notes(counts: pl.DataFrame | None) -> list[str]:
    """One sentence for each benchmark that shares something with training rows.

    Args:
        counts: ``benchmark``, ``kind``, ``n_rows``, ``n_items`` and ``n_unread``; None if nothing was compared.
    """
    notes = []
    for (name,), rows in counts.group_by("benchmark", maintain_order=True) if counts is not None else ():
        shared = [
            f"{_TOLD[row['kind']]} ({row['n_rows']:,} rows, {row['n_items']:,} items)"
            for row in rows.iter_rows(named=True)
            if row["n_rows"]
        ]
        if shared:
            notes.append(f"Contamination: training rows share with {visible(name, 40)} {', '.join(shared)}.")
        if rows["n_unread"][0]:
            notes.append(
                f"{rows['n_unread'][0]:,} pictures could not be opened to be compared with {visible(name, 40)}."
            )
    return notes
