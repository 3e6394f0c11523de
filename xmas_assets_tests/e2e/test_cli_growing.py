"""``xmas dataset grow``: rows that are appended cost their own reading, and the models stay those of the first."""

import json
from pathlib import Path

import pytest

from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.home.home import Home
from xmas_assets.stages.reasons import selection_reasons
from xmas_assets_tests.e2e.platforms import QUICK, open_platform, register, row, write_dataset, xmas

SELECT = ("select", "shapes", "--method", "xmas", "--method", "clip_score", "--budget", "0.2")


def cut(home: Path, records: list, n_rows: int) -> None:
    (home / "toy" / "shapes" / "train.json").write_text(json.dumps(records[:n_rows]))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_appended_rows_are_read_by_the_models_of_the_first(tmp_path):
    small = QUICK | {"clusters": {"n_clusters": 4}}
    register(tmp_path, n_train=110, overrides=small)
    records = json.loads((tmp_path / "toy" / "shapes" / "train.json").read_text())
    stored = {}
    for n_rows in (80, 100, 110):
        cut(tmp_path, records, n_rows)
        assert xmas(tmp_path, *SELECT).code == 0
        home = Home.open(tmp_path)
        tables = {asset: home.stored(asset, "shapes") for asset in ("attention_trajectories", "clip_embeddings")}
        stored[n_rows] = {asset: tables[asset][asset].frame() for asset in tables}
        stored[n_rows]["proxy"] = home.stored("proxy_checkpoints", "shapes")["checkpoints"].frame()
        assert len(stored[n_rows]["clip_embeddings"]) == n_rows
        for asset in tables if n_rows > 80 else ():
            assert stored[n_rows][asset].head(80).equals(stored[80][asset])
        if n_rows == 80:
            assert xmas(tmp_path, "dataset", "grow", "shapes").code == 0
            assert home.registration("shapes").grown == (80,)
    assert home.registration("shapes").grown == (80, 100)
    assert stored[110]["proxy"].equals(stored[80]["proxy"])
    assert stored[110]["attention_trajectories"].head(100).equals(stored[100]["attention_trajectories"])
    assert not any(state.stale for state in _status(tmp_path))


def _status(home: Path):
    from xmas_assets.orchestration.status import dataset_status

    return dataset_status(open_platform(home), "shapes").assets


def test_what_cannot_be_kept_is_refused(tmp_path):
    words = write_dataset(tmp_path / "data", [row(n, image=False) for n in range(4)])
    assert xmas(tmp_path / "home", "dataset", "add", "small", *words).code == 0
    said = xmas(tmp_path / "home", "dataset", "grow", "small").message
    assert said == (
        "xmas: small was not read yet; materialize raw_dataset in the UI, or run: xmas select small --method random"
    )
    assert xmas(tmp_path / "home", "select", "small", "--method", "random", "--budget", "0.5").code == 0
    said = xmas(tmp_path / "home", "dataset", "grow", "small", "--rows", "5").message
    assert said.startswith("xmas: 5 rows of small cannot be kept: 4 are stored; give --rows within 1..4, or remove")
    said = xmas(tmp_path / "home", "dataset", "grow", "small", "--rows", "3")
    assert (said.code, said.out.splitlines()[0]) == (
        0,
        "small: what was read of its first 3 rows is kept; proxy and warm-up stay those of the first 3",
    )
    assert "\ngrown: [3]\n" in (tmp_path / "home" / "datasets" / "small.yaml").read_text()


def test_rows_that_were_chosen_are_kept_and_a_manifest_says_so(tmp_path):
    home, key = tmp_path / "home", "random_b0.50_s0"

    def choose(n_rows: int) -> list[int]:
        write_dataset(tmp_path / "data", [row(n, image=False) for n in range(n_rows)])
        keep = ("--set", "methods.when_grown=keep")
        assert xmas(home, "select", "small", "--method", "random", "--budget", "0.5", *keep).code == 0
        return Home.open(home).stored("selected_subset", f"small|{key}")["subset"].column("row").tolist()

    words = write_dataset(tmp_path / "data", [row(n, image=False) for n in range(20)])
    assert xmas(home, "dataset", "add", "small", *words).code == 0
    first = choose(20)
    assert xmas(home, "dataset", "grow", "small").code == 0
    grown = choose(30)
    assert [row for row in grown if row < 20] == first
    assert (len(first), len(grown)) == (10, 15)
    assert choose(34)[:15] == grown
    assert xmas(home, "export", "small", key, "--to", tmp_path / "out.json").code == 0
    manifest = json.loads((tmp_path / "out.manifest.json").read_text())
    assert (manifest["grown"], manifest["n_selected"]) == ([20, 30], 17)
    assert xmas(home, "verify", tmp_path / "out.manifest.json").code == 0
    reasons = selection_reasons(Home.open(home), "small", SelectionKey.parse(key))
    assert reasons.filter("kept")["row"].to_list() == manifest["rows"]
    assert set(reasons["group"]) == {"rows 0 to 19", "rows 20 to 29", "rows 30 to 33"}
