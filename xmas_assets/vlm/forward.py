"""One forward pass over a batch that shows what is wanted of it, computes no more, and ends where it can."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xmas_assets.contracts.errors import ModelError
from xmas_assets.vlm.answers import vocabulary_logits
from xmas_assets.vlm.attention import reading_attention
from xmas_assets.vlm.attention_reader import AttentionReader, EverythingSeenError, positions_of
from xmas_assets.vlm.capture import Captured, CaptureSpec, Logits
from xmas_assets.vlm.image_inputs import Unit
from xmas_assets.vlm.loading import Vlm
from xmas_assets.vlm.packing import Batch, Packed, Padded
from xmas_assets.vlm.prompts import Encoded
from xmas_assets.vlm.vision_features import placed

ImageInputs = Callable[[Sequence[Unit]], dict[str, Any]]
"""Gives the model inputs that stand for some images, in order; called only if there are any."""


@torch.inference_mode()
def capture(vlm: Vlm, rows: Sequence[Encoded], spec: CaptureSpec, images: ImageInputs, *, is_packed: bool) -> Captured:
    """Run a model over some rows. What is seen of a row does not depend on its batch mates, but for float rounding.

    Args:
        vlm: The model.
        rows: One or more.
        spec: What must be seen. The model runs only as far as that needs, its vocabulary layer on the positions that
            predict answer tokens.
        images: Gives the images' inputs.
        is_packed: Whether rows on the same images share their common beginning, which must be right for this model
            (``can_pack``); else they stand side by side, padded.

    Returns:
        What was wanted, and nothing else.

    Raises:
        ModelError: If it cannot be read of this model, or is not finite.
    """
    pad_id = 0 if vlm.image_token_id else 1  # any but the image's: no real token sees it
    batch = Batch.of(rows, pad_id=pad_id, device=vlm.model.device)
    layout = Packed(batch) if is_packed else Padded(batch)
    watch = _Watch(vlm.model, batch, layout, spec)
    if watch.last_stage >= 0:
        shown = placed(images(layout.units) if layout.units else {}, vlm.model)
        rope_index = getattr(vlm.model.base_model, "get_rope_index", None)
        if isinstance(layout, Packed) and rope_index is not None:
            grids = {name: value for name, value in shown.items() if name.endswith("grid_thw")}
            layout.place_images(batch, rope_index, grids)
        inputs = layout.inputs | shown
        with watch.watching(), suppress(EverythingSeenError):
            watch.last_hidden_state = vlm.model.base_model(**inputs, use_cache=False).last_hidden_state
    captured = watch.result()
    if spec.lone_logits:
        alone = [_answers_alone(row) for row in rows]
        lone = capture(vlm, alone, CaptureSpec(logits=True), images, is_packed=is_packed)
        captured = replace(captured, lone_logits=lone.logits)
    _check_finite(captured, vlm)
    return captured


class _Watch:
    """What is to be seen of a forward pass, and what was.

    Stages count what a pass brings forth: of layer i its input (3 i), its attention (3 i + 1) and its attention block's
    output (3 i + 2); behind them all, the final hidden state.
    """

    def __init__(self, model: Any, batch: Batch, layout: Padded | Packed, spec: CaptureSpec) -> None:
        self._model = model
        self._decoder = model.get_decoder()
        self._batch = batch
        self._layout = layout
        self._spec = spec
        self._end = self._decoder.config.num_hidden_layers
        self._caught: dict[int, Tensor] = {}
        self.last_hidden_state: Tensor | None = None
        stages = [3 * number for number in spec.hidden_states] + [3 * layer + 2 for layer in spec.block_outputs]
        stages += [3 * self._end] if spec.logits else []
        looks = [self._end - 1 if layer == "sum" else layer for layer in spec.attention_layers]
        has_attention = spec.attention is not None and _has_text_behind_image(batch)
        attention_stages = [3 * layer + 1 for layer in looks] if has_attention else []
        self.last_stage = max(stages + attention_stages, default=-1)
        ends_in_attention = self.last_stage % 3 == 1
        self._reader = AttentionReader(
            batch, layout, spec, last_layer=self.last_stage // 3 if ends_in_attention else None
        )

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Let the pass inside the block be seen."""
        with ExitStack() as stack:
            stack.enter_context(reading_attention(self._decoder, self._reader))
            for number in self._spec.hidden_states:
                if number < self._end:
                    layer = self._decoder.layers[number]
                    hook = layer.register_forward_pre_hook(self._catching(3 * number), with_kwargs=True)
                    stack.callback(hook.remove)
            for number in self._spec.block_outputs:
                block = _attention_block(self._decoder.layers[number])
                stack.callback(block.register_forward_hook(self._catching(3 * number + 2)).remove)
            yield

    def _catching(self, stage: int) -> Callable[..., None]:
        def catch(_module: Any, inputs: Any, other: Any) -> None:
            # A hook before a layer gets positional and named inputs, one behind a block inputs and outputs.
            if stage % 3 == 2:
                states = other if isinstance(other, Tensor) else other[0]
            else:
                states = inputs[0] if inputs else other["hidden_states"]
            self._caught[stage] = states
            if stage == self.last_stage:
                raise EverythingSeenError

        return catch

    def result(self) -> Captured:
        """What was seen."""
        batch, spec = self._batch, self._spec
        if self.last_hidden_state is not None:
            self._caught[3 * self._end] = self.last_hidden_state
        return Captured(
            batch.input_ids,
            batch.is_real,
            batch.is_image,
            batch.is_answer,
            attention=None if spec.attention is None else self._reader.result(),
            block_outputs={layer: self._states(3 * layer + 2) for layer in spec.block_outputs},
            hidden_states={number: self._states(3 * number) for number in spec.hidden_states},
            logits=self._logits() if spec.logits else None,
        )

    def _states(self, stage: int) -> Tensor:
        return self._reader.side_by_side(self._caught[stage]).masked_fill(~self._batch.is_real[:, :, None], 0.0)

    def _logits(self) -> Logits:
        # Nothing predicts the first token.
        is_target = self._batch.is_answer & (
            torch.arange(self._batch.is_answer.shape[1], device=self._model.device) > 0
        )
        positions, is_target = positions_of(is_target)
        assert self.last_hidden_state is not None
        states = self._layout.at(self.last_hidden_state, (positions - 1).clamp(min=0))
        values = vocabulary_logits(self._model, states)
        return Logits(values, self._batch.input_ids.gather(1, positions), is_target)


