"""All cost tables, one after the other: ``make bench``, or python -m benchmarks [--large].

--large adds what takes long (up to half an hour) or much memory (up to 4 GB). Results are kept in RESULTS.md.
"""

import argparse
import os
import subprocess
import sys

TABLES = ("choices_clusters", "choices_features", "kmeans_engines", "xmas_scale", "extraction", "training")
LARGE = ("choices_clusters", "choices_features", "xmas_scale")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--large", action="store_true")
    large = parser.parse_args().large
    for table in TABLES:
        run(table)
    for table in LARGE if large else ():
        run(table, "--large")


def run(table: str, *options: str) -> None:
    print(f"\n## {table} {' '.join(options)}\n", flush=True)
    subprocess.run([sys.executable, "-m", f"benchmarks.{table}", *options], check=True, env=os.environ | ONE_THREAD)


if __name__ == "__main__":
    main()
