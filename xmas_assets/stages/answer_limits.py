"""The longest answer that a target may give, and the right answers beyond it: known before anything is trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from xmas_assets.contracts.samples import Sample
from xmas_assets.contracts.settings import BenchmarkSettings
from xmas_assets.data.benchmark_registration import BenchmarkRegistration
from xmas_assets.evaluation.answers import REFERENCE_CUT, Remark
from xmas_assets.evaluation.benchmarks.base import Item
from xmas_assets.evaluation.benchmarks.family_prompts import family_prompt
from xmas_assets.evaluation.benchmarks.registry import benchmark_named
from xmas_assets.home.home import Home
from xmas_assets.home.records import held_out_questions
from xmas_assets.home.stored_tables import read_base
from xmas_assets.stages.benchmarks import benchmark_items, family_at, items_of

_SHORTEST, _LONGEST = 16, 1024
"""Bounds of what follows the right answers: room for an answer in other words, and an end to what never ends."""


@dataclass(frozen=True)
class AnswerLimit:
    """The longest answer, and what it does to right answers.

    Attributes:
        tokens: Longest answer, tokens with the end token.
        cut: Tokens of the shortest right answer, by question id, where that is longer than ``tokens``.
        n_questions: How many questions with right answers there are.
    """

    tokens: int
    cut: Mapping[str, int]
    n_questions: int

    def remarks(self, benchmark: str | None = None) -> list[Remark]:
        """A remark on every question that no right answer can be given to."""
        return [Remark(benchmark, question, REFERENCE_CUT, tokens) for question, tokens in self.cut.items()]


def own_limit(samples: Sequence[Sample], settings: BenchmarkSettings, *, base: Path) -> AnswerLimit:
    """The longest answer to a dataset's own test questions.

    Args:
        samples: The test set.
        settings: How targets are asked.
        base: Directory of the targets' base, whose tokenizer counts.
    """
    from xmas_assets.evaluation.runner import chosen_questions, right_answers

    references = right_answers(samples, chosen=chosen_questions(samples, settings.max_questions))
    return _limit({name: (text,) for name, text in references.items()}, settings.max_new_tokens, base=base)


def benchmark_limit(registration: BenchmarkRegistration, items: Sequence[Item], *, base: Path) -> AnswerLimit:
    """The longest answer to a benchmark's questions; the benchmark's own unless the registration sets another."""
    references = {item.item_id: item.references for item in items if item.references}
    if registration.max_new_tokens is None:
        return AnswerLimit(benchmark_named(registration.form).max_new_tokens, {}, len(references))
    return _limit(references, registration.max_new_tokens, base=base)


def cut_references(home: Home, dataset: str) -> list[str]:
    """A sentence for each limit, of the dataset and of its benchmarks, that right answers exceed.

    Args:
        home: The platform's folder, with ``raw_dataset`` and ``target_base``.
        dataset: Dataset name.

    Raises:
        SettingsError: If a benchmark is to be asked in a family's own words, and those are not known.
    """
    base, raw = read_base(home.stored("target_base", dataset)), home.stored("raw_dataset", dataset)
    limit = own_limit(held_out_questions(raw), home.settings(dataset).benchmark, base=base)
    found = [_sentence(limit, f"test questions of {dataset}", f"benchmark.max_new_tokens of {dataset}")]
    for name in home.registration(dataset).benchmarks:
        registration = home.benchmarks.registration(name)
        if registration.prompt_style == "family":
            family_prompt(family_at(base), registration.form)  # refused now rather than when targets are trained
        if registration.max_new_tokens is not None:
            limit = benchmark_limit(registration, items_of(benchmark_items(home, name)), base=base)
            where = f"max_new_tokens in {home.benchmarks.registration_path(name)}"
            found.append(_sentence(limit, f"questions of {name}", where))
    return [sentence for sentence in found if sentence]


def _limit(references: Mapping[str, Sequence[str]], tokens: int | None, *, base: Path) -> AnswerLimit:
    from xmas_assets.vlm.answer_lengths import answer_tokens

    texts = list(dict.fromkeys(text for texts in references.values() for text in texts))
    lengths = dict(zip(texts, answer_tokens(base, texts).tolist(), strict=True)) if texts else {}
    needed = {name: min(lengths[text] for text in texts) for name, texts in references.items()}
    longest = max(needed.values(), default=0)
    limit = min(max(longest, _SHORTEST), _LONGEST) if tokens is None else tokens
    return AnswerLimit(limit, {name: n for name, n in needed.items() if n > limit}, len(needed))


def _sentence(limit: AnswerLimit, what: str, where: str) -> str:
    if not limit.cut:
        return ""
    longest = max(limit.cut.values())
    return (
        f"answers end after {limit.tokens} tokens, so {len(limit.cut):,} of {limit.n_questions:,} {what} cannot be "
        f"answered right (the longest right answer has {longest:,} tokens); set {where} to {longest} or more"
    )
