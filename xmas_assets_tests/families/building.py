"""What the tiny families share: tokenizers of two kinds, sharp random weights, and a directory in the hub's form."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import GenerationConfig, PreTrainedConfig, PreTrainedTokenizerFast, Qwen2Tokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

from xmas_assets.toy.model import train_tokenizer

TEMPLATES = Path(__file__).parent / "templates"
SIZES: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4}
LANGUAGE: dict[str, Any] = SIZES | {
    "num_hidden_layers": 3,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 2048,
}
TOWER: dict[str, Any] = SIZES | {"num_hidden_layers": 2, "num_attention_heads": 2}
#: Real tokenizers have one token for several line breaks, so the lines that a processor writes around a picture can
#: grow together with those of the text.
_LINE_BREAKS = ("\n\n", "\n\n\n")

Names = dict[str, str]
"""Special tokens by the attribute of the tokenizer that gives them: ``{"image_token": "<image>"}``."""


def byte_tokenizer(names: Names, more: Sequence[str] = (), **options: Any) -> Any:
    """A byte-level tokenizer as those of Llama 3, Mistral's Tekken and SmolLM.

    Args:
        names: Special tokens that have a name, ``pad_token`` and ``eos_token`` among them.
        more: Special tokens without a name.
        options: For the tokenizer's class.
    """
    learned = train_tokenizer(_unique(names, more), more_words=_LINE_BREAKS)
    return _named(PreTrainedTokenizerFast, names, more=more, tokenizer_object=learned, **options)


def qwen_tokenizer(names: Names, more: Sequence[str] = (), *, kind: type = Qwen2Tokenizer) -> Any:
    """A tokenizer of a class of Qwen's: chat by ``<|im_start|>`` and ``<|im_end|>``, no token at the beginning."""
    chat = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    more = ["<|im_start|>", *more]
    vocabulary, merges = _parts(train_tokenizer(_unique(chat | names, more), more_words=_LINE_BREAKS))
    return _named(kind, chat | names, more=more, vocab=vocabulary, merges=merges)


def piece_tokenizer(
    kind: type[PreTrainedTokenizerFast], names: Names, *, more: Sequence[str] = (), **options: Any
) -> Any:
    """A tokenizer of Llama's or Gemma's own class: a blank is ``▁``, and bytes stand in for unknown characters."""
    special = _unique(names, more)
    written = {character: _piece(byte) for byte, character in bytes_to_unicode().items()}

    def as_pieces(token: str) -> str:
        return token if token in special else "".join(written[character] for character in token)

    vocabulary, merges = _parts(train_tokenizer(special, more_words=_LINE_BREAKS))
    vocabulary = {as_pieces(token): token_id for token, token_id in vocabulary.items()}
    merges = [(as_pieces(left), as_pieces(right)) for left, right in merges]
    return _named(kind, names, more=more, vocab=vocabulary, merges=merges, **options)


def token_ids(tokenizer: Any) -> dict[str, Any]:
    """Values of a text config that follow from the tokenizer."""
    names = ("bos_token_id", "eos_token_id", "pad_token_id")
    return {"vocab_size": len(tokenizer), **{name: getattr(tokenizer, name) for name in names}}


def build_model(kind: type, config: PreTrainedConfig, *, ends: Sequence[int]) -> Any:
    """A model with random weights, which stops at any of the tokens ``ends``; torch's generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = kind(config).eval()
        _sharpen(model)
    text = config.get_text_config()
    model.generation_config = GenerationConfig(
        bos_token_id=getattr(text, "bos_token_id", None),
        eos_token_id=list(ends),
        pad_token_id=text.pad_token_id,
    )
    return model


def save(
    directory: Path, model: Any, *, tokenizer: Any, images: Any, processor: dict[str, Any], template: str | None
) -> Path:
    """Write a model's directory in the form that hub directories have.

    The files of the processor are written one by one, since some processor classes cannot be made without torchvision.

    Args:
        directory: Made if missing.
        model: With its generation config.
        tokenizer: Of the model.
        images: The image processor, of the PIL back end; it is named as on the hub, without the back end. If there is
            none, what preprocessor_config.json holds.
        processor: What processor_config.json holds; its ``processor_class`` is written to the other files too.
        template: Name of the chat template's file; none if the family has none.
    """
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    if isinstance(images, dict):
        write_json(directory / "preprocessor_config.json", images)
    else:
        images.save_pretrained(directory)
    for name in ("tokenizer_config.json", "preprocessor_config.json"):
        write_json(directory / name, {"processor_class": processor["processor_class"]})
    write_json(directory / "processor_config.json", processor)
    if template:
        shutil.copyfile(TEMPLATES / f"{template}.jinja", directory / "chat_template.jinja")
    return directory


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Set values of a JSON file, which need not be there yet."""
    before = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps(before | dict(values), indent=2, sort_keys=True) + "\n")


def write_video_processor(directory: Path, kind: str) -> None:
    """Write video_preprocessor_config.json: the image processor's values under the class ``kind``."""
    values = json.loads((directory / "preprocessor_config.json").read_text())
    del values["image_processor_type"]
    write_json(directory / "video_preprocessor_config.json", values | {"video_processor_type": kind})


def _sharpen(model: torch.nn.Module) -> None:
    """Make fresh weights large enough that pictures change what is said and attention is uneven.

    Otherwise mistakes would hide. A norm behind a projection undoes its size, so it is made larger itself. Some weights
    are constant at first and hide the picture: Gemma 3's projection, Gemma 4's positions, Mllama's gates.
    """
    for name, values in model.named_parameters():
        if "q_norm" in name:
            values.data += 1
        elif "q_proj" in name or "k_proj" in name:
            values.data *= 20
        elif values.dim() > 1:
            is_constant = values.min() == values.max()
            values.data = torch.randn_like(values) / 5 if is_constant else values.data * 5
        elif values.numel() == 1 and not values.any():
            values.data += 1


def _unique(names: Names, more: Sequence[str]) -> list[str]:
    return list(dict.fromkeys([*names.values(), *more]))


def _named(kind: type[Any], names: Names, *, more: Sequence[str], **options: Any) -> Any:
    standard = {name: names[name] for name in names if name in kind.SPECIAL_TOKENS_ATTRIBUTES}
    own = {name: names[name] for name in names if name not in standard}
    tokenizer = kind(extra_special_tokens=own, model_max_length=2048, **standard, **options)
    tokenizer.add_special_tokens({"additional_special_tokens": list(more)})
    return tokenizer


def _parts(tokenizer: Tokenizer) -> tuple[dict[str, int], list[tuple[str, str]]]:
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [(left, right) for left, right in model["merges"]]


def _piece(byte: int) -> str:
    if byte == ord(" "):
        return "▁"
    return chr(byte) if byte == ord("\n") or 32 < byte < 127 else f"<0x{byte:02X}>"
