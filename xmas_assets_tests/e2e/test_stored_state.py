"""What is damaged, exchanged or gone of what is stored counts as stale, by name, and the next run makes it again."""

import shutil
from pathlib import Path

import pytest

from xmas_assets.orchestration.platform import Platform
from xmas_assets_tests.e2e.platforms import (
    DATASET_STAGES,
    KEY,
    SELECTION_STAGES,
    table_bytes,
    xmas,
)

PARTITION = f"shapes|{KEY}"
RUN = ("run", "shapes", "--method", "xmas", "--budget", "0.2")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def flip(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:20] + bytes(255 - byte for byte in content[20:60]) + content[60:])


def stale(platform: Platform) -> list[str]:
    """Assets behind a selection that count as stale or missing by themselves."""
    freshness = platform.freshness()
    states = freshness.states(DATASET_STAGES, ["shapes"]) | freshness.states(SELECTION_STAGES, [PARTITION])
    return [asset for asset, by_partition in states.items() if set(by_partition.values()) != {"FRESH"}]


@pytest.mark.parametrize(
    ("asset", "harm"),
    [
        *((asset, cut) for asset in (*DATASET_STAGES, *SELECTION_STAGES)),
        *(("clusters", harm) for harm in (flip, Path.unlink, lambda path: path.write_bytes(b""))),
    ],
)
def test_an_asset_with_a_damaged_table_is_stale_and_no_other_is(platform, caplog, asset, harm):
    home = platform.home
    directory = home.table_directory(asset, PARTITION if asset in SELECTION_STAGES else "shapes")
    path = sorted(directory.glob("*.parquet"))[0]
    whole = path.read_bytes()
    assert stale(platform) == []
    harm(path)
    assert stale(platform) == [asset]
    if any(directory.glob("*.parquet")):
        assert f"{asset} of " in caplog.text and "counts as stale" in caplog.text
    path.write_bytes(whole)
    assert stale(platform) == []


def test_a_selection_in_the_place_of_another_is_stale_where_nothing_is_remembered(platform, copied, caplog):
    home = platform.home
    there = home.table_directory("selected_subset", "shapes|random_b0.20_s0")
    here = home.table_directory("selected_subset", PARTITION)
    shutil.copytree(here, copied / "aside")
    shutil.rmtree(here)
    shutil.copytree(there, here)
    (copied / "contents.json").unlink()
    assert stale(platform) == ["selected_subset"]
    assert f"{here} holds other tables than its last run made" in caplog.text
    shutil.rmtree(here)
    (copied / "aside").rename(here)
    assert stale(platform) == []


@pytest.mark.slow
def test_one_run_makes_all_of_it_again_to_the_same_bytes(platform, copied, caplog):
    before = table_bytes(copied)
    cut(copied / "tables/raw_dataset/dataset=shapes/samples.parquet")
    flip(next((copied / "work/proxy_checkpoints").rglob("checkpoint-*/model.safetensors")))
    trained = next((copied / "work/target_model").glob("*xmas*"))
    shutil.rmtree(trained)
    said = xmas(copied, *RUN)
    assert said.code == 0, said
    assert "samples.parquet is damaged" in caplog.text and "not the checkpoint that was saved" in caplog.text
    assert stale(platform) == []
    after = table_bytes(copied)
    assert {path for path in before if before[path] != after[path]} == set()
    assert any(trained.rglob("*.safetensors"))
    again = xmas(copied, *RUN)
    assert again.code == 0 and "0 of 1 selections to run" in again.err, again


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("history/runs.db", b"no database" * 999, "Dagster's database below"),
        ("history/runs/index.db", b"no database" * 999, "Dagster's database below"),
        ("dagster.yaml", b"storage: [open", "is damaged, or not settings of Dagster"),
        ("dagster.yaml", b"storagex: 3", "is damaged, or not settings of Dagster"),
        ("dagster.yaml", b"\xff\xfe", "is damaged, or not settings of Dagster"),
    ],
)
def test_damage_to_dagsters_own_files_is_one_line(copied, name, content, message):
    path = copied / "dagster" / name
    whole = path.read_bytes()
    path.write_bytes(content)
    try:
        assert message in xmas(copied, "status", "shapes").message
    finally:
        path.write_bytes(whole)
