"""Give prompts to a model on this machine, as to an endpoint."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from xmas_assets.annotation.chat_endpoint import Answer
from xmas_assets.contracts.libraries import READING, library_versions
from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.vlm.chat import LocalChat
from xmas_assets.vlm.devices import model_work
from xmas_assets.vlm.loading import model_digest


class LocalModel:
    """A local chat model; each prompt is tried once, since a greedy answer would be the same a second time.

    Attributes:
        identity: All that its answers depend on besides the prompt.
    """

    def __init__(self, directory: Path, settings: BaseModelSettings, *, max_new_tokens: int, threads: int) -> None:
        """Load the model.

        Args:
            directory: Of a model with a chat template.
            settings: Type of the weights, and device.
            max_new_tokens: Longest answer.
            threads: CPU threads.

        Raises:
            ModelError: If the model cannot be loaded, or has no chat template.
        """
        self._chat = LocalChat(directory, settings, max_new_tokens=max_new_tokens)
        self._threads = threads
        decides = library_versions(READING), model_digest(directory), settings.dtype, settings.device
        self.identity = repr((*decides, max_new_tokens, threads))

    def ask_all(self, prompts: Sequence[str], read: Callable[[str], Any]) -> Iterator[Answer[Any]]:
        """Give an answer per prompt, in their order."""
        with model_work(self._threads):
            for prompt in prompts:
                try:
                    yield Answer(read(self._chat.reply(prompt)), "")
                except ValueError as error:
                    yield Answer(None, str(error))
