"""Rows that are forgotten in an object store: nothing of them is left in it, nor on a machine."""

import io
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xmas_assets.contracts.errors import StoreError
from xmas_assets.data.forgotten import Forgotten
from xmas_assets.data.registration import Registration
from xmas_assets.files.objects import ObjectStore
from xmas_assets.home import leases
from xmas_assets.home.forgotten import read_forgotten, write_forgotten
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import stage
from xmas_assets.stages.datasets import stage_dataset
from xmas_assets.stages.forgetting import Plan, forget_rows, plan_forgetting
from xmas_assets_tests.data.making import picture
from xmas_assets_tests.remote.server import BUCKET, client_of

MARKER = "Zebrafink-0815"
COLOURS = ("red", "green", "blue", "blue", "white")
IMAGES = [picture(colour, size=(32, 30 + number)) for number, colour in enumerate(COLOURS)]
IMAGES[3] = IMAGES[2]  # shared by a row that goes and one that stays
GONE = IMAGES[1]
KEPT = {IMAGES[0], IMAGES[2], IMAGES[4], picture("black")}
NAMES = ["r0", f"{MARKER}-1", f"{MARKER}-2", "r3", "r4"]


def write(path: Path, images: dict[str, bytes]) -> Path:
    rows = [
        {
            "id": name,
            "image": {"bytes": image, "path": None},
            "conversations": [
                {"from": "human", "value": f"<image>\nwhat is it, {name}"},
                {"from": "gpt", "value": f"noise {name}"},
            ],
        }
        for name, image in images.items()
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def put(home: Home, asset: str, dataset: str, make) -> None:
    with home.stage(asset, dataset, "key") as workspace:
        staged = make(workspace)
    home.put(asset, dataset, staged)
    home.locks.release(asset, dataset)


def read(home: Home, dataset: str) -> None:
    put(home, "raw_dataset", dataset, lambda work: stage_dataset(work, home, dataset, progress=lambda _: None))


def begin(machine, tmp_path) -> Home:
    """A machine with two datasets of images as bytes, signals and work of one, and what killed commands have left."""
    a = machine("a")
    for name, images in (("small", dict(zip(NAMES, IMAGES, strict=True))), ("other", {"o": picture("black")})):
        source = write(tmp_path / f"{name}.parquet", images)
        a.register(Registration(name=name, annotations=(source,), test=(), images=None, profile="tiny"))
        read(a, name)
    put(a, "clusters", "small", lambda work: stage(work, {"rows": pl.DataFrame({"text": [MARKER]})}))
    with a.shared_work("prepared", "small", "key") as folder:
        (folder / "notes.txt").write_text(MARKER)
    assert a.copy is not None
    a.copy.share_notes()  # as at the end of a command
    index, left = a.copy.remote.index, tmp_path / "left"
    left.write_bytes(f"left of {MARKER}".encode() + GONE)
    for unit in ("tables/text_lengths/dataset=small", "work/gradients/small/0123", "packs/0123"):
        index.announce(unit)
        index.put_file(unit, left, "0123")
    index.put_file("work/gradients/small/4567", left, "0123")  # as earlier versions did
    return a


def holds(content: bytes) -> bool:
    """Whether bytes, or the values of a table, have a forgotten name, text or image."""
    if content.startswith(b"PAR1"):
        return MARKER in str(pq.read_table(io.BytesIO(content)).to_pylist())
    return MARKER.encode() in content or GONE in content


def holding(s3: str, address: str, *folders: Path) -> list[str]:
    """The objects of the home, and the files of folders, that hold something of the forgotten rows."""
    store, prefix = client_of(s3), address.removeprefix(f"s3://{BUCKET}/") + "/"
    pages = store.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
    objects = [key for key in keys if holds(store.get_object(Bucket=BUCKET, Key=key)["Body"].read())]
    paths = [path for folder in folders for path in sorted(folder.rglob("*"))]
    files = [path for path in paths if MARKER in path.name or (path.is_file() and holds(path.read_bytes()))]
    return objects + [str(path) for path in files]


def stored_images(home: Home) -> set[bytes]:
    return {path.read_bytes() for path in home.image_store().rglob("*") if path.is_file()}


def test_no_object_and_no_machine_holds_anything_of_a_forgotten_row_and_the_others_are_there(
    machine, tmp_path, s3, address
):
    a = begin(machine, tmp_path)
    b = machine("b")
    assert b.stored("raw_dataset", "small")["samples"].n_rows == 5 and GONE in stored_images(b)
    (b.path("work", "embedding", "small") / "never published").write_text(MARKER)
    before = [key.removeprefix(f"{address.removeprefix(f's3://{BUCKET}/')}/") for key in holding(s3, address)]
    assert len([key for key in before if key.startswith("files/")]) == 8, before  # tables, work, a pack, what was left
    assert len(holding(s3, address, a.root, b.root)) > len(before) + 6
    forget_rows(a, "small", plan_forgetting(a, "small", NAMES[1:3]))
    assert holding(s3, address, a.root) == []
    machine("b")
    assert holding(s3, address, a.root, b.root) == []
    c = machine("c")
    assert stored_images(c) == KEPT
    assert not c.is_stored("raw_dataset", "small") and c.stored("raw_dataset", "other")["samples"].n_rows == 1
    read(c, "small")
    assert machine("b").stored("raw_dataset", "small")["samples"].column("sample_id").tolist() == ["r0", "r3", "r4"]
    assert stored_images(b) == KEPT  # whose view of the store is old
    assert holding(s3, address, a.root, b.root, c.root) == []


CHANGING = ("put", "put_if", "delete")


class Killed(BaseException):
    """As an interruption, no handler of exceptions catches it."""


def raise_killed() -> None:
    raise Killed


def kill_at(number: int, kill) -> None:
    """From one request on that changes the store, none comes through."""
    left = [number]
    for name in CHANGING:
        setattr(ObjectStore, name, counted(getattr(ObjectStore, name), left, kill))
    one = ObjectStore.delete

    def delete(self: ObjectStore, names: list[str]) -> None:
        for name in names:
            one(self, [name])

    ObjectStore.delete = delete


def counted(do, left: list[int], kill):
    def count(*given):
        is_renewal = threading.current_thread().name.startswith("lease of ")
        if left[0] <= 0:
            raise StoreError("nobody is there") if is_renewal else kill()
        left[0] -= not is_renewal
        return do(*given)

    return count


def forget_until(home: Home, plan: Plan, number: int, monkeypatch) -> None:
    with monkeypatch.context() as patch, suppress(Killed):
        for name in CHANGING:
            patch.setattr(ObjectStore, name, getattr(ObjectStore, name))  # put back at the end
        kill_at(number, raise_killed)
        forget_rows(home, "small", plan)


KILLED = """
import os, sys
from xmas_assets.home import leases
from xmas_assets.home.home import Home
from xmas_assets.stages.forgetting import Plan, forget_rows, plan_forgetting
from xmas_assets_tests.remote.test_forgetting import kill_at
leases._SECONDS = 0.5
home = Home.open(sys.argv[1])
plan = plan_forgetting(home, "small", sys.argv[3:])
kill_at(int(sys.argv[2]), lambda: os.kill(os.getpid(), 9))
forget_rows(home, "small", plan)
"""


def forget_until_signal(home: Home, plan: Plan, number: int, monkeypatch) -> None:
    assert home.copy is not None
    ids = NAMES[1:3] if plan.selections or home.is_stored("raw_dataset", "small") else []
    command = [sys.executable, "-c", KILLED, home.copy.remote.address, str(number), *ids]
    assert subprocess.run(command, env=os.environ, check=False).returncode in (0, -signal.SIGKILL)


@pytest.mark.parametrize(
    ("attempt", "step"),
    [(forget_until, 5), pytest.param(forget_until_signal, 2, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])],
)
def test_a_removal_that_is_killed_loses_no_other_image_and_ends_on_another_machine(
    machine, tmp_path, s3, address, monkeypatch, attempt, step
):
    """Each attempt gets further by some requests than the last; after each, a new machine has all images that stay."""
    a = begin(machine, tmp_path)
    plan = plan_forgetting(a, "small", NAMES[1:3])
    monkeypatch.setattr(leases, "_SECONDS", 0.5)
    kills = 0
    while not (read_forgotten(a.root, "small") and read_forgotten(a.root, "small").is_done):
        attempt(a, plan, step * kills, monkeypatch)
        kills += 1
        assert stored_images(machine(f"after {kills}")) >= KEPT
        a = machine("b" if kills % 2 else "a")
        if read_forgotten(a.root, "small") and not read_forgotten(a.root, "small").is_done:
            with pytest.raises(
                StoreError, match="rows of small are not forgotten to the end; run: xmas dataset forget"
            ):
                read(a, "small")
            plan = plan_forgetting(a, "small", [])
    assert kills > 4
    assert stored_images(machine("c")) == KEPT
    assert holding(s3, address, machine("a").root, machine("b").root) == []


