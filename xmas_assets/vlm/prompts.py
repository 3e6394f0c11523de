"""Samples as tokens: input ids, labels on assistant answers only, and image positions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.samples import Reason, Sample
from xmas_assets.vlm.grids import Layout, layout_of, runs_of
from xmas_assets.vlm.image_inputs import Pictures, Unit
from xmas_assets.vlm.image_preparer import Description
from xmas_assets.vlm.loading import Vlm
from xmas_assets.vlm.templates import ChatTemplate, Rendered, write_images
from xmas_assets.vlm.token_spans import is_inside, token_weights

IGNORED_LABEL = -100
_TEXTS_AT_ONCE = 512
_Images = list[tuple[Unit, Description]]  # of a row


@dataclass(frozen=True)
class Encoded:
    """One sample, or one question, as tokens.

    Attributes:
        sample_id: Whose it is.
        input_ids: Token ids with each image's tokens in place, shape (n_tokens,), int32.
        is_answer: Whether a token is learned (assistant answers with their end token, but those of weight 0), shape
            (n_tokens,), bool.
        is_image: Whether a token stands for a piece of an image, shape (n_tokens,), bool.
        units: Its images as they are prepared, in the order of their tokens.
        n_image_tokens: How many of the tokens in ``is_image`` each image has, aligned with ``images``.
        per_token: What the model reads of each token next to its id, by the input's name, each of shape (n_tokens,).
        layouts: Where the tokens of each image lie in its picture, aligned with ``images``.
        is_cut: Whether tokens beyond the limit were cut off at the end.
        loss_weights: By what a token's loss is multiplied, 0 where it is not learned, shape (n_tokens,), float32; None
            where it is 1 for every token in ``is_answer``.
    """

    sample_id: str
    input_ids: NDArray[np.int32]
    is_answer: NDArray[np.bool_]
    is_image: NDArray[np.bool_]
    units: tuple[Unit, ...]
    n_image_tokens: tuple[int, ...]
    per_token: Mapping[str, NDArray[np.int8]] = field(default_factory=dict)
    layouts: tuple[Layout, ...] = ()
    is_cut: bool = False
    loss_weights: NDArray[np.float32] | None = None

    @property
    def images(self) -> tuple[str, ...]:
        """References of the images, in the order of their tokens."""
        return tuple(reference for unit in self.units for reference in unit.references)

    @property
    def image_hashes(self) -> tuple[str, ...]:
        """SHA-256 (hex) of the images' bytes, aligned with ``images``."""
        return tuple(content_hash for unit in self.units for content_hash in unit.hashes)

    @property
    def labels(self) -> NDArray[np.int64]:
        """Token ids where learned and -100 elsewhere, shape (n_tokens,), aligned with ``input_ids`` (not shifted)."""
        return np.where(self.is_answer, self.input_ids, IGNORED_LABEL).astype(np.int64)


class _Tokens(NamedTuple):
    """A text's tokens, the characters that each stands for, shape (n_tokens, 2), and the answers' characters."""

    input_ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    answers: tuple[tuple[int, int], ...]


class Question(NamedTuple):
    """One assistant turn to be answered: the prompt up to it, with the true answers of earlier turns, or why not."""

    sample: Sample
    turn: int
    prompt: Encoded | None
    left_out: Reason | None


