"""A base model that changes on the disk is noticed by what was made from it: by sizes and times, then by content."""

import json
import os
import shutil

import pytest

from xmas_assets.home.home import Home
from xmas_assets.home.versions import current_versions
from xmas_assets.vlm.model_files import SHIPPED_BASE
from xmas_assets_tests.e2e.platforms import row, write_dataset, xmas

SELECT = ("select", "own", "--method", "length", "--budget", "0.5")


@pytest.fixture(scope="module")
def made_once(tmp_path_factory):
    """A home whose dataset ``own`` was selected from by a method that reads with the model in ``model``."""
    folder = tmp_path_factory.mktemp("model_files")
    shutil.copytree(SHIPPED_BASE, folder / "model")
    words = write_dataset(folder / "data", [row(0), row(1)])
    assert xmas(folder / "home", "dataset", "add", "own", *words, "--model", folder / "model").code == 0
    said = xmas(folder / "home", *SELECT)
    assert said.code == 0, said.err
    return folder


@pytest.fixture
def made(made_once, tmp_path):
    """A copy of the home, with the model left where it is: its files are given back at the end."""
    shutil.copytree(made_once / "home", tmp_path / "home")
    shutil.copytree(made_once / "model", tmp_path / "as_it_was")
    yield tmp_path / "home", made_once / "model"
    shutil.rmtree(made_once / "model")
    shutil.copytree(tmp_path / "as_it_was", made_once / "model")


def stale(home) -> dict[str, str]:
    """Assets that are stale, with why."""
    return {
        row["asset"]: row["why"] for row in json.loads(xmas(home, "dataset", "refresh", "own", "--json").out)["stale"]
    }


def change(path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {"note": "changed"}))


@pytest.mark.slow
def test_a_changed_file_of_the_base_model_is_named_makes_it_stale_and_is_read_by_the_next_run(made):
    home, model = made
    for path in model.iterdir():
        os.utime(path, ns=(1, 1))
    assert stale(home) == {}
    change(model / "config.json")
    assert stale(home)["base_model"] == "settings/base_model (files of its model) changed"
    assert "text_lengths" in stale(home)
    (found,) = json.loads(xmas(home, "dataset", "refresh", "own", "--json").out)["changes"]
    assert found == {
        "files": "base_model files",
        "change": "changed",
        "n_files": 1,
        "first": str(model / "config.json"),
    }
    said = xmas(home, *SELECT)
    assert "  base_model files that changed since own was read: 1; first " in said.err
    assert "base_model: made in" in said.err
    assert json.loads(xmas(home, "dataset", "refresh", "own", "--json").out) == {"changes": [], "stale": []}


def test_a_file_that_comes_to_the_base_model_makes_it_stale(made):
    home, model = made
    assert stale(home) == {}
    (model / "added_tokens.json").write_text("{}")
    assert stale(home)["base_model"] == "settings/base_model (files of its model) changed"
    (model / "added_tokens.json").unlink()
    assert stale(home) == {}


def test_a_home_of_before_there_were_notes_stays_fresh_unless_the_model_is_another(made):
    home, model = made
    versions = current_versions(Home.open(home), "own")
    for notes in (home / "work" / "seen_files" / "own").glob("base_model_*"):
        notes.unlink()
    assert current_versions(Home.open(home), "own") == versions
    assert stale(home) == {}
    for notes in (home / "work" / "seen_files" / "own").glob("base_model_*"):
        notes.unlink()
    change(model / "config.json")
    assert "base_model" in stale(home)
