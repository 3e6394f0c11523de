"""Contamination at 665,000 training rows and 10,000 items: codes matched, tables joined, pictures coded."""

import hashlib
import io
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from PIL import Image
from sklearn.datasets import load_sample_images

from benchmarks.measuring import in_child, peak_mib
from xmas_assets.core.near_codes import pairs_within
from xmas_assets.data.decoding import decode_rgb
from xmas_assets.data.perceptual import CODE_BYTES, NEAR_BITS, perceptual_code
from xmas_assets.evaluation.contamination import Records, contamination

N_ROWS, N_ITEMS, N_PLANTED, N_CHECKED = 665_000, 10_000, 2_000, 200
N_PICTURES = 100
N_TURNS, N_COMMON, N_NEAR = 5, 2_000, 100_000


def main(folder: str | None = None) -> None:
    """Print what matching takes and finds, and what a picture takes.

    Args:
        folder: Of pictures; two photographs of 640 x 427 pixels if left out.
    """
    _match()
    _join()
    _code([path.read_bytes() for path in sorted(Path(folder).iterdir())] if folder else _photographs())


def _match() -> None:
    rng = np.random.default_rng(0)
    codes, items = (rng.integers(0, 256, (n, CODE_BYTES), dtype=np.uint8) for n in (N_ROWS, N_ITEMS))
    bits = np.unpackbits(codes[:N_PLANTED], axis=1)
    for row in range(N_PLANTED):  # 0 to NEAR_BITS bits turned
        bits[row, rng.choice(8 * CODE_BYTES, row % (NEAR_BITS + 1), replace=False)] ^= 1
    items[:N_PLANTED] = np.packbits(bits, axis=1)
    started = time.perf_counter()
    rows, others, distances = pairs_within(codes, items, distance=NEAR_BITS)
    seconds = time.perf_counter() - started
    planted = {(row, row, row % (NEAR_BITS + 1)) for row in range(N_PLANTED)}
    found = set(zip(rows.tolist(), others.tolist(), distances.tolist(), strict=True))
    print(
        f"{N_ROWS:,} x {N_ITEMS:,} codes: {seconds:.1f} s; planted found {len(planted & found)} of {N_PLANTED}", end=""
    )
    words = codes.view(np.uint64).ravel()
    checked = items[: 2 * N_CHECKED : 2].view(np.uint64).ravel()
    by_hand = {(row, 2 * n) for n, item in enumerate(checked) for row in _within(words, item)}
    same = by_hand == {(row, other) for row, other, _ in found if other < 2 * N_CHECKED and other % 2 == 0}
    print(f"; as by counting bits on {N_CHECKED} items: {same}; others by chance: {len(found - planted)}")


def _within(words: np.ndarray, item: np.uint64) -> list[int]:
    return np.flatnonzero(np.bitwise_count(words ^ item) <= NEAR_BITS).tolist()


def _join() -> None:
    """Rows listed from tables, as after hashing; one process makes the tables, and the peak is that of another."""
    with TemporaryDirectory() as folder:
        in_child(_make_tables, folder)
        in_child(_join_tables, folder)


def _make_tables(folder: str) -> None:
    """One picture and five questions a row, every second question a common one; all items ask common ones."""
    rng = np.random.default_rng(0)
    pictures, asked = rng.integers(0, N_ROWS, N_ITEMS), rng.integers(0, N_COMMON, N_ITEMS)
    common = rng.integers(0, N_COMMON, (N_ROWS, N_TURNS))
    questions = np.where(rng.random(common.shape) < 0.5, common, -1).tolist()
    rows = _table(np.arange(N_ROWS), [_asked(number, row) for number, row in enumerate(questions)])
    # The first fifth of the items shows training pictures.
    shown = np.where(np.arange(N_ITEMS) < N_ITEMS // 5, pictures, N_ROWS + np.arange(N_ITEMS))
    near = pl.DataFrame(
        {
            "image": _hashes(rng.integers(0, N_ROWS, N_NEAR)),
            "other": _hashes(rng.choice(shown, N_NEAR)),
            "distance": rng.integers(0, NEAR_BITS + 1, N_NEAR),
        }
    )
    items = _table(shown, [[f"What is common {number}?"] for number in asked.tolist()])
    for name, frame in {"rows": rows, "items": items, "near": near}.items():
        frame.write_parquet(Path(folder, f"{name}.parquet"))


def _join_tables(folder: str) -> None:
    started, cpu = time.perf_counter(), time.process_time()
    before = peak_mib()
    train, items = (
        Records.of(pl.scan_parquet(Path(folder, f"{name}.parquet")), questions=pl.col("questions"))
        for name in ("rows", "items")
    )
    rows, counts = contamination(train, items, pl.read_parquet(Path(folder, "near.parquet")))
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    print(f"{N_ROWS:,} rows x {N_ITEMS:,} items joined: {seconds:.1f} s, {cpu:.1f} CPU s, ", end="")
    print(
        f"peak {peak_mib():,.0f} MiB ({before:,.0f} before); {len(rows):,} listed: "
        f"{dict(counts.select('kind', 'n_rows').rows())}"
    )


def _table(pictures: np.ndarray, questions: list[list[str]]) -> pl.DataFrame:
    names = [f"{number:07d}" for number in range(len(pictures))]
    hashes = [[value] for value in _hashes(pictures)]
    return pl.DataFrame({"sample_id": names, "image_hashes": hashes, "questions": questions})


def _hashes(numbers: np.ndarray) -> list[str]:
    return [hashlib.sha256(str(number).encode()).hexdigest() for number in numbers.tolist()]


def _asked(row: int, questions: list[int]) -> list[str]:
    return [
        f"What is common {number}?" if number >= 0 else f"What stands in row {row} at place {place}?"
        for place, number in enumerate(questions)
    ]


def _code(pictures: list[bytes]) -> None:
    started = time.process_time()
    for number in range(N_PICTURES):
        perceptual_code(decode_rgb(pictures[number % len(pictures)])[0])
    each = (time.process_time() - started) / N_PICTURES
    print(f"decode and code: {1000 * each:.1f} CPU ms a picture; {N_ROWS:,}: {N_ROWS * each / 3600:.1f} CPU hours")


def _photographs() -> list[bytes]:
    files = []
    for pixels in load_sample_images().images:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=90)
        files.append(file.getvalue())
    return files


if __name__ == "__main__":
    main(*sys.argv[1:])
