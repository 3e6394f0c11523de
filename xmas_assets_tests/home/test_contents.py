import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from xmas_assets.contracts.artifacts import Checkpoint
from xmas_assets.contracts.errors import StoreError
from xmas_assets.files.model_content import model_digest
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import stage, stage_checkpoints
from xmas_assets.store.reading import Table

PLACES = ("clusters", "tiny"), ("clusters", "other"), ("proxy_checkpoints", "tiny")


@pytest.fixture
def home(tmp_path) -> Home:
    """A home with two tables of clusters and a checkpoint."""
    home = Home.open(tmp_path)
    for number, dataset in enumerate(("tiny", "other")):
        frame = pl.DataFrame({"row": range(1000), "label": [row % (7 + number) for row in range(1000)]})
        staged = stage(home.workspace("clusters", dataset, "k"), {"clusters": frame, "sizes": frame.head(number + 3)})
        home.put("clusters", dataset, staged)
    workspace = home.workspace("proxy_checkpoints", "tiny", "k")
    weights = workspace / "run" / "checkpoint-4"
    weights.mkdir(parents=True)
    (weights / "config.json").write_text("{}")
    (weights / "model.safetensors").write_bytes(bytes(100))
    checkpoint = Checkpoint(4, weights, model_digest(weights))
    home.put("proxy_checkpoints", "tiny", stage_checkpoints(workspace, [checkpoint], home.root))
    return Home.open(tmp_path)


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def table(home: Home) -> Path:
    return home.table_directory("clusters", "tiny") / "clusters.parquet"


def weights(home: Home) -> Path:
    return home.root / "work/proxy_checkpoints/tiny/k/run/checkpoint-4/model.safetensors"


def swap(home: Home) -> None:
    here, there = home.table_directory("clusters", "tiny"), home.table_directory("clusters", "other")
    here.rename(home.root / "aside")
    there.rename(here)
    (home.root / "aside").rename(there)


DAMAGE: dict[str, tuple[Callable[[Home], object], str, str]] = {
    "of 0 bytes": (lambda home: table(home).write_bytes(b""), "clusters", "clusters.parquet is damaged"),
    "cut": (lambda home: table(home).write_bytes(table(home).read_bytes()[:-9]), "clusters", "is damaged"),
    "a bit": (lambda home: flip(table(home), 400), "clusters", "clusters.parquet"),
    "no table": (lambda home: shutil.rmtree(table(home).parent), "clusters", "has not been made yet"),
    "one of two tables": (lambda home: table(home).unlink(), "clusters", "holds other tables than were put there"),
    "exchanged": (swap, "clusters", "holds other tables than were put there"),
    "another's table": (
        lambda home: shutil.copy(home.table_directory("clusters", "other") / "clusters.parquet", table(home)),
        "clusters",
        "was interrupted while it was replaced",
    ),
    "cut weights": (lambda home: weights(home).write_bytes(b"x"), "proxy_checkpoints", "not the checkpoint that was"),
    "a bit of weights": (lambda home: flip(weights(home), 50), "proxy_checkpoints", "not the checkpoint that was"),
    "no weights": (lambda home: weights(home).unlink(), "proxy_checkpoints", "not the checkpoint that was"),
    "no checkpoint": (
        lambda home: shutil.rmtree(weights(home).parent),
        "proxy_checkpoints",
        "is missing or not the checkpoint that was",
    ),
    "no work": (lambda home: shutil.rmtree(home.root / "work"), "proxy_checkpoints", "checkpoint-4 is missing"),
}


# Tables that are sound in themselves are known by what is remembered of their place, else by the event log alone.
SOUND = ("exchanged", "one of two tables")


CASES = [(damage, remembers) for damage in DAMAGE for remembers in (True, False) if remembers or damage not in SOUND]


@pytest.mark.parametrize(("damage", "remembers"), CASES)
def test_what_is_not_what_was_put_there_is_refused_by_name_whenever_it_is_asked_for(home, damage, remembers):
    harm, asset, message = DAMAGE[damage]
    harm(home)
    if not remembers:
        (home.root / "contents.json").unlink()
    for _ in range(2):
        with pytest.raises(StoreError, match=message) as refused:
            home.stored(asset, "tiny")
        assert "xmas select tiny" in str(refused.value) and "delete" not in str(refused.value)
        with pytest.raises(StoreError, match=message):
            home.stored_version(asset, "tiny")


def test_contents_are_read_once_per_file_and_change_by_all_processes(home, monkeypatch):
    read: list[Path] = []
    digest = Table.read_digest
    monkeypatch.setattr(Table, "read_digest", lambda self: (read.append(self.path), digest(self))[1])
    for asset, dataset in PLACES:
        home.stored(asset, dataset)
        Home.open(home.root).stored_version(asset, dataset)
    assert read == []  # what was put there by us is known
    moved = Home.open(shutil.copytree(home.root, home.root.with_name(f"{home.root.name}-copy")))
    for _ in range(2):
        for asset, dataset in PLACES:
            moved.stored(asset, dataset)
            Home.open(moved.root).stored_version(asset, dataset)
    names = sorted(path.name for path in read)
    assert names == ["checkpoints.parquet", *2 * ["clusters.parquet"], *2 * ["sizes.parquet"]]
    assert moved.stored_version("clusters", "tiny") == home.stored_version("clusters", "tiny")


def test_what_another_process_put_there_meanwhile_is_known_here(home):
    home.stored("clusters", "tiny")
    frame = pl.DataFrame({"row": [1], "label": [2]})
    staged = stage(home.workspace("clusters", "tiny", "l"), {"clusters": frame})
    Home.open(home.root).put("clusters", "tiny", staged)
    assert home.stored("clusters", "tiny")["clusters"].n_rows == 1


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"form": 1}', b'{"known": 3}', b"\xff"])
def test_a_damaged_memory_is_as_none(home, content):
    (home.root / "contents.json").write_bytes(content)
    assert Home.open(home.root).stored("clusters", "tiny").version
    assert Home.open(home.root).stored("proxy_checkpoints", "tiny").version


def test_what_a_kill_left_of_the_file_goes_when_it_is_next_written_and_nothing_else_does(home):
    left = home.root / ".contents.json.0123456789abcdef.unfinished"
    other = home.root / ".settings.yaml.0123456789abcdef.unfinished"
    left.write_text("{")
    other.write_text("half")
    home.contents.forget(home.table_directory("clusters", "tiny"))
    assert not left.exists()
    assert other.exists()
