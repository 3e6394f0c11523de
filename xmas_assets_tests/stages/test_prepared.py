"""What a method prepares: kept by content and parameters, shared by budgets and seeds, whole or not there."""

import signal
import subprocess
import sys
import time
from importlib.metadata import version
from unittest import mock

import polars as pl
import pytest

from xmas_assets.contracts import libraries
from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.contracts.errors import SelectionError
from xmas_assets.home.home import Home
from xmas_assets.home.stored_signals import signal_digests, stored_signals
from xmas_assets.selection.base import Method
from xmas_assets.selection.registry import make_method
from xmas_assets.stages.prepared import PREPARED, partition_of, prepared_arrays
from xmas_assets.store.tables import write_tables

IDS = ["a", "b", "c", "d"]
KILLED = """
import os, signal, sys
from pathlib import Path
from xmas_assets.home.home import Home
from xmas_assets.stages.prepared import prepared_arrays
from xmas_assets.selection.registry import make_method
def killed(path, target):
    if target.name.endswith(".safetensors"):
        os.truncate(path, 20)
        os.kill(os.getpid(), signal.SIGKILL)
    os.rename(path, target)
Path.replace = killed
prepared_arrays(Home.open(sys.argv[1]), "ds", make_method("el2n", {}))
"""
HOLD = """
import sys, time
from xmas_assets.home.home import Home
Home.open(sys.argv[1]).locks.hold("prepared", "ds|el2n")
print("held", flush=True)
time.sleep(1)
"""


def store(home: Home, asset: str, table: str, **columns) -> None:
    frame = pl.DataFrame({"row": range(len(IDS)), "sample_id": IDS, **columns})
    write_tables(home.table_directory(asset, "ds"), {table: frame})


@pytest.fixture
def home(tmp_path):
    """Four rows with an EL2N; the largest is c's."""
    home = Home.open(tmp_path)
    store(home, "raw_dataset", "samples", n_images=[1, 1, 1, 0])
    store(home, "answer_scores", "answer_scores", el2n=[0.2, 0.1, 0.9, 0.5])
    return home


@pytest.fixture
def prepares(monkeypatch):
    """Calls of ``Method.prepare``."""
    with mock.patch.object(Method, "prepare", autospec=True, side_effect=Method.prepare) as spy:
        yield spy


def test_every_budget_and_seed_after_the_first_only_chooses(home, prepares):
    """By EL2N the order is c, d, a, b."""
    method = make_method("el2n", {})
    signals = stored_signals(home, "ds")
    keys = [SelectionKey.parse(f"el2n_b{budget}_s{seed}") for budget in ("0.25", "0.50", "0.75") for seed in (0, 1)]
    chosen = [
        method.select(signals, key.budget, key.seed, prepared=prepared_arrays(home, "ds", method)).tolist()
        for key in keys
    ]
    assert chosen == [[2], [2], [2, 3], [2, 3], [0, 2, 3], [0, 2, 3]]
    assert prepares.call_count == 1


def test_another_parameter_prepares_anew_and_the_first_is_found_again(home, prepares):
    largest, smallest = make_method("el2n", {}), make_method("el2n", {"keep": "smallest"})
    rankings = [prepared_arrays(home, "ds", method)["ranking"].tolist() for method in (largest, smallest, largest)]
    assert rankings == [[2, 3, 0, 1], [1, 0, 3, 2], [2, 3, 0, 1]]
    assert prepares.call_count == 2


def test_another_signal_prepares_anew_and_the_same_one_made_again_does_not(home, prepares):
    method = make_method("el2n", {})
    prepared_arrays(home, "ds", method)
    store(home, "answer_scores", "answer_scores", el2n=[0.2, 0.1, 0.9, 0.5])
    store(home, "clusters", "clusters", label=[0, 1, 0, 1])  # not for this method
    assert prepared_arrays(home, "ds", method)["ranking"].tolist() == [2, 3, 0, 1]
    assert prepares.call_count == 1
    store(home, "answer_scores", "answer_scores", el2n=[0.2, 0.1, 0.3, 0.5])
    assert prepared_arrays(home, "ds", method)["ranking"].tolist() == [3, 2, 0, 1]
    assert prepares.call_count == 2


@pytest.mark.parametrize(("library", "n_prepared"), [("numpy", 2), ("faiss-cpu", 2), ("polars", 1), ("xmas-assets", 1)])
def test_another_version_prepares_anew_if_the_library_decides_the_arrays(
    home, prepares, monkeypatch, library, n_prepared
):
    method = make_method("el2n", {})
    prepared_arrays(home, "ds", method)
    monkeypatch.setattr(libraries, "version", lambda name: "99" if name == library else version(name))
    prepared_arrays(home, "ds", method)
    assert prepares.call_count == n_prepared


def test_a_kill_while_it_is_written_leaves_nothing_that_is_read(home, prepares):
    done = subprocess.run([sys.executable, "-c", KILLED, str(home.path())])
    assert done.returncode == -signal.SIGKILL
    assert [path.stat().st_size for path in home.path("work").rglob("*.safetensors*")] == [20]
    assert prepared_arrays(home, "ds", make_method("el2n", {}))["ranking"].tolist() == [2, 3, 0, 1]
    assert prepares.call_count == 1


def test_a_run_that_is_preparing_the_same_is_waited_for(home):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(home.path())], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    started = time.monotonic()
    assert prepared_arrays(home, "ds", make_method("el2n", {}))["ranking"].tolist() == [2, 3, 0, 1]
    assert time.monotonic() - started > 0.5
    assert holder.wait() == 0


def test_what_it_cost_is_noted_once(home):
    method, partition = make_method("el2n", {}), partition_of("ds", "el2n")
    assert home.costs.of(partition, PREPARED) is None
    prepared_arrays(home, "ds", method)
    cost = home.costs.of(partition, PREPARED)
    assert cost is not None and cost.cpu_seconds > 0
    prepared_arrays(home, "ds", method)
    assert home.costs.of(partition, PREPARED) == cost


def test_what_is_found_again_costs_what_it_cost_then(home):
    """Parameters are changed and changed back."""
    first, second = make_method("el2n", {}), make_method("el2n", {"keep": "smallest"})
    costs = []
    for method in (first, second, first):
        prepared_arrays(home, "ds", method)
        costs.append(home.costs.of(partition_of("ds", "el2n"), PREPARED))
    assert costs[0] == costs[2] != costs[1]


def test_a_missing_signal_is_named_with_its_asset_before_anything_is_opened(home):
    with pytest.raises(
        SelectionError, match=r"'d2_pruning' needs pooled_features, .*xmas select DATASET --method d2_pruning$"
    ):
        prepared_arrays(home, "ds", make_method("d2_pruning", {}))
    with pytest.raises(SelectionError, match=r"run: xmas select DATASET --method instag; tags: .*which you must name$"):
        prepared_arrays(home, "ds", make_method("instag", {}))


def test_only_the_tables_that_hold_the_signals_count(home):
    before = signal_digests(home, "ds", ["sample_ids", "el2n"])
    assert [text.split(":")[0] for text in before] == ["answer_scores.answer_scores", "raw_dataset.samples"]
    samples = home.stored("raw_dataset", "ds")["samples"].frame()
    tables = {"samples": samples, "quarantine": pl.DataFrame({"reason": ["x"]})}
    write_tables(home.table_directory("raw_dataset", "ds"), tables)
    assert signal_digests(home, "ds", ["sample_ids", "el2n"]) == before
