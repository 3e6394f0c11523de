import numpy as np
import pytest

import xmas_assets.selection.signal_arrays as module
from xmas_assets.contracts.signals import SIGNALS
from xmas_assets.selection.registry import METHODS
from xmas_assets.selection.signal_arrays import OrderedSignals, Signals, id_order
from xmas_assets_tests.selection.cases import make_signals


def test_nothing_is_opened_before_it_is_asked_for():
    def refuse():
        raise OSError("opened")

    signals = Signals({"sample_ids": lambda: np.array(["b"]), "instability": refuse})
    assert "instability" in signals
    assert list(signals) == ["sample_ids", "instability"]
    assert len(signals) == 2
    with pytest.raises(OSError, match="opened"):
        signals["instability"]


def test_ordered_signals_are_opened_once_and_hold_what_was_prepared():
    opened = []

    def open_turns():
        opened.append(1)
        return np.array([1, 2, 3])

    signals = Signals({"sample_ids": lambda: np.array(["c", "a", "b"]), "n_turns": open_turns})
    ordered = OrderedSignals(signals, id_order(signals))
    ordered.include({"graph": np.array([9])})
    assert [ordered["n_turns"].tolist(), ordered["n_turns"].tolist()] == [[2, 3, 1], [2, 3, 1]]
    assert opened == [1]
    assert ordered["graph"].tolist() == [9]
    assert set(ordered) == {"sample_ids", "n_turns", "graph"}
    assert len(ordered) == ordered.n_samples == 3


def test_blocks_are_the_rows_in_order_of_their_names_and_leave_the_array_where_it_is(monkeypatch):
    monkeypatch.setattr(module, "_BLOCK_BYTES", 16)
    values = np.arange(12, dtype=np.float32).reshape(6, 2)  # 8 bytes a row, so two rows a block
    signals = {"sample_ids": np.array(list("fedcba")), "gradients": values}
    ordered = OrderedSignals(signals, id_order(signals))
    blocks = list(ordered.blocks("gradients"))
    assert [len(block) for block in blocks] == [2, 2, 2]
    np.testing.assert_array_equal(np.concatenate(blocks), values[::-1])
    np.testing.assert_array_equal(
        np.concatenate(list(ordered.blocks("gradients", np.array([0, 4, 5])))), values[[5, 1, 0]]
    )
    np.testing.assert_array_equal(ordered.take("gradients", np.array([2])), values[[3]])
    np.testing.assert_array_equal(ordered["gradients"], values[::-1])
    np.testing.assert_array_equal(next(ordered.blocks("gradients")), values[[5, 4]])


def test_what_does_not_belong_to_rows_is_not_reordered():
    signals = {"sample_ids": np.array(["b", "a"]), "learning_rates": np.array([3.0, 2.0, 1.0])}
    assert OrderedSignals(signals, id_order(signals))["learning_rates"].tolist() == [3.0, 2.0, 1.0]


def test_every_signal_says_what_it_is():
    assert all(source.asset and source.table and source.column and source.description for source in SIGNALS.values())


@pytest.mark.parametrize("method", ["coincide", "semdedup", "self_sup"])
def test_what_lies_on_disk_is_chosen_from_as_if_it_were_in_memory(tmp_path, method):
    in_memory = make_signals(120, seed=4)
    on_disk = dict(in_memory)
    for name in ("block_activations", "pooled_features"):
        np.save(tmp_path / f"{name}.npy", in_memory[name])
        on_disk[name] = np.load(tmp_path / f"{name}.npy", mmap_mode="r")
    held, mapped = (METHODS[method]().prepare(signals) for signals in (in_memory, on_disk))
    assert {name: values.tobytes() for name, values in held.items()} == {
        name: values.tobytes() for name, values in mapped.items()
    }


def test_rows_of_a_memory_map_are_read_when_they_are_indexed(tmp_path):
    values = np.arange(24, dtype=np.float16).reshape(4, 3, 2)
    np.save(tmp_path / "values.npy", values)
    signals = {"sample_ids": np.array(list("dcba")), "block_activations": np.load(tmp_path / "values.npy", "r")}
    rows = OrderedSignals(signals, id_order(signals)).rows("block_activations")
    assert not isinstance(rows, np.ndarray)
    assert (len(rows), rows.shape, rows.dtype) == (4, (4, 6), np.float16)
    np.testing.assert_array_equal(rows[1:3], values[[2, 1]].reshape(2, 6))
    np.testing.assert_array_equal(rows[np.array([[0, 3]])], values[[[3, 0]]].reshape(1, 2, 6))
