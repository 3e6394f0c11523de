"""Reading a model's config, and refusing what cannot be used as a vision-language model."""

from pathlib import Path

from transformers import AutoConfig, PreTrainedConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

from xmas_assets.contracts.errors import ModelError
from xmas_assets.vlm.directories import check_files, readable
from xmas_assets.vlm.processors import LOCAL


def read_config(directory: Path) -> PreTrainedConfig:
    """The config of a whole model; its weights are counted, not read.

    Raises:
        ModelError: If a file is missing, damaged or unsafe, or it is no vision-language model of one sequence whose
            images stand for tokens.
    """
    check_files(directory)
    with readable(directory):
        config = AutoConfig.from_pretrained(directory, **LOCAL)
    if config.is_encoder_decoder or getattr(config.get_text_config(), "is_encoder_decoder", False):
        raise ModelError(
            f"{config.model_type} is an encoder-decoder; use a model that reads prompt and answer as one sequence"
        )
    if type(config) not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
        raise ModelError(f"{config.model_type} is no vision-language model that transformers knows; use another")
    if getattr(config, "image_token_id", None) is None:
        raise ModelError(f"{config.model_type} has no token that stands for a piece of an image; use another model")
    return config
