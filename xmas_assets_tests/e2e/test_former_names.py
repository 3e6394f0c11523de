"""``toy`` was called ``embedded`` and ``tiny`` before; commands, settings and homes that still say so work."""

from functools import partial

import pytest
import yaml

from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.data.profiles import load_settings
from xmas_assets.home.home import Home
from xmas_assets.toy.dataset import SyntheticSettings
from xmas_assets.vlm.model_files import SHIPPED_BASE, resolve_base
from xmas_assets_tests.e2e.platforms import QUICK, asset_counts, open_platform, xmas


@pytest.mark.parametrize("option", ["--toy", "--embedded"])
def test_either_option_adds_a_toy_dataset_and_removing_it_leaves_no_files(option, tmp_path, monkeypatch):
    monkeypatch.setattr("xmas_assets.toy.dataset.SyntheticSettings", partial(SyntheticSettings, n_train=20, n_test=12))
    assert xmas(tmp_path, "dataset", "add", "shapes", option).code == 0
    assert Home.open(tmp_path).registration("shapes").annotations == (tmp_path / "toy" / "shapes" / "train.json",)
    assert xmas(tmp_path, "dataset", "remove", "shapes", "--yes").code == 0
    assert list((tmp_path / "toy").iterdir()) == []


def test_removing_a_toy_dataset_of_an_older_home_leaves_no_files(tmp_path):
    folder = tmp_path / "embedded" / "shapes"
    folder.mkdir(parents=True)
    (folder / "train.json").write_text("[]")
    assert xmas(tmp_path, "dataset", "add", "shapes", "--annotations", folder / "train.json").code == 0
    assert xmas(tmp_path, "dataset", "remove", "shapes", "--yes").code == 0
    assert list((tmp_path / "embedded").iterdir()) == []


def test_the_former_profile_is_the_toy_profile():
    assert load_settings("tiny", {}) == load_settings("toy", {})


def test_the_former_model_is_the_toy_model():
    assert resolve_base(BaseModelSettings(source="embedded:tiny")) == resolve_base(BaseModelSettings()) == SHIPPED_BASE


def test_nothing_that_an_older_home_holds_goes_stale(copied):
    platform = open_platform(copied)
    platform.observe("shapes")
    before = asset_counts(platform, "shapes")
    path = copied / "datasets" / "shapes.yaml"
    older = {"profile": "tiny", "overrides": QUICK | {"base_model": {"source": "embedded:tiny"}}}
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | older))
    platform = open_platform(copied)
    platform.observe("shapes")
    assert asset_counts(platform, "shapes") == before
    assert before["target_model"] == (3, 0, 0)
