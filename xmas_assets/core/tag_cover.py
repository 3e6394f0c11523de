"""Order tagged rows so that every head of the order covers many tags with few rows."""

from collections.abc import Hashable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray


def complexity_first_order(tags: Sequence[Iterable[Hashable]]) -> NDArray[np.int64]:
    """Rows by rounds: in each, from the most tags to the fewest, those that bring a tag which the round lacks.

    One pass gives what the rounds would: a row belongs to the first round that lacks one of its tags, and only rows
    before it decide which those are. So the cost is that of reading the tags, not rounds times rows.

    Args:
        tags: Tags of each row; repeated ones count once.

    Returns:
        All rows, shape (n_rows,), int64. Of rows with equally many tags the lower comes first; rows without tags, which
        no round takes, come last.

    Source:
        InsTag (arXiv 2308.07074), algorithm 1 (complexity-first diverse sampling).

    Example:
        >>> complexity_first_order([["a"], ["a", "b"], ["c"], []]).tolist()
        [1, 2, 0, 3]
    """
    distinct = [frozenset(row) for row in tags]
    n_tags = np.array([len(row) for row in distinct], dtype=np.int64)
    rounds = np.full(len(distinct), len(distinct), dtype=np.int64)
    first_lacking: dict[Hashable, int] = {}  # by tag: the first round that does not have it yet
    later: dict[Hashable, set[int]] = {}  # by tag: rounds after that one that do have it
    by_complexity = np.argsort(-n_tags, kind="stable")
    for row in by_complexity[: int((n_tags > 0).sum())].tolist():
        taken = min(first_lacking.get(tag, 0) for tag in distinct[row])
        rounds[row] = taken
        for tag in distinct[row]:
            held = later.setdefault(tag, set())
            held.add(taken)
            lacking = first_lacking.get(tag, 0)
            while lacking in held:
                held.remove(lacking)
                lacking += 1
            first_lacking[tag] = lacking
    return by_complexity[np.argsort(rounds[by_complexity], kind="stable")]
