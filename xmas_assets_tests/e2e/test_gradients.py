"""From a small dataset with validation records to what tive, less, icons and grad_norm select, through the assets."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.core.influence import validation_influence
from xmas_assets.data.registration import Registration
from xmas_assets.home.stored_signals import stored_signals
from xmas_assets.orchestration.platform import RunFailedError
from xmas_assets.selection.registry import METHODS
from xmas_assets_tests.e2e.platforms import open_platform, row, write_dataset, xmas

N_ROWS, N_CHECKPOINTS, N_PROJECTED = 40, 3, 2048
OVERRIDES = {
    "warmup": {"epochs": 3, "n_checkpoints": N_CHECKPOINTS, "share": 0.3, "batch_size": 4, "micro_batch_size": 4},
    "gradients": {"n_projected": N_PROJECTED, "batch_size": 7, "shard_size": 15},
    "base_model": {"max_tokens": 64},
}
STAGES = ("raw_dataset", "base_model", "warmup_checkpoints", "gradients", "adam_gradients")
VALIDATION = ("validation_samples", "validation_gradients")
TOO_LONG = "r039"


def training_rows() -> list[dict]:
    """Shapes and colours; every fourth text-only, rows 4 and 5 alike but for their names, the last one too long."""
    rows = [
        row(number, image=number % 4 != 3, question=f"what is {number}", answer=("red", "a circle")[number % 2])
        for number in range(N_ROWS)
    ]
    rows[5] = {**rows[4], "id": rows[5]["id"]}
    rows[-1]["conversations"][0]["value"] = "why " * 100
    return rows


def validation_rows() -> list[dict]:
    """Two target tasks; the pictures are those of training rows 8 and 9, the questions are new."""
    asked = {8: "name the color of this", 9: "name the shape of this"}
    rows = [
        row(number, question=question, answer=("red", "a circle")[number % 2]) for number, question in asked.items()
    ]
    return [{**record, "id": f"v{number}", "task": f"task {number}"} for number, record in enumerate(rows)]


def register(home: Path, folder: Path, rows: list[dict], **fields) -> Registration:
    """Register the dataset in a folder, with these validation records."""
    (folder / "validation.json").write_text(json.dumps(rows))
    registration = Registration.create(
        "small",
        [folder / "train.json"],
        test=[folder / "test.json"],
        images=folder,
        overrides=OVERRIDES,
        **{"validation": [folder / "validation.json"]} | fields,
    )
    registration.save(home)
    return registration


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home in which everything up to the signals has been made."""
    home = tmp_path_factory.mktemp("home")
    write_dataset(home / "files", training_rows(), [row(0, question="test")])
    register(home, home / "files", validation_rows())
    platform = open_platform(home)
    platform.observe("small")
    for stage in (*STAGES, *VALIDATION):
        platform.materialize([stage], "small")
    return home


@pytest.fixture(scope="module")
def signals(home):
    return stored_signals(open_platform(home).home, "small")


@pytest.fixture(scope="module")
def complete(signals):
    """The signals without the row that is too long."""
    keep = signals["sample_ids"] != TOO_LONG
    names = ("sample_ids", "task", "gradients", "gradient_norm", "adam_gradients")
    rest = {name: signals[name] for name in ("learning_rates", "validation_gradients")}
    return {name: signals[name][keep] for name in names} | rest


def test_the_signals_have_the_shapes_that_methods_ask_for(signals):
    assert signals["gradients"].shape == (N_ROWS, N_PROJECTED)
    assert signals["gradient_norm"].shape == (N_ROWS,)
    assert signals["adam_gradients"].shape == (N_ROWS, N_CHECKPOINTS, N_PROJECTED)
    assert signals["validation_gradients"].shape == (2, N_CHECKPOINTS, N_PROJECTED)
    assert signals["learning_rates"].shape == (N_CHECKPOINTS,)
    assert (signals["learning_rates"] > 0).all()


