"""Samples as tokens: input ids, labels on assistant answers only, image positions; and batches of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.samples import Reason, Sample
from xmas_assets.vlm.image_inputs import Pictures
from xmas_assets.vlm.templates import ChatTemplate, Rendered

IGNORED_LABEL = -100
_TEXTS_AT_ONCE = 2048


@dataclass(frozen=True)
class Encoded:
    """One sample, or one question, as tokens.

    Attributes:
        sample_id: Whose it is.
        input_ids: Token ids with each image's tokens in place, shape (n_tokens,), int32.
        is_answer: Whether a token is learned (assistant answers with their end token), shape (n_tokens,), bool.
        is_image: Whether a token stands for a piece of an image, shape (n_tokens,), bool.
        images: References of the images, in the order of their tokens.
        image_hashes: SHA-256 (hex) of the images' bytes, aligned with ``images``.
        n_image_tokens: How many of the tokens in ``is_image`` each image has, aligned with ``images``.
        is_cut: Whether tokens beyond the limit were cut off at the end.
    """

    sample_id: str
    input_ids: NDArray[np.int32]
    is_answer: NDArray[np.bool_]
    is_image: NDArray[np.bool_]
    images: tuple[str, ...]
    image_hashes: tuple[str, ...]
    n_image_tokens: tuple[int, ...]
    is_cut: bool = False

    @property
    def labels(self) -> NDArray[np.int64]:
        """Token ids where learned and -100 elsewhere, shape (n_tokens,), aligned with ``input_ids`` (not shifted)."""
        return np.where(self.is_answer, self.input_ids, IGNORED_LABEL).astype(np.int64)


class Question(NamedTuple):
    """One assistant turn to be answered: the prompt up to it, with the true answers of earlier turns."""

    sample: Sample
    turn: int
    prompt: Encoded | None


class Encoder:
    """Turns samples into tokens for one processor. Texts are tokenised in bulk; images come from ``pictures``."""

    def __init__(self, processor: Any, pictures: Pictures, *, max_tokens: int) -> None:
        """Take a processor.

        Args:
            processor: With a fast tokenizer and a chat template.
            pictures: Gives the tokens that stand for an image.
            max_tokens: Longest prompt with answer, tokens including image tokens.

        Raises:
            ModelError: If the processor has no fast tokenizer, chat template, image token or end token.
        """
        if not processor.tokenizer.is_fast:
            raise ModelError("the tokenizer is a slow one, without character offsets; add its tokenizer.json")
        self.template = ChatTemplate(processor)
        self._pictures = pictures
        self._max_tokens = max_tokens
        self._tokenizer = processor.tokenizer
        self._image_token_id: int = processor.tokenizer.convert_tokens_to_ids(processor.image_token)
        self._bos = _leading_token(processor.tokenizer)

    def encode(self, samples: Sequence[Sample]) -> tuple[list[Encoded], dict[str, Reason]]:
        """Encode samples for learning.

        A sample longer than ``max_tokens`` is cut at its end (``is_cut``); it is left out if the cut would take an
        image token or leave no answer token.

        Returns:
            The usable samples in their order, and why each other ``sample_id`` is left out.
        """
        encoded = self._tokenise([(sample, self.template.render(sample.turns)) for sample in samples])
        kept = [row for row in map(self._cut, encoded) if row is not None]
        usable = {row.sample_id for row in kept}
        unusable = (row for row in encoded if row.sample_id not in usable)
        return kept, {
            row.sample_id: Reason.TOO_LONG if row.is_answer.any() else Reason.EMPTY_ANSWER for row in unusable
        }

    def answer_lengths(self, samples: Sequence[Sample]) -> NDArray[np.int64]:
        """Count the tokens of all answers of each sample, end tokens included, before any cut; no picture is opened.

        Returns:
            Shape (n_samples,).
        """
        tokenised = self._tokens([self.template.render(sample.turns) for sample in samples])
        return np.array([is_answer.sum() for _, is_answer in tokenised], dtype=np.int64)

    def ask(self, samples: Sequence[Sample]) -> list[Question]:
        """Make one question of each assistant turn, with what was said before it.

        Returns:
            Questions in the order of samples and turns; ``prompt`` is None where it is longer than ``max_tokens``.
        """
        asked: list[tuple[Sample, int, Rendered]] = []
        for sample in samples:
            text, answers = self.template.render(sample.turns)
            turns = [number for number, turn in enumerate(sample.turns) if turn.role == "assistant"]
            asked += [
                (sample, turn, Rendered(text[:start], ())) for turn, (start, _) in zip(turns, answers, strict=True)
            ]
        prompts = self._tokenise([(sample, rendered) for sample, _, rendered in asked])
        return [
            Question(sample, turn, prompt if len(prompt.input_ids) <= self._max_tokens else None)
            for (sample, turn, _), prompt in zip(asked, prompts, strict=True)
        ]

    def _cut(self, encoded: Encoded) -> Encoded | None:
        """Cut a sample at ``max_tokens``, or None if nothing that can be learned would be left."""
        limit = self._max_tokens
        if encoded.is_image[limit:].any() or not encoded.is_answer[:limit].any():
            return None
        if len(encoded.input_ids) <= limit:
            return encoded
        ids, answer, image = encoded.input_ids[:limit], encoded.is_answer[:limit], encoded.is_image[:limit]
        return replace(encoded, input_ids=ids, is_answer=answer, is_image=image, is_cut=True)

    def _tokenise(self, rendered: Sequence[tuple[Sample, Rendered]]) -> list[Encoded]:
        tokenised = self._tokens([row for _, row in rendered])
        return [self._place(sample, *tokens) for (sample, _), tokens in zip(rendered, tokenised, strict=True)]

    def _tokens(self, rendered: Sequence[Rendered]) -> Iterator[tuple[NDArray[np.int32], NDArray[np.bool_]]]:
        """Token ids of each conversation, an image as one token, and which of them are learned."""
        for first in range(0, len(rendered), _TEXTS_AT_ONCE):
            rows = rendered[first : first + _TEXTS_AT_ONCE]
            made = self._tokenizer(
                [text for text, _ in rows],
                add_special_tokens=False,
                return_offsets_mapping=True,
                return_attention_mask=False,
            )
            for row, ids, offsets in zip(rows, made["input_ids"], made["offset_mapping"], strict=True):
                is_answer = _is_inside(np.array(offsets, dtype=np.int64).reshape(-1, 2), row.answers)
                yield np.array(ids, dtype=np.int32), is_answer

    def _place(self, sample: Sample, ids: NDArray[np.int32], is_answer: NDArray[np.bool_]) -> Encoded:
        """Put the first token in front, and each image's tokens where its single token stands."""
        if self._bos is not None and (not ids.size or ids[0] != self._bos):
            ids, is_answer = np.insert(ids, 0, self._bos), np.insert(is_answer, 0, False)
        # A question asked before a later image comes has fewer images than its sample.
        places = np.flatnonzero(ids == self._image_token_id)
        images, hashes = sample.images[: len(places)], sample.image_hashes[: len(places)]
        if len(images) != len(places) or len(hashes) != len(places):
            raise ModelError(
                f"sample {sample.sample_id[:80]!r} has {len(places)} image marks and {len(sample.images)} images with "
                f"{len(sample.image_hashes)} hashes; validate the dataset first"
            )
        drawn = [np.array(self._pictures.tokens(*pair), dtype=np.int32) for pair in zip(images, hashes, strict=True)]
        for place, tokens in reversed(list(zip(places, drawn, strict=True))):
            ids = np.concatenate([ids[:place], tokens, ids[place + 1 :]])
            is_answer = np.concatenate([is_answer[:place], np.zeros(len(tokens), dtype=bool), is_answer[place + 1 :]])
        counts = tuple(int((tokens == self._image_token_id).sum()) for tokens in drawn)
        return Encoded(sample.sample_id, ids, is_answer, ids == self._image_token_id, images, hashes, counts)