class Encoder:
    """Turns samples into what the processor makes of them, texts in bulk and each image once.

    A row equals one call of the processor on its conversation and images: image marks are written out as the processor
    does, the text is tokenised as a whole, and what else the model reads of each token follows from the processor, too.
    """

    def __init__(self, processor: Any, pictures: Pictures, *, image_token_id: int, max_tokens: int) -> None:
        """Take a processor.

        Args:
            processor: With a fast tokenizer and a chat template.
            pictures: Gives what stands for an image.
            image_token_id: The token that the model replaces by a piece of an image.
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
        self._mark: str = processor.image_token
        self._image_token_id = image_token_id
        self._bos = _leading_token(processor.tokenizer)

    @classmethod
    def of(cls, vlm: Vlm, pictures: Pictures, *, max_tokens: int) -> "Encoder":
        """Take the processor of a model."""
        return cls(vlm.processor, pictures, image_token_id=vlm.image_token_id, max_tokens=max_tokens)

    def encode(self, samples: Sequence[Sample]) -> tuple[list[Encoded], dict[str, Reason]]:
        """Encode samples for learning.

        A sample longer than ``max_tokens`` is cut at its end (``is_cut``); it is left out if the cut would take an
        image token or leave no answer token. So is one with an image that the processor refuses. What the model reads
        of a row does not depend on the weights of its answers.

        Returns:
            The usable samples in their order, and why each other ``sample_id`` is left out: ``too_long``,
            ``empty_answer`` or ``image_refused``.
        """
        encoded = self._encode([(sample, self.template.render(sample.turns)) for sample in samples])
        kept: list[Encoded] = []
        left_out: dict[str, Reason] = {}
        for sample, row in zip(samples, encoded, strict=True):
            cut = None if row is None else self._cut(row)
            if cut is not None:
                kept.append(cut)
            elif row is None:
                left_out[sample.sample_id] = Reason.IMAGE_REFUSED
            else:
                left_out[sample.sample_id] = Reason.TOO_LONG if row.is_answer.any() else Reason.EMPTY_ANSWER
        return kept, left_out

    def lengths(self, samples: Sequence[Sample]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Count tokens before any cut; no picture is opened.

        Returns:
            Of each sample, an image as its mark; and of its answers, end tokens included, without those of weight 0;
            shape (n_samples,) each.
        """
        tokenised = list(self._tokenise([self.template.render(sample.turns) for sample in samples]))
        answers = [
            np.count_nonzero(token_weights(row.offsets, row.answers, sample.loss_weights))
            for sample, row in zip(samples, tokenised, strict=True)
        ]
        return np.array([row.input_ids.size for row in tokenised], np.int64), np.array(answers, np.int64)

    def ask(
        self, samples: Sequence[Sample], *, is_wanted: Callable[[Sample, int], bool] = lambda *_: True
    ) -> list[Question]:
        """Make one question of each assistant turn, with what was said before it.

        Args:
            samples: Conversations.
            is_wanted: Whether a turn of a sample is asked about; no image of others is opened.

        Returns:
            Questions in the order of samples and turns; ``prompt`` is None where it is longer than ``max_tokens``
            (``too_long``), or the processor refuses an image (``image_refused``).
        """
        asked: list[tuple[Sample, int, Rendered]] = []
        for sample in samples:
            text, answers = self.template.render(sample.turns)
            turns = [number for number, turn in enumerate(sample.turns) if turn.role == "assistant"]
            for number, (turn, (start, _)) in enumerate(zip(turns, answers, strict=True)):
                if is_wanted(sample, turn):
                    asked.append((sample, turn, Rendered(text[:start], answers[:number])))
        prompts = self._encode([(sample, rendered) for sample, _, rendered in asked])
        return [
            Question(sample, turn, *self._askable(prompt))
            for (sample, turn, _), prompt in zip(asked, prompts, strict=True)
        ]

    def _encode(self, rendered: Sequence[tuple[Sample, Rendered]]) -> list[Encoded | None]:
        """Encode conversations whole, some at a time: with its images written out a text is long.

        Returns:
            A row each, or None where the processor refuses an image.
        """
        parts = [rendered[first : first + _TEXTS_AT_ONCE] for first in range(0, len(rendered), _TEXTS_AT_ONCE)]
        return [row for part in parts for row in self._encode_part(part)]

    def _encode_part(self, rendered: Sequence[tuple[Sample, Rendered]]) -> list[Encoded | None]:
        images = [self._images(sample, text) for sample, (text, _) in rendered]
        usable = [(*pair, own) for pair, own in zip(rendered, images, strict=True) if own is not None]
        written = [write_images(row, self._mark, _written(own)) for _, row, own in usable]
        tokenised = self._tokenise([row for row, _ in written])
        rows = (
            self._row(sample, own, tokens, spans)
            for (sample, _, own), tokens, (_, spans) in zip(usable, tokenised, written, strict=True)
        )
        return [None if own is None else next(rows) for own in images]

    def _images(self, sample: Sample, text: str) -> _Images | None:
        """The images whose marks are in a text, or None if the processor refuses one.

        A question that is asked before a later image comes has not all of them.
        """
        n_marks = text.count(self._mark)
        images, hashes = sample.images[:n_marks], sample.image_hashes[:n_marks]
        if not len(images) == len(hashes) == n_marks:
            raise ModelError(
                f"sample {sample.sample_id[:80]!r} has {n_marks} image marks and {len(sample.images)} images with "
                f"{len(sample.image_hashes)} hashes; validate the dataset first"
            )
        found = []
        for unit in self._pictures.units(images, hashes):
            description = self._pictures.describe(unit)
            if description is None:
                return None
            found.append((unit, description))
        return found

    def _tokenise(self, rendered: Sequence[Rendered]) -> Iterator[_Tokens]:
        for first in range(0, len(rendered), _TEXTS_AT_ONCE):
            rows = rendered[first : first + _TEXTS_AT_ONCE]
            made = self._tokenizer(
                [text for text, _ in rows],
                add_special_tokens=False,
                return_offsets_mapping=True,
                return_attention_mask=False,
                verbose=False,  # what is too long is cut, and said, by us
            )
            for row, ids, offsets in zip(rows, made["input_ids"], made["offset_mapping"], strict=True):
                yield _Tokens(
                    np.array(ids, dtype=np.int32), np.array(offsets, dtype=np.int64).reshape(-1, 2), row.answers
                )

    def _row(self, sample: Sample, own: _Images, tokens: _Tokens, spans: list[tuple[int, int]]) -> Encoded:
        ids, offsets, answers = tokens
        if self._bos is not None and (not ids.size or ids[0] != self._bos):
            ids, offsets = np.insert(ids, 0, self._bos), np.insert(offsets, 0, 0, axis=0)
        is_image = ids == self._image_token_id
        runs = [runs_of(is_image & is_inside(offsets, [span])) for span in spans]
        counts = tuple(map(sum, runs))
        if sum(counts) != is_image.sum() or not all(counts):
            raise ModelError(
                f"sample {sample.sample_id[:80]!r} has {is_image.sum()} image tokens, of its images {list(counts)}; "
                "the processor does not fit the model, use the model's own"
            )
        per_token = self._pictures.per_token(ids, is_inside(offsets, answers))
        weights = token_weights(offsets, answers, sample.loss_weights)
        is_answer = weights > 0
        shapes = [shape for _, description in own for shape in description.shapes]
        layouts = tuple(map(layout_of, runs, shapes))
        units = tuple(unit for unit, _ in own)
        row = Encoded(sample.sample_id, ids, is_answer, is_image, units, counts, per_token, layouts)
        return row if (weights[is_answer] == 1).all() else replace(row, loss_weights=weights)

    def _askable(self, prompt: Encoded | None) -> tuple[Encoded | None, Reason | None]:
        if prompt is None:
            return None, Reason.IMAGE_REFUSED
        if len(prompt.input_ids) > self._max_tokens:
            return None, Reason.TOO_LONG
        # Nothing in it is learned: its earlier answers are given.
        return replace(prompt, is_answer=np.zeros_like(prompt.is_answer), loss_weights=None), None

    def _cut(self, encoded: Encoded) -> Encoded | None:
        """Cut a sample at ``max_tokens``, or None if nothing that can be learned would be left."""
        limit = self._max_tokens
        if encoded.is_image[limit:].any() or not encoded.is_answer[:limit].any():
            return None
        if len(encoded.input_ids) <= limit:
            return encoded
        return replace(
            encoded,
            input_ids=encoded.input_ids[:limit],
            is_answer=encoded.is_answer[:limit],
            is_image=encoded.is_image[:limit],
            per_token={name: values[:limit] for name, values in encoded.per_token.items()},
            is_cut=True,
            loss_weights=None if encoded.loss_weights is None else encoded.loss_weights[:limit],
        )


def pad_token_id(tokenizer: Any) -> int:
    """Return the id to pad with: the pad token, or the end token where there is none (both are masked)."""
    return tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id


def _written(images: _Images) -> list[str]:
    """What the processor writes for each image mark of a row."""
    return [text for _, description in images for text in description.written]


def _leading_token(tokenizer: Any) -> int | None:
    """Return the begin token's id if this tokenizer puts it in front of a text, else None."""
    ids = tokenizer("")["input_ids"]
    return ids[0] if ids and ids[0] == tokenizer.bos_token_id else None
