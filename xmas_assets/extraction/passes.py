"""One pass over some samples: encode once, run the vision tower once per image, then every checkpoint over them."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, get_args

import numpy as np
import torch

from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.samples import Sample
from xmas_assets.core.arrays import FloatArray
from xmas_assets.extraction.base import Signal
from xmas_assets.extraction.batching import batches_of
from xmas_assets.extraction.checkpoint_loader import ModelsInTurn
from xmas_assets.extraction.image_feed import NOTICES, ImageFeed
from xmas_assets.extraction.shard_arrays import MARKS, split_columns
from xmas_assets.vlm.capture import CaptureSpec, Layer
from xmas_assets.vlm.forward import ImageInputs, capture
from xmas_assets.vlm.image_inputs import OpenImage, Pictures
from xmas_assets.vlm.loading import Vlm
from xmas_assets.vlm.probes import Kept, draw_probe, gives_the_same, kept_of_images, probe_rows
from xmas_assets.vlm.prompts import Encoded, Encoder
from xmas_assets.vlm.vision_features import tower_digest

Columns = Mapping[str, FloatArray]
Store = Callable[[Sequence[Encoded], Signal, Columns], None]


class SignalReader:
    """Reads the signals of samples at the checkpoints."""

    def __init__(
        self,
        signals: Sequence[Signal],
        checkpoints: Sequence[Callable[[], Vlm]],
        open_image: OpenImage,
        *,
        batch_size: int,
        max_tokens: int,
        models_in_memory: int = 1,
    ) -> None:
        """Take the models, and load each once to see whether it is sound and what its rows can share.

        Args:
            signals: What is read: at the last checkpoint, or at every one.
            checkpoints: Each loads one, in the order of steps.
            open_image: Gives the picture of a reference and content hash.
            batch_size: Rows per forward pass.
            max_tokens: Longest sample, tokens including image tokens; longer ones are cut at their end.
            models_in_memory: As in ``WorkersSettings``.

        Raises:
            ModelError: If a checkpoint cannot be loaded.
        """
        self._models = ModelsInTurn(checkpoints, in_memory=models_in_memory)
        self._signals = {signal.name: signal for signal in signals}
        self._open_image, self._batch_size, self._max_tokens = open_image, batch_size, max_tokens
        looks = [_look_at(self._models[number]) for number in range(len(checkpoints))]
        self._kept: Kept = _kept(looks)
        self._is_tower_shared = len({look.tower_digest for look in looks}) == 1
        self._is_packed = all(look.can_pack for look in looks)
        #: What a person should know about how the signals were read.
        self.notices = _what_is_not_shared(looks)
        self._config = looks[0].language_config
        #: By signal, the shape of one row's value in each column.
        self.shapes = {
            signal.name: {
                column: (len(checkpoints), *shape) if signal.every_checkpoint else tuple(shape)
                for column, shape in signal.columns(self._config).items()
            }
            for signal in signals
        }
        self._encode_as(looks[0].processor, looks[0].image_token_id)

    def __getstate__(self) -> dict[str, Any]:
        """What was found out, without models: who reads elsewhere goes by it, and loads them anew."""
        return {name: value for name, value in vars(self).items() if name not in _OWN_TO_A_PROCESS}

    def _encode_as(self, processor: Any, image_token_id: int) -> None:
        """Let a model's processor make the rows."""
        self._pictures = Pictures(processor, self._open_image)
        self._encoder = Encoder(processor, self._pictures, image_token_id=image_token_id, max_tokens=self._max_tokens)

    def forget_models(self) -> None:
        """Free the memory of the models, where others do the reading."""
        self._models.forget()

    def width(self, signal: str) -> int:
        """Numbers of one row in what ``read`` gives of a signal."""
        return 1 + sum(map(math.prod, self.shapes[signal].values()))

    def read(
        self, samples: Sequence[Sample], names: Sequence[str], advance: Callable[[float], None]
    ) -> dict[str, FloatArray]:
        """Read some signals of some samples.

        Args:
            samples: All with images, or all without; those that share images should come together.
            names: Of those signals that the reader was made for.
            advance: Called with the samples that a step has finished (a fraction: a step is one checkpoint's).

        Returns:
            By signal, whether each sample was read (1, or why not: ``MARKS``) and then its columns' values, flat,
            shape (n_samples, 1 + width); NaN where a sample has none.
        """
        signals = [self._signals[name] for name in names]
        if not hasattr(self, "_encoder"):
            self._encode_as(self._models[0].processor, self._models[0].image_token_id)
        encoded, left_out = self._encoder.encode(samples)
        if any(signal.capture_spec(self._config).places for signal in signals):
            self._check_places(encoded)
        places = {sample.sample_id: place for place, sample in enumerate(samples)}
        batches = batches_of(encoded, self._batch_size)
        values = {s.name: np.full((len(samples), self.width(s.name)), np.nan, dtype=np.float32) for s in signals}
        columns = {name: split_columns(own, self.shapes[name]) for name, own in values.items()}
        feed = ImageFeed(self._pictures, kept=self._kept, is_tower_shared=self._is_tower_shared)
        numbers = [number for number in self._models.order() if self._at(number, signals)]
        for number in numbers:

            def store(rows: Sequence[Encoded], signal: Signal, read: Columns, number: int = number) -> None:
                chosen = [places[row.sample_id] for row in rows]
                for name, found in read.items():
                    column = columns[signal.name][name]
                    if signal.every_checkpoint:
                        column = np.split(column, len(self._models), axis=1)[number]
                    column[chosen] = found.reshape(len(chosen), -1)

            self._read_checkpoint(number, signals, feed, batches, store, lambda n: advance(n / len(numbers)))
        advance(len(left_out))
        marks = [MARKS[left_out[s.sample_id]] if s.sample_id in left_out else 1 for s in samples]
        for own in values.values():
            own[:, 0] = marks
        return values

    def _read_checkpoint(
        self,
        number: int,
        signals: Sequence[Signal],
        feed: ImageFeed,
        batches: Sequence[list[Encoded]],
        store: Store,
        advance: Callable[[float], None],
    ) -> None:
        """Read all batches at one checkpoint; apart, so that nothing holds its model while the next is loaded."""
        vlm = self._models[number]
        for batch, images in feed.feed(vlm, batches):
            self._read_rows(vlm, self._at(number, signals), batch, images, store)
            advance(len(batch))

    def _at(self, number: int, signals: Sequence[Signal]) -> list[Signal]:
        """Those of the signals that are read at a checkpoint."""
        is_last = number == len(self._models) - 1
        return [signal for signal in signals if is_last or signal.every_checkpoint]

    def _read_rows(
        self, vlm: Vlm, signals: Sequence[Signal], rows: Sequence[Encoded], images: ImageInputs, store: Store
    ) -> None:
        """Read rows in one forward pass, or in halves where the device's memory does not hold it."""
        try:
            for spec, party in self._parties(signals, has_images=bool(rows[0].images)):
                captured = capture(vlm, rows, spec, images, is_packed=self._is_packed)
                for signal in party:
                    store(rows, signal, signal.read(captured.only(signal.capture_spec(self._config))))
            return
        except torch.OutOfMemoryError as error:
            if len(rows) == 1:
                name, n_tokens = rows[0].sample_id[:80], len(rows[0].input_ids)
                raise ModelError(
                    f"the device's memory does not hold sample {name!r} of {n_tokens} tokens; lower "
                    "base_model.max_tokens, or use a larger device"
                ) from error
        # Here the failed pass's tensors are free; inside the except block they would not be.
        notice = (
            "the device's memory did not hold a batch, so some were read in parts; a lower batch_size is faster, but "
            "changing it reads finished shards again"
        )
        self._notice(notice)
        half = len(rows) // 2
        for part in (rows[:half], rows[half:]):
            self._read_rows(vlm, signals, part, images, store)

    def _check_places(self, rows: Sequence[Encoded]) -> None:
        """Give notice of images whose tokens' places in the picture are not known."""
        counts = {n for row in rows for n, layout in zip(row.n_image_tokens, row.layouts, strict=True) if not layout}
        if counts:
            self._notice(
                f"the {min(counts)} tokens of an image form no known grid, so attention maps of such images are "
                "projected; set signals.attention_maps.reduction to 'projection' to read all alike"
            )

    def _notice(self, notice: str) -> None:
        self.notices += [] if notice in self.notices else [notice]

    def _parties(self, signals: Sequence[Signal], *, has_images: bool) -> list[tuple[CaptureSpec, list[Signal]]]:
        """Signals that can be read of the same pass, and what they want together."""
        chosen = [
            (signal.capture_spec(self._config), signal) for signal in signals if has_images or not signal.needs_image
        ]
        # A pass shows attention by one definition.
        reference = [pair for pair in chosen if pair[0].attention == "reference"]
        others = [pair for pair in chosen if pair[0].attention != "reference"]
        return [
            (_union([spec for spec, _ in party]), [signal for _, signal in party])
            for party in (reference, others)
            if party
        ]


