"""Runs on a person's own data with a person's own models, through the command."""

import shutil
from pathlib import Path

import pytest
import yaml

from xmas_assets.home.home import Home
from xmas_assets.toy.dataset import SyntheticSettings, generate
from xmas_assets_tests.e2e.platforms import xmas
from xmas_assets_tests.families import FAMILIES

QUICK = {"epochs": 1, "batch_size": 8, "micro_batch_size": 8}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    generate(SyntheticSettings(n_train=24, n_test=8), tmp_path / "files")
    return tmp_path / "files"


def add(home: Path, files: Path, *options: object):
    sources = ("--annotations", files / "train.json", "--test", files / "test.json", "--images", files)
    return xmas(home, "dataset", "add", "mine", *sources, *options)


@pytest.mark.slow
def test_proxy_and_targets_of_different_families_go_from_rows_to_a_leaderboard(tmp_path: Path, files: Path):
    proxy, target = (FAMILIES[name](tmp_path / name) for name in ("smolvlm", "qwen2_5_vl"))
    home = tmp_path / "home"
    assert add(home, files, "--model", proxy, "--target-model", target).code == 0
    settings = Home.open(home).settings("mine")
    assert (settings.base_model.source, settings.target_base.source) == (str(proxy), str(target))
    path = Home.open(home).registration_path("mine")
    fields = yaml.safe_load(path.read_text())
    fields["overrides"] |= {"proxy": QUICK | {"n_checkpoints": 3}, "target": QUICK}
    fields["overrides"]["base_model"]["max_tokens"] = 4096
    path.write_text(yaml.safe_dump(fields))
    run = xmas(home, "run", "mine", "--method", "xmas", "--method", "xmas_distinct", "--budget", "0.5")
    assert run.code == 0, run.err
    assert "toy model" not in run.err
    rows = [line.split("\t") for line in run.out.splitlines()]
    methods = [row[rows[0].index("method")] for row in rows[1:]]
    assert {"xmas", "xmas_distinct"} <= set(methods)


def test_a_target_that_cannot_be_used_is_refused_before_a_proxy_is_trained(tmp_path: Path, files: Path):
    target = FAMILIES["qwen2_vl"](tmp_path / "target")
    (target / "chat_template.jinja").write_text("{{ 1/0 }}")
    home = tmp_path / "home"
    assert add(home, files, "--target-model", target).code == 0
    run = xmas(home, "run", "mine", "--method", "xmas", "--budget", "0.5")
    assert run.code != 0
    assert "its rows failed: the chat template refuses the roles" in run.err
    assert not Home.open(home).is_stored("proxy_checkpoints", "mine")


@pytest.mark.parametrize(
    "command",
    [("run", "mine", "--method", "random"), ("select", "mine", "--method", "xmas"), ("theory", "mine")],
    ids=lambda command: command[0],
)
def test_what_trains_the_toy_model_on_own_data_says_so_first(command, tmp_path: Path, files: Path):
    home = tmp_path / "home"
    assert add(home, files).code == 0
    shutil.rmtree(files)  # so that the command ends at once
    first = xmas(home, *command).err.splitlines()[:2]
    assert "mine is run with the toy model" in first[1]


def test_what_trains_nothing_says_nothing_of_the_toy_model(tmp_path: Path, files: Path):
    home = tmp_path / "home"
    assert add(home, files).code == 0
    selected = xmas(home, "select", "mine", "--method", "random", "--budget", "0.5")
    assert (selected.code, "toy model" in selected.err) == (0, False)


def test_a_run_whose_targets_alone_are_toys_says_so(tmp_path: Path, files: Path):
    home = tmp_path / "home"
    proxy = FAMILIES["qwen2_vl"](tmp_path / "qwen")
    assert add(home, files, "--model", proxy, "--target-model", "toy:tiny").code == 0
    shutil.rmtree(files)
    first = xmas(home, "run", "mine", "--method", "random").err.splitlines()[:2]
    assert "mine is run with the toy model" in first[1]
    assert "name a model of your own as target_base in" in first[1]


def test_a_hub_model_is_named_with_its_commit(tmp_path: Path, files: Path):
    commit = "0123456789abcdef0123456789abcdef01234567"
    assert add(tmp_path / "home", files, "--model", f"owner/name@{commit}").code == 0
    base = Home.open(tmp_path / "home").settings("mine").base_model
    assert (base.source, base.revision) == ("owner/name", commit)
