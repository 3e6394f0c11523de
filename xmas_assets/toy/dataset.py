"""The toy dataset: drawn shapes with questions, long-tailed and full of near-duplicates, in LLaVA format.

The content of pictures is in ``scenes.py``, the questions about them in ``questions.py``.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from PIL import Image
from pydantic import Field, model_validator

from xmas_assets.contracts.samples import IMAGE_MARK
from xmas_assets.contracts.settings import Section
from xmas_assets.data.outputs import require_empty_folder
from xmas_assets.toy.questions import ANSWERS, COMMON_SKILLS, RARE_SKILLS, SKILLS, SPACE, Question, ask, word_question
from xmas_assets.toy.scenes import Scene, draw_scene, jitter_scene, sample_scene


class SyntheticSettings(Section):
    """How large and how redundant the dataset is. Shares of redundancy are of the rows in common skills."""

    seed: int = Field(default=0, ge=0, description="Seed of everything drawn; equal seeds give equal files.")
    n_train: int = Field(default=3000, ge=1, description="Training rows.")
    n_test: int = Field(
        default=720, ge=0, description="Test questions, spread evenly over the skills and their answers."
    )
    rare_share: float = Field(
        default=0.12, ge=0, le=1, description="Share of training rows in rare skills, each of its own scene."
    )
    same_both: float = Field(
        default=0.75,
        ge=0,
        le=1,
        description="Share in groups of one scene drawn again and one question in other words.",
    )
    same_image: float = Field(
        default=0.1, ge=0, le=1, description="Share in groups of different questions on one picture."
    )
    same_question: float = Field(
        default=0.1, ge=0, le=1, description="Share in groups of one question on different scenes."
    )
    group_size: int = Field(default=32, ge=2, description="Rows per group; on one picture, a quarter of it.")

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        total = self.same_both + self.same_image + self.same_question
        if total > 1 + 1e-9:
            raise ValueError(f"same_both + same_image + same_question is {total:g}; let them add up to at most 1")
        return self


class _Row(NamedTuple):
    picture: int
    question: Question
    group: int


class _Dataset:
    """Rows and pictures while they are drawn; ``signatures`` keeps every new scene unlike all earlier ones."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.signatures: set[object] = set()
        self.n_groups = 0
        self.scenes: list[Scene] = []
        self.rows: list[_Row] = []

    def new_scene(self) -> Scene:
        while (scene := sample_scene(SPACE, self.rng)).signature() in self.signatures:
            pass
        return scene

    def new_question(self, skill: str, answer: str | None = None) -> tuple[Scene, Question]:
        """Draw unseen scenes until one can be asked about (and has the wanted answer)."""
        while True:
            scene = self.new_scene()
            question = ask(skill, scene, self.rng)
            if question is not None and answer in (None, question.answer):
                return scene, question

    def add_picture(self, scene: Scene) -> int:
        self.signatures.add(scene.signature())
        self.scenes.append(scene)
        return len(self.scenes) - 1

    def add_row(self, picture: int, question: Question) -> None:
        self.rows.append(_Row(picture, question, self.n_groups))

    def pick_skill(self, skills: tuple[str, ...]) -> str:
        return skills[self.rng.integers(len(skills))]


def generate(settings: SyntheticSettings, directory: Path) -> None:
    """Write ``train.json``, ``test.json`` and their pictures.

    A record has ``id``, ``image`` (relative to ``directory``), ``conversations``, ``task`` (the skill) and ``group``
    (rows that are near-duplicates share it). No scene of the test set is in the training set, and the same
    settings give the same bytes.

    Args:
        settings: Sizes, shares and seed.
        directory: Where to write; made if missing, else empty.

    Raises:
        OutputError: If the directory is not new or empty.
    """
    require_empty_folder(directory)
    rng = np.random.default_rng(settings.seed)
    (directory / "images").mkdir(parents=True, exist_ok=True)
    dataset = _Dataset(rng)
    _add_training_rows(dataset, settings)
    dataset.rows = [dataset.rows[row] for row in rng.permutation(len(dataset.rows))]
    _write("train", dataset, directory)
    dataset.rows, dataset.scenes = [], []
    _add_test_rows(dataset, settings.n_test)
    _write("test", dataset, directory)