def _attention_block(layer: Any) -> Any:
    """The part of a layer in which tokens see each other; where that is no attention, it still comes first."""
    return getattr(layer, "self_attn", None) or next(layer.children())


def _has_text_behind_image(batch: Batch) -> bool:
    return bool((batch.is_real & ~batch.is_image & (batch.is_image.cumsum(1) > 0)).any())


def _answers_alone(row: Encoded) -> Encoded:
    """A row's answers behind its first token of text, which is the begin token where the model has one."""
    kept = row.is_answer.copy()
    kept[np.argmin(row.is_image)] = True
    ids, is_answer = row.input_ids[kept], row.is_answer[kept]
    per_token = {name: values[kept] for name, values in row.per_token.items()}
    return Encoded(row.sample_id, ids, is_answer, np.zeros(len(ids), dtype=bool), (), (), per_token)


def _check_finite(captured: Captured, vlm: Vlm) -> None:
    tensors = {
        "attention": [] if captured.attention is None else list(captured.attention.layers.values()),
        "attention block": list(captured.block_outputs.values()),
        "hidden state": list(captured.hidden_states.values()),
        "prediction": [logits.values for logits in (captured.logits, captured.lone_logits) if logits is not None],
    }
    for name, values in tensors.items():
        if not all(bool(value.isfinite().all()) for value in values):
            raise ModelError(f"{name} of {vlm.directory} is NaN or infinite; its weights are damaged, train it again")
