"""The package as a library: what its door gives, how little it loads, and choosing rows from arrays."""

import ast
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import xmas_assets
from xmas_assets.contracts.signals import SIGNALS
from xmas_assets.selection.registry import BUILT_IN
from xmas_assets_tests.selection.cases import make_signals

DOOR = Path(xmas_assets.__file__)


def loaded_by(statement: str) -> set[str]:
    """The top-level modules outside the standard library that a statement loads in a fresh interpreter."""
    code = f"import sys; before = set(sys.modules); {statement}; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stdout.split()} - sys.stdlib_module_names


def test_importing_the_package_loads_nothing_else():
    assert loaded_by("import xmas_assets") == {"xmas_assets"}


def test_choosing_rows_loads_no_platform_and_no_model():
    assert loaded_by("from xmas_assets import METHODS, select") & {"dagster", "mlflow", "torch", "duckdb"} == set()


def test_every_public_name_is_there_and_known_to_type_checkers():
    assert {name for name in xmas_assets.__all__ if getattr(xmas_assets, name) is None} == set()
    assert set(xmas_assets.__all__) <= set(dir(xmas_assets))
    (typed,) = [node for node in ast.parse(DOOR.read_text()).body if isinstance(node, ast.If)]
    imported = {alias.name for node in typed.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert imported | {"__version__"} == set(xmas_assets.__all__)


def test_every_method_class_is_public():
    assert {method for method in BUILT_IN.values() if getattr(xmas_assets, method.__name__) is not method} == set()


def test_the_version_is_that_of_the_installed_package():
    assert xmas_assets.__version__ == version("xmas-assets")


def test_a_name_that_is_not_there_is_told_as_by_any_module():
    with pytest.raises(AttributeError, match="module 'xmas_assets' has no attribute 'selekt'"):
        _ = xmas_assets.selekt  # pyright: ignore


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_method_chooses_from_arrays_as_from_the_platforms_signals(name):
    signals = make_signals(60)
    signals["sample_ids"] = np.array([f"{row:02}" for row in range(60)], dtype=object)
    count = 60 if name == "full" else 20
    expected = BUILT_IN[name]().select(signals, count, 3)
    needed = {need: signals[need] for need in BUILT_IN[name].needs} or {"sample_ids": signals["sample_ids"]}
    assert xmas_assets.select(name, needed, budget=count, seed=3).tolist() == expected.tolist()


def test_equal_rows_are_chosen_from_the_first_row_on():
    """101 rows: as text, without leading zeros, row 100 would come before row 11."""
    chosen = xmas_assets.select("length", {"answer_length": np.ones(101, dtype=int)}, budget=12)
    assert chosen.tolist() == list(range(12))


def test_a_method_with_parameters_of_its_own_and_plain_lists():
    middle = xmas_assets.Perplexity(percentile=0)
    assert xmas_assets.select(middle, {"perplexity": [5.0, 1.0, 3.0, 2.0]}, budget=0.5).tolist() == [1, 3]


@pytest.mark.parametrize(
    ("method", "signals", "message"),
    [
        ("semdedup", {}, r"^method 'semdedup' needs pooled_features \(.*\(width,\) per row\); given: nothing$"),
        ("d2_pruning", {"aum": [0.1]}, r"^method 'd2_pruning' needs pooled_features \(.*; given: aum$"),
        (
            "length",
            {"answer_length": [1, 2], "sample_ids": ["a"]},
            r"\(answer_length 2, sample_ids 1\); give one entry",
        ),
        (
            "length",
            {"answer_length": [[1], [2]]},
            r"^signal 'answer_length' has 2 dimensions, not 1; give .*tokens over",
        ),
        ("semdedup", {"pooled_features": [1.0, 2.0]}, r"^signal 'pooled_features' has 1 dimensions, not 2; give"),
        ("instag", {"tags": [["a"], ["b", "c"]]}, r"^signal 'tags' has 0 dimensions, not 1; .*dtype object where"),
        ("random", {}, r"^no array says how many rows there are; give sample_ids"),
        ("random", {"sample_ids": ["a", "a"]}, "sample_id 'a' names more than one row"),
        ("xmass", {}, r"^method 'xmass' is not known; did you mean 'xmas'. use one of xmas, "),
    ],
)
def test_arrays_that_cannot_be_used_are_refused_in_one_line(method, signals, message):
    with pytest.raises(xmas_assets.SelectionError, match=message) as caught:
        xmas_assets.select(method, signals, budget=1)
    assert "\n" not in str(caught.value)


def test_the_tests_signals_have_the_shapes_that_the_table_of_signals_gives():
    from xmas_assets.selection.arrays import _n_dimensions

    made = make_signals(30)
    made["gradients"] = made.get("gradients", np.zeros((30, 4)))
    wrong = {name for name in SIGNALS if name in made and _n_dimensions(name) not in (0, made[name].ndim)}
    assert wrong == set()


def test_a_dataset_is_read_without_a_home_and_every_record_is_accounted_for(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    turns = [{"from": "human", "value": "<image>\nwhat"}, {"from": "gpt", "value": "black"}]
    records = [
        {"id": "one", "image": "a.png", "conversations": turns},
        {"id": "two", "image": "gone.png", "conversations": turns},
        {"id": "one", "image": "a.png", "conversations": turns[::-1]},
        {"id": "four", "conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}]},
    ]
    (tmp_path / "train.json").write_text(json.dumps(records))
    dataset = xmas_assets.load_dataset(tmp_path / "train.json", images=tmp_path)
    assert [sample.sample_id for sample in dataset.samples] == ["one", "four"]
    assert dataset.samples[0].images == ("a.png",)
    assert dataset.quarantine.select("source_row", "reason").rows() == [(1, "image_missing"), (2, "bad_turn_order")]
    assert dataset.notices == {"text_only": 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "train.json"]


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"format": "csv"}, xmas_assets.SettingsError, "format 'csv' is not known; use one of llava_json, "),
        ({"images": "/not/there"}, xmas_assets.DatasetError, "images '/not/there' is neither a folder nor"),
        ({"annotations": "/not/there.json"}, xmas_assets.DatasetError, "/not/there.json"),
    ],
)
def test_a_dataset_that_cannot_be_read_is_refused_in_one_line(tmp_path, fields, error, message):
    (tmp_path / "train.json").write_text("[]")
    with pytest.raises(error, match=message) as caught:
        xmas_assets.load_dataset(**{"annotations": tmp_path / "train.json"} | fields)
    assert "\n" not in str(caught.value)
