"""An order of rows that puts rows of like length into a batch, so that little of it is padding."""

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

# Rows are sorted within pools of so many batches, so that a row meets other rows in each epoch.
_BATCHES_IN_POOL = 50


class LikeLengths(Sampler[int]):
    """Every row once an epoch, in batches of like length that come in random order.

    The Trainer's own draws from torch's generator, whose state on resuming is not that of the epoch's beginning.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, *, seed: int) -> None:
        """Take the rows' lengths.

        Args:
            lengths: Of each row, tokens.
            batch_size: Rows per forward pass.
            seed: Of the order.
        """
        self._lengths = np.array(lengths)
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next; each has an order of its own."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng((self._seed, self._epoch))
        order = rng.permutation(len(self))
        # Pools of whole batches, so that none is cut through the longest rows of one and the shortest of the next.
        size = _BATCHES_IN_POOL * self._batch_size
        cut = [order[start : start + size] for start in range(0, len(order), size)]
        pools = [pool[np.argsort(self._lengths[pool], kind="stable")] for pool in cut]
        by_length = np.concatenate(pools)
        n_whole = len(self) // self._batch_size * self._batch_size
        batches = rng.permutation(by_length[:n_whole].reshape(-1, self._batch_size))
        # Rows that fill no batch come last, where the Trainer makes a smaller one of them.
        yield from [*batches.ravel().tolist(), *by_length[n_whole:].tolist()]
