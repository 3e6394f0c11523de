"""A language model that judges answers to a benchmark: what it said is kept, so that nothing is asked twice."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from xmas_assets.annotation.chat_endpoint import ChatEndpoint, Prompt, Reply, Say
from xmas_assets.annotation.kept_replies import KeptReplies, KeptReply
from xmas_assets.annotation.row_answers import ChatModel
from xmas_assets.contracts.annotation import JudgeSettings
from xmas_assets.contracts.progress import ProgressCallback
from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.evaluation.benchmarks.base import Item, JudgedBenchmark
from xmas_assets.scale.shards import ItemCounter

_MOST_CHARACTERS = 16_384  # kept of a reply; four characters a token at least for the longest that is asked for
_HOTTEST = 2.0


class Judged(NamedTuple):
    """What came of one answer in one run of the judge.

    Attributes:
        item_id: Of the question.
        run: From 0.
        reply: The reply that counts, or the last one if none could be read.
        n_asked: How often the judge was asked for it.
        replied_as: What the endpoint said that its model is; a local model's folder.
    """

    item_id: str
    run: int
    reply: str
    n_asked: int
    replied_as: str


@dataclass(frozen=True)
class Judge:
    """Who judges.

    Attributes:
        identity: All that its replies depend on besides what it is asked.
        open: Gives the model; called only where something is asked.
    """

    identity: str
    open: Callable[[], ChatModel]

    @classmethod
    def of(cls, settings: JudgeSettings, base: BaseModelSettings, *, benchmark: JudgedBenchmark) -> Self:
        """The judge that settings name.

        Args:
            settings: Of the benchmark's registration.
            base: Type of a local model's weights, and device.
            benchmark: Says how long a reply may be.

        Raises:
            ModelError: If a local model is not there.
        """
        if settings.endpoint is not None:
            endpoint = settings.endpoint
            return cls(settings.name, lambda: ChatEndpoint(endpoint, os.environ))
        from xmas_assets.annotation.local_model import LocalModel  # which loads torch
        from xmas_assets.vlm.model_files import resolve_model

        directory = resolve_model(settings.model or "", settings.revision, section="judge")
        model = LocalModel(directory, base, max_new_tokens=benchmark.max_reply_tokens, threads=settings.threads)
        return cls(model.identity, lambda: model)


def ask_judge(
    judge: Judge,
    benchmark: JudgedBenchmark,
    answers: Sequence[tuple[Item, str]],
    *,
    n_runs: int,
    kept: KeptReplies,
    progress: ProgressCallback | None = None,
) -> list[Judged]:
    """What a judge says of each answer in each run; it is asked only what it was not asked before.

    Args:
        judge: Who is asked.
        benchmark: Says what is asked, and which replies can be read.
        answers: Questions with what a target answered.
        n_runs: How often each answer is judged.
        kept: Earlier replies of this judge; new ones are added as they come.
        progress: Called with how many answers are judged.

    Raises:
        ModelError: If the judge cannot be asked; what it said before is kept.
    """
    talks = [_Talk(benchmark, item, answer, run) for run in range(n_runs) for item, answer in answers]
    keys = [talk.key for talk in talks]
    missing = {key: talk for key, talk in zip(keys, talks, strict=True) if key not in kept}
    counter = ItemCounter(len(missing), progress)

    def hold(say: Say, subject: tuple[str, _Talk]) -> None:
        key, talk = subject
        kept.add(key, talk.hold(say))  # at once, for the next moment may be the process's last

    if missing:
        for _ in judge.open().talk_all(list(missing.items()), hold):
            counter.advance(1)
        kept.merge()
    found = ((talk, kept[key]) for talk, key in zip(talks, keys, strict=True))
    return [Judged(talk.item.item_id, talk.run, *reply) for talk, reply in found]


@dataclass(frozen=True)
class _Talk:
    """What a judge is asked about one answer in one run."""

    benchmark: JudgedBenchmark
    item: Item
    answer: str
    run: int

    @property
    def key(self) -> str:
        """Names the talk by all that is asked in it."""
        asked = [self._prompt(attempt) for attempt in range(self.benchmark.max_asks)]
        return hashlib.sha256(repr((self.benchmark.judge_version, asked, self.run)).encode()).hexdigest()

    def hold(self, say: Say) -> KeptReply:
        """Ask until a reply can be read, or no more may be asked."""
        names: list[str] = []
        reply, n_asked = self.benchmark.settled_reply(said.text for said in self._replies(say, names))
        return KeptReply(reply, n_asked, names[-1])

    def _replies(self, say: Say, names: list[str]) -> Iterator[Reply]:
        for attempt in range(self.benchmark.max_asks):
            try:
                reply = say(self._prompt(attempt))
            except ValueError:  # no chat completion, empty or too long: as unreadable as a text without a score
                reply = Reply("")
            names.append(reply.model)
            yield Reply(reply.text[:_MOST_CHARACTERS], reply.model)

    def _prompt(self, attempt: int) -> Prompt:
        benchmark = self.benchmark
        return Prompt(
            benchmark.judge_prompt(self.item, self.answer, again=attempt > 0),
            instruction=benchmark.judge_instruction,
            temperature=min(_HOTTEST, benchmark.temperature + max(0, attempt - 1) * benchmark.warmer),
            max_tokens=benchmark.max_reply_tokens,
        )
