"""The study's datasets, each written in LLaVA format by a seeded maker."""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from study.design import GROUP_SIZES, TAILS
from study.digits import write_digits
from xmas_assets.home.home import Home
from xmas_assets.toy.dataset import SyntheticSettings, generate

_REAL = Path(__file__).parents[2] / "shared" / "data" / "easy_vqa"
_ONLY_SINGLES = {"same_both": 0.0, "same_image": 0.0, "same_question": 0.0}


def _shapes(folder: Path, **settings: float) -> Path:
    generate(SyntheticSettings(**settings), folder)  # pyright: ignore[reportArgumentType]
    return folder


def _cell(tail: str, group_size: int) -> dict[str, float]:
    """Settings of a cell of the map: a group of 1 is no group; a uniform tail has all eight skills alike.

    Half of all rows are in groups for any tail, so that the tail alone differs.
    """
    rare_share = 0.5 if tail == "uniform" else 0.12
    groups = _ONLY_SINGLES | {"group_size": group_size, "same_both": 0.5 / (1 - rare_share)}
    return {"rare_share": rare_share} | (groups if group_size > 1 else _ONLY_SINGLES)


def _easy_vqa(folder: Path, *, n_train: int = 6000, n_test: int = 1000, seed: int = 5) -> Path:
    """A seeded sample of easy-VQA's rows; pictures stay where they are."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for split, count in (("train", n_train), ("test", n_test)):
        records = json.loads((_REAL / f"{split}.json").read_text())
        rows = np.sort(rng.permutation(len(records))[:count])
        (folder / f"{split}.json").write_text(json.dumps([records[row] for row in rows]))
    return _REAL


# Each writes train.json and test.json into a folder and returns the folder that image names are relative to.
MAKERS: dict[str, Callable[[Path], Path]] = {
    "shapes_screen": partial(_shapes, seed=1001),
    "shapes": partial(_shapes, seed=1002),
    "plain": partial(_shapes, seed=1003, **_ONLY_SINGLES),
    "same_image": partial(_shapes, seed=1004, same_both=0.0, same_image=0.95, same_question=0.0),
    "same_question": partial(_shapes, seed=1005, same_both=0.0, same_image=0.0, same_question=0.95),
    "digits": partial(write_digits, seed=1006),
    "easy_vqa": _easy_vqa,
    "fresh_none": partial(_shapes, seed=3001, rare_share=0.3, **_ONLY_SINGLES),
    "fresh_few": partial(_shapes, seed=3002, group_size=6, same_both=0.6, same_image=0.1, same_question=0.1),
    "fresh_many": partial(_shapes, seed=3003, group_size=100, same_both=0.6, same_image=0.0, same_question=0.0),
    "fresh_threes": partial(_shapes, seed=3005, group_size=3, same_both=1.0, same_image=0.0, same_question=0.0),
    "fresh_heaps": partial(_shapes, seed=3006, group_size=300, same_both=0.35, same_image=0.0, same_question=0.0),
    "fresh_digits": partial(write_digits, seed=3004, n_repeated=60, copies=24, n_single=500),
} | {
    f"shapes_{tail}_g{size}": partial(_shapes, seed=1010 + 10 * TAILS.index(tail) + place, **_cell(tail, size))
    for tail in TAILS
    for place, size in enumerate(GROUP_SIZES)
}


def dataset_folder(home: Home, dataset: str) -> Path:
    """Where the records of one of ``MAKERS`` are, which may not be made yet."""
    return home.path("data") / dataset


def make_dataset(home: Home, dataset: str) -> tuple[Path, Path]:
    """A dataset's folder, made once for all units, and the folder that its images are relative to."""
    folder = dataset_folder(home, dataset)
    images = folder / "images.txt"
    if not images.exists():  # written last
        shutil.rmtree(folder, ignore_errors=True)
        images.write_text(str(MAKERS[dataset](folder)))
    return folder, Path(images.read_text())
