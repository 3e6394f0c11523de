"""The order in which rows and their images come before a model."""

import hashlib
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from xmas_assets.contracts.samples import Sample
from xmas_assets.scale.shards import shards_of_groups
from xmas_assets.vlm.image_inputs import Unit
from xmas_assets.vlm.packing import beginning
from xmas_assets.vlm.prompts import Encoded


def image_groups(samples: Sequence[Sample]) -> NDArray[np.uint64]:
    """A number per row, equal for rows on the same images and 0 for text-only ones; of 8 bytes, to fit in memory."""
    groups = np.zeros(len(samples), dtype=np.uint64)
    for row, sample in enumerate(samples):
        if sample.images:
            short = hashlib.blake2b("".join(sample.image_hashes).encode(), digest_size=8).digest()
            groups[row] = int.from_bytes(short, "little") | 1
    return groups


def batches_of(encoded: Sequence[Encoded], batch_size: int) -> list[list[Encoded]]:
    """Cut into batches with rows of one beginning together if they can be, and little padding.

    Beginnings come in the order of their longest row; equal ones keep their order.
    """
    alike: dict[Hashable, list[Encoded]] = {}
    for row in encoded:
        alike.setdefault(beginning(row), []).append(row)
    groups = sorted(alike.values(), key=lambda group: max(len(row.input_ids) for row in group))
    ordered = [row for group in groups for row in group]
    shards = shards_of_groups(map(len, groups), batch_size)
    return [ordered[shard.start : shard.stop] for shard in shards]


def images_of(batch: Sequence[Encoded]) -> list[Unit]:
    """The distinct images of a batch, in order; the same bytes under two names are one."""
    found: dict[tuple[str, ...], Unit] = {}
    for row in batch:
        for unit in row.units:
            found.setdefault(unit.hashes, unit)
    return list(found.values())


def new_images(batches: Sequence[Sequence[Encoded]]) -> list[list[Unit]]:
    """Of each batch, the images that no earlier one has."""
    seen: set[tuple[str, ...]] = set()
    new = []
    for batch in batches:
        new.append([unit for unit in images_of(batch) if unit.hashes not in seen])
        seen |= {unit.hashes for unit in new[-1]}
    return new
