"""A dataset by where its rows come from: rows, pictures and tokens of each task."""

from collections.abc import Callable
from pathlib import Path

import polars as pl

from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.home.home import Home

_FILE = "tokenizer.json"


def token_counter(settings: BaseModelSettings) -> Callable[[str], int] | None:
    """What counts the tokens of a text as the base model does; None where its tokenizer is not on this machine.

    Nothing is downloaded, and nothing else of the model is loaded.

    Raises:
        ModelError: If the tokenizer is damaged.
    """
    from tokenizers import Tokenizer

    path = _tokenizer_file(settings)
    if path is None:
        return None
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower
        raise ModelError(f"{path} is no tokenizer ({error}); copy or download the model again") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


def _tokenizer_file(settings: BaseModelSettings) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    from xmas_assets.contracts.settings import FORMER_TOY_MODEL, TOY_MODEL
    from xmas_assets.vlm.model_files import SHIPPED_BASE

    directory = Path(settings.source).expanduser()
    if settings.source in (TOY_MODEL, FORMER_TOY_MODEL):
        path = SHIPPED_BASE / _FILE
    elif directory.is_dir() or settings.revision is None:
        path = directory / _FILE
    else:
        cached = try_to_load_from_cache(settings.source, _FILE, revision=settings.revision)
        path = Path(cached) if isinstance(cached, str) else directory / _FILE
    return path if path.is_file() else None


def source_table(home: Home, dataset: str) -> pl.DataFrame:
    """Columns ``task``, ``rows``, ``images`` and ``answer_tokens`` (null while ``text_lengths`` is not made), by rows.

    Raises:
        StoreError: If the dataset was not read yet, or a table is damaged.
    """
    samples = home.stored("raw_dataset", dataset)["samples"].frame(["task", "n_images"])
    lengths = pl.Series("answer_tokens", [None] * len(samples), dtype=pl.Int64)
    if home.is_stored("text_lengths", dataset):
        made = home.stored("text_lengths", dataset)["text_lengths"].column("n_answer_tokens")
        lengths = pl.Series("answer_tokens", made) if len(made) == len(samples) else lengths  # of rows read before
    tokens = pl.when(pl.col("answer_tokens").is_not_null().all()).then(pl.col("answer_tokens").sum())
    table = samples.with_columns(lengths).group_by("task", maintain_order=True)
    table = table.agg(rows=pl.len(), images=pl.col("n_images").sum(), answer_tokens=tokens)
    return table.sort("rows", descending=True, maintain_order=True).with_columns(pl.col("task").fill_null("(none)"))
