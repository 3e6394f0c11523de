"""Trains the tiny base model that the package ships: ``python -m xmas_assets.toy.train --output DIR``.

Three stages: the vision tower, the projector's alignment with word embeddings, the language model. See
``docs/base_model.md`` for the recipe and for what fine-tuning makes of the result.
"""

import argparse
import logging
from pathlib import Path

import torch

from xmas_assets.contracts.errors import XmasError
from xmas_assets.data.outputs import require_empty_folder
from xmas_assets.toy.model import build_model, build_processor
from xmas_assets.toy.train_language import QuestionBank, align_projector, look_at, score_looking, teach_looking
from xmas_assets.toy.train_tower import Album, draw_album, train_tower
from xmas_assets.vlm.devices import model_work

_LOG = logging.getLogger(__name__)
_N_HELD_OUT = 400
# What is added to the seed in each stage; the later stages see pictures that the tower was not trained on.
_TOWER, _ALIGNMENT, _LANGUAGE, _SECOND_ALBUM = 0, 3, 4, 7


def build_base(
    output: Path,
    *,
    n_scenes: int = 24_000,
    tower_steps: int = 3200,
    align_steps: int = 800,
    language_steps: int = 2400,
    width: int = 96,
    n_layers: int = 3,
    seed: int = 0,
) -> float:
    """Train the tiny base from random weights and save it; the same arguments give the same bytes on one machine.

    Args:
        output: New or empty directory for weights, configuration, tokenizer, processor and chat template.
        n_scenes: Pictures to draw for the tower, and again for the later stages; none of them is kept.
        tower_steps: Steps of the vision tower.
        align_steps: Steps of the projector alone.
        language_steps: Steps of projector and language model on terse questions.
        width: Hidden size of the language model, a multiple of 8.
        n_layers: Layers of the language model.
        seed: Of weights, pictures and order.

    Returns:
        Share of terse questions about 400 held-out pictures that are answered rightly.

    Raises:
        OutputError: If the directory is not new or empty; before anything is trained.
    """
    require_empty_folder(output)
    with model_work(1), torch.random.fork_rng(devices=[]):
        processor = build_processor()
        model = build_model(processor, seed=seed, width=width, n_layers=n_layers)
        _LOG.info("vision tower: %d steps on %d pictures", tower_steps, n_scenes)
        album, _ = _draw(n_scenes, seed=seed + _TOWER)
        tower = model.model.vision_tower
        train_tower(tower, processor.image_processor, album, n_steps=tower_steps, seed=seed + _TOWER)
        album, held_out = _draw(n_scenes, seed=seed + _SECOND_ALBUM)
        features = look_at(model, processor, album)
        _LOG.info("projector: %d steps", align_steps)
        align_projector(model, processor.tokenizer, album.scenes, features, n_steps=align_steps, seed=seed + _ALIGNMENT)
        _LOG.info("language model: %d steps", language_steps)
        bank = QuestionBank(processor.tokenizer, album.scenes)
        teach_looking(model, bank, features, n_steps=language_steps, seed=seed + _LANGUAGE, report=_report)
        bank = QuestionBank(processor.tokenizer, held_out.scenes)
        score = score_looking(model, bank, look_at(model, processor, held_out), seed=seed)
    _LOG.info("terse questions answered rightly: %.3f", score)
    model.save_pretrained(output)
    processor.save_pretrained(output)
    return score


def _draw(n_scenes: int, *, seed: int) -> tuple[Album, Album]:
    """Draw an album to learn from, and one of 400 held-out pictures."""
    album = draw_album(n_scenes + _N_HELD_OUT, seed=seed)
    return (
        Album(album.scenes[:n_scenes], album.pictures[:n_scenes]),
        Album(album.scenes[n_scenes:], album.pictures[n_scenes:]),
    )


def _report(step: int, loss: float) -> None:
    _LOG.info("step %d: loss %.3f nats per answer token", step, loss)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, help="new or empty directory for the trained base model")
    parser.add_argument("--width", type=int, default=96, help="hidden size of the language model, a multiple of 8")
    parser.add_argument("--layers", type=int, default=3, help="layers of the language model")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights, pictures and order")
    arguments = parser.parse_args()
    if arguments.width <= 0 or arguments.width % 8 or arguments.layers <= 0:
        parser.error(f"--width {arguments.width} --layers {arguments.layers}: a multiple of 8, and 1 layer or more")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        build_base(arguments.output, width=arguments.width, n_layers=arguments.layers, seed=arguments.seed)
    except XmasError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
