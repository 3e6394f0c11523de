"""Split a budget over clusters, and find the rows that it buys."""

import numpy as np
from numpy.typing import NDArray

from xmas_assets.core.arrays import IntArray


def allocate_in_size_order(sizes: IntArray, count: int, *, order: IntArray | None = None) -> IntArray:
    """Split a budget evenly over clusters, smallest first; what a cluster cannot use flows on to the larger ones.

    Each cluster in turn gets ``remaining // clusters_left``, at most its size. In ascending order of size one pass
    always spends the whole budget: a cluster that is larger than its share is followed only by clusters that are at
    least as large, so they can take the rest. In any other order a pass may leave something over; then another
    one hands it to the clusters that still have room.

    In ascending order the rule is nested: a larger ``count`` gives no cluster less, because neither
    ``remaining // clusters_left`` nor ``remaining - taken`` ever falls when ``remaining`` grows.

    Args:
        sizes: Samples per cluster, shape (n_clusters,), each >= 0.
        count: Samples to hand out, in 0..the sum of the ordered clusters' sizes.
        order: Clusters in the order in which they are served; one that is left out gets nothing. Default: all by
            ascending size, equal sizes by index.

    Returns:
        Samples per cluster, shape (n_clusters,), int64. Adds up to ``count`` exactly and never exceeds ``sizes``.

    Raises:
        ValueError: If ``count`` is negative or larger than what the clusters hold.

    Source:
        Published XMAS code, ``cluster_data_selection.py``; there a share beyond the last cluster is lost.

    Example:
        >>> allocate_in_size_order(np.array([10, 1, 4]), 9).tolist()
        [4, 1, 4]
    """
    served = np.argsort(sizes, kind="stable") if order is None else order
    held = int(sizes[served].sum())
    if not 0 <= count <= held:
        raise ValueError(f"count must be in 0..{held} (the cluster sizes add up to {held}), got {count}")
    quotas = np.zeros(len(sizes), dtype=np.int64)
    remaining = count
    while remaining:
        open_clusters = [cluster for cluster in served.tolist() if quotas[cluster] < sizes[cluster]]
        for left, cluster in zip(range(len(open_clusters), 0, -1), open_clusters, strict=True):
            taken = min(remaining // left, int(sizes[cluster] - quotas[cluster]))
            quotas[cluster] += taken
            remaining -= taken
    return quotas


def group_heads(sizes: IntArray, quotas: IntArray) -> IntArray:
    """Positions of the first ``quotas[g]`` members of every group, where the groups lie one after another.

    Args:
        sizes: Members per group, shape (n_groups,).
        quotas: Members wanted per group, shape (n_groups,), each in 0..its size.

    Returns:
        Positions in the concatenation of the groups, shape (quotas.sum(),), int64, ascending.

    Raises:
        ValueError: If a quota is negative or larger than its group.

    Example:
        >>> group_heads(np.array([3, 2, 4]), np.array([1, 0, 2])).tolist()
        [0, 5, 6]
    """
    if (quotas < 0).any() or (quotas > sizes).any():
        raise ValueError(f"quotas must be in 0..size of their group, got {quotas.tolist()} for {sizes.tolist()}")
    shift = (np.cumsum(sizes) - sizes) - (np.cumsum(quotas) - quotas)
    return np.repeat(shift, quotas) + np.arange(quotas.sum(), dtype=np.int64)


def allocate_by_weight(sizes: IntArray, log_weights: NDArray[np.floating], count: int) -> IntArray:
    """Split a budget over groups in proportion to their weights; what a full group cannot take goes to the others.

    The samples are handed out one at a time, each to the group with the largest ``weight / (samples so far + 1/2)``
    that still has room. So the rule is nested: a larger ``count`` gives no group less.

    Args:
        sizes: Samples per group, shape (n_groups,), each >= 0.
        log_weights: Natural logarithms of the weights, shape (n_groups,); so weights of any scale stay distinguishable.
        count: Samples to hand out, in 0..sum(sizes).

    Returns:
        Samples per group, shape (n_groups,), int64. Adds up to ``count`` exactly and never exceeds ``sizes``.

    Raises:
        ValueError: If ``count`` is negative or larger than what the groups hold.

    Source:
        Webster's divisor rule (Sainte-Lague). Equal claims go to the lower index.

    Example:
        >>> allocate_by_weight(np.array([9, 2, 9]), np.log([1.0, 6.0, 3.0]), 6).tolist()
        [1, 2, 3]
    """
    held = int(sizes.sum())
    if not 0 <= count <= held:
        raise ValueError(f"count must be in 0..{held} (the group sizes add up to {held}), got {count}")
    groups = np.repeat(np.arange(len(sizes)), sizes)
    nth = np.arange(held) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    claims = log_weights[groups] - np.log(nth + 0.5)
    served = np.argsort(-claims, kind="stable")[:count]
    return np.bincount(groups[served], minlength=len(sizes)).astype(np.int64)
