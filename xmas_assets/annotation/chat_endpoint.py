"""Send prompts to a chat model behind an OpenAI-compatible endpoint; only text is sent."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError

from xmas_assets.annotation.timed_connections import at_most, limit_heads
from xmas_assets.contracts.annotation import EndpointSettings
from xmas_assets.contracts.errors import ModelError
from xmas_assets.files.notes import json_value

S = TypeVar("S")
T = TypeVar("T")
_BUSY = frozenset({408, 429, 500, 502, 503, 504})  # worth another attempt
_LONGEST_WAIT_SECONDS = 60
_N_SHOWN = 200  # characters of a reply in a message
_PIECE = 2**16  # bytes
_MOST_BYTES = 2**20  # of a reply; the longest of 8192 tokens has a tenth
_MOST_TIMEOUTS = 2  # so many times the longest wait between bytes, for the head of a reply and for its body


class Prompt(NamedTuple):
    """What a chat model is asked.

    Attributes:
        text: The user's message.
        instruction: The system's message; "" for none.
        temperature: 0 for the likeliest answer.
        max_tokens: Longest answer; None for that of the settings.
    """

    text: str
    instruction: str = ""
    temperature: float = 0.0
    max_tokens: int | None = None


class Reply(NamedTuple):
    """What came back: the text, and what the endpoint says that its model is ("" if nothing)."""

    text: str
    model: str = ""


Say = Callable[[Prompt], Reply]
"""Asks once; raises ValueError if what comes back is no chat completion, is empty or is too long."""


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
        self._retries = urllib3.Retry(
            total=settings.n_attempts - 1,
            allowed_methods=None,  # asking twice does no harm
            backoff_factor=settings.backoff_seconds,
            backoff_max=_LONGEST_WAIT_SECONDS,
            retry_after_max=_LONGEST_WAIT_SECONDS,
        )
        self._longest = _MOST_TIMEOUTS * settings.timeout_seconds
        self._pool = urllib3.PoolManager(maxsize=settings.n_parallel, timeout=urllib3.Timeout(settings.timeout_seconds))
        limit_heads(self._pool.connection_from_url(settings.url), seconds=self._longest)  # the pool of all requests

    def ask_all(self, prompts: Sequence[str], read: Callable[[str], T]) -> Iterator[Answer[T]]:
        """Give an answer per prompt, in their order, several requests at a time.

        Args:
            prompts: What to ask.
            read: Makes a value of the reply's text; raises ValueError if it cannot, upon which the prompt is sent
                again.

        Raises:
            ModelError: If the endpoint cannot be reached or refuses; the answers given before are kept.
        """
        return self.talk_all(prompts, lambda say, prompt: self._ask(say, prompt, read))

    def talk_all(self, subjects: Sequence[S], talk: Callable[[Say, S], T]) -> Iterator[T]:
        """Give what came of a talk about each subject, in their order, several talks at a time.

        Args:
            subjects: What to talk about.
            talk: Asks as often as it likes; called in several threads.

        Raises:
            ModelError: As ``ask_all``; talks that are under way come to their end.
        """
        with ThreadPoolExecutor(self._settings.n_parallel) as pool:
            yield from pool.map(lambda subject: talk(self._say, subject), subjects)

    def _ask(self, say: Say, prompt: str, read: Callable[[str], T]) -> Answer[T]:
        failure = ""
        for _ in range(self._settings.n_attempts):
            try:
                return Answer(read(say(Prompt(prompt)).text), "")
            except ValueError as error:
                failure = str(error)[:_N_SHOWN]
        return Answer(None, failure)

    def _say(self, prompt: Prompt) -> Reply:
        system = [{"role": "system", "content": prompt.instruction}] if prompt.instruction else []
        body = {
            "model": self._settings.model,
            "messages": [*system, {"role": "user", "content": prompt.text}],
            "temperature": prompt.temperature,
            "max_tokens": prompt.max_tokens or self._settings.max_tokens,
        }
        return _reply(self._post(body))

    def _post(self, body: Mapping[str, Any]) -> bytes:
        """The body of what the endpoint answers with status 200; ValueError if it is too long."""
        address = f"{self._settings.url.rstrip('/')}/chat/completions"
        retries = self._retries
        try:
            while True:
                failed: dict[str, Any] = {}
                try:
                    with self._send(address, body) as response:
                        if response.status not in _BUSY:
                            self._check_status(response.status, address)
                            return self._read(response)
                        response.close()  # unread, however long it is
                        failed["response"] = response
                except HTTPError as error:
                    failed["error"] = error
                retries = retries.increment("POST", address, **failed)
                retries.sleep(failed.get("response"))
        except MaxRetryError as error:
            raise ModelError(
                f"endpoint {address} did not answer in {self._settings.n_attempts} attempts ({error.reason}); "
                "see that it runs, then go on: what was answered is kept"
            ) from None

    def _send(self, address: str, body: Mapping[str, Any]) -> urllib3.BaseHTTPResponse:
        # A redirect is not followed: it could carry the key to another host. urllib3 reads on without limit between
        # tries of its own, so it makes none.
        return self._pool.request(
            "POST", address, json=body, headers=self._headers, redirect=False, retries=False, preload_content=False
        )

    def _read(self, response: urllib3.BaseHTTPResponse) -> bytes:
        """A reply's bytes, as they are sent: what was packed to be small could be huge.

        Raises:
            ValueError: If they are too many.
            ProtocolError: If they come too slowly.
        """
        data = bytearray()
        with at_most(self._longest, response.shutdown):
            while piece := response.read1(_PIECE, decode_content=False):
                data += piece
                if len(data) > _MOST_BYTES:
                    raise ValueError(f"the reply is longer than {_MOST_BYTES} bytes")
        return bytes(data)

    def _check_status(self, status: int, address: str) -> None:
        """Refuse every status but 200; never with the reply itself: some services repeat the request's headers in it.

        Raises:
            ModelError: Naming the status.
        """
        if status in (401, 403):
            refused = f"endpoint {address} refused the key (HTTP {status})"
            raise ModelError(f"{refused}; check the variable that key_variable names")
        if status != 200:
            raise ModelError(f"endpoint {address} answered HTTP {status}; check url and model")


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


def _reply(reply: bytes) -> Reply:
    """The text of a chat completion, and its model.

    Raises:
        ValueError: If the reply is not one, or its text is empty.
    """
    try:
        completion: Any = json_value(reply)
        content, model = completion["choices"][0]["message"]["content"], completion.get("model")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        raise ValueError("the reply is not a chat completion") from None
    if not isinstance(content, str) or not content.strip():
        raise ValueError("the reply holds no text")
    return Reply(content, model[:_N_SHOWN] if isinstance(model, str) else "")
