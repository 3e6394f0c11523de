"""Rows per second and peak memory of reading a generated LLaVA JSON of 665,298 rows (LLaVA-1.5's size).

Run: python benchmarks/read_665k.py [n_rows]. The file (about 1 GB) is made in a temporary folder and removed.
"""

import json
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from xmas_assets.data.ingest import ingest
from xmas_assets.data.registration import Registration

N_ROWS = 665_298
N_IMAGES = 100
MEAN_ROUNDS = 5  # LLaVA-665k: about 5 questions and 1.5 kB a record
WORDS = ["the", "a", "red", "car", "stands", "beside", "two", "people", "on", "green", "grass", "while", "dogs", "run"]


def main(n_rows: int) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for index in range(N_IMAGES):
            Image.new("RGB", (336, 336), (index, 2 * index, 100)).save(folder / f"{index}.jpg")
        path = folder / "train.json"
        write_records(path, n_rows)
        size_mib = path.stat().st_size / 2**20
        before_mib = peak_mib()
        start, start_cpu = time.perf_counter(), time.process_time()
        ingestion = ingest(Registration.create("made", [path], images=folder))
        n_out = sum(batch.num_rows for name, batch in ingestion if name == "samples")
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - start_cpu
    speed = f"{seconds:.1f} s ({cpu_seconds:.1f} s of CPU), {n_rows / seconds:.0f} rows/s"
    print(f"{n_rows} rows, {size_mib:.0f} MiB: {speed}")
    print(f"peak memory {peak_mib():.0f} MiB, of which {before_mib:.0f} MiB before reading")
    print(f"rows out {n_out}, ledger {ingestion.ledger}")


def write_records(path: Path, n_rows: int) -> None:
    """Many ids occur twice with different content, as in LLaVA-665k; one row in 16 is text only."""
    rng = random.Random(0)
    with path.open("w") as stream:
        for row in range(n_rows):
            record = {"id": f"{row // 2 if row % 4 < 2 else row:012d}", "conversations": conversation(rng, row % 16)}
            if row % 16:
                record["image"] = f"{row % N_IMAGES}.jpg"
            stream.write("," if row else "[")
            stream.write(json.dumps(record))
        stream.write("]")


def conversation(rng: random.Random, has_image: int) -> list[dict[str, str]]:
    turns = []
    for _ in range(rng.randint(1, 2 * MEAN_ROUNDS - 1)):
        turns.append({"from": "human", "value": " ".join(rng.choices(WORDS, k=12)) + "?"})
        turns.append({"from": "gpt", "value": " ".join(rng.choices(WORDS, k=30)) + "."})
    if has_image:
        turns[0]["value"] = "<image>\n" + turns[0]["value"]
    return turns


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else N_ROWS)
