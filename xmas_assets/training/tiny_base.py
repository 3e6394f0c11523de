"""Trains the tiny base model that the package ships: ``python -m xmas_assets.training.tiny_base --output DIR``.

Three stages: the vision tower, the projector's alignment with word embeddings, the language model. See
``docs/base_model.md`` for the recipe and for what fine-tuning makes of the result.
"""

import argparse
import logging
from pathlib import Path

import torch

from xmas_assets.training.tiny_language import QuestionBank, align_projector, look_at, score_looking, teach_looking
from xmas_assets.training.tiny_tower import Album, draw_album, train_tower
from xmas_assets.vlm.loading import torch_threads
from xmas_assets.vlm.tiny import build_model, build_processor

_LOG = logging.getLogger(__name__)
_N_HELD_OUT = 400


def build_base(
    output: Path,
    *,
    n_scenes: int = 24_000,
    tower_steps: int = 3200,
    align_steps: int = 800,
    language_steps: int = 2400,
    seed: int = 0,
) -> float:
    """Train the tiny base from random weights and save it; the same arguments give the same bytes on one machine.

    Args:
        output: Directory for weights, configuration, tokenizer, processor and chat template.
        n_scenes: Pictures to draw; none of them is kept.
        tower_steps: Steps of the vision tower.
        align_steps: Steps of the projector alone.
        language_steps: Steps of projector and language model on terse questions.
        seed: Of weights, pictures and order.

    Returns:
        Share of terse questions about 400 held-out pictures that are answered rightly.
    """
    with torch_threads(1), torch.random.fork_rng(devices=[]):
        processor = build_processor()
        model = build_model(processor, seed=seed)
        _LOG.info("drawing %d pictures", n_scenes + _N_HELD_OUT)
        album = draw_album(n_scenes + _N_HELD_OUT, seed=seed)
        scenes, pictures = album.scenes[:n_scenes], album.pictures[:n_scenes]
        _LOG.info("vision tower: %d steps", tower_steps)
        tower = model.model.vision_tower
        train_tower(tower, processor.image_processor, Album(scenes, pictures), n_steps=tower_steps, seed=seed)
        features = look_at(model, processor, album)
        _LOG.info("projector: %d steps", align_steps)
        align_projector(model, processor.tokenizer, scenes, features, n_steps=align_steps, seed=seed)
        bank = QuestionBank(processor.tokenizer, scenes)
        _LOG.info("language model: %d steps", language_steps)
        teach_looking(model, bank, features[:n_scenes], n_steps=language_steps, seed=seed, report=_report)
        held_out = QuestionBank(processor.tokenizer, album.scenes[n_scenes:])
        score = score_looking(model, held_out, features[n_scenes:], seed=seed)
    _LOG.info("terse questions answered rightly: %.3f", score)
    model.save_pretrained(output)
    processor.save_pretrained(output)
    return score


def _report(step: int, loss: float) -> None:
    _LOG.info("step %d: loss %.3f nats per answer token", step, loss)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, help="directory for the trained base model")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights, pictures and order")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    build_base(arguments.output, seed=arguments.seed)


if __name__ == "__main__":
    main()
