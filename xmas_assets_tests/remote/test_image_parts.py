"""Parts of the check of images on machines that share a home in an object store."""

from pathlib import Path

from xmas_assets.data.registration import Registration
from xmas_assets.home.home import Home
from xmas_assets.home.versions import current_versions
from xmas_assets.scale.engines import PartEngine
from xmas_assets.stages.datasets import stage_dataset
from xmas_assets.stages.parts import make_part
from xmas_assets_tests.remote.server import BUCKET, client_of
from xmas_assets_tests.stages.images_read import make_dataset, open_home, read


def objects(s3: str, address: str) -> dict[str, bytes]:
    store, prefix = client_of(s3), address.removeprefix(f"s3://{BUCKET}/") + "/"
    pages = store.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
    return {key: store.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


def test_a_machine_takes_what_others_found_of_the_images_and_nothing_of_it_stays(machine, tmp_path: Path, s3, address):
    make_dataset(tmp_path)
    fields = {split: (tmp_path / f"{split}.json",) for split in ("test", "validation")}
    a = machine("a")
    registration = Registration.create("made", [tmp_path / "train.json"], images=tmp_path / "images", **fields)
    a.register(registration)
    assert a.copy is not None
    a.copy.share_notes()  # as at the end of a command
    for number, name in enumerate("ab"):
        home: Home = machine(name)
        make_part(home, "made", ["raw_dataset"], PartEngine(number, 2), listen=lambda label: lambda progress: None)
    c = machine("c")
    with c.stage("raw_dataset", "made", current_versions(c, "made")["source"]) as workspace:
        assert len(list(workspace.glob("images/shards/shard-????????"))) == 4
        assert b"headed.png" in b"".join(objects(s3, address).values())
        staged = stage_dataset(workspace, c, "made", progress=lambda progress: None)
    c.locks.release("raw_dataset", "made")
    tables = {path.name: path.read_bytes() for path in sorted(staged.directory.glob("*.parquet"))}
    assert tables == read(open_home(tmp_path, "alone"))
    assert b"headed.png" not in b"".join(objects(s3, address).values())
