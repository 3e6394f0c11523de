"""Batches of encoded rows, as a model takes them."""

from collections.abc import Iterable, Sequence
from typing import Literal, Protocol

import numpy as np
import torch

from xmas_assets.vlm.image_inputs import Unit
from xmas_assets.vlm.prompts import IGNORED_LABEL, Encoded
from xmas_assets.vlm.token_spans import LOSS_WEIGHTS


class Images(Protocol):
    """Gives images to a model; ``Pictures`` does."""

    def inputs(self, units: Iterable[Unit], /) -> dict[str, torch.Tensor]:
        """The image half of a batch."""
        ...


def collate(
    encoded: Sequence[Encoded], pictures: Images, *, pad_id: int, padding_side: Literal["left", "right"]
) -> dict[str, torch.Tensor]:
    """Make the model's inputs of a batch.

    Returns:
        As ``collate_text``, and the images' tensors if any row has an image.
    """
    text = collate_text(encoded, pad_id=pad_id, padding_side=padding_side)
    return text | pictures.inputs([unit for row in encoded for unit in row.units])


def collate_text(
    encoded: Sequence[Encoded], *, pad_id: int, padding_side: Literal["left", "right"]
) -> dict[str, torch.Tensor]:
    """Make the text half of a batch's inputs.

    Returns:
        ``input_ids``, ``attention_mask``, ``labels`` and what else the model reads of each token, each of shape
        (n_rows, longest), int64. If an answer's weight is neither 0 nor 1, also ``LOSS_WEIGHTS``, float32, which is no
        input of the model.
    """
    longest = max(len(row.input_ids) for row in encoded)
    rows = [{"input_ids": row.input_ids, "labels": row.labels} | dict(row.per_token) for row in encoded]
    filling = {"input_ids": pad_id, "labels": IGNORED_LABEL}
    names = ["input_ids", "attention_mask", *list(rows[0])[1:]]
    batch = {name: np.full((len(rows), longest), filling.get(name, 0), dtype=np.int64) for name in names}
    for number, row in enumerate(rows):
        length = len(row["input_ids"])
        place = slice(longest - length, longest) if padding_side == "left" else slice(0, length)
        batch["attention_mask"][number, place] = 1
        for name, values in row.items():
            batch[name][number, place] = values
    tensors = {name: torch.from_numpy(values) for name, values in batch.items()}
    if any(row.loss_weights is not None for row in encoded):
        tensors[LOSS_WEIGHTS] = torch.zeros(len(rows), longest)
        for number, row in enumerate(encoded):
            weights = row.is_answer if row.loss_weights is None else row.loss_weights
            tensors[LOSS_WEIGHTS][number, batch["attention_mask"][number] == 1] = torch.from_numpy(weights).float()
    return tensors
