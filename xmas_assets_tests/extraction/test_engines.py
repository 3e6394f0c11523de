"""Whoever makes the shards of signals, gradients, embeddings and lengths: the files are those of one process."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xmas_assets.contracts.settings import BaseModelSettings, ClipSettings, Settings
from xmas_assets.contracts.signal_settings import GradientSettings, TrajectorySettings
from xmas_assets.contracts.signals import READ_IN_ONE_PASS
from xmas_assets.extraction.embeddings import embed_dataset
from xmas_assets.extraction.extracting import extract_signals
from xmas_assets.extraction.gradients import extract_gradients
from xmas_assets.extraction.lengths import measure_lengths
from xmas_assets.extraction.signal_makers import make_signals
from xmas_assets.scale.engines import SERIAL, Engine, PartDoneError, PartEngine
from xmas_assets.scale.processes import ProcessEngine
from xmas_assets_tests.extraction.worlds import draw, find_checkpoints, make_adapters, make_checkpoints, make_samples

PROCESSES = ProcessEngine(n_workers=2, deadline_seconds=300, max_deaths=2)
Make = Callable[[Path, Engine], Any]


@pytest.fixture(scope="module")
def makers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Make]:
    models = make_checkpoints(tmp_path_factory.mktemp("models"))
    adapters = make_adapters(tmp_path_factory.mktemp("adapters"))
    common = {"samples": make_samples(), "open_image": draw, "base_settings": BaseModelSettings()}
    signals = make_signals(READ_IN_ONE_PASS, Settings())

    def read(workspace: Path, engine: Engine) -> Any:
        return extract_signals(
            signals=signals,
            checkpoints=find_checkpoints(models),
            base=None,
            settings=TrajectorySettings(batch_size=4, shard_size=7),
            workspaces={signal.name: workspace / signal.name for signal in signals},
            engine=engine,
            **common,
        )

    def differentiate(workspace: Path, engine: Engine) -> Any:
        return extract_gradients(
            checkpoints=find_checkpoints(adapters),
            base=adapters / "base",
            settings=GradientSettings(n_projected=16, batch_size=4, shard_size=7),
            direction="gradient",
            workspace=workspace,
            engine=engine,
            **common,
        )

    def embed(workspace: Path, engine: Engine) -> Any:
        settings = ClipSettings(shard_size=6)
        return embed_dataset(base=models / "base", settings=settings, workspace=workspace, engine=engine, **common)

    def count(workspace: Path, engine: Engine) -> Any:
        return measure_lengths(common["samples"], base=models / "base", workspace=workspace, engine=engine)

    return {"signals": read, "gradients": differentiate, "embeddings": embed, "lengths": count}


def files(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != "usage.json")
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.mark.parametrize(
    "name",
    ["signals", *(pytest.param(name, marks=pytest.mark.slow) for name in ("gradients", "embeddings", "lengths"))],
)
def test_processes_and_parts_leave_the_files_and_notices_of_a_serial_run(makers, tmp_path: Path, name: str):
    make = makers[name]
    alone = make(tmp_path / "serial", SERIAL)
    expected = files(tmp_path / "serial")
    assert len(expected) >= 3
    together = make(tmp_path / "processes", PROCESSES)
    assert files(tmp_path / "processes") == expected
    pairs = zip(alone.values(), together.values(), strict=True) if name == "signals" else [(alone, together)]
    assert all(one.notices == other.notices for one, other in pairs)
    for _ in range(2):  # embeddings: images, and then texts
        for part in (1, 0):
            try:
                make(tmp_path / "parts", PartEngine(part, 2))
            except PartDoneError:
                continue
    assert files(tmp_path / "parts") == expected
