import numpy as np
import pytest

from xmas_assets.selection.signals import SIGNALS, OrderedSignals, Signals, id_order


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


def test_every_signal_says_what_it_is():
    assert all(source.asset and source.table and source.column and source.description for source in SIGNALS.values())
