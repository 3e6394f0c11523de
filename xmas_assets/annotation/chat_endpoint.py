"""Send prompts to a chat model behind an OpenAI-compatible endpoint; only text is sent."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError

from xmas_assets.contracts.annotation import EndpointSettings
from xmas_assets.contracts.errors import ModelError

T = TypeVar("T")
_BUSY = frozenset({408, 429, 500, 502, 503, 504})  # worth another attempt
_LONGEST_WAIT_SECONDS = 60
_N_SHOWN = 200  # characters of a reply in a message


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What came back for one prompt.

    Attributes:
        value: The answer as read; none where no attempt gave a readable one.
        failure: Why not, "" if it was read.
    """

    value: T | None
    failure: str


class ChatEndpoint:
    """A chat model that is asked one prompt at a time, without memory of earlier ones.

    Attributes:
        identity: All that its answers depend on besides the prompt; timeouts and retries are not part of it.
    """

    def __init__(self, settings: EndpointSettings, environment: Mapping[str, str]) -> None:
        """Look the key up; nothing is sent yet.

        Args:
            settings: Where, whom and how patiently to ask.
            environment: Environment variables.

        Raises:
            ModelError: If the key's variable is not set, or what it holds cannot be a key.
        """
        self._settings = settings
        self.identity = settings.model_dump_json(include={"url", "model", "max_tokens"})
        self._headers = {"Content-Type": "application/json"}
        if settings.key_variable is not None:
            self._headers["Authorization"] = f"Bearer {_find_key(settings.key_variable, environment)}"
        retries = urllib3.Retry(
            total=settings.n_attempts - 1,
            allowed_methods=None,  # asking twice does no harm
            status_forcelist=_BUSY,
            backoff_factor=settings.backoff_seconds,
            backoff_max=_LONGEST_WAIT_SECONDS,
            retry_after_max=_LONGEST_WAIT_SECONDS,
        )
        self._pool = urllib3.PoolManager(
            maxsize=settings.n_parallel, retries=retries, timeout=urllib3.Timeout(settings.timeout_seconds)
        )

    def ask_all(self, prompts: Sequence[str], read: Callable[[str], T]) -> Iterator[Answer[T]]:
        """Give an answer per prompt, in their order, several requests at a time.

        Args:
            prompts: What to ask.
            read: Makes a value of the reply's text; raises ValueError if it cannot, upon which the prompt is sent
                again.

        Raises:
            ModelError: If the endpoint cannot be reached or refuses; the answers given before are kept.
        """
        with ThreadPoolExecutor(self._settings.n_parallel) as pool:
            yield from pool.map(lambda prompt: self._ask(prompt, read), prompts)

    def _ask(self, prompt: str, read: Callable[[str], T]) -> Answer[T]:
        failure = ""
        for _ in range(self._settings.n_attempts):
            try:
                return Answer(read(_content(self._post(prompt))), "")
            except ValueError as error:
                failure = str(error)[:_N_SHOWN]
        return Answer(None, failure)

    def _post(self, prompt: str) -> bytes:
        body = {
            "model": self._settings.model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": 0,
            "max_tokens": self._settings.max_tokens,
        }
        address = f"{self._settings.url.rstrip('/')}/chat/completions"
        try:
            # A redirect is not followed: it could carry the key to another host.
            response = self._pool.request("POST", address, json=body, headers=self._headers, redirect=False)
        except MaxRetryError as error:
            raise ModelError(
                f"endpoint {address} did not answer in {self._settings.n_attempts} attempts ({error.reason}); "
                "see that it runs, then go on: what was answered is kept"
            ) from None
        except HTTPError as error:
            raise ModelError(f"endpoint {address} cannot be asked ({error}); check its address") from None
        if response.status in (401, 403):
            refused = f"endpoint {address} refused the key (HTTP {response.status})"
            raise ModelError(f"{refused}; check the variable that key_variable names")
        if response.status != 200:
            # Never the reply itself: some services repeat the request's headers in it.
            raise ModelError(f"endpoint {address} answered HTTP {response.status}; check url and model")
        return response.data


def _find_key(variable: str, environment: Mapping[str, str]) -> str:
    """The key, without a line break at its end; it never appears in a message, nor does what may be a misplaced key."""
    key = environment.get(variable, "").strip()
    if not key:
        raise ModelError(
            "the environment variable that key_variable names is not set; set it, or leave key_variable out"
        )
    if re.fullmatch(r"[!-~]+", key) is None:
        raise ModelError("the key holds characters that no key has; check the variable that key_variable names")
    return key


def _content(reply: bytes) -> str:
    """The text of a chat completion.

    Raises:
        ValueError: If the reply is not one, or its text is empty.
    """
    try:
        content: Any = json.loads(reply)["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError):
        raise ValueError("the reply is not a chat completion") from None
    if not isinstance(content, str) or not content.strip():
        raise ValueError("the reply holds no text")
    return content
