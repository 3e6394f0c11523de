"""Stored signals by their catalogue names, whatever table, column and shape they are stored in."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from xmas_assets.contracts.errors import StoreError
from xmas_assets.files import space
from xmas_assets.home.home import Home
from xmas_assets.home.stored_signals import stored_signals
from xmas_assets.home.stored_tables import note_shapes, stage


def put(home: Home, asset: str, frame: pl.DataFrame, **notes) -> None:
    home.put(asset, "ds", stage(home.workspace(asset, "ds", "key"), {asset: frame}, **notes))


@pytest.fixture
def home(tmp_path):
    home = Home.open(tmp_path)
    flat = pl.Series("values", np.arange(24, dtype=np.float32).reshape(2, 12), dtype=pl.Array(pl.Float32, 12))
    frame = pl.DataFrame({"row": [0, 1], "sample_id": ["a", "b"], "values": flat})
    put(home, "block_activations", frame, metadata=note_shapes({"values": (3, 2, 2)}))
    spectra = pl.DataFrame({"row": [0, 1], "entropy": [0.5, 1.5], "leading_share": [0.25, 0.75]})
    put(home, "token_spectra", spectra)
    return home


def test_a_list_comes_back_in_the_shape_that_was_noted(home):
    activations = stored_signals(home, "ds")["block_activations"]
    assert activations.shape == (2, 3, 2, 2)
    assert activations[1, 2].tolist() == [[20.0, 21.0], [22.0, 23.0]]


def test_several_signals_of_one_table_are_read_column_by_column(home):
    signals = stored_signals(home, "ds")
    assert signals["informativeness"].tolist() == [0.5, 1.5]
    assert signals["leading_share"].tolist() == [0.25, 0.75]


def test_what_was_not_made_is_not_there(home):
    signals = stored_signals(home, "ds")
    assert "block_activations" in signals
    assert "attention_maps" not in signals


def test_a_large_signal_is_a_map_of_a_file_with_the_same_values(home):
    whole, mapped = (stored_signals(home, "ds", mapped_bytes=n)["block_activations"] for n in (1 << 30, 1))
    assert isinstance(mapped.base, np.memmap)
    assert not isinstance(whole.base, np.memmap)
    assert mapped.shape == (2, 3, 2, 2)
    np.testing.assert_array_equal(mapped, whole)
    files = list(home.path("work").rglob("values.npy"))
    stored_signals(home, "ds", mapped_bytes=1)["block_activations"]
    assert list(home.path("work").rglob("*.npy*")) == files


def test_a_signal_that_was_made_anew_is_mapped_anew(home):
    before = stored_signals(home, "ds", mapped_bytes=1)["block_activations"].copy()
    flat = pl.Series("values", np.ones((2, 12), dtype=np.float32), dtype=pl.Array(pl.Float32, 12))
    frame = pl.DataFrame({"row": [0, 1], "sample_id": ["a", "b"], "values": flat})
    put(home, "block_activations", frame, metadata=note_shapes({"values": (3, 2, 2)}))
    after = stored_signals(home, "ds", mapped_bytes=1)["block_activations"]
    assert (before.max(), after.max()) == (23, 1)


def test_a_map_that_the_disk_has_no_room_for_is_refused(home, monkeypatch):
    """Two rows of 12 float32 are 96 bytes."""
    disk = SimpleNamespace(free=95)
    monkeypatch.setattr(space.shutil, "disk_usage", lambda _: disk)
    with pytest.raises(StoreError, match=r"^the values of block_activations\.values take 0\.0 GB, and the disk of"):
        stored_signals(home, "ds", mapped_bytes=1)["block_activations"]
    disk.free += 1
    assert stored_signals(home, "ds", mapped_bytes=1)["block_activations"].shape == (2, 3, 2, 2)
