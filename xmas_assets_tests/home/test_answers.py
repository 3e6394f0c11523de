"""Answers of targets: kept while a dataset has the target, and gone with it."""

import polars as pl
import pytest

from xmas_assets.data.registration import Registration
from xmas_assets.home.answers import ANSWERS, answers_partition
from xmas_assets.home.benchmarks import partition_of
from xmas_assets.home.home import Home
from xmas_assets.store.tables import write_tables


def _target(home: Home, dataset: str, digest: str) -> None:
    frame = pl.DataFrame({"step": [1], "path": ["there"], "digest": [digest]})
    write_tables(home.table_directory("target_model", f"{dataset}|random_b0.20_s0"), {"checkpoints": frame})


@pytest.fixture
def home(tmp_path):
    """Datasets ``a`` and ``b``, each with a target; ``b``'s was another one before."""
    home = Home.open(tmp_path)
    for name in ("a", "b"):
        (tmp_path / f"{name}.json").write_text("[]")
        Registration.create(name, [tmp_path / f"{name}.json"]).save(home.root)
        _target(home, name, name * 64)
    for asker in ("a", partition_of("pope")):
        for digest in ("a", "b", "c"):
            with home.shared_work(ANSWERS, answers_partition(asker, digest * 64), "key"):
                pass
    return home


def _kept(home: Home) -> list[str]:
    return sorted(folder.name for folder in home.path("work", ANSWERS).iterdir())


def test_answers_to_benchmarks_go_with_the_last_dataset_that_has_the_target(home):
    home.forget("a")
    assert _kept(home) == ["benchmark%3Apope%7Cbbbbbbbbbbbbbbbb"]
    home.forget("b")
    assert _kept(home) == []


def test_answers_stay_while_a_target_cannot_be_read(home):
    (home.table_directory("target_model", "b|random_b0.20_s0") / "checkpoints.parquet").write_bytes(b"damaged")
    home.forget("a")
    assert [name for name in _kept(home) if name.startswith("benchmark")] == [
        f"benchmark%3Apope%7C{digest * 16}" for digest in "abc"
    ]