def test_rows_are_not_forgotten_while_another_machine_is_at_work_unless_it_is_silent(machine, tmp_path, monkeypatch):
    a = begin(machine, tmp_path)
    assert a.copy is not None
    store = a.copy.remote.index.store
    monkeypatch.setattr(leases, "_SECONDS", 1.0)
    plan = plan_forgetting(a, "small", NAMES[1:3])
    for name in ("using__small__0123", "clusters__small", "target_model__small%7Crandom_b0.20_s0"):
        other = leases.Lease(store, name)
        other.acquire("never said")
        with pytest.raises(StoreError, match="a run of another machine is at work on dataset 'small'; wait"):
            forget_rows(a, "small", plan)
        other.release()
    assert read_forgotten(a.root, "small").is_done  # nothing was begun
    reader = leases.Lease(store, "raw_dataset__another")
    reader.acquire("never said")
    with pytest.raises(StoreError, match="or reads the records of any"):
        forget_rows(a, "small", plan)
    reader._stop.set()  # as a machine that was killed
    with a.using("small"):
        assert [name for name in store.names("leases") if "using__small" in name]
    assert not [name for name in store.names("leases") if "using__small" in name and "0123" not in name]
    forget_rows(a, "small", plan)
    assert not reader.is_held() and read_forgotten(a.root, "small").is_done


def test_lists_of_two_machines_are_put_together_and_the_removal_is_then_to_be_done(machine):
    a, b = machine("a"), machine("b")
    write_forgotten(b.root, "small", Forgotten(contents=frozenset({"theirs"}), ids=frozenset({"id"})))
    machine("b")
    write_forgotten(a.root, "small", Forgotten(contents=frozenset({"mine"}), is_done=False))
    machine("a")
    both = Forgotten(contents=frozenset({"mine", "theirs"}), ids=frozenset({"id"}), is_done=False)
    assert read_forgotten(machine("b").root, "small") == read_forgotten(a.root, "small") == both
