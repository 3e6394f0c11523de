"""How many operations a sample cannot do without; a multiplication and an addition count as two.

Of n tokens that must go through the language model, of which p pairs see each other:

- Linear layers of weights W: 2 W n. Attention: 4 L H d p, for L layers of H heads of d dimensions: a product of queries
  and keys, and one of probabilities and values.
- Rows on one image behind the same words have that beginning in common; it counts once.
- The vision side: what ``torch.utils.flop_counter`` counts while one image runs through it.
- Reading counts these, for every way of reading: one forward pass without the vocabulary layer.
- LoRA training: linear layers twice, forward and for the gradients of their inputs, since their weights are frozen;
  attention three times, one forward and two products back for each; adapters of weights A three times, 6 A n; the
  vocabulary layer twice, over answer tokens only; the vision side once, forward, unless its features are kept.
- Not counted: norms, softmax, embeddings, the optimiser, the connector's own gradients, and what is done again
  (gradient checkpointing) or for nothing (padding).
"""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from xmas_assets.vlm.image_preparer import ImageHalf
from xmas_assets.vlm.loading import Vlm
from xmas_assets.vlm.packing import beginning, n_shareable
from xmas_assets.vlm.prompts import Encoded
from xmas_assets.vlm.vision_features import placed


class Flops:
    """Counts the operations of samples of one model, all with one image of the same size."""

    def __init__(self, vlm: Vlm, half: ImageHalf) -> None:
        """Take the sizes of a model, before adapters are added, and run one image through it.

        Args:
            vlm: The model.
            half: What its processor made of an image.
        """
        decoder = vlm.model.get_decoder()
        config = decoder.config
        head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        shapes = [layer.weight.shape for layer in decoder.layers.modules() if isinstance(layer, nn.Linear)]
        self._per_token = 2 * sum(rows * columns for rows, columns in shapes)
        self._per_pair = 4 * config.num_hidden_layers * config.num_attention_heads * head_dim
        self._per_answer_token = 2 * vlm.model.get_output_embeddings().weight.numel()
        self._adapter_sides = sum(rows + columns for rows, columns in shapes)
        # The plain kernel, since not all fast ones are known to the counter. Inference mode would hide the products.
        with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
            vlm.model.get_image_features(**placed(half.tensors, vlm.model))
        self.per_image = counter.get_total_flops()

    def reading(self, rows: Sequence[Encoded]) -> float:
        """Of one forward pass over all rows."""
        beginnings = {beginning(row): n_shareable(row) for row in rows}
        own = [(n_shareable(row), len(row.input_ids) - n_shareable(row)) for row in rows]
        n_tokens = sum(beginnings.values()) + sum(n for _, n in own)
        pairs = sum(map(_triangle, beginnings.values())) + sum(shared * n + _triangle(n) for shared, n in own)
        n_images = len({row.image_hashes for row in rows})
        return self._per_token * n_tokens + self._per_pair * pairs + self.per_image * n_images

    def training(self, rows: Sequence[Encoded], *, rank: int, sees_images: bool) -> float:
        """Of LoRA training on all rows once.

        Args:
            rows: Learned from.
            rank: Of the adapters.
            sees_images: Whether images run through the vision side.
        """
        n_tokens = sum(len(row.input_ids) for row in rows)
        pairs = sum(_triangle(len(row.input_ids)) for row in rows)
        n_answer_tokens = sum(int(row.is_answer.sum()) for row in rows)
        adapters = 6 * rank * self._adapter_sides * n_tokens
        text = (
            2 * self._per_token * n_tokens + 3 * self._per_pair * pairs + 2 * self._per_answer_token * n_answer_tokens
        )
        return text + adapters + (self.per_image * len(rows) if sees_images else 0)


def _triangle(n_tokens: int) -> int:
    """Pairs of tokens of which one sees the other, or itself."""
    return n_tokens * (n_tokens + 1) // 2
