"""Writing conversations out with a processor's chat template, and where in the text the answers stand."""

import re
from collections.abc import Hashable, Sequence
from itertools import accumulate, zip_longest
from typing import Any, NamedTuple

from transformers import ProcessorMixin

from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.samples import IMAGE_MARK, Turn
from xmas_assets.vlm.bounded import RefusedWorkError, bounded_text

_MAX_CHARACTERS = 1_000_000
# What templates wrote in this process: it loads a model many times, and each child costs tens of milliseconds.
_REMEMBERED: dict[tuple[Hashable, ...], str] = {}
_MAX_REMEMBERED = 512
_MAX_REMEMBERED_CHARACTERS = 20_000
# Stands for one text while the template runs; private-use characters, which no template writes itself.
_SLOT = "\ue000{}\ue001"
_SLOTS = re.compile("\ue000(\\d+)\ue001")


class Rendered(NamedTuple):
    """A conversation as the model reads it.

    Attributes:
        text: The whole text; each image is one image token, not yet repeated.
        answers: Per assistant turn, the characters (start, stop) to learn: the answer with its end token.
            ``text[:start]`` is the prompt that asks for that answer.
    """

    text: str
    answers: tuple[tuple[int, int], ...]


class _Slot(NamedTuple):
    """What the template writes around one text: ``before`` belongs to the prompt, ``lead`` and ``tail`` to the text."""

    before: str
    lead: str
    tail: str
    is_answer: bool


class ChatTemplate:
    """Renders conversations; the template itself runs once per order of roles and parts, not once per sample or model.

    A message reaches the template as its parts: texts and images in their order, each text without white space at its
    ends. Where the template writes no special token after an answer (LLaVA-1.5's does not), the tokenizer's end token
    is put there, as LLaVA was trained, so that a model learns to stop.

    Special tokens written out in a message (``</s>`` in a question about HTML) are split by a space after their first
    character: they reach the model as ordinary text and can neither end a turn nor stand for an image.
    """

    def __init__(self, processor: Any) -> None:
        """Take the template of a processor.

        Raises:
            ModelError: If there is no chat template, image token or end token.
        """
        tokenizer = processor.tokenizer
        if not getattr(processor, "chat_template", None):
            raise ModelError("the processor has no chat template; add chat_template.jinja to the model's directory")
        if getattr(processor, "image_token", None) is None or tokenizer.eos_token is None:
            raise ModelError("the processor names no image token or no end token; use the processor of a VLM")
        self._processor = processor
        self._image_token: str = processor.image_token
        self._end_token: str = tokenizer.eos_token
        special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
        self._special = _any_of(special | {self._image_token})
        ends = (special | {self._end_token}) - {self._image_token, tokenizer.bos_token}
        end = _any_of(ends).pattern
        # Aya writes two tokens behind an answer, and only the second one stops the model.
        self._tail = re.compile(rf"\s*(?:(?:{end})*?{re.escape(self._end_token)}|{end})")
        self._end = re.compile(end)
        self._shapes: dict[tuple[tuple[str, ...], ...], tuple[tuple[_Slot, ...], str]] = {}

    def render(self, turns: tuple[Turn, ...]) -> Rendered:
        """Write the conversation out.

        Raises:
            ModelError: If the template cannot write this order of messages, or loses or moves one of their parts.
        """
        parts = [_split(turn) for turn in turns]
        shape = tuple((turn.role, *map(_kind, row)) for turn, row in zip(turns, parts, strict=True))
        if shape not in self._shapes:
            self._shapes[shape] = self._run(shape)
        slots, rest = self._shapes[shape]
        texts = [self.escape(part) for row in parts for part in row if part != IMAGE_MARK]
        pieces: list[str] = []
        answers: list[tuple[int, int]] = []
        length = 0
        for slot, text in zip(slots, texts, strict=True):
            start = length + len(slot.before)
            length = start + len(slot.lead) + len(text) + len(slot.tail)
            pieces += [slot.before, slot.lead, text, slot.tail]
            if slot.is_answer:
                answers.append((start, length))
        return Rendered("".join([*pieces, rest]), tuple(answers))

    def escape(self, text: str) -> str:
        """Return the text with each special token in it split by a space after its first character."""
        return self._special.sub(lambda match: f"{match[0][0]} {match[0][1:]}", text)

    def end_token(self) -> str:
        """Return the first special token behind an answer in this template."""
        slots, _ = self._run((("user", "text"), ("assistant", "text")))
        return self._end.findall(slots[-1].tail)[0]

    def _run(self, shape: tuple[tuple[str, ...], ...]) -> tuple[tuple[_Slot, ...], str]:
        """Run the template with a slot in the place of each text, and cut its output at the slots."""
        roles = [role for role, *kinds in shape for kind in kinds if kind == "text"]
        text = self._safely_written(shape, len(roles))
        literals = _SLOTS.split(text)[::2]
        slots = []
        for number, role in enumerate(roles):
            before, lead, tail = literals[number], "", ""
            if role == "assistant":
                before, lead = _cut_spaces(before)
                tail, literals[number + 1] = self._cut_tail(literals[number + 1])
            slots.append(_Slot(before, lead, tail, role == "assistant"))
        return tuple(slots), literals[-1]

    def _safely_written(self, shape: tuple[tuple[str, ...], ...], n_texts: int) -> str:
        """Return what the template writes in a child process, or wrote there before, once it is found to be in order.

        A template that writes the date goes on with that of its first run.
        """
        processor, tokenizer = self._processor, self._processor.tokenizer
        tokens = repr(tokenizer.special_tokens_map), self._image_token
        key = (type(processor), type(tokenizer), repr(processor.chat_template), tokens, shape)
        if key in _REMEMBERED:
            return _REMEMBERED[key]
        names = iter(_SLOT.format(number) for number in range(n_texts))
        messages = [{"role": role, "content": [_part(kind, names) for kind in kinds]} for role, *kinds in shape]
        try:
            text = bounded_text(lambda: self._written(messages))
        except RefusedWorkError as error:
            raise ModelError(f"the chat template refuses the roles {[role for role, *_ in shape]}: {error}") from error
        if len(text) > _MAX_CHARACTERS:
            raise ModelError(
                f"the chat template writes more than {_MAX_CHARACTERS:,} characters around a few messages; use another "
                "model"
            )
        n_images = sum(kind == "image" for _, *kinds in shape for kind in kinds)
        in_order = _SLOTS.findall(text) == [str(number) for number in range(n_texts)]
        if not in_order or text.count(self._image_token) != n_images:
            raise ModelError(
                f"the chat template loses, repeats or moves parts of the messages {shape}; each text must be written "
                f"once, in order, and each image as one {self._image_token}"
            )
        if len(_REMEMBERED) < _MAX_REMEMBERED and len(text) <= _MAX_REMEMBERED_CHARACTERS:
            _REMEMBERED[key] = text
        return text

    def _written(self, messages: list[dict[str, Any]]) -> str:
        # The base class's: SmolVLM's own asks its video half, which is not loaded.
        text = ProcessorMixin.apply_chat_template(self._processor, messages, tokenize=False)
        return text[: _MAX_CHARACTERS + 1]

    def _cut_tail(self, after: str) -> tuple[str, str]:
        """Split what follows an answer into its end, one special token or all up to the end token, and the rest."""
        match = self._tail.match(after)
        if match is None:
            return self._end_token, after.lstrip()
        return match[0], after[match.end() :]


