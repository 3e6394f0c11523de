"""Later stages of the tiny base: align the projector with word embeddings, then teach the language model to look.

The tower is frozen in both, so its features are computed once.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from transformers import LlavaForConditionalGeneration, LlavaProcessor

from xmas_assets.toy.scenes import CELLS, Scene
from xmas_assets.toy.terse_questions import KINDS, LONGEST, ask_tersely
from xmas_assets.toy.train_tower import Album, see

_SCENES_PER_STEP = 32
_QUESTIONS_PER_SCENE = 8
_SLOT = LONGEST + 1  # the words and the answer


def look_at(model: LlavaForConditionalGeneration, processor: LlavaProcessor, album: Album) -> Tensor:
    """Run the frozen tower once over an album; shape (n_scenes, 16, hidden size)."""
    with torch.no_grad():
        parts = [
            see(model.model.vision_tower, processor.image_processor, album.pictures[first : first + 256])
            for first in range(0, len(album.scenes), 256)
        ]
    return torch.cat(parts)


def align_projector(
    model: LlavaForConditionalGeneration,
    tokenizer,
    scenes: Sequence[Scene],
    features: Tensor,
    *,
    n_steps: int,
    seed: int,
) -> None:
    """Train the projector in place to turn each cell into the sum of the embeddings of the words that describe it."""
    rng = np.random.default_rng(seed)
    embeddings = model.lm_head.weight.detach()  # tied to the input embeddings
    described = [_describe_cells(scene) for scene in scenes]
    words = sorted({word for cells in described for cell in cells for word in cell})
    position = {word: number for number, word in enumerate(words)}
    word_embeddings = embeddings[[_token(tokenizer, word) for word in words]]
    holds = torch.zeros(len(scenes), CELLS**2, len(words))
    for scene, cells in enumerate(described):
        for cell, cell_words in enumerate(cells):
            holds[scene, cell, [position[word] for word in cell_words]] = 1
    # One cell in six holds something; what is in it matters as much as the empty ones together.
    weights = 1 + 3 * (holds.sum(-1, keepdim=True) > 2)
    projector = model.model.multi_modal_projector
    optimizer = torch.optim.AdamW(projector.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=n_steps, pct_start=0.1)
    for _ in range(n_steps):
        batch = torch.from_numpy(rng.integers(len(scenes), size=128))
        error = projector(features[batch]) - holds[batch] @ word_embeddings
        loss = (weights[batch] * error.square()).mean() / word_embeddings.square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


class QuestionBank:
    """The terse questions of all scenes as tokens, ready to be drawn in packed batches."""

    def __init__(self, tokenizer, scenes: Sequence[Scene]) -> None:
        """Ask everything there is to ask about the scenes."""
        self.tokenizer = tokenizer
        asked = [ask_tersely(scene) for scene in scenes]
        every = [terse for kinds in asked for found in kinds.values() for terse in found]
        tokens = {
            word: _token(tokenizer, word) for word in {w for terse in every for w in (*terse.words, terse.answer)}
        }
        self._questions = [
            {
                kind: [([tokens[word] for word in terse.words], tokens[terse.answer]) for terse in found]
                for kind, found in kinds.items()
                if found
            }
            for kinds in asked
        ]
        self._bounds = np.cumsum(list(KINDS.values()))

    def draw(self, scenes: NDArray[np.int64], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Draw eight questions for each scene.

        Returns:
            Token ids and labels (what is to be predicted at this place, or -100), each (n_scenes, 8, 5), int64.
        """
        shape = (len(scenes), _QUESTIONS_PER_SCENE, _SLOT)
        ids = np.full(shape, self.tokenizer.pad_token_id)
        labels = np.full(shape, -100)
        for row, scene in enumerate(scenes):
            for slot in range(_QUESTIONS_PER_SCENE):
                words, answer = self._draw_one(self._questions[scene], rng)
                ids[row, slot, : len(words) + 1] = [*words, answer]
                labels[row, slot, len(words) - 1 : len(words) + 1] = answer, self.tokenizer.eos_token_id
        return torch.from_numpy(ids), torch.from_numpy(labels)

    def _draw_one(self, questions: dict[str, list], rng: np.random.Generator) -> tuple[list[int], int]:
        kinds = list(KINDS)
        while True:
            found = questions.get(kinds[np.searchsorted(self._bounds, rng.random() * self._bounds[-1], side="right")])
            if found:
                return found[rng.integers(len(found))]


