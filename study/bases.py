"""Base models of other sizes than the shipped one, built by its own recipe, once for a home."""

import shutil
from pathlib import Path

from xmas_assets.training.tiny_base import build_base

SIZES = {"study:small": (48, 2)}
"""Hidden size and layers of the language model, by the name that an experiment's ``base_model.source`` gives it."""


def base_directory(source: str, home_root: Path) -> str:
    """Where a base model is; one of ``SIZES`` is built if it is not there (minutes), another name is left as it is."""
    if source not in SIZES:
        return source
    directory = home_root / "bases" / source.removeprefix("study:")
    if not directory.exists():
        width, n_layers = SIZES[source]
        unfinished = directory.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        build_base(unfinished, width=width, n_layers=n_layers)
        unfinished.rename(directory)
    return str(directory)