def collate(
    encoded: Sequence[Encoded], pictures: Pictures, *, pad_id: int, padding_side: Literal["left", "right"]
) -> dict[str, torch.Tensor]:
    """Make the model's inputs of a batch.

    Returns:
        ``input_ids``, ``attention_mask`` and ``labels``, each of shape (n_rows, longest), int64, and ``pixel_values``
        of shape (n_images, channels, height, width) if any row has an image.
    """
    longest = max(len(row.input_ids) for row in encoded)
    ids = np.full((len(encoded), longest), pad_id, dtype=np.int64)
    mask = np.zeros((len(encoded), longest), dtype=np.int64)
    labels = np.full((len(encoded), longest), IGNORED_LABEL, dtype=np.int64)
    for number, row in enumerate(encoded):
        length = len(row.input_ids)
        place = slice(longest - length, longest) if padding_side == "left" else slice(0, length)
        ids[number, place], mask[number, place], labels[number, place] = row.input_ids, 1, row.labels
    batch = {"input_ids": ids, "attention_mask": mask, "labels": labels}
    tensors = {name: torch.from_numpy(values) for name, values in batch.items()}
    references = [image for row in encoded for image in row.images]
    if references:
        hashes = [content_hash for row in encoded for content_hash in row.image_hashes]
        tensors["pixel_values"] = pictures.pixels(references, hashes)
    return tensors


def pad_token_id(tokenizer: Any) -> int:
    """Return the id to pad with: the pad token, or the end token where there is none (both are masked)."""
    return tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id


def _is_inside(offsets: NDArray[np.int64], spans: Sequence[tuple[int, int]]) -> NDArray[np.bool_]:
    """Tell which tokens have a character in one of the spans, shape (n_tokens,)."""
    inside = np.zeros(len(offsets), dtype=bool)
    for start, stop in spans:
        inside |= (offsets[:, 1] > start) & (offsets[:, 0] < stop)
    return inside


def _leading_token(tokenizer: Any) -> int | None:
    """Return the begin token's id if this tokenizer puts it in front of a text, else None."""
    ids = tokenizer("")["input_ids"]
    return ids[0] if ids and ids[0] == tokenizer.bos_token_id else None