class _Packing(NamedTuple):
    """Several questions behind one picture in one sequence, each seeing the picture and itself only."""

    before: Tensor
    after: Tensor
    mask: Tensor
    positions: Tensor

    @classmethod
    def make(cls, tokenizer) -> "_Packing":
        before = torch.tensor(tokenizer("USER: ").input_ids)
        after = torch.tensor(tokenizer("\n", add_special_tokens=False).input_ids)
        prefix = len(before) + CELLS**2 + len(after)
        question = torch.arange(_QUESTIONS_PER_SCENE).repeat_interleave(_SLOT)
        owner = torch.cat([torch.full((prefix,), -1), question])
        sees = ((owner[None] == -1) | (owner[None] == owner[:, None])).tril()
        mask = torch.where(sees, 0.0, torch.finfo(torch.float32).min)[None, None]
        positions = torch.cat([torch.arange(prefix), prefix + torch.arange(_SLOT).repeat(_QUESTIONS_PER_SCENE)])
        return cls(before, after, mask, positions[None])

    def run(self, model: LlavaForConditionalGeneration, features: Tensor, ids: Tensor) -> Tensor:
        """Return the language model's last layer at the questions' tokens, shape (*ids.shape, hidden size)."""
        n_rows = len(ids)
        embed = model.get_input_embeddings()
        parts = [
            embed(self.before)[None].expand(n_rows, -1, -1),
            model.model.multi_modal_projector(features),
            embed(self.after)[None].expand(n_rows, -1, -1),
            embed(ids.flatten(1)),
        ]
        output = model.model.language_model(
            inputs_embeds=torch.cat(parts, dim=1),
            attention_mask=self.mask.expand(n_rows, -1, -1, -1),
            position_ids=self.positions.expand(n_rows, -1),
            use_cache=False,
        )
        return output.last_hidden_state[:, -ids[0].numel() :].unflatten(1, ids.shape[1:])


def teach_looking(
    model: LlavaForConditionalGeneration,
    bank: QuestionBank,
    features: Tensor,
    *,
    n_steps: int,
    seed: int,
    report: Callable[[int, float], None],
) -> None:
    """Train projector and language model in place on the bank's questions.

    Args:
        model: With aligned projector.
        bank: Questions of the scenes.
        features: What the tower sees in them, shape (n_scenes, 16, hidden size).
        n_steps: Optimiser steps of 32 scenes with 8 questions each.
        seed: Of the order.
        report: Called with step and loss every 100 steps.
    """
    rng = np.random.default_rng(seed)
    packing = _Packing.make(bank.tokenizer)
    parameters = [*model.model.multi_modal_projector.parameters(), *model.model.language_model.parameters()]
    optimizer = torch.optim.AdamW(parameters, weight_decay=0.01, betas=(0.9, 0.95))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=n_steps, pct_start=0.08)
    model.train()
    for step in range(1, n_steps + 1):
        scenes = rng.integers(len(features), size=_SCENES_PER_STEP)
        ids, labels = bank.draw(scenes, rng)
        hidden = packing.run(model, features[scenes], ids)
        wanted = labels >= 0
        loss = functional.cross_entropy(model.lm_head(hidden[wanted]), labels[wanted])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            report(step, loss.item())
    model.eval()


def score_looking(model: LlavaForConditionalGeneration, bank: QuestionBank, features: Tensor, *, seed: int) -> float:
    """Share of drawn terse questions that are answered rightly, eight for each scene."""
    ids, labels = bank.draw(np.arange(len(features)), np.random.default_rng(seed))
    packing = _Packing.make(bank.tokenizer)
    with torch.no_grad():
        hidden = packing.run(model, features, ids)
        wanted = (labels >= 0) & (labels != bank.tokenizer.eos_token_id)
        return float((model.lm_head(hidden[wanted]).argmax(-1) == labels[wanted]).float().mean())


def _describe_cells(scene: Scene) -> list[list[str]]:
    cells = [["background", scene.background] for _ in range(CELLS**2)]
    for thing in scene.things:
        cells[thing.cell] = [thing.shape, thing.colour, thing.size, thing.side, thing.level]
    return cells


def _token(tokenizer, word: str) -> int:
    (token,) = tokenizer.encode(f" {word}", add_special_tokens=False)
    return token
