"""Rows that are appended cost their own reading, and the bytes are those of reading all in the same stretches."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xmas_assets.contracts.samples import Sample
from xmas_assets.contracts.settings import BaseModelSettings, ClipSettings, Settings
from xmas_assets.contracts.signal_settings import GradientSettings, TrajectorySettings
from xmas_assets.extraction.embeddings import embed_dataset
from xmas_assets.extraction.extracting import extract_signals
from xmas_assets.extraction.gradients import extract_gradients
from xmas_assets.extraction.lengths import measure_lengths
from xmas_assets.extraction.passes import SignalReader
from xmas_assets.extraction.signal_makers import make_signals
from xmas_assets.scale.stretches import Growth
from xmas_assets_tests.extraction.worlds import (
    draw,
    find_checkpoints,
    make_adapters,
    make_checkpoints,
    make_samples,
    values_of,
)

SIGNALS = ("attention_trajectories", "answer_scores")
N_FIRST, N_LATER, N_ALL = 20, 26, 30
Values = dict[str, np.ndarray]
Make = Callable[..., tuple[Values, int]]


@pytest.fixture(scope="module")
def makers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Make]:
    """By name, what reads some samples into a folder: gives the values, and how many rows it read now."""
    models = make_checkpoints(tmp_path_factory.mktemp("models"))
    adapters = make_adapters(tmp_path_factory.mktemp("adapters"))
    common = {"open_image": draw, "base_settings": BaseModelSettings()}

    def read(samples: list[Sample], folder: Path, grown: tuple[int, ...]) -> Values:
        signals = make_signals(SIGNALS, Settings())
        found = extract_signals(
            signals=signals,
            samples=samples,
            checkpoints=find_checkpoints(models),
            base=None,
            settings=TrajectorySettings(batch_size=4, shard_size=7),
            workspaces={signal.name: folder.parent / signal.name / folder.name for signal in signals},
            grown=grown,
            **common,
        )
        return {f"{name}.{column}": v for name, own in found.items() for column, v in values_of(own).items()}

    def differentiate(samples: list[Sample], folder: Path, grown: tuple[int, ...], **options: Any) -> Values:
        found = extract_gradients(
            samples=samples,
            checkpoints=find_checkpoints(adapters),
            base=adapters / "base",
            settings=GradientSettings(n_projected=16, batch_size=4, shard_size=7),
            direction="gradient",
            workspace=folder,
            grown=grown,
            **common,
            **options,
        )
        blocks = list(found.blocks())
        return {"norms": np.concatenate([b[1] for b in blocks]), "projected": np.concatenate([b[2] for b in blocks])}

    def of_table(table: Any) -> Values:
        columns = {name: [] for name in table.schema.names}
        for batch in table.batches():
            for name, values in zip(batch.schema.names, batch.columns, strict=True):
                columns[name] += values.to_pylist()
        return {name: np.array(values) for name, values in columns.items()}

    def embed(samples: list[Sample], folder: Path, grown: tuple[int, ...], **options: Any) -> Values:
        growth = Growth(grown, folder.parent)
        settings = ClipSettings(shard_size=6)
        return of_table(
            embed_dataset(
                samples, base=models / "base", settings=settings, workspace=folder, growth=growth, **common, **options
            )
        )

    def count(samples: list[Sample], folder: Path, grown: tuple[int, ...], **options: Any) -> Values:
        growth = Growth(grown, folder.parent)
        workspace = folder / "shards"
        return of_table(measure_lengths(samples, base=models / "base", workspace=workspace, growth=growth, **options))

    return {"signals": read, "gradients": differentiate, "embeddings": embed, "lengths": count}


@pytest.mark.parametrize(
    "name", ["signals", pytest.param("gradients", marks=pytest.mark.slow), "embeddings", "lengths"]
)
def test_appended_rows_have_the_bytes_of_reading_all_from_scratch_in_the_same_stretches(makers, tmp_path, name):
    make, samples = makers[name], make_samples(N_ALL)
    first = make(samples[:N_FIRST], tmp_path / "grown" / "a", ())
    grown = make(samples, tmp_path / "grown" / "c", (N_FIRST,))
    scratch = make(samples, tmp_path / "scratch" / "c", (N_FIRST,))
    plain = make(samples, tmp_path / "plain" / "c", ())
    for column, values in grown.items():
        assert values.tobytes() == scratch[column].tobytes()
        assert values[:N_FIRST].tobytes() == first[column].tobytes()
        if values.dtype.kind == "f":  # of other batch mates: equal but for rounding
            largest = np.nanmax(np.abs(values))
            np.testing.assert_allclose(values, plain[column], rtol=1e-4, atol=1e-5 * largest)
        else:
            assert values.tolist() == plain[column].tolist()


def test_only_appended_rows_go_through_the_model(makers, tmp_path, monkeypatch):
    n_read, read = [], SignalReader.read

    def counting(self: SignalReader, samples: Any, names: Any, advance: Any) -> Any:
        n_read.append(len(samples))
        return read(self, samples, names, advance)

    monkeypatch.setattr(SignalReader, "read", counting)
    samples = make_samples(N_ALL)
    for n_rows, grown, n_new in ((N_FIRST, (), N_FIRST), (N_LATER, (N_FIRST,), 6), (N_ALL, (N_FIRST, N_LATER), 4)):
        n_read.clear()
        makers["signals"](samples[:n_rows], tmp_path / str(n_rows), grown)
        assert sum(n_read) == n_new


def test_rows_of_an_earlier_state_that_changed_are_read_again(makers, tmp_path):
    samples = make_samples(N_ALL)
    makers["lengths"](samples[:N_FIRST], tmp_path / "a", ())
    changed = [samples[1], samples[0], *samples[2:]]
    values = makers["lengths"](changed, tmp_path / "b", (N_FIRST,))
    assert values["sample_id"][:2].tolist() == ["sample-1", "sample-0"]
    assert (tmp_path / "b" / "shards" / "shard-00000000").is_file()


def test_what_was_read_before_is_said(makers, tmp_path, caplog):
    samples = make_samples(N_ALL)
    makers["lengths"](samples[:N_FIRST], tmp_path / "a", ())
    makers["lengths"](samples, tmp_path / "b", (N_FIRST,))
    assert "text_lengths: 20 of 30 rows were read before and are kept, 10 to read" in caplog.text
