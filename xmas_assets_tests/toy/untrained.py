"""The toy model before any training: small, quick to make, and a real model in every other respect."""

from pathlib import Path

from xmas_assets.toy.model import build_model, build_processor


def build_untrained(directory: Path, *, seed: int = 0) -> Path:
    """Save a random-weight tiny model with its tokenizer and processor, loadable by the auto classes offline.

    Args:
        directory: Where to save; made if missing, files of the same names are replaced.
        seed: Seed of the weights. The global torch generator is left as it was.

    Returns:
        ``directory``.
    """
    processor = build_processor()
    model = build_model(processor, seed=seed)
    model.save_pretrained(directory)
    processor.save_pretrained(directory)
    return directory
