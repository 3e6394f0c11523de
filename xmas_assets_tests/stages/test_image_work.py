"""Whoever looks at the images of records: the tables are those of one process that reads all by itself."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import polars as pl
import pytest

from xmas_assets.contracts.errors import DatasetError, StoreError
from xmas_assets.contracts.usage import metered
from xmas_assets.data.registration import Registration
from xmas_assets.home.home import Home
from xmas_assets.scale.engines import SERIAL, PartEngine
from xmas_assets.scale.image_shards import seen_images
from xmas_assets.scale.processes import ProcessEngine
from xmas_assets.stages.image_work import ImageWork, image_work
from xmas_assets.stages.parts import make_part
from xmas_assets_tests.data.making import image_root, picture, record, seen, write
from xmas_assets_tests.stages.images_read import N_IMAGES, make_dataset, open_home, read, workspace

PROGRAM = "xmas_assets_tests.stages.images_read"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset, with the tables that one process makes of it."""
    made = tmp_path_factory.mktemp("images")
    make_dataset(made)
    time.sleep(2.1)  # files that have just changed are read again
    (made / "expected").mkdir()
    for name, content in read(open_home(made, "serial")).items():
        (made / "expected" / name).write_bytes(content)
    return made


@pytest.fixture(scope="module")
def expected(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "expected").iterdir())}


def shards(home: Home) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in home.root.rglob("images/shards/shard-????????")}


def said(home: Home, part: PartEngine, *stages: str) -> list[str]:
    return make_part(home, "made", stages, part, listen=lambda label: lambda progress: None)


def test_the_dataset_has_every_kind_of_image(folder: Path, expected: dict[str, bytes]):
    assert set(expected) == {"ledger.parquet", "quarantine.parquet", "samples.parquet", "test.parquet"}
    refused = pl.read_parquet(folder / "expected" / "quarantine.parquet").filter(pl.col("reason").str.contains("image"))
    assert sorted(refused["reason"].to_list()) == [
        *["image_corrupt"] * 2,
        "image_empty",
        *["image_missing"] * 2,
        "image_not_a_file",
        *["image_outside_root"] * 4,
        "image_too_large",
    ]
    assert pl.read_parquet(folder / "expected" / "samples.parquet").height == N_IMAGES + 1 + 4 + 1


def test_processes_leave_the_tables_of_one_process_and_nothing_else(folder: Path, expected: dict[str, bytes]):
    home = open_home(folder, "processes")
    assert read(home, ProcessEngine(n_workers=2, deadline_seconds=300, max_deaths=2)) == expected
    assert not list(home.root.rglob("images/*"))


def test_a_run_takes_what_parts_found_and_counts_what_they_used(folder: Path, expected: dict[str, bytes]):
    home = open_home(folder, "parts")
    assert said(home, PartEngine(1, 2), "raw_dataset") == [
        "raw_dataset of made: part 1/2 is done: 2 shards made now, 2 of other parts were not there when it began"
    ]
    (done,) = said(home, PartEngine(0, 2), "raw_dataset")
    assert done == "raw_dataset of made: all shards are there; 'xmas run' goes on from them"
    before = shards(home)
    assert len(before) == 4
    ImageWork(home.registration("made"), workspace(home)).make(SERIAL)
    assert shards(home) == before
    with metered() as meter:
        assert read(home) == expected
    assert meter.earlier.cpu_seconds > 0
    assert shards(home) == {}


def test_parts_look_at_the_images_of_validation_records_too(folder: Path):
    alone = read(open_home(folder, "serial"), stage="validation_samples")
    home = open_home(folder, "validation")
    assert said(home, PartEngine(0, 1), "validation_samples")[0].startswith("validation_samples of made: all shards")
    assert len(shards(home)) == 2
    assert read(home, stage="validation_samples") == alone


def test_what_was_found_is_taken_over_but_for_files_that_changed_or_were_refused(tmp_path: Path):
    make_dataset(tmp_path)
    home = open_home(tmp_path, "home")
    time.sleep(2.1)
    work = image_work(home, "made", "raw_dataset")
    found = {image.asked: image.found for image in seen_images(work.make(SERIAL))}
    assert sum(image is not None for image in found.values()) == N_IMAGES + 5
    assert found["cut.png"] is None
    (tmp_path / "images" / "kind2.png").write_bytes(picture("yellow"))  # linked to by a third of all
    (tmp_path / "images" / "cut.png").write_bytes(picture("red"))
    with_shards = read(home)
    assert with_shards == read(open_home(tmp_path, "other"))
    assert pl.read_parquet(with_shards["samples.parquet"]).height == N_IMAGES + 7  # one more than before


@pytest.mark.slow
def test_a_killed_run_goes_on_from_the_shards_that_are_there(folder: Path, expected: dict[str, bytes]):
    process = subprocess.Popen([sys.executable, "-m", PROGRAM, folder, "alone"])
    home = Home.open(folder / "alone")
    while not shards(home):
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    time.sleep(0.3)  # its worker ends by itself
    before = shards(home)
    assert 1 <= len(before) < 4
    ImageWork(home.registration("made"), workspace(home)).make(SERIAL)
    assert shards(home).items() >= before.items()
    assert read(home) == expected


def test_images_that_are_no_files_are_left_to_the_run(tmp_path: Path):
    home = Home.open(tmp_path / "home")
    Registration.create("made", [write(tmp_path, [record()])]).save(home.root)
    with pytest.raises(DatasetError, match="the images of made are not files in a folder, and only such are looked at"):
        image_work(home, "made", "raw_dataset")
    with pytest.raises(DatasetError, match="has no validation records"):
        image_work(home, "made", "validation_samples")


def test_a_damaged_list_is_refused_in_one_line(tmp_path: Path):
    home = Home.open(tmp_path / "home")
    Registration.create("made", [write(tmp_path, [seen()])], images=image_root(tmp_path)).save(home.root)
    work = image_work(home, "made", "raw_dataset")
    assert [shard.n_items for shard in work.list_images()] == [1]
    (listed,) = work.workspace.glob("images/*")
    for damaged in (b"", listed.read_bytes()[:-20]):
        listed.write_bytes(damaged)
        with pytest.raises(StoreError, match="damaged; remove it, and run again"):
            work.make(SERIAL)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed (extra 'ray')")
@pytest.mark.skipif(
    shutil.which("unshare") is None or os.geteuid() != 0,
    reason="Ray listens on all addresses, and only root can give it a network of its own here (unshare)",
)
def test_actors_of_ray_leave_the_tables_of_one_process(folder: Path, expected: dict[str, bytes]):
    command = ["unshare", "--net", sys.executable, "-m", PROGRAM, str(folder), "ray"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    told = json.loads((folder / "ray.json").read_text())
    assert {name: bytes.fromhex(content) for name, content in told.items()} == expected
