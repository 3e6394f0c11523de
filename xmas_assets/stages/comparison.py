"""What all scored targets of a dataset reach on its benchmarks, compared."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import ClassVar, TypeVar

import polars as pl

from xmas_assets.contracts.artifacts import parse_partition
from xmas_assets.contracts.errors import StoreError
from xmas_assets.contracts.samples import Sample
from xmas_assets.core.arrays import FloatArray
from xmas_assets.data.benchmark_registration import BenchmarkRegistration
from xmas_assets.evaluation.baselines import blind_scores
from xmas_assets.evaluation.benchmark_resamples import Model, Scored
from xmas_assets.evaluation.benchmarks.base import Benchmark, Item, Unit
from xmas_assets.evaluation.benchmarks.registry import benchmark_named
from xmas_assets.evaluation.comparison import compare
from xmas_assets.evaluation.pairs import compare_pair
from xmas_assets.evaluation.scorers import question_of
from xmas_assets.home.home import Home
from xmas_assets.home.records import held_out_questions, training_samples
from xmas_assets.home.stored_tables import StoredTables
from xmas_assets.stages.benchmarks import benchmark_items, first_images, items_of
from xmas_assets.stages.judging import replies_of, runs_of

ANSWERS = "benchmark_answers"
COMPARED = ("benchmarks", "benchmark_selections", "benchmark_overall", "data_saved", "benchmark_seeds")
"""Tables of the comparison: those of ``evaluation.comparison.Comparison`` in its order."""

Side = TypeVar("Side")
_OWN = ["question_id", "image_hash", "task", "score"]


def compare_benchmarks(
    home: Home,
    dataset: str,
    raw: StoredTables,
    scores: Mapping[str, StoredTables],
    *,
    blind: Mapping[str, pl.DataFrame],
) -> dict[str, pl.DataFrame]:
    """The comparison of all scored selections over benchmarks and the own test set, by the names in ``COMPARED``.

    A benchmark that no target was asked, whose right answers are not published, or that was not judged takes no part.
    No tables if there is none left.

    Args:
        home: The platform's folder.
        dataset: Dataset name.
        raw: Its records, for the blind baselines.
        scores: The stored answers, by partition key.
        blind: The blind baselines on the dataset's own test questions, as from ``blind_scores``.
    """
    scored = scored_benchmarks(home, dataset, raw, scores, blind=blind)
    first = next(scored, None)
    if first is None:
        return {}
    found = compare(chain([first], scored))
    tables = (found.benchmarks, found.selections, found.overall, found.data_saved, found.seeds)
    return dict(zip(COMPARED, tables, strict=True))


def compare_on_benchmarks(home: Home, dataset: str, first: tuple[str, str], second: tuple[str, str]) -> pl.DataFrame:
    """Two selections (method and budget as a decimal string) on each benchmark and the own test set.

    Returns:
        As ``evaluation.pairs.compare_pair``; no rows if the dataset names no benchmark that was scored.

    Raises:
        StoreError: If one of them was not scored.
    """
    scored = {each: _model_of(each) for each in home.stored_partitions("benchmark_scores", dataset)}
    known = sorted({model[:2] for model in scored.values()})
    for method, budget in (first, second):
        if (method, budget) not in known:
            there = ", ".join("@".join(each) for each in known) or "none"
            raise StoreError(f"{method}@{budget} has not been scored; there are {there}")
    if not home.registration(dataset).benchmarks:
        return compare_pair([], first, second)
    wanted = [each for each, model in scored.items() if model[:2] in (first, second) or model.method == "full"]
    scores = {partition: home.stored("benchmark_scores", partition) for partition in wanted}
    raw = home.stored("raw_dataset", dataset)
    own = pl.concat([tables["answers"].frame(["question_id"]) for tables in scores.values()]).unique()
    blind = blind_scores(training_samples(raw), held_out_questions(raw), own)
    return compare_pair(scored_benchmarks(home, dataset, raw, scores, blind=blind), first, second)


def scored_benchmarks(
    home: Home,
    dataset: str,
    raw: StoredTables,
    scores: Mapping[str, StoredTables],
    *,
    blind: Mapping[str, pl.DataFrame],
) -> Iterator[Scored]:
    """What was scored on each benchmark and then on the own test set, for a comparison; args as ``compare_benchmarks``.

    None without a benchmark that takes part; of the own test set alone there is a leaderboard.
    """
    names = home.registration(dataset).benchmarks
    train = training_samples(raw) if names else []
    n_scored = 0
    for name in names:
        scored = _scored(home, name, scores, train=train)
        if scored is not None:
            n_scored += 1
            yield scored
    if n_scored and held_out_questions(raw):
        yield _own_scored(scores, blind)


def blind_answers(items: Sequence[Item], train: Sequence[Sample]) -> dict[str, dict[str, str]]:
    """The answers of two guessers that never look at an image, by name and item id.

    ``majority`` always gives the right answer that is most frequent in the benchmark itself, so it knows more than a
    guesser could. ``question_prior`` gives the most frequent training answer to the very same question, else that.

    Args:
        items: The benchmark's.
        train: What was trained on.
    """
    references = Counter(text for item in items for text in item.references)
    majority = min(references, key=lambda text: (-references[text], text))
    wanted = {text.casefold() for item in items for text in (item.question, item.prompt)}
    seen: dict[str, Counter[str]] = {}
    for sample in train:
        for turn, said in enumerate(sample.turns):
            question = question_of(sample, turn).casefold() if said.role == "assistant" else None
            if question in wanted:
                seen.setdefault(question, Counter())[said.text] += 1
    best = {question: min(said, key=lambda text: (-said[text], text)) for question, said in seen.items()}
    prior = {
        item.item_id: best.get(item.question.casefold(), best.get(item.prompt.casefold(), majority)) for item in items
    }
    return {"majority": dict.fromkeys(prior, majority), "question_prior": prior}


def _scored(home: Home, name: str, scores: Mapping[str, StoredTables], *, train: Sequence[Sample]) -> Scored | None:
    """What the targets reached on one benchmark, and the blind guessers unless a judge would have to score them.

    None if no target has a score.
    """
    registration = home.benchmarks.registration(name)
    benchmark = benchmark_named(registration.form)
    asked = {
        partition: tables
        for partition, tables in sorted(scores.items())
        if ANSWERS in tables and _has_scores(tables, registration)
    }
    if not asked:
        return None
    tables = benchmark_items(home, name)
    items = [item for item in items_of(tables) if benchmark.is_scored(item)]
    if not items:
        return None
    runs = {_model_of(partition): partial(_runs, tables, registration) for partition, tables in asked.items()}
    blind = {} if benchmark.judged else blind_answers(items, train)
    guesses = {who: partial(list, [given]) for who, given in blind.items()}
    return Scored(
        benchmark=benchmark,
        models=_UnitsOf(benchmark, items, runs),
        baselines=_UnitsOf(benchmark, items, guesses),
        images=first_images(tables),
        n_items=len(items) + tables["refused"].n_rows,
        name=name,
    )


class OwnTest:
    """The dataset's own test set as a benchmark: mean over tasks of exact match, percent, as on the leaderboard."""

    name: ClassVar[str] = "(own test)"  # no registered benchmark can be called this
    maximum: ClassVar[float] = 100.0

    def stratum_score(self, means: FloatArray) -> FloatArray:
        """As ``Benchmark.stratum_score``."""
        return means[..., 0]


