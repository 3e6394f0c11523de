"""Two working copies of one home, as on two machines."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from xmas_assets.contracts.errors import StoreError
from xmas_assets.data.registration import Registration
from xmas_assets.files.objects import ObjectStore
from xmas_assets.home.home import Home
from xmas_assets.home.remote import RemoteHome
from xmas_assets.home.remote_images import IN_A_PACK
from xmas_assets.home.remote_index import Manifest
from xmas_assets.home.stored_tables import stage
from xmas_assets_tests.data.making import record, write
from xmas_assets_tests.remote.server import BUCKET, client_of

TABLE = {"rows": pl.DataFrame({"sample_id": ["a", "b"], "n": [1, 2]})}


def put(home: Home, asset: str = "clusters", partition: str = "shapes", tables=TABLE) -> str:
    """Make a stage as assets and their IO manager do; returns the version."""
    with home.stage(asset, partition, "key") as workspace:
        staged = stage(workspace, tables)
    stored = home.put(asset, partition, staged)
    home.locks.release(asset, partition)
    return stored.version


def objects(s3: str, address: str) -> dict[str, int]:
    """Sizes of what another client sees, by name."""
    prefix = address.removeprefix(f"s3://{BUCKET}/") + "/"
    pages = client_of(s3).get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    return {found["Key"].removeprefix(prefix): found["Size"] for page in pages for found in page.get("Contents", [])}


def register(home: Home, tmp_path: Path, name: str = "mine") -> Path:
    source = write(tmp_path / f"{name}.json", [record()])
    return home.register(Registration(name=name, annotations=[source], test=[], images=tmp_path, profile="tiny"))


def test_tables_put_on_one_machine_are_read_on_another(machine):
    a = machine("a")
    version = put(a)
    b = machine("b")
    assert b.root != a.root
    assert b.is_stored("clusters", "shapes")
    assert b.stored("clusters", "shapes").version == version
    assert b.stored("clusters", "shapes")["rows"].frame().equals(TABLE["rows"])


def test_tables_that_another_machine_put_later_replace_those_that_were_here(machine):
    a, b = machine("a"), machine("b")
    put(a)
    put(b, tables={"rows": pl.DataFrame({"sample_id": ["c"], "n": [3]}), "more": TABLE["rows"]})
    a = machine("a")
    assert sorted(a.stored("clusters", "shapes")) == ["more", "rows"]
    put(b)
    assert sorted(machine("a").stored("clusters", "shapes")) == ["rows"]


def test_work_that_is_done_is_found_on_another_machine_also_after_a_failure(machine):
    a = machine("a")
    with pytest.raises(RuntimeError), a.stage("clusters", "shapes", "key") as workspace:
        (workspace / "run" / "checkpoint-3").mkdir(parents=True)
        (workspace / "run" / "checkpoint-3" / "model.safetensors").write_bytes(b"weights")
        raise RuntimeError
    b = machine("b")
    with b.stage("clusters", "shapes", "key") as workspace:
        assert (workspace / "run" / "checkpoint-3" / "model.safetensors").read_bytes() == b"weights"
    b.locks.release("clusters", "shapes")


def test_two_machines_add_to_the_same_work_and_what_one_removes_is_gone(machine):
    a, b = machine("a"), machine("b")
    for home, name in ((a, "shard-0"), (b, "shard-1")):
        with home.publishing():
            (home.workspace("gradients", "shapes", "key") / name).write_text(name)
    c = machine("c")
    assert sorted(path.name for path in c.workspace("gradients", "shapes", "key").iterdir()) == ["shard-0", "shard-1"]
    with a.publishing():
        (a.workspace("gradients", "shapes", "key") / "shard-0").unlink()
    d = machine("d")
    assert sorted(path.name for path in d.workspace("gradients", "shapes", "key").iterdir()) == ["shard-1"]


def test_work_is_published_from_an_old_view_of_the_store_and_names_only_files_that_are_there(machine):
    """B looked before A published twice more, and A dropped a file that B had fetched."""
    a = machine("a")
    with a.publishing():
        folder = a.workspace("gradients", "shapes", "key")
        (folder / "shard-0").write_text("0")
    b = machine("b")
    (b.workspace("gradients", "shapes", "key") / "shard-9").write_text("9")
    for number in (1, 2):
        with a.publishing():
            folder = a.workspace("gradients", "shapes", "key")
            (folder / "shard-0").unlink(missing_ok=True)
            (folder / f"shard-{number}").write_text(str(number))
    assert b.copy is not None
    b.copy.remote.publish(str(folder.relative_to(a.root)))
    found = machine("c").workspace("gradients", "shapes", "key")
    assert {path.name: path.read_text() for path in found.iterdir()} == {f"shard-{n}": str(n) for n in (0, 1, 2, 9)}


def test_registrations_are_shared_and_one_that_was_changed_on_both_is_named(machine, tmp_path):
    a = machine("a")
    path = register(a, tmp_path)
    a = machine("a")  # the next command
    b = machine("b")
    assert b.datasets() == ["mine"]
    other = b.registration_path("mine")
    other.write_text(other.read_text() + "# of b\n")
    machine("b")
    assert machine("a").registration_path("mine").read_text().endswith("# of b\n")
    for file, who in ((path, "a"), (other, "b")):
        file.write_text(file.read_text() + f"# again {who}\n")
    machine("a")
    with pytest.raises(StoreError, match=r"mine\.yaml was changed here and at s3://.*; move it away"):
        machine("b")
    other.unlink()
    assert machine("b").registration_path("mine").read_text().endswith("# again a\n")


def test_a_dataset_that_is_removed_is_gone_from_the_store_and_from_other_machines(machine, tmp_path, s3, address):
    a = machine("a")
    register(a, tmp_path)
    put(a, "clusters", "mine", {"rows": pl.DataFrame({"text": ["secret words"]})})
    put(a, "clusters", "other")
    b = machine("b")
    assert b.stored("clusters", "mine")
    before = objects(s3, address)
    machine("a").forget("mine")
    left = objects(s3, address)
    assert len([name for name in before if name.startswith("files/") and name not in left]) >= 2  # its table and YAML
    b = machine("b")
    assert b.datasets() == [] and not b.is_stored("clusters", "mine") and b.is_stored("clusters", "other")
    assert not [path for path in b.root.rglob("*") if path.is_file() and b"secret words" in path.read_bytes()]


def test_images_that_came_as_bytes_are_stored_many_to_an_object(machine, s3, address):
    a = machine("a")
    for number in range(IN_A_PACK + 10):
        (a.image_store() / f"{number:04d}.png").write_bytes(f"picture {number}".encode())
    put(a, "raw_dataset", "shapes")
    before = objects(s3, address)
    b = machine("b")
    assert {path.name: path.read_bytes() for path in b.image_store().iterdir()} == {
        path.name: path.read_bytes() for path in a.image_store().iterdir()
    }
    put(b, "raw_dataset", "shapes")
    packs = {name for name in before if before[name] > 10_000}
    assert {name for name in objects(s3, address) if before.get(name, 0) > 10_000} == packs
    assert len(packs) == 2
    (a.image_store() / "0003.png").unlink()  # as a row that is forgotten
    put(a, "raw_dataset", "shapes")
    assert not (machine("b").image_store() / "0003.png").exists()
    kept = [
        client_of(s3).get_object(Bucket=BUCKET, Key=f"{address.removeprefix(f's3://{BUCKET}/')}/{name}")["Body"].read()
        for name in objects(s3, address)
    ]
    assert not any(b"picture 3\0" in content for content in kept)


def test_what_was_replaced_leaves_nothing_in_the_store(machine, s3, address):
    a = machine("a")
    put(a, tables={"rows": pl.DataFrame({"text": ["before"]})})
    n_objects = len(objects(s3, address))
    for text in ("in between", "after"):
        put(a, tables={"rows": pl.DataFrame({"text": [text]})})
    assert len(objects(s3, address)) == n_objects
    assert machine("b").stored("clusters", "shapes")["rows"].column("text")[0] == "after"


def test_a_damaged_object_is_named_and_never_taken(machine, s3, address):
    put(machine("a"))
    store, prefix = client_of(s3), address.removeprefix(f"s3://{BUCKET}/")
    damaged = next(name for name in objects(s3, address) if name.startswith("files/"))
    store.put_object(Bucket=BUCKET, Key=f"{prefix}/{damaged}", Body=b"other")
    with pytest.raises(StoreError, match=f"{damaged}, of .* is damaged; delete that object"):
        machine("b").stored("clusters", "shapes")


def test_a_manifest_cannot_write_outside_of_its_unit(machine, address):
    a = machine("a")
    put(a)
    remote = RemoteHome.of(a.root)
    assert remote is not None
    sha256 = next(iter(remote.index.manifest("tables/clusters/dataset=shapes").files.values()))
    remote.index.change("tables/clusters/dataset=shapes", lambda _: Manifest({"../../../outside": sha256}))
    with pytest.raises(StoreError, match="names '../../../outside', outside of"):
        machine("b").stored("clusters", "shapes")


def test_a_store_that_was_emptied_does_not_empty_the_working_copy(machine, address, s3):
    a = machine("a")
    put(a)
    ObjectStore(address).delete(["index.json"])
    with pytest.raises(StoreError, match="holds nothing, though .* was fetched from it"):
        machine("a")
    assert any(a.root.glob("tables/clusters/dataset=shapes/*.parquet"))


KILLED = """
import os, sys
from xmas_assets.home import remote
from xmas_assets.home.home import Home
home = Home.open(sys.argv[1])
get, got = remote.RemoteHome._get, []
def get_one(self, *which):
    if got:
        os.kill(os.getpid(), 9)
    got.append(get(self, *which))