@pytest.mark.parametrize("method", ["tive", "less", "icons", "grad_norm"])
def test_the_method_selects_rows_from_the_stored_signals(complete, method):
    assert len(METHODS[method]().select(complete, 7, seed=0)) == 7


def test_a_row_too_long_has_no_gradient_and_others_do_with_or_without_picture(signals):
    for name in ("gradients", "gradient_norm", "adam_gradients"):
        values = signals[name].reshape(N_ROWS, -1)
        assert signals["sample_ids"][np.isnan(values).any(1)].tolist() == [TOO_LONG]
        assert (np.abs(values[:-1]).max(1) > 0).all()


def test_rows_of_equal_content_have_equal_gradients(signals):
    first, second = np.flatnonzero(np.isin(signals["sample_ids"], ["r004", "r005"]))
    assert signals["gradient_norm"][first] == pytest.approx(signals["gradient_norm"][second], rel=1e-5)
    np.testing.assert_allclose(
        signals["adam_gradients"][first], signals["adam_gradients"][second], rtol=1e-3, atol=1e-2
    )


def test_the_projected_gradient_is_about_as_long_as_the_gradient(signals):
    """A projection to 2048 dimensions keeps squared lengths within sqrt(2 / 2048) = 3 %, one spread."""
    keep = signals["sample_ids"] != TOO_LONG
    lengths = np.linalg.norm(signals["gradients"][keep], axis=1)
    np.testing.assert_allclose(lengths, signals["gradient_norm"][keep], rtol=0.1)


def test_a_validation_record_in_training_has_the_largest_influence_on_its_task(home, complete, tmp_path):
    """By plain gradients, where a row's cosine with itself is 1. Records that are in training are refused, at that."""
    shutil.copytree(home, tmp_path / "home")
    platform = open_platform(tmp_path / "home")
    rows = [{**record, "id": f"v{number}", "task": str(number)} for number, record in enumerate(training_rows()[:20])]
    register(tmp_path / "home", home / "files", rows)
    platform.observe("small")
    with pytest.raises(RunFailedError, match="20 validation records have the pictures and question of a training"):
        platform.materialize(["validation_samples"], "small")
    platform.materialize(["validation_gradients"], "small")
    tasks = platform.home.stored("validation_gradients", "small")["validation_gradients"].column("task").tolist()
    last = stored_signals(platform.home, "small")["validation_gradients"][:, -1:]
    influence = validation_influence(complete["gradients"][:, None], last, weights=np.ones(1))
    for place, task in enumerate(tasks):
        best = set(np.flatnonzero(influence[:, place] > influence[:, place].max() - 1e-4))
        assert int(task) in best
        assert influence[int(task), place] == pytest.approx(1, abs=1e-4)
        assert best <= ({4, 5} if task in "45" else {int(task)})


def test_without_validation_records_it_is_said_what_to_give(home, tmp_path):
    shutil.copytree(home, tmp_path / "home")
    registration = register(tmp_path / "home", home / "files", [], validation=[])
    with pytest.raises(DatasetError, match=r"'small' has no validation records.*--validation FILE"):
        registration.of_validation()
    platform = open_platform(tmp_path / "home")
    platform.observe("small")
    assert "validation_samples" in platform.stale([*STAGES, *VALIDATION], "small")
    assert not set(STAGES) & set(platform.stale([*STAGES, *VALIDATION], "small"))
    with pytest.raises(RunFailedError, match="has no validation records"):
        platform.materialize(["validation_samples"], "small")


def test_validation_files_are_registered_from_the_command_line(tmp_path):
    words = write_dataset(tmp_path / "files", training_rows())
    (tmp_path / "files" / "validation.json").write_text(json.dumps(validation_rows()))
    said = xmas(tmp_path, "dataset", "add", "small", *words, "--validation", tmp_path / "files" / "validation.json")
    assert said.code == 0, said
    assert Registration.named(tmp_path, "small").validation == (tmp_path / "files" / "validation.json",)
