"""A small fine-tuning run for the tests; run as a program it trains, so that a test can kill it."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
from PIL import Image

from xmas_assets.contracts.artifacts import Checkpoint
from xmas_assets.contracts.progress import Progress, ProgressCallback
from xmas_assets.contracts.samples import Sample, Turn
from xmas_assets.contracts.settings import BaseModelSettings, LoraSettings, TrainingSettings
from xmas_assets.training.trainer import fine_tune

COLOURS = ("red", "green", "blue", "black", "white")
LORA = LoraSettings(rank=4, alpha=8, dropout=0.2)
N_SAMPLES = 22
ROOT = Path(__file__).parents[2]


def make_samples() -> list[Sample]:
    """Questions about pictures of one colour; every fourth is text-only, every fifth has two turns."""
    samples = []
    for number in range(N_SAMPLES):
        colour = COLOURS[number % len(COLOURS)]
        images = () if number % 4 == 3 else (colour,)
        turns = [Turn("user", "<image>" * len(images) + f"\nwhat color is object {number}?"), Turn("assistant", colour)]
        turns += [Turn("user", "is it red?"), Turn("assistant", "yes" if colour == "red" else "no")] * (number % 5 == 0)
        samples.append(Sample(f"sample-{number:03}", tuple(turns), images, tuple(f"hash {name}" for name in images)))
    return samples


def draw(name: str, content_hash: str = "") -> Image.Image:
    return Image.new("RGB", (48, 32), name)


def settings(**changes: Any) -> TrainingSettings:
    """Two epochs of six steps, the last of each with two rows; a state every three steps."""
    chosen = {
        "epochs": 2.0,
        "batch_size": 4,
        "micro_batch_size": 2,
        "n_checkpoints": 3,
        "resume_steps": 3,
        "threads": 1,
    }
    return TrainingSettings(**chosen | changes)


def train(base: Path, output: Path, *, seed: int = 5, **options: Any) -> list[Checkpoint]:
    defaults = {"samples": make_samples(), "open_image": draw, "settings": settings()}
    return fine_tune(
        base=base, base_settings=options.pop("base_settings", BaseModelSettings()), seed=seed, output=output,
        **defaults | options,
    )  # fmt: skip


def weights(checkpoints: list[Checkpoint]) -> dict[int, dict[str, bytes]]:
    """Bytes of every file of every checkpoint."""
    return {
        checkpoint.step: {path.name: path.read_bytes() for path in sorted(checkpoint.path.iterdir())}
        for checkpoint in checkpoints
    }


def stopping_at(step: int) -> ProgressCallback:
    """Breaks a run off after so many steps."""

    def stop(progress: Progress) -> None:
        if progress.done == step:
            raise KeyboardInterrupt

    return stop


def kill_at(step: int, program: str, *arguments: str | Path) -> None:
    """Run a program that trains and prints its steps, and end it with SIGKILL once it has done so many."""
    command = [sys.executable, "-m", program, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        for line in process.stdout:
            if int(line) == step:
                os.kill(process.pid, signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL


def ranks_below(folder: Path) -> list[psutil.Process]:
    """The processes that train together below a folder, without what watches over them, in the order of their start."""
    found = []
    for process in psutil.process_iter(["cmdline", "create_time"]):
        words = process.info["cmdline"] or []
        is_rank = "xmas_assets.training.rank" in words and "torch.distributed.run" not in words
        if is_rank and any(word.startswith(str(folder)) for word in words):
            found.append(process)
    return sorted(found, key=lambda process: process.info["create_time"])


if __name__ == "__main__":
    kind, base, output = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    train(
        base,
        output,
        settings=settings(lora=LORA if kind == "lora" else None),
        progress=lambda progress: print(progress.done, flush=True),
    )
