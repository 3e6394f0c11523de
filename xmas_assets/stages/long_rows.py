"""Rows whose text alone is longer than a model reads: known before anything is trained."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.home.home import Home
from xmas_assets.home.records import training_samples
from xmas_assets.home.stored_tables import StoredTables, read_base


def rows_too_long(home: Home, dataset: str, *, asset: str) -> str | None:
    """A sentence on the rows that have more than ``max_tokens`` tokens, pictures not counted; None without any.

    Only a row that has more bytes than tokens are allowed is tokenised: no token of a text is shorter than a byte.

    Args:
        home: The platform's folder, with ``raw_dataset`` and the base model.
        dataset: Dataset name.
        asset: ``base_model`` or ``target_base``.
    """
    from xmas_assets.vlm.answer_lengths import text_tokens

    settings: BaseModelSettings = getattr(home.settings(dataset), asset)
    raw = home.stored("raw_dataset", dataset)
    samples = training_samples(raw)
    n_bytes = np.concatenate([np.zeros(0, np.int64), *_text_bytes(raw)])
    candidates = samples.take(np.flatnonzero(n_bytes > settings.max_tokens).tolist())
    if not len(candidates):
        return None
    lengths = text_tokens(read_base(home.stored(asset, dataset)), candidates)
    n_long = int((lengths > settings.max_tokens).sum())
    if not n_long:
        return None
    return (
        f"at least {n_long:,} of {len(samples):,} rows have more than {settings.max_tokens:,} tokens: they are cut at "
        "their end, or left out where that would take an image or the whole answer; to read them whole, raise "
        f"{asset}.max_tokens (the longest text has {lengths.max():,} tokens)"
    )


def _text_bytes(raw: StoredTables) -> Iterator[NDArray[np.int64]]:
    """Bytes of each row's turns, batch by batch."""
    for batch in raw["samples"].batches(["turns"]):
        turns: pa.ListArray = batch["turns"]
        of_turns = pc.call_function("binary_length", [turns.flatten().field("text")])
        ends = np.cumsum(np.r_[0, of_turns.to_numpy(zero_copy_only=False)])
        yield np.diff(ends[np.cumsum(np.r_[0, turns.value_lengths().to_numpy(zero_copy_only=False)])])
