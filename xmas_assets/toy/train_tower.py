"""First stage of the tiny base: the vision tower learns what is in each of the picture's 4 x 4 cells."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPVisionModel

from xmas_assets.toy.scenes import BACKGROUNDS, CELLS, COLOURS, SHAPES, Scene, SceneSpace, draw_scene, sample_scene

# Wider than any dataset asks for: more shapes and colours, any size, so that other drawn pictures are understood too.
PRETRAINING_SPACE = SceneSpace(
    shapes=SHAPES, colours=tuple(COLOURS), n_things=(1, 4), small=(4.0, 7.0), big=(9.0, 17.0)
)
_NAMES = (
    ("absent", "present"),
    SHAPES,
    tuple(COLOURS),
    ("small", "big"),
    tuple(BACKGROUNDS),
    ("left", "right"),
    ("top", "bottom"),
)
_WIDTHS = [len(names) for names in _NAMES]
# Shape is by far the hardest to see; presence is judged in 16 cells of which few hold anything.
_WEIGHTS = (4.0, 2.0, 1.0, 1.0, 1.0, 0.5, 0.5)
_UNKNOWN = -100


class Album(NamedTuple):
    """Scenes with their pictures, shape (n_scenes, 64, 64, 3), uint8."""

    scenes: list[Scene]
    pictures: NDArray[np.uint8]


def draw_album(n_scenes: int, *, seed: int) -> Album:
    """Draw random scenes of ``PRETRAINING_SPACE``."""
    rng = np.random.default_rng(seed)
    scenes = [sample_scene(PRETRAINING_SPACE, rng) for _ in range(n_scenes)]
    return Album(scenes, np.stack([draw_scene(scene, rng) for scene in scenes]))


def train_tower(tower: CLIPVisionModel, image_processor, album: Album, *, n_steps: int, seed: int) -> None:
    """Train the tower in place, through a linear head on every cell that is thrown away afterwards.

    Args:
        tower: A CLIP vision model.
        image_processor: What turns pictures into the tower's input.
        album: What to learn from; drawn with replacement, 64 scenes a step.
        n_steps: Optimiser steps.
        seed: Of the order and the head.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    head = nn.Linear(tower.config.hidden_size, sum(_WIDTHS))
    labels = torch.from_numpy(np.stack([_label_cells(scene) for scene in album.scenes]))
    parameters = [*tower.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, weight_decay=0.05, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=n_steps, pct_start=0.1)
    tower.train()
    for _ in range(n_steps):
        batch = rng.integers(len(album.scenes), size=64)
        scores = head(see(tower, image_processor, album.pictures[batch]))
        optimizer.zero_grad()
        _loss(scores, labels[batch]).backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
    tower.eval()


def see(tower: CLIPVisionModel, image_processor, pictures: NDArray[np.uint8]) -> Tensor:
    """Run the tower as LLaVA does: its last layer's output for each cell, shape (n_pictures, 16, hidden size)."""
    pixels = image_processor(list(pictures), return_tensors="pt")["pixel_values"]
    return tower(pixels, output_hidden_states=True).hidden_states[-1][:, 1:]


def _label_cells(scene: Scene) -> NDArray[np.int64]:
    """Label each cell, shape (16, 7), with the name of each of ``_NAMES`` that holds, or -100 where none does."""
    labels = np.full((CELLS**2, len(_NAMES)), _UNKNOWN)
    row, column = np.divmod(np.arange(CELLS**2), CELLS)
    labels[:, 0] = 0
    labels[:, 4] = _NAMES[4].index(scene.background)
    labels[:, 5], labels[:, 6] = 2 * column >= CELLS, 2 * row >= CELLS
    for thing in scene.things:
        words = ("present", thing.shape, thing.colour, thing.size)
        labels[thing.cell, :4] = [names.index(word) for names, word in zip(_NAMES, words, strict=False)]
    return labels


def _loss(scores: Tensor, labels: Tensor) -> Tensor:
    parts = [
        weight * functional.cross_entropy(part.flatten(0, 1), labels[..., number].flatten(), ignore_index=_UNKNOWN)
        for number, (weight, part) in enumerate(zip(_WEIGHTS, scores.split(_WIDTHS, dim=-1), strict=True))
    ]
    return torch.stack(parts).sum()
