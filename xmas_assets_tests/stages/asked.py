"""Questions to an untrained target, for the tests of who asks them."""

from pathlib import Path

import torch
from PIL import Image

from xmas_assets.contracts.artifacts import Checkpoint
from xmas_assets.contracts.samples import Sample, Turn
from xmas_assets.contracts.settings import BaseModelSettings, BenchmarkSettings
from xmas_assets.evaluation.answers import Reply
from xmas_assets.files.model_content import model_digest
from xmas_assets.home.home import Home
from xmas_assets.scale.engines import Engine
from xmas_assets.stages.asking import Questions, Target, replies_to
from xmas_assets.vlm.loading import load_vlm
from xmas_assets_tests.toy.untrained import build_untrained

COLOURS = ("red", "green", "blue", "black", "white", "pink")


def build_target(directory: Path) -> Path:
    """A model whose answers differ: fresh weights say one thing to every question, sharper ones do not."""
    vlm = load_vlm(build_untrained(directory), BaseModelSettings())
    with torch.no_grad():
        for name, values in vlm.model.named_parameters():
            if "_proj" in name or "projector" in name:
                values *= 6
    vlm.model.save_pretrained(directory)
    return directory


def draw(name: str, content_hash: str = "") -> Image.Image:
    return Image.new("RGB", (40, 40), name)


def questions(*, ranked: bool = False) -> Questions:
    """Twelve questions; or, ranked, with two options each."""
    samples = []
    for number, colour in enumerate(COLOURS * 2):
        turns = (Turn("user", f"<image>\nwhat is {'near ' * (number % 3)}object {number}?"), Turn("assistant", ""))
        samples.append(Sample(f"q{number}", turns, (colour,), (f"hash {colour}",)))
    options = {sample.sample_id: {"A": "red", "B": "a blue one"} for sample in samples} if ranked else None
    return Questions("benchmark:drawn", samples, draw, options=options)


def ask(home: Path, target: Path, engine: Engine, *, ranked: bool = False) -> list[list[Reply]]:
    """The replies, asked in four shards."""
    settings = BaseModelSettings()
    return replies_to(
        Home.open(home),
        questions(ranked=ranked),
        BenchmarkSettings(batch_size=2, threads=1),
        target=Target.of(Checkpoint(0, target, model_digest(target)), settings, base=target),
        longest=5,
        progress=lambda _: None,
        engine=engine,
        rows_per_shard=3,
    )
