"""How the rows of a batch stand before the model: side by side and padded, or packed with common beginnings once.

In a causal model nothing up to an image's last token depends on what is asked about the image. So rows on the same
images behind the same words share that beginning: packed, it stands once, and behind it each row's own tokens, which
see the beginning and themselves. There is no padding, no cache and no copy.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from xmas_assets.vlm.prompts import Encoded


class Group(NamedTuple):
    """Rows that begin alike, in the pack: from ``start`` what they share, then each row's own tokens.

    Attributes:
        start: Position in the pack.
        n_shared: Tokens they share.
        rows: Which rows of the batch.
        lengths: Own tokens of each.
    """

    start: int
    n_shared: int
    rows: tuple[int, ...]
    lengths: tuple[int, ...]

    @property
    def own_start(self) -> int:
        """Position in the pack of the first own token."""
        return self.start + self.n_shared

    @property
    def stop(self) -> int:
        """Position in the pack behind the group."""
        return self.own_start + sum(self.lengths)


@dataclass(frozen=True)
class Batch:
    """Some rows, right-padded; shapes (n_rows, n_tokens), on the model's device."""

    rows: Sequence[Encoded]
    input_ids: Tensor
    is_real: Tensor
    is_image: Tensor
    is_answer: Tensor
    per_token: Mapping[str, Tensor]

    @classmethod
    def of(cls, rows: Sequence[Encoded], *, pad_id: int, device: torch.device) -> "Batch":
        """Put rows below each other."""
        real = [np.ones(len(row.input_ids), dtype=bool) for row in rows]
        fields = {
            "input_ids": _stack([row.input_ids for row in rows], pad_id, np.int64),
            "is_real": _stack(real, False, np.bool_),
            "is_image": _stack([row.is_image for row in rows], False, np.bool_),
            "is_answer": _stack([row.is_answer for row in rows], False, np.bool_),
        }
        tensors = {name: torch.from_numpy(values).to(device) for name, values in fields.items()}
        extra = {name: _stack([row.per_token[name] for row in rows], 0, np.int64) for name in rows[0].per_token}
        per_token = {name: torch.from_numpy(values).to(device) for name, values in extra.items()}
        return cls(rows, **tensors, per_token=per_token)


class Padded:
    """Rows side by side; right for every model."""

    def __init__(self, batch: Batch) -> None:
        self.inputs: dict[str, Tensor] = {"input_ids": batch.input_ids, "attention_mask": batch.is_real.long()}
        self.inputs |= batch.per_token
        self.units = [unit for row in batch.rows for unit in row.units]

    def at(self, states: Tensor, positions: Tensor) -> Tensor:
        """States at some positions of each row, shape (n_rows, n_positions, width)."""
        return states.gather(1, positions[:, :, None].expand(-1, -1, states.shape[2]))


class Packed:
    """Rows in one sequence, common beginnings once; for causal models."""

    def __init__(self, batch: Batch) -> None:
        self.groups = _groups(batch.rows)
        self.units = [unit for group in self.groups for unit in batch.rows[group.rows[0]].units]
        self._places = np.zeros(batch.input_ids.shape, dtype=np.int64)
        ids = np.empty(self.groups[-1].stop, dtype=np.int64)
        positions, self._owners = np.empty_like(ids), np.empty_like(ids)
        for owner, group in enumerate(self.groups):
            self._owners[group.start : group.stop] = owner
            start = group.own_start
            for number, length in zip(group.rows, group.lengths, strict=True):
                row = batch.rows[number].input_ids
                places = np.r_[group.start : group.own_start, start : start + length]
                self._places[number, : len(row)] = places
                ids[places], positions[places] = row, np.arange(len(row))
                start += length
        device = batch.input_ids.device
        self.inputs: dict[str, Tensor] = {
            "input_ids": torch.from_numpy(ids)[None].to(device),
            "position_ids": torch.from_numpy(positions)[None].to(device),
        }
        for name, values in batch.per_token.items():
            packed = values.new_empty(1, len(ids))
            packed[0, self.places[batch.is_real]] = values[batch.is_real]
            self.inputs[name] = packed

    def place_images(self, batch: Batch, rope_index: Callable[..., Any], grids: Mapping[str, Any]) -> None:
        """Set positions of several axes, which follow from where image tokens lie in their image (M-RoPE).

        Rows of a group differ behind their last image only, where all axes go on alike: its longest row has them all.

        Args:
            batch: The rows.
            rope_index: The model's ``get_rope_index``.
            grids: Sizes of the groups' images, by the names that it knows.
        """
        longest = [max(group.rows, key=lambda row: len(batch.rows[row].input_ids)) for group in self.groups]
        with_images = [number for number, row in enumerate(longest) if batch.rows[row].units]
        if not with_images:
            return
        chosen = [longest[number] for number in with_images]
        inputs = {name: values[chosen] for name, values in batch.per_token.items()}
        found, _ = rope_index(batch.input_ids[chosen], **inputs, **grids, attention_mask=batch.is_real[chosen].long())
        plain = torch.arange(found.shape[2], device=found.device)
        index = plain.expand(found.shape[0], len(longest), -1).clone()
        index[:, with_images] = found
        self.inputs["position_ids"] = index[:, torch.from_numpy(self._owners), self.inputs["position_ids"][0]][:, None]

    @cached_property
    def places(self) -> Tensor:
        """Where each row's tokens stand in the pack, shape (n_rows, n_tokens)."""
        return torch.from_numpy(self._places).to(self.inputs["input_ids"].device)

    def at(self, states: Tensor, positions: Tensor) -> Tensor:
        """States at some positions of each row, shape (n_rows, n_positions, width)."""
        return states[0][self.places.gather(1, positions)]


def n_shareable(row: Encoded) -> int:
    """Tokens up to and including the last image's; all of a row without an image, which has nobody to share with."""
    images = np.flatnonzero(row.is_image)
    return int(images[-1]) + 1 if len(images) else len(row.input_ids)


def beginning(row: Encoded) -> Hashable:
    """Equal for rows that can share their beginning."""
    return (row.image_hashes, row.input_ids[: n_shareable(row)].tobytes()) if row.image_hashes else row.sample_id


def _groups(rows: Sequence[Encoded]) -> list[Group]:
    """Rows of the same beginning together, in the order of their first."""
    alike: Mapping[Any, list[int]] = {}
    for number, row in enumerate(rows):
        alike.setdefault(beginning(row), []).append(number)
    groups: list[Group] = []
    for numbers in alike.values():
        n_shared = n_shareable(rows[numbers[0]])
        lengths = tuple(len(rows[number].input_ids) - n_shared for number in numbers)
        groups.append(Group(groups[-1].stop if groups else 0, n_shared, tuple(numbers), lengths))
    return groups


def _stack(values: Sequence[np.ndarray], filling: Any, dtype: Any) -> np.ndarray:
    stacked = np.full((len(values), max(map(len, values))), filling, dtype=dtype)
    for row, own in zip(stacked, values, strict=True):
        row[: len(own)] = own
    return stacked
