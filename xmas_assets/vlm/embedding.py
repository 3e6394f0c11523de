"""Images and texts as vectors of one space: out of a CLIP model, or out of a vision-language model in its place."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModel

from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.core.arrays import FloatArray
from xmas_assets.vlm.devices import check_device
from xmas_assets.vlm.directories import check_files, readable
from xmas_assets.vlm.image_inputs import OpenImage, Pictures, Unit
from xmas_assets.vlm.loading import load_processor, load_vlm
from xmas_assets.vlm.processors import LOCAL
from xmas_assets.vlm.templates import ChatTemplate
from xmas_assets.vlm.vision_features import image_features


class Embedder(Protocol):
    """Makes vectors of unit length, float32."""

    def embed_images(self, references: Sequence[str], content_hashes: Sequence[str]) -> FloatArray:
        """Vectors of images, shape (n_images, width); NaN for one that the model's processor refuses."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> FloatArray:
        """Vectors of texts that are not empty, shape (n_texts, width)."""
        ...


class BaseEmbedder:
    """A vision-language model in the place of CLIP, so that no other model is needed.

    An image is the mean of what the connector makes of it, a text the mean of its words' embeddings: the two kinds of
    vectors that the language model reads side by side. They were never trained to agree, as CLIP's were, so scores are
    a rougher guide.
    """

    def __init__(self, directory: Path, settings: BaseModelSettings, open_image: OpenImage) -> None:
        """Load the model.

        Raises:
            ModelError: As ``load_vlm``.
        """
        self._vlm = vlm = load_vlm(directory, settings)
        self._tokenizer, self._words = vlm.processor.tokenizer, vlm.model.get_input_embeddings().weight
        self._pictures = Pictures(vlm.processor, open_image, limit_bytes=0)
        self._template = ChatTemplate(vlm.processor)

    @torch.inference_mode()
    def embed_images(self, references: Sequence[str], content_hashes: Sequence[str]) -> FloatArray:
        """Average the connector's output over each image's tokens."""
        units = [Unit((one,), (other,)) for one, other in zip(references, content_hashes, strict=True)]
        halves = [self._pictures.half_if_taken(unit) for unit in units]
        taken = [number for number, half in enumerate(halves) if half is not None]
        vectors = np.full((len(units), self._words.shape[1]), np.nan, dtype=np.float32)
        if taken:
            tokens = image_features(self._vlm, [half for half in halves if half is not None])
            means = torch.stack([image.float().mean(0) for image in tokens])
            vectors[taken] = _directions(means, "the base model")
        return vectors

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> FloatArray:
        """Average the word embeddings of each whole text."""
        words = self._words
        made = self._tokenizer([self._template.escape(text) for text in texts], add_special_tokens=False)
        means = [words[torch.tensor(ids, device=words.device)].float().mean(0) for ids in made["input_ids"]]
        return _directions(torch.stack(means), "the base model")


class ClipEmbedder:
    """A CLIP-like model: anything that has ``get_image_features`` and ``get_text_features``."""

    def __init__(self, directory: Path, open_image: OpenImage, *, device: str) -> None:
        """Load model and processor, in float32.

        Args:
            directory: Of a model with safetensors weights.
            open_image: Gives the picture of a reference and content hash.
            device: 'cpu' or 'cuda'.

        Raises:
            ModelError: If files are missing, damaged or unsafe, the device is absent, or it is no such model.
        """
        check_device(device)
        check_files(directory)
        self._processor, self._open_image, self._directory = load_processor(directory), open_image, directory
        with readable(directory):
            loaded: Any = AutoModel.from_pretrained(
                directory, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **LOCAL
            )
        model, report = loaded
        if not (hasattr(model, "get_image_features") and hasattr(model, "get_text_features")):
            raise ModelError(f"{directory} holds a {type(model).__name__}, which embeds no texts; give a CLIP model")
        if report["missing_keys"]:
            raise ModelError(f"{directory} lacks weights that its config needs: {sorted(report['missing_keys'])[:3]}")
        self._model = model.to(device).eval()
        self._longest = model.config.text_config.max_position_embeddings

    @torch.inference_mode()
    def embed_images(self, references: Sequence[str], content_hashes: Sequence[str]) -> FloatArray:
        """Embed images as the model's processor prepares them."""
        images = [self._open_image(*pair).convert("RGB") for pair in zip(references, content_hashes, strict=True)]
        pixels = self._processor.image_processor(images=images, return_tensors="pt")["pixel_values"]
        features = self._model.get_image_features(pixel_values=pixels.to(self._model.device))
        return _directions(features.pooler_output, self._directory)

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> FloatArray:
        """Embed texts, each cut to as many tokens as the model reads (77 in CLIP)."""
        made = self._processor.tokenizer(
            list(texts), padding=True, truncation=True, max_length=self._longest, return_tensors="pt"
        ).to(self._model.device)
        features = self._model.get_text_features(made["input_ids"], made["attention_mask"])
        return _directions(features.pooler_output, self._directory)


def _directions(vectors: Tensor, model: Any) -> FloatArray:
    """Scale to unit length; refuse what is not finite."""
    if not torch.isfinite(vectors).all():
        raise ModelError(f"an embedding of {model} is not finite; use another model, or float32 weights")
    return torch.nn.functional.normalize(vectors.float(), dim=-1).cpu().numpy()
