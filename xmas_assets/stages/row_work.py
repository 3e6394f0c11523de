"""Stages that make a value of every row in shards: what their assets and ``xmas work`` have in common."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from xmas_assets.contracts.progress import ProgressCallback
from xmas_assets.contracts.signals import READ_IN_ONE_PASS, SIGNAL_ASSETS
from xmas_assets.home.home import Home
from xmas_assets.home.records import training_samples
from xmas_assets.home.stored_tables import StoredTables, combine, read_base, read_checkpoints
from xmas_assets.scale.engines import Engine
from xmas_assets.scale.stretches import Growth
from xmas_assets.stages.image_work import IMAGE_STAGES, image_work
from xmas_assets.stages.signals import pass_shares

if TYPE_CHECKING:
    from xmas_assets.extraction.gradients import Direction

_SAMPLES = {"validation_gradients": "validation_samples"}  # of the others: raw_dataset

Listen = Callable[[str], ProgressCallback]
"""Gives a progress for work of a name."""

_DIRECTIONS: "Mapping[str, Direction]" = {
    "gradients": "last_gradient",
    "adam_gradients": "adam",
    "validation_gradients": "gradient",
}


@dataclass(frozen=True)
class RowWork:
    """One piece of work on the rows of a dataset.

    Attributes:
        shares: By stage that it makes, which share of its time that would have taken alone.
        key: Hash of everything that decides the result.
        make: Makes the shards by an engine, and gives what they hold.
    """

    shares: Mapping[str, float]
    key: str
    make: Callable[[Engine, Listen], Any]


def signal_work(
    home: Home, dataset: str, names: Iterable[str], raw: StoredTables, base: StoredTables, checkpoints: StoredTables
) -> RowWork:
    """Signals of the forward pass, read together off the proxy's checkpoints.

    Each signal's shards are its own, in a folder of its own, so that one whose table a kill kept from its place is not
    read again. ``make`` gives these folders by signal, and what was read.
    """
    from xmas_assets.extraction.extracting import extract_signals
    from xmas_assets.extraction.signal_makers import make_signals

    settings = home.settings(dataset)
    wanted = make_signals(sorted(names), settings)
    found = read_checkpoints(checkpoints["checkpoints"], home.path())
    grown = home.registration(dataset).grown
    inputs = combine(raw.version, checkpoints.version, settings.base_model.digest(), *map(str, grown))
    folders = {signal.name: home.workspace(signal.name, dataset, combine(inputs, repr(signal))) for signal in wanted}

    def make(engine: Engine, listen: Listen) -> Any:
        extracted = extract_signals(
            signals=wanted,
            samples=training_samples(raw),
            open_image=home.open_image(dataset),
            checkpoints=found,
            base=read_base(base),
            base_settings=settings.base_model,
            settings=settings.trajectories,
            workspaces=folders,
            progress=listen("signals"),
            engine=engine,
            models_in_memory=settings.workers.models_in_memory,
            grown=grown,
        )
        return folders, extracted

    key = combine(inputs, settings.trajectories.digest(), settings.signals.digest())
    return RowWork(pass_shares(wanted, len(found)), key, make)


def gradient_work(
    home: Home, dataset: str, stage: str, samples: StoredTables, base: StoredTables, checkpoints: StoredTables
) -> RowWork:
    """Gradients of rows, or of validation records, at the checkpoints of the warm-up training."""
    from xmas_assets.extraction.gradients import extract_gradients

    settings = home.settings(dataset)
    # Validation records do not grow with the dataset.
    grown = () if stage in _SAMPLES else home.registration(dataset).grown
    key = combine(samples.version, checkpoints.version, settings.gradients.digest(), *map(str, grown))
    make = partial(
        extract_gradients,
        samples=training_samples(samples),
        open_image=home.open_image(dataset),
        checkpoints=read_checkpoints(checkpoints["checkpoints"], home.path()),
        base=read_base(base),
        base_settings=settings.base_model,
        settings=settings.gradients,
        direction=_DIRECTIONS[stage],
        workspace=home.workspace(stage, dataset, key),
        models_in_memory=settings.workers.models_in_memory,
        grown=grown,
    )
    return RowWork({stage: 1.0}, key, lambda engine, listen: make(progress=listen("gradients"), engine=engine))


def embedding_work(home: Home, dataset: str, raw: StoredTables, base: StoredTables) -> RowWork:
    """Embeddings of images and texts."""
    from xmas_assets.extraction.embeddings import embed_dataset

    settings = home.settings(dataset)
    grown = home.registration(dataset).grown
    key = combine(raw.version, base.version, settings.base_model.digest(), settings.clip.digest(), *map(str, grown))
    workspace = home.workspace("clip_embeddings", dataset, key)

    def make(engine: Engine, listen: Listen) -> Any:
        return embed_dataset(
            training_samples(raw),
            open_image=home.open_image(dataset),
            base=read_base(base),
            base_settings=settings.base_model,
            settings=settings.clip,
            workspace=workspace,
            progress=lambda part: listen(f"embeddings of {part}"),
            engine=engine,
            growth=Growth(grown, workspace.parent),
        )

    return RowWork({"clip_embeddings": 1.0}, key, make)


def length_work(home: Home, dataset: str, raw: StoredTables, base: StoredTables) -> RowWork:
    """Lengths of answers."""
    from xmas_assets.extraction.lengths import measure_lengths

    grown = home.registration(dataset).grown
    key = combine(raw.version, base.version, *map(str, grown))
    workspace = home.workspace("text_lengths", dataset, key)
    make = partial(
        measure_lengths,
        training_samples(raw),
        base=read_base(base),
        workspace=workspace / "shards",
        growth=Growth(grown, workspace.parent),
    )
    return RowWork({"text_lengths": 1.0}, key, lambda engine, listen: make(progress=listen("lengths"), engine=engine))


def reading_work(home: Home, dataset: str, stage: str) -> RowWork:
    """The look at images before a stage reads the records that show them."""
    work = image_work(home, dataset, stage)
    return RowWork({stage: 1.0}, work.workspace.name, lambda engine, listen: work.make(engine, listen("images")))


def _inputs(stage: str) -> tuple[str, ...]:
    samples = _SAMPLES.get(stage, "raw_dataset")
    return (samples, "base_model", *(asset for asset in SIGNAL_ASSETS[stage].made_from if asset != samples))


_OF_ROWS = (*READ_IN_ONE_PASS, *_DIRECTIONS, "clip_embeddings", "text_lengths")
STAGES = {stage: _inputs(stage) for stage in _OF_ROWS} | dict.fromkeys(IMAGE_STAGES, ())
"""Those whose shards ``stored_work`` can find, and the assets that they are read from."""


def stored_work(home: Home, dataset: str, stages: Iterable[str]) -> list[RowWork]:
    """The work of some of ``STAGES`` from what is stored; signals of the forward pass are one piece.

    Raises:
        StoreError: If an input was not made yet, or is damaged.
        DatasetError: If images are in no folder, so that they are not looked at in shards.
    """
    read = [stage for stage in stages if stage in READ_IN_ONE_PASS]
    others = [stage for stage in stages if stage not in READ_IN_ONE_PASS]
    pieces: list[tuple[str, Callable[..., RowWork]]] = []
    if read:
        pieces.append((read[0], partial(signal_work, home, dataset, read)))
    for stage in others:
        if stage in IMAGE_STAGES:
            make = partial(reading_work, home, dataset, stage)
        elif stage in _DIRECTIONS:
            make = partial(gradient_work, home, dataset, stage)
        else:
            make = partial(embedding_work if stage == "clip_embeddings" else length_work, home, dataset)
        pieces.append((stage, make))
    return [make(*(home.stored(asset, dataset) for asset in STAGES[stage])) for stage, make in pieces]
