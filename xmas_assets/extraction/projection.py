"""A seeded random projection of very long vectors, at a cost of a few operations per entry."""

import hashlib
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


class Projection:
    """Projects vectors that come in named parts, so that a whole vector is never in memory.

    Each part is cut into blocks as long as the result; a block gets random signs and a random order, and all are
    added. The projection of a whole vector is the sum of those of its parts. Signs and orders take 5 bytes per entry.

    Any two entries fall on one place with a chance of at most 1 / n_projected, and their signs are independent, so the
    inner product of two projected vectors has the true one as its mean, and a variance of at most
    ``(|x|^2 |y|^2 + <x, y>^2) / n_projected``: the bound of a dense Gaussian projection, for any vectors.

    Source:
        CountSketch (Charikar, Chen, Farach-Colton 2002; Weinberger et al. 2009, arXiv 0902.2206) with block-wise
        hashing. LESS and TIVE project densely (Rademacher), at ``n_projected`` operations per entry.
    """

    def __init__(self, n_projected: int, *, seed: int, device: torch.device | str = "cpu") -> None:
        """Take the length of a projected vector, and what signs and orders are drawn from."""
        self._n_projected = n_projected
        self._seed = seed
        self._device = device
        self._drawn: dict[str, tuple[Tensor, Tensor]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Without what was drawn, which another process draws alike."""
        return vars(self) | {"_drawn": {}}

    def project(self, part: str, values: Tensor) -> Tensor:
        """Project one part of some vectors.

        Args:
            part: Its name; the same name always means the same signs and orders.
            values: Shape (n_vectors, n_entries), float.

        Returns:
            Shape (n_vectors, n_projected). A row depends on the same row of ``values`` alone.
        """
        signs, orders = self._draw(part, values.shape[1])
        filled = nn.functional.pad(values * signs, (0, orders.numel() - values.shape[1]))
        blocks = filled.view(len(values), *orders.shape)
        return blocks.gather(2, orders.long().expand_as(blocks)).sum(1)

    def _draw(self, part: str, n_entries: int) -> tuple[Tensor, Tensor]:
        """Signs of the entries, shape (n_entries,), int8, and orders, shape (n_blocks, n_projected), int32."""
        if part not in self._drawn:
            digest = hashlib.sha256(part.encode()).digest()[:8]
            rng = np.random.default_rng([self._seed, int.from_bytes(digest, "little")])
            signs = rng.integers(0, 2, n_entries, dtype=np.int8) * 2 - 1
            places = np.arange(self._n_projected, dtype=np.int32)
            orders = rng.permuted(np.tile(places, (math.ceil(n_entries / len(places)), 1)), axis=1)
            self._drawn[part] = torch.from_numpy(signs).to(self._device), torch.from_numpy(orders).to(self._device)
        return self._drawn[part]
