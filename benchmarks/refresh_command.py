"""What ``xmas dataset refresh`` takes, as a whole command, of 665,298 rows that share 335,000 image files.

Run: python -m benchmarks.refresh_command [n_rows] [n_images]. Files and home are made in a temporary folder and
removed; the dataset is read by ``xmas select`` before. ``benchmarks.refresh_665k`` measures the look alone.
"""

import io
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from benchmarks.read_665k import N_ROWS, conversation
from benchmarks.refresh_665k import N_CHANGED, N_IMAGES, PER_FOLDER


def main(n_rows: int, n_images: int) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        names = make_images(folder / "images", n_images)
        write_records(folder / "train.json", names, n_rows)
        os.environ["XMAS_HOME"] = str(folder / "home")
        command("dataset", "add", "made", "--annotations", folder / "train.json", "--images", folder / "images")
        command("select", "made", "--method", "random", "--budget", "0.1")
        refresh = ("dataset", "refresh", "made")
        command(*refresh, what="nothing changed")
        for name in names[:N_CHANGED]:
            (folder / "images" / name).touch()
        command(*refresh, what=f"{N_CHANGED:,} touched")
        for name in names[:N_CHANGED]:
            (folder / "images" / name).write_bytes(picture(255))
        command(*refresh, what=f"{N_CHANGED:,} changed")
        command("status", "made")


def command(*words: object, what: str = "") -> None:
    """Run one command, and print what the process took."""
    start = time.perf_counter()
    arguments = [sys.executable, "-m", "xmas_assets", *map(str, words)]
    process = os.posix_spawn(sys.executable, arguments, os.environ)
    _, status, usage = os.wait4(process, 0)
    seconds, cpu_seconds = time.perf_counter() - start, usage.ru_utime + usage.ru_stime
    took = f"{seconds:.1f} s ({cpu_seconds:.1f} s of CPU), peak {usage.ru_maxrss / 1024:.0f} MiB"
    print(f"== {' '.join(map(str, words[:3]))}, {what}: {took}, exit {status}", flush=True)


def picture(number: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (28, 28), (number, 2 * number % 256, 100)).save(stream, "PNG")
    return stream.getvalue()


def make_images(root: Path, n_images: int) -> list[str]:
    """Files of a hundred contents."""
    contents = [picture(number) for number in range(100)]
    names = [f"{index // PER_FOLDER:03d}/{index:012d}.png" for index in range(n_images)]
    for index, name in enumerate(names):
        if index % PER_FOLDER == 0:
            (root / name).parent.mkdir(parents=True)
        (root / name).write_bytes(contents[index % len(contents)])
    return names


def write_records(path: Path, names: list[str], n_rows: int) -> None:
    rng = random.Random(0)
    with path.open("w") as stream:
        for row in range(n_rows):
            record = {"id": f"{row:012d}", "image": names[row % len(names)], "conversations": conversation(rng, 1)}
            stream.write(("," if row else "[") + json.dumps(record))
        stream.write("]")


if __name__ == "__main__":
    main(*[int(word) for word in sys.argv[1:]] or (N_ROWS, N_IMAGES))
