"""A small real platform for the tests: the toy dataset's generator, the shipped base, a real instance and store."""

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import dagster as dg
from PIL import Image
from sqlalchemy import Engine, event

from xmas_assets.cli.app import main
from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.data.registration import Registration
from xmas_assets.home.home import Home
from xmas_assets.orchestration.platform import Platform
from xmas_assets.orchestration.status import dataset_status
from xmas_assets.toy.dataset import SyntheticSettings, generate

QUICK = {
    "proxy": {"epochs": 1, "n_checkpoints": 3, "threads": 1, "resume_steps": 2},
    "trajectories": {"shard_size": 40, "threads": 1},
    "clusters": {"n_clusters": 8},
    "warmup": {"epochs": 2, "n_checkpoints": 2, "batch_size": 8, "micro_batch_size": 8, "share": 0.2},
    "gradients": {"n_projected": 64, "shard_size": 100},
    "target": {"epochs": 2, "threads": 1, "batch_size": 16, "micro_batch_size": 16, "resume_steps": 1},
    "benchmark": {"max_questions": 60, "threads": 1},
}
"""Settings with which everything takes seconds, in several steps and shards so that it can be interrupted."""

DATASET_STAGES = ("raw_dataset", "base_model", "target_base", "proxy_checkpoints", "attention_trajectories", "clusters")
SELECTION_STAGES = ("selected_subset", "target_model", "benchmark_scores")
BUILT = [SelectionKey.parse(text) for text in ("xmas_b0.20_s0", "random_b0.20_s0", "full_b1.00_s0")]
KEY = "xmas_b0.20_s0"
# As a person might have written them: spacing, order of keys, escapes and extra fields are theirs.
RECORDS = [
    '{"id": 7, "image": "a.png", "conversations": [{"from": "human", "value": "<image>\\nwhat"},'
    ' {"from":"gpt","value":"caf\\u00e9"}]}',
    '{ "conversations" : [ {"value": "hello", "from": "human"}, {"value": "ciao", "from": "gpt"} ], "x": 1.0 }',
    '{"id":"7","image":["b.png"],"conversations":[{"from":"human","value":"<image> and?"},'
    '{"from":"gpt","value":"\N{SNOWMAN}"}],"task":"t"}',
    '{"id": "z",\n  "conversations": [{"from": "human", "value": "n"}, {"from": "gpt", "value": "5"}]}',
]


def register(home: Path, name: str = "shapes", *, seed: int = 0, n_train: int = 240, **fields) -> Registration:
    """Generate and register a small toy dataset."""
    folder = home / "toy" / name
    generate(SyntheticSettings(n_train=n_train, n_test=84, seed=seed), folder)
    registration = Registration.create(
        name,
        [folder / "train.json"],
        test=[folder / "test.json"],
        images=folder,
        overrides=fields.pop("overrides", QUICK),
        generated="toy",
        **fields,
    )
    registration.save(home)
    return registration


def open_platform(home: Path) -> Platform:
    """The platform on this home."""
    return Platform.open(Home.open(home))


def n_materializations(platform: Platform, asset: str) -> int:
    """How often an asset was materialized, over all partitions."""
    return len(platform.instance.fetch_materializations(dg.AssetKey(asset), limit=1000).records)


def asset_counts(platform: Platform, dataset: str) -> dict[str, tuple[int, int, int]]:
    """By asset, how many of its partitions are fresh, stale and missing."""
    return {row.asset: (row.fresh, row.stale, row.missing) for row in dataset_status(platform, dataset).assets}


def keys(*texts: str) -> list[SelectionKey]:
    """Selection keys."""
    return [SelectionKey.parse(text) for text in texts]


def table_bytes(home: Path) -> dict[str, bytes]:
    """Every stored Parquet file by its path below the home."""
    return {str(path.relative_to(home)): path.read_bytes() for path in sorted((home / "tables").rglob("*.parquet"))}


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def message(self) -> str:
        """The one line of a refusal, after the line that names the home."""
        first, *rest = self.err.splitlines()
        assert (self.code, first.split(" ")[0], len(rest)) == (2, "XMAS_HOME", 1), self
        return rest[0]


@contextmanager
def statements() -> Iterator[list[str]]:
    """Every SQL statement that this process sends to a database of Dagster or MLflow."""
    sent: list[str] = []

    def note(connection, cursor, statement, *_) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def xmas(home: Path, *words: str | Path) -> Said:
    """Run one ``xmas`` command on this home, in this process."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        mock.patch.dict(os.environ, {"XMAS_HOME": str(home)}),
        mock.patch.object(sys, "argv", ["xmas", *map(str, words)]),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    return Said(code, out.getvalue(), err.getvalue())


def pip_installed(package: Path, folder: Path) -> Path:
    """The folder below ``folder`` that pip installed a copy of a package's sources into."""
    source = shutil.copytree(package, folder / "source")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(folder / "target"), str(source)], check=True)
    return folder / "target"


def write_dataset(folder: Path, rows: list[dict], test: list[dict] | None = None) -> list[str]:
    """Write LLaVA files, a drawn picture for every one that is named, and give the words of ``xmas dataset add``."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(sorted({row["image"] for row in rows + (test or []) if "image" in row})):
        Image.effect_noise((32, 32), 40 + number).convert("RGB").save(folder / name)
    (folder / "train.json").write_text(json.dumps(rows))
    (folder / "test.json").write_text(json.dumps(test or []))
    words = ["--annotations", str(folder / "train.json"), "--images", str(folder)]
    return words if test is None else [*words, "--test", str(folder / "test.json")]


def row(number: int, *, image: bool = True, question: str = "what is it", answer: str = "noise") -> dict:
    """One LLaVA record."""
    turns = [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]
    if image:
        turns[0]["value"] += "\n<image>"
    return {"id": f"r{number:03}", **({"image": f"{number}.png"} if image else {}), "conversations": turns}
