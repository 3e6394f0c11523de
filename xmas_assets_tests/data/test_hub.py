"""Datasets of the hub are fetched at a commit, by the hub's own client, from a stand-in for it on this machine."""

import json
from pathlib import Path

import pytest
import yaml

from xmas_assets.contracts.errors import DatasetError, SettingsError
from xmas_assets.data.hub import HubDataset, local
from xmas_assets.data.ingest import ingest
from xmas_assets.data.registration import Registration
from xmas_assets_tests.data.hub_server import COMMIT, NAME, hub_server
from xmas_assets_tests.data.making import picture, seen
from xmas_assets_tests.e2e.platforms import xmas

ADDRESS = f"hf://{NAME}@{COMMIT}"
OTHER_COMMIT = "f" * 40
CARD = "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: records/train*\n---\nPets.\n"
FILES = {
    "README.md": CARD.encode(),
    "records/train-0.jsonl": json.dumps(seen(id="a", image="pictures/a.png")).encode(),
    "records/test-0.jsonl": json.dumps(seen(id="t", image="pictures/a.png")).encode(),
    "pictures/a.png": picture(),
    "pets.py": b"raise SystemExit('the code of a repository was run')",
}


@pytest.fixture
def hub(monkeypatch):
    """The stand-in, which the client asks from now on; gives what it was asked for."""
    with hub_server(FILES) as (endpoint, asked):
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
        template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield asked


def test_a_dataset_of_the_hub_is_added_from_its_commit_with_its_pictures_and_without_its_code(hub, tmp_path):
    home = tmp_path / "home"
    said = xmas(home, "dataset", "add", "pets", "--annotations", ADDRESS)
    assert said.code == 0, said.err
    folder = home / "hub" / "owner--pets" / COMMIT
    registered = yaml.safe_load((home / "datasets" / "pets.yaml").read_text())
    assert registered["annotations"] == [str(folder / "records" / "train-0.jsonl")]
    assert registered["images"] == str(folder)
    assert "1 of 1 found" in said.out
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == sorted(
        FILES.keys() - {"pets.py"}
    )
    reading = ingest(Registration.load(home / "datasets" / "pets.yaml"))
    assert sum(batch.num_rows for name, batch in reading if name == "samples") == 1
    n_asked = len(hub)
    assert local(Path(ADDRESS), home / "hub") == folder
    assert len(hub) == n_asked  # what is there is not asked for again


def test_a_folder_of_a_repository_can_be_named(hub, tmp_path):
    folder = local(Path(f"hf://datasets/{NAME}@{COMMIT}/pictures"), tmp_path)
    assert [path.name for path in folder.iterdir()] == ["a.png"]
    assert not any("records" in path for path in hub if "/resolve/" in path)


def test_what_the_hub_does_not_have_is_refused_in_one_line_and_leaves_no_dataset(hub, tmp_path):
    with pytest.raises(DatasetError, match="missing or gated, or has no commit f{40}; check both"):
        local(Path(f"hf://{NAME}@{OTHER_COMMIT}"), tmp_path)
    with pytest.raises(DatasetError, match=f"has no folder 'nothing' at {COMMIT}"):
        local(Path(f"{ADDRESS}/nothing"), tmp_path)
    assert not (tmp_path / "owner--pets" / OTHER_COMMIT).exists()


def test_without_a_hub_a_dataset_is_refused_with_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DatasetError, match="cannot be fetched .*; go online and run again, or give a folder"):
        local(Path(ADDRESS), tmp_path)


@pytest.mark.parametrize("revision", ["", "@main", "@0123456"])
def test_a_revision_that_may_move_is_refused_with_the_command_that_prints_the_commit(revision, tmp_path):
    with pytest.raises(SettingsError, match=f"'hf datasets info {NAME}' prints as sha"):
        local(Path(f"hf://{NAME}{revision}"), tmp_path)


@pytest.mark.parametrize("address", ["hf://pets", f"hf://{NAME}@{COMMIT}/../other"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(SettingsError, match="is no dataset of the hub; write hf://OWNER/NAME@COMMIT"):
        HubDataset.of(Path(address))


def test_a_path_is_left_as_it_is(tmp_path):
    assert local(Path("hf/train.json"), tmp_path) == Path("hf/train.json")
