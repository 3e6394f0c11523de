"""FOLDER ENGINE: a dataset with bad and repeated images, read by actors of ``ray``, or by one other process, ``alone``.

The former is for a network namespace of its own, by ``unshare --net``.
"""

import json
import struct
import sys
import zlib
from pathlib import Path

from xmas_assets.data.registration import Registration
from xmas_assets.home.home import Home
from xmas_assets.home.versions import current_versions
from xmas_assets.scale.engines import SERIAL, Engine
from xmas_assets.scale.processes import ProcessEngine
from xmas_assets.stages.datasets import stage_dataset
from xmas_assets_tests.data.making import picture, record, seen, write

N_IMAGES = 1600
"""Of the training records, with some bad ones: four shards of 512."""
_SECTIONS = {"raw_dataset": "source", "validation_samples": "validation"}


def make_dataset(folder: Path) -> None:
    """Records and images: many links to few files, and one image of each bad kind."""
    images = folder / "images"
    images.mkdir(parents=True)
    contents = [picture(colour) for colour in ("red", "green", "blue")]
    for number, content in enumerate(contents):
        (images / f"kind{number}.png").write_bytes(content)
    for number in range(N_IMAGES):
        (images / f"{number}.png").hardlink_to(images / f"kind{number % 3}.png")
    (images / "cut.png").write_bytes(contents[0][:-30])
    (images / "empty.png").touch()
    (images / "huge.png").write_bytes(_headed(100_000, 100_000))
    (images / "headed.png").write_bytes(contents[0][:33])
    (images / "folder.png").mkdir()
    (images / "UPPER.PNG").write_bytes(picture(kind="GIF"))
    (folder / "outside.png").write_bytes(contents[1])
    (images / "leads_out.png").symlink_to(folder / "outside.png")
    (images / "leads_in.png").symlink_to("kind0.png")
    odd = ["cut", "empty", "huge", "headed", "folder", "none", "upper", "leads_out", "leads_in"]
    odd = [f"{name}.png" for name in odd] + ["../outside.png", "http://example.org/a.png", "store:aa/a.png"]
    odd += [f"file://{images}/1.png", str(images / "2.png")]
    names = [f"{number}.png" for number in range(N_IMAGES)]
    names = [*names[:1000], *odd, "7.png", *names[1000:]]
    records = [seen(id=str(row), image=name) for row, name in enumerate(names)]
    write(folder, [*records, record(id="text"), {"id": "bad"}])
    write(folder, [seen(id="t", image="kind1.png"), seen(id="u", image="none.png")], "test.json")
    write(folder, [seen(id=str(row), image=name) for row, name in enumerate(names[:600])], "validation.json")


def _headed(width: int, height: int) -> bytes:
    """A PNG that says of itself how large it is, and has no pixels."""
    chunks = [b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), b"IDAT" + zlib.compress(b"")]
    framed = [struct.pack(">I", len(each) - 4) + each + struct.pack(">I", zlib.crc32(each)) for each in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def open_home(folder: Path, name: str) -> Home:
    """A home of this name with dataset ``made``."""
    home = Home.open(folder / name)
    fields = {split: [folder / f"{split}.json"] for split in ("test", "validation")}
    Registration.create("made", [folder / "train.json"], images=folder / "images", **fields).save(home.root)
    return home


def workspace(home: Home, stage: str = "raw_dataset") -> Path:
    """Of a stage, as its asset takes it."""
    return home.workspace(stage, "made", current_versions(home, "made")[_SECTIONS[stage]])


def read(home: Home, engine: Engine = SERIAL, *, stage: str = "raw_dataset") -> dict[str, bytes]:
    """The bytes of a stage's tables."""
    folder = workspace(home, stage)
    options = {"section": _SECTIONS[stage], "engine": engine}
    staged = stage_dataset(folder, home, "made", progress=lambda progress: None, **options)
    return {path.name: path.read_bytes() for path in sorted(staged.directory.glob("*.parquet"))}


if __name__ == "__main__":
    folder, kind = Path(sys.argv[1]), sys.argv[2]
    if kind == "ray":
        from xmas_assets.scale.ray_engine import RayEngine
        from xmas_assets_tests.scale.ray_scenarios import prepare_ray

        prepare_ray()
        engine = RayEngine(2, 240.0, 2, None, cpus_per_worker=1, gpus_per_worker=0)
    else:
        engine = ProcessEngine(1, deadline_seconds=300, max_deaths=2)
    tables = read(open_home(folder, kind), engine)
    (folder / f"{kind}.json").write_text(json.dumps({name: content.hex() for name, content in tables.items()}))
