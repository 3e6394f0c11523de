"""Asking a model about every row: answers are kept as they come, and those that cannot be read are counted."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from xmas_assets.annotation.chat_endpoint import Answer, ChatEndpoint
from xmas_assets.contracts.annotation import AskingSettings, EndpointSettings
from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.progress import ProgressCallback
from xmas_assets.contracts.samples import Sample
from xmas_assets.scale.row_tables import RowTable, make_row_table
from xmas_assets.vlm.chat import LocalChat
from xmas_assets.vlm.devices import model_work

_N_SHOWN = 3  # ids named in a message


class Asker(Protocol):
    """Whom to ask; ``ChatEndpoint`` and ``LocalAsker`` are ones."""

    def ask_all(self, prompts: Sequence[str], read: Callable[[str], Any]) -> Iterator[Answer[Any]]:
        """Give an answer per prompt, in their order; ``read`` raises ValueError for what it cannot read."""
        ...


class LocalAsker:
    """A local model as an endpoint is: asked once, since a greedy answer would be the same a second time."""

    def __init__(self, chat: LocalChat, *, threads: int) -> None:
        self._chat = chat
        self._threads = threads

    def ask_all(self, prompts: Sequence[str], read: Callable[[str], Any]) -> Iterator[Answer[Any]]:
        """Give an answer per prompt, in their order."""
        with model_work(self._threads):
            for prompt in prompts:
                try:
                    yield Answer(read(self._chat.reply(prompt)), "")
                except ValueError as error:
                    yield Answer(None, str(error))


def endpoint(settings: EndpointSettings) -> tuple[ChatEndpoint, str]:
    """An endpoint, its key looked up, and what its answers depend on (not how patiently it is asked)."""
    return ChatEndpoint(settings, os.environ), settings.model_dump_json(include={"url", "model", "max_tokens"})


def ask_rows(
    samples: Sequence[Sample],
    asker: Asker,
    *,
    prompt: Callable[[Sample], str],
    read: Callable[[str], Any],
    settings: AskingSettings,
    workspace: Path,
    key: str,
    progress: ProgressCallback | None = None,
) -> list[Answer[Any]]:
    """Ask about each row, or about those that an earlier run has no answer to.

    Args:
        samples: The dataset in row order.
        asker: Whom to ask.
        prompt: Makes the question.
        read: Makes a value, which JSON can hold, of the reply's text; raises ValueError if it cannot.
        settings: Answers per shard, and how many may be unreadable.
        workspace: Directory for finished shards; one run at a time may use it.
        key: All that the answers depend on beside the samples.
        progress: Told how many rows are done, and the time left.

    Returns:
        One answer per row.

    Raises:
        ModelError: If the model cannot be asked, or more than ``max_failed_share`` of the answers cannot be read.
    """

    def ask(part: Sequence[Sample], advance: Callable[[float], None]) -> dict[str, list[str]]:
        answers: list[Answer[Any]] = []
        for answer in asker.ask_all([prompt(sample) for sample in part], read):
            answers.append(answer)
            advance(1)
        values = [json.dumps(answer.value, ensure_ascii=False) for answer in answers]
        return {"value": values, "failure": [answer.failure for answer in answers]}

    table = make_row_table(
        samples,
        [pa.field("value", pa.string(), nullable=False), pa.field("failure", pa.string(), nullable=False)],
        ask,
        workspace=workspace,
        shard_size=settings.shard_size,
        key=key,
        progress=progress,
    )
    return _read(table)


def failed_notice(samples: Sequence[Sample], answers: Sequence[Answer[Any]], settings: AskingSettings) -> str:
    """Say how many rows have no readable answer, why, and which; "" if all have one.

    Raises:
        ModelError: If they are more than ``max_failed_share`` of all.
    """
    failed = [row for row, answer in enumerate(answers) if answer.failure]
    if not failed:
        return ""
    names = ", ".join(samples[row].sample_id[:80] for row in failed[:_N_SHOWN])
    notice = f"{len(failed)} of {len(answers)} rows have no readable answer ({answers[failed[0]].failure}): {names}"
    if len(failed) > settings.max_failed_share * len(answers):
        raise ModelError(
            f"{notice}; at most a share of {settings.max_failed_share} may (max_failed_share): take another model or "
            "column, or raise the share"
        )
    return notice


def _read(table: RowTable) -> list[Answer[Any]]:
    answers: list[Answer[Any]] = []
    for batch in table.batches():
        pairs = zip(batch["value"].to_pylist(), batch["failure"].to_pylist(), strict=True)
        answers += [Answer(json.loads(value), failure) for value, failure in pairs]
    return answers