def _own_scored(scores: Mapping[str, StoredTables], blind: Mapping[str, pl.DataFrame]) -> Scored:
    """What the targets and the blind guessers reached on the dataset's own test questions."""
    models = {_model_of(partition): _own_units(tables["answers"].frame(_OWN)) for partition, tables in scores.items()}
    baselines = {name: _own_units(frame.select(_OWN)) for name, frame in blind.items()}
    frame = pl.concat([tables["answers"].frame(_OWN) for tables in scores.values()]).unique("question_id")
    images = {item: image for item, image in frame.select("question_id", "image_hash").iter_rows() if image}
    return Scored(benchmark=OwnTest(), models=models, baselines=baselines, images=images, n_items=len(frame))


def _own_units(answers: pl.DataFrame) -> list[Unit]:
    rows = answers.drop_nulls("score").iter_rows(named=True)
    return [Unit((row["question_id"],), row["task"] or "(none)", (float(row["score"]),)) for row in rows]


@dataclass(frozen=True)
class _UnitsOf(Mapping[Side, Sequence[Unit]]):
    """Units of each side, made when they are asked for: those of all sides at once take gigabytes."""

    benchmark: Benchmark
    questions: Sequence[Item]
    runs: Mapping[Side, Callable[[], Sequence[Mapping[str, str]]]]

    def __getitem__(self, side: Side) -> Sequence[Unit]:
        return self.benchmark.units_over_runs(self.questions, self.runs[side]())

    def __iter__(self) -> Iterator[Side]:
        return iter(self.runs)

    def __len__(self) -> int:
        return len(self.runs)


def _model_of(partition: str) -> Model:
    _, key = parse_partition(partition)
    return Model(key.method, key.budget_text, key.seed)


def _has_scores(tables: StoredTables, registration: BenchmarkRegistration) -> bool:
    """Whether a target answered a benchmark, and, if a judge scores it, was judged."""
    if benchmark_named(registration.form).judged:
        return not replies_of(tables, registration).is_empty()
    return not _answered(tables, registration).limit(1).collect().is_empty()


def _runs(tables: StoredTables, registration: BenchmarkRegistration) -> list[dict[str, str]]:
    """What scores a target on a benchmark, by item id: its answers, or what its judge said in each run."""
    if benchmark_named(registration.form).judged:
        return runs_of(replies_of(tables, registration))
    return [dict(_answered(tables, registration).select("item_id", "answer").collect().iter_rows())]


def _answered(tables: StoredTables, registration: BenchmarkRegistration) -> pl.LazyFrame:
    return tables[ANSWERS].scan().filter(pl.col("answer").is_not_null(), benchmark=registration.name)
