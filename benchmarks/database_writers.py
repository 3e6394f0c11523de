"""Events of one and of four runs at once, with Dagster's records in SQLite and in PostgreSQL.

    python -m benchmarks.database_writers [--rounds 3]

Each run writes 60 log lines besides its own events. A PostgreSQL server is started in a temporary folder, and both wait
for the disk as they do by default; a round measures each of the four cases once, in turn.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import dagster as dg

from xmas_assets_tests.postgres.server import serve

_RUNS, _LINES, _WRITERS = 3, 60, 4


@dg.asset(partitions_def=dg.DynamicPartitionsDefinition(name="d"))
def many(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Lines of a log."""
    for number in range(_LINES):
        context.log.info(f"line {number}")
    return dg.MaterializeResult(metadata={"n": _LINES})


def write(place: str, key: str) -> tuple[float, int]:
    """Seconds that some runs took, and how many failed."""
    os.environ["DAGSTER_HOME"] = place
    failed = 0
    with dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions("d", [key])
        started = time.perf_counter()
        for _ in range(_RUNS):
            config = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
            try:
                dg.materialize([many], instance=instance, partition_key=key, run_config=config)
            except Exception as error:  # what is counted here
                print(type(error).__name__, str(error)[:90], file=sys.stderr)
                failed += 1
        return time.perf_counter() - started, failed


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    seconds: dict[tuple[str, int], list[float]] = {}
    failed: dict[str, int] = {"SQLite": 0, "PostgreSQL": 0}
    with serve(fast=False) as server, tempfile.TemporaryDirectory() as folder:
        instances = {name: Path(folder, name) for name in failed}
        os.environ["XMAS_DAGSTER_DB"] = server.create("writers")
        for name, place in instances.items():
            place.mkdir()
            storage = "storage: {postgres: {postgres_url: {env: XMAS_DAGSTER_DB}}}\n" if name == "PostgreSQL" else ""
            (place / "dagster.yaml").write_text("telemetry: {enabled: false}\n" + storage)
        with ProcessPoolExecutor(_WRITERS, mp_context=get_context("spawn")) as pool:
            for place in instances.values():
                pool.submit(write, str(place), "v").result()  # four would race to make the tables of SQLite, and fail
                list(pool.map(write, [str(place)] * _WRITERS, "wxyz"))  # libraries are loaded
            for number in range(rounds):
                for writers in (1, _WRITERS):
                    for name, place in instances.items():
                        keys = [f"{number}-{writers}-{number_of}" for number_of in range(writers)]
                        started = time.perf_counter()
                        done = list(pool.map(write, [str(place)] * writers, keys))
                        seconds.setdefault((name, writers), []).append(time.perf_counter() - started)
                        failed[name] += sum(failures for _, failures in done)
    for writers in (1, _WRITERS):
        lite, post = (statistics.median(seconds[name, writers]) for name in failed)
        print(f"{writers} at once: SQLite {lite:.2f} s, PostgreSQL {post:.2f} s, PostgreSQL / SQLite {post / lite:.2f}")
    print(f"runs that failed: {failed}")


if __name__ == "__main__":
    main()