def write_images(row: Rendered, mark: str, images: Sequence[str]) -> tuple[Rendered, list[tuple[int, int]]]:
    """Write out the mark of each image; gives the text, with its answers where they are then, and the images' spans."""
    pieces = row.text.split(mark)
    marks = accumulate((len(piece) + len(mark) for piece in pieces[:-1]), initial=0)
    grown = [0, *accumulate(len(text) - len(mark) for text in images)]
    starts = [place - len(mark) for place in marks][1:]

    def moved(place: int) -> int:
        return place + grown[sum(start < place for start in starts)]

    spans = [(start + more, start + more + len(t)) for start, more, t in zip(starts, grown, images, strict=False)]
    whole = "".join(piece for pair in zip_longest(pieces, images, fillvalue="") for piece in pair)
    return Rendered(whole, tuple((moved(start), moved(stop)) for start, stop in row.answers)), spans


def _split(turn: Turn) -> list[str]:
    """Cut a message into texts and image marks, in order; only a user's marks are images."""
    if turn.role != "user":
        return [turn.text.strip()]
    pieces = (piece.strip() for piece in re.split(f"({re.escape(IMAGE_MARK)})", turn.text))
    return [piece for piece in pieces if piece]


def _kind(part: str) -> str:
    return "image" if part == IMAGE_MARK else "text"


def _part(kind: str, names: Any) -> dict[str, str]:
    return {"type": "image"} if kind == "image" else {"type": "text", "text": next(names)}


def _cut_spaces(text: str) -> tuple[str, str]:
    """Split off spaces at the end: they belong to the answer's first token (" yes"), not to the prompt."""
    kept = text.rstrip(" ")
    return kept, text[len(kept) :]


def _any_of(tokens: set[str]) -> re.Pattern[str]:
    """Match any of the tokens, the longest first, so that a token inside a longer one does not win."""
    return re.compile("|".join(re.escape(token) for token in sorted(tokens, key=lambda t: (-len(t), t))))
