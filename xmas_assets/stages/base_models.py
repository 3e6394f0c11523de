"""The model directories that a dataset's training runs start from."""

import polars as pl

from xmas_assets.contracts.settings import BaseModelSettings, TrainingSettings
from xmas_assets.files.model_content import known_digest


def base_table(settings: BaseModelSettings, training: TrainingSettings, *, section: str) -> pl.DataFrame:
    """One row: the model's ``directory``, the ``digest`` of its files, and that of its ``settings``.

    The settings too, since another precision or longest sample makes what is trained and read from it stale. The model
    is tried first, as it will be trained, so that nothing is trained for hours to fail at something that shows in a
    minute.

    Raises:
        ModelError: If there is no such model, or it does not go through ``check_model``; it names the section of the
            settings.
    """
    from xmas_assets.training.model_check import require_usable
    from xmas_assets.vlm.model_files import SHIPPED_BASE, resolve_base

    directory = resolve_base(settings, section=section)
    if directory != SHIPPED_BASE:
        require_usable(directory, settings, training, section=section)
    row = {"directory": str(directory), "digest": known_digest(directory), "settings": settings.digest()}
    return pl.DataFrame([row])