_OWN_TO_A_PROCESS = ("_pictures", "_encoder")


class _Look(NamedTuple):
    """What is kept of a checkpoint between looking at it and reading it."""

    processor: Any
    image_token_id: int
    language_config: Any
    tower_digest: str
    kept: Kept
    can_pack: bool


def _look_at(vlm: Vlm) -> _Look:
    pictures = Pictures(vlm.processor, draw_probe)
    rows = probe_rows(vlm, pictures)
    kept = kept_of_images(vlm, rows, pictures)
    packs = gives_the_same(vlm, rows, pictures.inputs, pictures.inputs, is_packed=True)
    config = vlm.model.get_decoder().config
    digest = tower_digest(vlm) if kept == "tower" else ""
    return _Look(vlm.processor, vlm.image_token_id, config, digest, kept, packs)


def _kept(looks: Sequence[_Look]) -> Kept:
    """What of an image can be kept at all checkpoints."""
    kinds: list[Kept] = [look.kept for look in looks]
    return min(kinds, key=get_args(Kept).index)


def _what_is_not_shared(looks: Sequence[_Look]) -> list[str]:
    """Why work is done more than once, if it is."""
    notices = [NOTICES[_kept(looks)]] if _kept(looks) in NOTICES else []
    if not notices and len({look.tower_digest for look in looks}) > 1:
        notices.append("the vision tower differs between checkpoints, so images run through it at every checkpoint")
    if not all(look.can_pack for look in looks):
        notices.append(
            "this model does not give the same when questions share their image's computation, so each runs whole"
        )
    return notices


def _union(specs: Sequence[CaptureSpec]) -> CaptureSpec:
    """What several readers want together."""
    looking = [each for each in specs if each.attention is not None]
    layers: set[Layer] = {layer for each in looking for layer in each.attention_layers}
    return CaptureSpec(
        attention=looking[0].attention if looking else None,
        attention_layers=tuple(sorted(layers, key=str)),
        block_outputs=tuple(sorted({number for each in specs for number in each.block_outputs})),
        hidden_states=tuple(sorted({number for each in specs for number in each.hidden_states})),
        logits=any(each.logits for each in specs),
        lone_logits=any(each.lone_logits for each in specs),
        places=any(each.places for each in specs),
    )
