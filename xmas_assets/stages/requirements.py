"""The requirements of some methods that a person must meet, and whether they are met: checked before any work."""

import os
from collections.abc import Callable, Iterable

from xmas_assets.contracts.annotation import EndpointSettings
from xmas_assets.contracts.errors import DatasetError
from xmas_assets.contracts.passes import check_score_passes, passes_of_step
from xmas_assets.contracts.settings import require_adapters
from xmas_assets.home.home import Home
from xmas_assets.selection.registry import assets_read

TRAININGS = {
    "proxy_checkpoints": "proxy",
    "warmup_checkpoints": "warmup",
    "difficulty_scores": "difficulty",
    "target_model": "target",
}
"""Assets that are trained, with the sections of the settings that say how."""


def check_requirements(home: Home, dataset: str, methods: Iterable[str]) -> None:
    """Refuse methods that need what a person has not provided.

    Raises:
        XmasError: Naming the first such thing, and how to provide it.
    """
    check_assets(home, dataset, assets_read(methods))


def check_assets(home: Home, dataset: str, assets: Iterable[str]) -> None:
    """Refuse to make assets that need what a person has not provided; raises as ``check_requirements``."""
    for asset in sorted(_CHECKS.keys() & set(assets)):
        _CHECKS[asset](home, dataset)
    check_trainings(home, dataset, assets)


def check_trainings(home: Home, dataset: str, assets: Iterable[str]) -> None:
    """Refuse to train assets whose batch cannot be divided into passes of the processes that train.

    Raises:
        SettingsError: Naming the first such setting, and what it may be.
    """
    settings = home.settings(dataset)
    n_ranks = settings.workers.training_ranks
    for asset in sorted(TRAININGS.keys() & set(assets)):
        section = TRAININGS[asset]
        if asset == "difficulty_scores":
            check_score_passes(settings.difficulty, n_ranks)
        passes_of_step(getattr(settings, section), n_ranks, section=section)


def check_questions(home: Home, dataset: str) -> None:
    """Refuse to train targets of a dataset that has neither test records nor benchmarks.

    Raises:
        DatasetError: Then.
    """
    registration = home.registration(dataset)
    if not (registration.test or registration.benchmarks):
        raise DatasetError(
            f"dataset {registration.name!r} has neither test records nor benchmarks, so its targets cannot be scored; "
            f"write 'test: [FILE]' into datasets/{registration.name}.yaml, name a benchmark: xmas run "
            f"{registration.name} --method random --benchmark NAME, or train none: xmas select {registration.name} "
            "--method random"
        )


def _validation_records(home: Home, dataset: str) -> None:
    home.registration(dataset).of_validation().check_sources()


def _tags(home: Home, dataset: str) -> None:
    from xmas_assets.annotation.tags import check_tag_source

    settings = home.settings(dataset).tags
    check_tag_source(settings)
    _look_up_key(settings.endpoint if settings.source == "endpoint" else None)


def _ratings(home: Home, dataset: str) -> None:
    from xmas_assets.annotation.quality import read_ratings

    settings = home.settings(dataset).quality
    read_ratings(settings)
    _look_up_key(settings.endpoint)


def _adapters(home: Home, dataset: str) -> None:
    settings = home.settings(dataset)
    require_adapters(settings.base_model, settings.difficulty, names=("base_model", "difficulty"))


def _look_up_key(settings: EndpointSettings | None) -> None:
    from xmas_assets.annotation.chat_endpoint import ChatEndpoint

    if settings is not None:
        ChatEndpoint(settings, os.environ)


_CHECKS: dict[str, Callable[[Home, str], None]] = {
    "validation_gradients": _validation_records,
    "tags": _tags,
    "quality_ratings": _ratings,
    "difficulty_scores": _adapters,
}
"""By the asset that needs it; each raises if it is not there."""
