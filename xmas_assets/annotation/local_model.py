"""Give prompts to a model on this machine, as to an endpoint."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from xmas_assets.annotation.chat_endpoint import Answer, Prompt, Reply, Say
from xmas_assets.contracts.libraries import READING, library_versions
from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.files.model_content import model_digest
from xmas_assets.vlm.chat import LocalChat
from xmas_assets.vlm.devices import model_work

S = TypeVar("S")
T = TypeVar("T")


class LocalModel:
    """A local chat model; each prompt is tried once, since a greedy answer would be the same a second time.

    Attributes:
        identity: All that its answers depend on besides the prompt.
    """

    def __init__(self, directory: Path, settings: BaseModelSettings, *, max_new_tokens: int, threads: int) -> None:
        """Find the model; it is loaded when it is first asked, which raises ``ModelError`` if it cannot be.

        Args:
            directory: Of a model with a chat template.
            settings: Type of the weights, and device.
            max_new_tokens: Longest answer.
            threads: CPU threads.

        Raises:
            ModelError: If the directory holds no model.
        """
        self._directory, self._settings, self._max_new_tokens = directory, settings, max_new_tokens
        self._threads = threads
        decides = library_versions(READING), model_digest(directory), settings.dtype, settings.device
        self.identity = repr((*decides, max_new_tokens, threads))

    @cached_property
    def _chat(self) -> LocalChat:
        return LocalChat(self._directory, self._settings, max_new_tokens=self._max_new_tokens)

    def ask_all(self, prompts: Sequence[str], read: Callable[[str], Any]) -> Iterator[Answer[Any]]:
        """Give an answer per prompt, in their order."""

        def ask(say: Say, prompt: str) -> Answer[Any]:
            try:
                return Answer(read(say(Prompt(prompt)).text), "")
            except ValueError as error:
                return Answer(None, str(error))

        return self.talk_all(prompts, ask)

    def talk_all(self, subjects: Sequence[S], talk: Callable[[Say, S], T]) -> Iterator[T]:
        """Give what came of a talk about each subject, in their order; a prompt's temperature changes nothing."""
        with model_work(self._threads):
            for subject in subjects:
                yield talk(self._say, subject)

    def _say(self, prompt: Prompt) -> Reply:
        return Reply(self._chat.reply(prompt.text, instruction=prompt.instruction), self._directory.name)