def _add_training_rows(dataset: _Dataset, settings: SyntheticSettings) -> None:
    n_rare = round(settings.n_train * settings.rare_share)
    n_common = settings.n_train - n_rare
    n_both, n_image, n_question = (
        round(n_common * share) for share in (settings.same_both, settings.same_image, settings.same_question)
    )
    for size in _groups(n_both, settings.group_size):
        _add_same_both(dataset, size)
    for size in _groups(n_image, max(2, settings.group_size // 4)):
        _add_same_image(dataset, size)
    for size in _groups(n_question, settings.group_size):
        _add_same_question(dataset, size)
    for _ in range(n_common - n_both - n_image - n_question):
        _add_single(dataset, dataset.pick_skill(COMMON_SKILLS))
    for row in range(n_rare):
        _add_single(dataset, RARE_SKILLS[row % len(RARE_SKILLS)])


def _groups(n_rows: int, size: int) -> Iterator[int]:
    for start in range(0, n_rows, size):
        yield min(size, n_rows - start)


def _add_same_both(dataset: _Dataset, size: int) -> None:
    scene, question = dataset.new_question(dataset.pick_skill(COMMON_SKILLS))
    for _ in range(size):
        dataset.add_row(dataset.add_picture(jitter_scene(scene, dataset.rng)), question)
    dataset.n_groups += 1


def _add_same_image(dataset: _Dataset, size: int) -> None:
    questions: dict[Question, None] = {}
    scene = dataset.new_scene()
    while len(questions) < size:
        question = ask(dataset.pick_skill(COMMON_SKILLS), scene, dataset.rng)
        if question is not None:
            questions[question] = None
    picture = dataset.add_picture(scene)
    for question in questions:
        dataset.add_row(picture, question)
    dataset.n_groups += 1


def _add_same_question(dataset: _Dataset, size: int) -> None:
    scene, question = dataset.new_question(dataset.pick_skill(COMMON_SKILLS))
    dataset.add_row(dataset.add_picture(scene), question)
    for _ in range(size - 1):
        while True:
            scene, other = dataset.new_question(question.skill)
            if other.slots == question.slots:
                break
        dataset.add_row(dataset.add_picture(scene), other)
    dataset.n_groups += 1


def _add_single(dataset: _Dataset, skill: str, answer: str | None = None) -> None:
    scene, question = dataset.new_question(skill, answer)
    dataset.add_row(dataset.add_picture(scene), question)
    dataset.n_groups += 1


def _add_test_rows(dataset: _Dataset, n_test: int) -> None:
    for row in range(n_test):
        turn, skill = divmod(row, len(SKILLS))
        answers = ANSWERS[SKILLS[skill]]
        _add_single(dataset, SKILLS[skill], answers[turn % len(answers)])


def _write(split: str, dataset: _Dataset, directory: Path) -> None:
    for picture, scene in enumerate(dataset.scenes):
        pixels = draw_scene(scene, dataset.rng)
        Image.fromarray(pixels).save(directory / "images" / f"{split}_{picture:05d}.png")
    records = [
        {
            "id": f"{split}-{number:05d}",
            "image": f"images/{split}_{row.picture:05d}.png",
            "conversations": [
                {"from": "human", "value": f"{IMAGE_MARK}\n{word_question(row.question, dataset.rng)}"},
                {"from": "gpt", "value": row.question.answer},
            ],
            "task": row.question.skill,
            "group": row.group,
        }
        for number, row in enumerate(dataset.rows)
    ]
    (directory / f"{split}.json").write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
