"""How large a model and the rows that it reads are: what operations are counted from. No weights are read."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import AutoModelForImageTextToText, PreTrainedConfig

from xmas_assets.contracts.calibration import DataSizes, ModelSizes
from xmas_assets.contracts.errors import DatasetError
from xmas_assets.contracts.samples import Sample
from xmas_assets.vlm.configs import read_config
from xmas_assets.vlm.image_inputs import OpenImage, Pictures
from xmas_assets.vlm.loading import load_processor
from xmas_assets.vlm.prompts import Encoder


def model_sizes(config: PreTrainedConfig) -> ModelSizes:
    """The sizes of a vision-language model, from its config."""
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    decoder = model.get_decoder()
    text = decoder.config
    head_dim = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    shapes = [layer.weight.shape for layer in decoder.layers.modules() if isinstance(layer, nn.Linear)]
    of_text = {id(weight) for part in (decoder, model.get_output_embeddings()) for weight in part.parameters()}
    merged = getattr(getattr(config, "vision_config", None), "spatial_merge_size", None) or 1
    return ModelSizes(
        language_parameters=sum(rows * columns for rows, columns in shapes),
        vision_parameters=sum(weight.numel() for weight in model.parameters() if id(weight) not in of_text),
        patches_per_token=merged**2,
        n_layers=text.num_hidden_layers,
        width=text.num_attention_heads * head_dim,
        adapter_sides=sum(rows + columns for rows, columns in shapes),
    )


def row_sizes(base: Path, samples: Sequence[Sample], open_image: OpenImage, *, max_tokens: int) -> DataSizes:
    """What rows are for a model, on the mean of these.

    Args:
        base: Directory of the model.
        samples: Rows.
        open_image: Gives the picture of a reference and content hash.
        max_tokens: Longest row.

    Raises:
        DatasetError: If the model can read none of them.
    """
    processor = load_processor(base)
    token = read_config(base).image_token_id
    encoder = Encoder(processor, Pictures(processor, open_image), image_token_id=token, max_tokens=max_tokens)
    rows, _ = encoder.encode(samples)
    if not rows:
        raise DatasetError(f"the model in {base} can read none of {len(samples)} rows; see: xmas model check {base}")
    return DataSizes(
        tokens_per_row=float(np.mean([len(row.input_ids) for row in rows])),
        image_tokens_per_row=float(np.mean([row.is_image.sum() for row in rows])),
        tokens_per_answer=float(np.mean([row.is_answer.sum() for row in rows])) or None,
    )
