"""What engines cost and gain where a dataset's images are checked: seconds of reading its records, by each engine.

Run: python -m benchmarks.image_checks [--images 4000] [--side 480] [--records 4]. Drawn JPEGs in a folder, each in some
records. Tables must be the same. `listed` is the reading of the records that only finds the images' names.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from xmas_assets.data.ingest import image_references
from xmas_assets.data.registration import Registration
from xmas_assets.home.home import Home
from xmas_assets.scale.engines import SERIAL, Engine
from xmas_assets.scale.processes import ProcessEngine
from xmas_assets.stages.datasets import stage_dataset

_DEADLINE_SECONDS = 600.0
_SETTLED_SECONDS = 2.5  # files that have just changed are looked at twice
ENGINES: dict[str, Engine] = {
    "serial": SERIAL,
    "1 process": ProcessEngine(1, _DEADLINE_SECONDS, 1),
    "2 processes": ProcessEngine(2, _DEADLINE_SECONDS, 1),
}


def main() -> None:
    """Print a row for each engine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=4000, help="of the dataset")
    parser.add_argument("--side", type=int, default=480, help="of each image, pixels")
    parser.add_argument("--records", type=int, default=4, help="that show each image")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        registration = make_dataset(folder, n_images=options.images, side=options.side, n_records=options.records)
        time.sleep(_SETTLED_SECONDS)
        started = time.monotonic()
        n_listed = sum(1 for _ in image_references(registration))
        n_rows = options.images * options.records
        print(f"{n_listed:,} images of {n_rows:,} records, listed in {time.monotonic() - started:.1f} s\n")
        print("| who checks | s | serial / this |\n|---|---|---|")
        results, serial = set(), 0.0
        for number, (engine_name, engine) in enumerate(ENGINES.items()):
            home = Home.open(folder / f"home{number}")
            registration.save(home.root)
            started = time.monotonic()
            staged = stage_dataset(home.path("work"), home, "made", progress=lambda _: None, engine=engine)
            took = time.monotonic() - started
            serial = serial or took
            results.add(staged.version)
            print(f"| {engine_name} | {took:.1f} | {serial / took:.2f} |", flush=True)
    print(f"\nSame tables: {'yes' if len(results) == 1 else 'NO'}")


def make_dataset(folder: Path, *, n_images: int, side: int, n_records: int) -> Registration:
    """Images with some detail, and records with two turns each."""
    images = folder / "images"
    images.mkdir()
    rng = np.random.default_rng(0)
    for number in range(n_images):
        coarse = Image.fromarray(rng.integers(0, 256, size=(side // 8, side // 8, 3), dtype=np.uint8))
        coarse.resize((side, side)).save(images / f"{number}.jpg", quality=90)
    records = [
        {
            "id": f"{row}",
            "image": f"{row % n_images}.jpg",
            "conversations": [
                {"from": "human", "value": f"<image>\nWhat is to be seen here, the {row}th time?"},
                {"from": "gpt", "value": "Colours, which go over into each other, and nothing else. " * 5},
            ],
        }
        for row in range(n_images * n_records)
    ]
    path = folder / "train.json"
    path.write_text(json.dumps(records))
    return Registration.create("made", [path], images=images)


if __name__ == "__main__":
    main()
