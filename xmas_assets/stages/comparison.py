"""What all scored targets of a dataset reach on its benchmarks, compared."""

from collections import Counter
from collections.abc import Mapping, Sequence

import polars as pl

from xmas_assets.contracts.artifacts import parse_partition
from xmas_assets.contracts.samples import Sample
from xmas_assets.evaluation.benchmark_resamples import Model, Scored
from xmas_assets.evaluation.benchmarks.base import Item
from xmas_assets.evaluation.benchmarks.registry import benchmark_named
from xmas_assets.evaluation.comparison import compare
from xmas_assets.evaluation.scorers import question_of
from xmas_assets.home.home import Home
from xmas_assets.home.records import training_samples
from xmas_assets.home.stored_tables import StoredTables
from xmas_assets.stages.benchmarks import benchmark_items, items_of

ANSWERS = "benchmark_answers"
COMPARED = ("benchmarks", "benchmark_selections", "benchmark_overall", "data_saved")
"""Tables of the comparison: those of ``evaluation.comparison.Comparison`` in its order."""


def compare_benchmarks(
    home: Home, dataset: str, raw: StoredTables, scores: Mapping[str, StoredTables]
) -> dict[str, pl.DataFrame]:
    """The comparison of all scored selections over the dataset's benchmarks, by the names in ``COMPARED``.

    A benchmark that no target was asked, whose right answers are not published, or that needs a judge takes no part.
    No tables if there is none left.

    Args:
        home: The platform's folder.
        dataset: Dataset name.
        raw: Its records, for the blind baselines.
        scores: The stored answers, by partition key.
    """
    asked = {partition: tables[ANSWERS].frame() for partition, tables in sorted(scores.items()) if ANSWERS in tables}
    names = [name for name in home.registration(dataset).benchmarks if _is_compared(home, name)]
    train = training_samples(raw) if asked and names else []
    scored = [_scored(home, name, asked, train=train) for name in names]
    scored = [each for each in scored if each.models]
    if not scored:
        return {}
    found = compare(scored)
    tables = (found.benchmarks, found.selections, found.overall, found.data_saved)
    return dict(zip(COMPARED, tables, strict=True))


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


def _is_compared(home: Home, name: str) -> bool:
    return not benchmark_named(home.benchmarks.registration(name).form).judged


def _scored(home: Home, name: str, asked: Mapping[str, pl.DataFrame], *, train: Sequence[Sample]) -> Scored:
    """What the targets and the blind guessers reached on one benchmark."""
    benchmark = benchmark_named(home.benchmarks.registration(name).form)
    tables = benchmark_items(home, name)
    items = [item for item in items_of(tables) if benchmark.is_scored(item)]
    models, images = {}, {}
    for partition, frame in asked.items():
        rows = frame.filter(pl.col("answer").is_not_null(), benchmark=name)
        answers = dict(rows.select("item_id", "answer").iter_rows())
        images |= {item: image for item, image in rows.select("item_id", "image_hash").iter_rows() if image}
        units = benchmark.units(items, answers) if answers else []
        if units:
            _, key = parse_partition(partition)
            models[Model(key.method, key.budget_text, key.seed)] = units
    guesses = blind_answers(items, train) if models else {}
    return Scored(
        benchmark=benchmark,
        models=models,
        baselines={baseline: benchmark.units(items, answers) for baseline, answers in guesses.items()},
        images=images,
        n_items=len(items) + tables["refused"].n_rows,
        name=name,
    )
