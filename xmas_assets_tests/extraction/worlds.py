"""A small dataset and training run for the tests of extraction: random pictures, questions, perturbed checkpoints."""

import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from PIL import Image

from xmas_assets.contracts.artifacts import Checkpoint
from xmas_assets.contracts.samples import Sample, Turn
from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.extraction.extracted import Extracted
from xmas_assets.files.model_content import model_digest
from xmas_assets.vlm.loading import BASE_NOTE, load_vlm
from xmas_assets_tests.toy.untrained import build_untrained

N_SAMPLES = 30
TEXT_ONLY_ROWS = (4, 18)


class CountingImages:
    """Opens pictures made from their names, and counts how often each was opened."""

    def __init__(self) -> None:
        self.opened: Counter[str] = Counter()

    def __call__(self, reference: str, content_hash: str) -> Image.Image:
        self.opened[reference] += 1
        return draw(reference)


def values_of(extracted: Extracted) -> dict[str, np.ndarray]:
    """Each column of a signal, shape (n_samples, *shape)."""
    blocks = [columns for _, columns in extracted.blocks()]
    return {
        name: np.concatenate([columns[name] for columns in blocks]).reshape(-1, *shape)
        for name, shape in extracted.shapes.items()
    }


def draw(reference: str, content_hash: str = "") -> Image.Image:
    seed = int(hashlib.sha256(reference.encode()).hexdigest()[:8], 16)
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def make_samples(n_samples: int = N_SAMPLES) -> list[Sample]:
    """Questions of different lengths on fewer pictures; some text-only, some on two pictures, some of two turns."""
    samples = []
    for row in range(n_samples):
        images = () if row in TEXT_ONLY_ROWS else (f"picture-{row % 7}",)
        images += ("picture-0",) if row % 9 == 8 else ()
        turns = [Turn("user", "<image>" * len(images) + "what is left of the circle" + " or the star" * (row % 4))]
        turns += [Turn("assistant", "the red square" + " and more" * (row % 3))]
        turns += [Turn("user", "how many"), Turn("assistant", "two")] if row % 5 == 0 else []
        hashes = tuple(hashlib.sha256(image.encode()).hexdigest() for image in images)
        samples.append(Sample(f"sample-{row}", tuple(turns), images, hashes))
    return samples


def make_checkpoints(directory: Path, steps: tuple[int, ...] = (2, 9, 10), *, touch_tower: bool = False) -> Path:
    """Save a base and checkpoints that drift away from it, the vision tower left alone unless told otherwise."""
    base = build_untrained(directory / "base", seed=0)
    for number, step in enumerate(steps):
        vlm = load_vlm(base, BaseModelSettings())
        generator = torch.Generator().manual_seed(number)
        for name, values in vlm.model.named_parameters():
            if touch_tower or "vision_tower" not in name:
                values.data += 0.05 * torch.randn(values.shape, generator=generator)
        vlm.model.save_pretrained(directory / f"checkpoint-{step}")
        vlm.processor.save_pretrained(directory / f"checkpoint-{step}")
    return directory


def make_adapters(directory: Path, steps: tuple[int, ...] = (1, 2)) -> Path:
    """Save a base, and adapters for it with the note that training leaves beside them."""
    base = build_untrained(directory / "base", seed=0)
    for step in steps:
        path = directory / f"checkpoint-{step}"
        config = LoraConfig(r=2, target_modules=r".*language_model.*(q_proj|v_proj)", init_lora_weights=False)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(step)
            get_peft_model(load_vlm(base, BaseModelSettings()).model, config).save_pretrained(path)
        (path / BASE_NOTE).write_text(json.dumps({"digest": model_digest(base)}))
    return directory


def find_checkpoints(directory: Path) -> list[Checkpoint]:
    """The saved checkpoints, in the order of their names (10 before 2)."""
    paths = sorted(directory.glob("checkpoint-*"))
    return [Checkpoint(int(path.name.rpartition("-")[2]), path, digest=path.name) for path in paths]
