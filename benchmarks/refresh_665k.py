"""How long it takes to see whether a dataset of LLaVA-1.5's size changed: 665,298 rows share 335,000 image files.

Run: python -m benchmarks.refresh_665k [n_images]. Files and home are made in a temporary folder and removed. This is
what ``xmas run``, ``status`` and ``dataset refresh`` do beyond what they do for any dataset.
"""

import hashlib
import resource
import sys
import tempfile
import time
from pathlib import Path

from xmas_assets.data.registration import Registration
from xmas_assets.home.home import Home
from xmas_assets.home.seen_files import seen_files
from xmas_assets.home.versions import current_versions

N_IMAGES = 335_000
PER_FOLDER = 5_000
N_CHANGED = 1_000


def main(n_images: int) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "train.json").write_text("[]")
        hashes = make_files(folder / "images", n_images)
        home = Home.open(folder / "home")
        Registration.create("made", [folder / "train.json"], images=folder / "images").save(home.root)
        measure(home, folder / "images", hashes)


def measure(home: Home, root: Path, hashes: dict[str, str]) -> None:
    seconds = -time.perf_counter()
    seen_files(home, "made", "source").images.note(hashes, began_ns=time.time_ns() + 10**12)
    print(f"noted while the dataset is read: {seconds + time.perf_counter():.1f} s", flush=True)
    look(home, "nothing changed")
    some = list(hashes)[:N_CHANGED]
    for name in some:
        (root / name).touch()
    look(home, f"{N_CHANGED:,} touched")
    look(home, "nothing changed since")
    for name in some:
        (root / name).write_bytes(b"other")
    look(home, f"{N_CHANGED:,} changed")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


def look(home: Home, what: str) -> None:
    start, start_cpu = time.perf_counter(), time.process_time()
    current_versions(home, "made")
    changes = seen_files(home, "made", "source").images.changes()
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - start_cpu
    print(f"{what}: {seconds:.1f} s ({cpu_seconds:.1f} s of CPU), {len(changes.changed):,} found changed", flush=True)


def make_files(root: Path, n_images: int) -> dict[str, str]:
    """Files of some bytes, of a hundred contents; SHA-256 (hex) by name."""
    hashes: dict[str, str] = {}
    for index in range(n_images):
        name, content = f"{index // PER_FOLDER:03d}/{index:012d}.jpg", b"picture %d" % (index % 100)
        if index % PER_FOLDER == 0:
            (root / name).parent.mkdir(parents=True)
        (root / name).write_bytes(content)
        hashes[name] = hashlib.sha256(content).hexdigest()
    return hashes


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else N_IMAGES)