remote._AT_ONCE = 1
remote.RemoteHome._get = get_one
home.workspace("clusters", "shapes", "key")
"""


def test_a_fetch_that_is_killed_leaves_nothing_that_passes_for_work(machine, address):
    a = machine("a")
    with a.stage("clusters", "shapes", "key") as workspace:
        (workspace / "checkpoint-1").mkdir()
        for name in ("one", "two", "three"):
            (workspace / "checkpoint-1" / name).write_text(name)
    a.locks.release("clusters", "shapes")
    b = machine("b")
    killed = subprocess.run([sys.executable, "-c", KILLED, address], env=os.environ, check=False)
    assert killed.returncode == -signal.SIGKILL
    half = b.root.glob("work/clusters/shapes/*/checkpoint-1/*")
    assert len(list(half)) == 1
    with a.stage("clusters", "shapes", "key") as workspace:  # the checkpoint is out of date, and rotated
        shutil.rmtree(workspace / "checkpoint-1")
        (workspace / "checkpoint-2").write_text("newer")
    a.locks.release("clusters", "shapes")
    found = machine("b").workspace("clusters", "shapes", "key")
    assert sorted(path.name for path in found.iterdir()) == ["checkpoint-2"]


def test_a_home_on_this_disk_asks_no_store(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    home = Home.open(tmp_path / "home")
    put(home)
    assert home.copy is None and not (home.root / "remote").exists()


@pytest.mark.parametrize("content", ["", "{", '""\n{}', '"datasets"\n{}', "[1]\n", "\x00" * 50])
def test_a_damaged_note_of_a_unit_removes_nothing(machine, content):
    a = machine("a")
    put(a)
    notes = list((a.root / "remote" / "units").glob("*.json"))
    for note in notes:
        note.write_text(content)
    before = sorted(path for path in a.root.rglob("*.parquet"))
    a = machine("a")
    assert a.stored("clusters", "shapes") and sorted(a.root.rglob("*.parquet")) == before
