"""A local model, with or without eyes, that answers one text prompt at a time, greedily."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText

from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.vlm.bounded import bounded_text
from xmas_assets.vlm.devices import check_device
from xmas_assets.vlm.directories import check_files, readable
from xmas_assets.vlm.generation import greedy
from xmas_assets.vlm.loading import load_processor
from xmas_assets.vlm.processors import LOCAL
from xmas_assets.vlm.prompts import pad_token_id


class LocalChat:
    """Answers prompts without memory of earlier ones; an answer depends on its prompt alone."""

    def __init__(self, directory: Path, settings: BaseModelSettings, *, max_new_tokens: int) -> None:
        """Load a model with its tokenizer and chat template.

        Args:
            directory: Of a vision-language or a language model.
            settings: Type of the weights and device.
            max_new_tokens: Longest answer.

        Raises:
            ModelError: If files are missing, damaged or unsafe, the device is absent, or there is no chat template.
        """
        check_device(settings.device)
        check_files(directory)
        self._processor = load_processor(directory)
        self._tokenizer = getattr(self._processor, "tokenizer", self._processor)
        self._max_new_tokens = max_new_tokens
        if not getattr(self._processor, "chat_template", None):
            raise ModelError(f"{directory} has no chat template, so it cannot be asked; use a chat model")
        with readable(directory):
            config = AutoConfig.from_pretrained(directory, **LOCAL)
            kind: Any = AutoModelForImageTextToText if hasattr(config, "vision_config") else AutoModelForCausalLM
            model = kind.from_pretrained(directory, use_safetensors=True, dtype=getattr(torch, settings.dtype), **LOCAL)
        self._model = model.to(settings.device).eval()

    @torch.inference_mode()
    def reply(self, prompt: str, *, instruction: str = "") -> str:
        """Answer a prompt.

        Args:
            prompt: The user's message.
            instruction: Comes before it: not every chat template knows a system's message.

        Raises:
            ModelError: If the chat template refuses it.
        """
        prompt = f"{instruction}\n\n{prompt}" if instruction else prompt
        has_eyes = self._processor is not self._tokenizer
        content = [{"type": "text", "text": prompt}] if has_eyes else prompt
        with readable(Path(self._tokenizer.name_or_path)):
            messages = [{"role": "user", "content": content}]
            text = bounded_text(
                lambda: self._processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            )
        # A template that writes the first token itself must not get it a second time.
        starts = bool(self._tokenizer.bos_token) and text.startswith(self._tokenizer.bos_token)
        inputs = self._tokenizer(text, return_tensors="pt", add_special_tokens=not starts).to(self._model.device)
        inputs.pop("token_type_ids", None)
        own = self._model.generation_config.eos_token_id
        stops = [self._tokenizer.eos_token_id, *([own] if isinstance(own, int) else own or [])]
        rules = greedy(stops, pad_id=pad_token_id(self._tokenizer), max_new_tokens=self._max_new_tokens)
        said = self._model.generate(**inputs, generation_config=rules)[0, inputs["input_ids"].shape[1] :]
        return self._tokenizer.decode(said, skip_special_tokens=True).strip()
