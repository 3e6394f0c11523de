"""Everything known about a dataset brought together: leaderboard, per-task scores, costs and the HTML report."""

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from xmas_assets.contracts.artifacts import SelectionKey, parse_partition
from xmas_assets.contracts.errors import StoreError
from xmas_assets.contracts.signals import SIGNAL_ASSETS
from xmas_assets.evaluation.baselines import blind_scores
from xmas_assets.evaluation.leaderboard import build_leaderboard, build_per_task, rel_percent_by_seed
from xmas_assets.home.home import Home
from xmas_assets.home.records import held_out_questions, training_samples
from xmas_assets.home.stored_tables import StoredTables, read_checkpoints, read_sums
from xmas_assets.home.versions import code_version
from xmas_assets.report.contamination import contamination_notes, exclusion_notes
from xmas_assets.report.describe import cluster_rows, sample_figure, task_counts
from xmas_assets.report.figures import (
    budget_score_figure,
    cluster_size_figure,
    trajectory_figure,
)
from xmas_assets.report.html import write_report
from xmas_assets.report.sheets import task_composition_figure
from xmas_assets.stages.answering import ANSWERING, answering_table, asking_notes
from xmas_assets.stages.benchmark_states import STATES, benchmark_states
from xmas_assets.stages.comparison import compare_benchmarks
from xmas_assets.stages.contaminated_pairs import contamination_figures
from xmas_assets.stages.contamination import CONTAMINATION, scored_contamination
from xmas_assets.stages.costs import cost_tables, selection_hours
from xmas_assets.stages.subsets import EXCLUDED, exclusion_table

Figure = tuple[str, bytes, str]
ScoredModel = tuple[SelectionKey, str, float | None]


@dataclass(frozen=True)
class Published:
    """What is published about a dataset.

    Attributes:
        tables: ``leaderboard``, ``per_task``, ``baselines``, those of ``compare_benchmarks`` and
            ``benchmark_states``, ``answering``, ``contamination`` and ``excluded``.
        scored_models: Selection, content digest and Rel% (None: not known) of every scored model that is still stored.
        report: The HTML report.
        notes: What is said beside the scores of how targets were asked.
    """

    tables: dict[str, pl.DataFrame]
    scored_models: list[ScoredModel]
    report: Path
    notes: list[str]


def publish(home: Home, dataset: str, raw: StoredTables, scores: Mapping[str, StoredTables]) -> Published:
    """Build the leaderboard from all scored selections of a dataset, and write ``report.html``.

    Raises:
        StoreError: If no selection was scored yet.
    """
    questions, answers = held_out_questions(raw), gather_answers(scores)
    if not questions:  # answers to test records that the dataset had before do not count
        answers = answers.clear()
    baselines = blind_scores(training_samples(raw), questions, answers.select("question_id").unique())
    hours = selection_hours(home, scores)
    leaderboard = build_leaderboard(answers, baselines, costs=_cpu_seconds(hours))
    per_task = build_per_task(answers, baselines)
    compared = compare_benchmarks(home, dataset, raw, scores, blind=baselines)
    answering, costs = answering_table(scores), cost_tables(hours)
    contaminated = scored_contamination(home, dataset)
    excluded = exclusion_table(home, scores)
    notes = [*contamination_notes(contaminated), *exclusion_notes(excluded), *asking_notes(home, dataset, answering)]
    states = benchmark_states(home, dataset, scores)
    report = home.report(dataset)
    write_report(
        report,
        dataset=dataset,
        leaderboard=leaderboard,
        per_task=per_task,
        figures=[
            *_figures(home, dataset, raw, scores=scores, leaderboard=leaderboard),
            *contamination_figures(home, dataset),
        ],
        provenance=_made_by(dataset, scores, leaderboard, states=states) | _provenance(home, dataset, raw),
        quarantine=raw["quarantine"].scan().select("split", "source_row", "reason", "detail").collect(),
        compared=compared,
        costs=costs,
        states=states,
        notes=notes,
    )
    gathered = pl.concat([frame.with_columns(baseline=pl.lit(name)) for name, frame in baselines.items()])
    tables = {"leaderboard": leaderboard, "per_task": per_task, "baselines": gathered, **compared, **costs, **states}
    tables |= {ANSWERING: answering} if len(answering) else {}
    tables |= {} if contaminated is None else {CONTAMINATION: contaminated}
    tables |= {} if excluded is None else {EXCLUDED: excluded}
    return Published(tables, _scored_models(home, scores, rel_percent_by_seed(answers, leaderboard)), report, notes)


def stored_answers(home: Home, dataset: str) -> pl.DataFrame:
    """The answers of all scored selections of a dataset; as ``gather_answers``.

    Raises:
        StoreError: If no selection was scored yet.
    """
    partitions = home.stored_partitions("benchmark_scores", dataset)
    if not partitions:
        raise StoreError(f"no selection of {dataset!r} has been scored yet; run: xmas run {dataset} --method random")
    return gather_answers({partition: home.stored("benchmark_scores", partition) for partition in partitions})


def gather_answers(scores: Mapping[str, StoredTables]) -> pl.DataFrame:
    """The answers of all selections, each with its ``method``, ``budget`` and ``seed``; by partition key."""
    frames = []
    for partition, tables in sorted(scores.items()):
        _, key = parse_partition(partition)
        frame = tables["answers"].scan().select("question_id", "image_hash", "task", "score").collect()
        image = pl.col("image_hash").replace("", None)
        frames.append(
            frame.with_columns(image, method=pl.lit(key.method), budget=pl.lit(key.budget_text), seed=pl.lit(key.seed))
        )
    return pl.concat(frames)


def _cpu_seconds(hours: pl.DataFrame) -> pl.DataFrame:
    """CPU seconds of selection and training, per selection, as the leaderboard shows them."""
    stages = {"cpu_seconds_selection": "select", "cpu_seconds_training": "train"}
    seconds = [(3600 * pl.col("cpu_hours").filter(stage=stage)).first().alias(name) for name, stage in stages.items()]
    return hours.group_by("method", "budget", "seed", maintain_order=True).agg(seconds)


def _scored_models(
    home: Home, scores: Mapping[str, StoredTables], rel: Mapping[tuple[str, str, int], float]
) -> list[ScoredModel]:
    models = []
    for partition in sorted(scores):
        _, key = parse_partition(partition)
        value = rel.get((key.method, key.budget_text, key.seed))
        if home.is_stored("target_model", partition):
            trained = read_checkpoints(home.stored("target_model", partition)["checkpoints"], home.path())[-1]
            models.append((key, trained.digest, value))
    return models


def _figures(
    home: Home, dataset: str, raw: StoredTables, *, scores: Mapping[str, StoredTables], leaderboard: pl.DataFrame
) -> list[Figure]:
    figures: list[Figure] = []
    if len(leaderboard.filter(pl.col("budget").is_not_null(), pl.col("method") != "full")):
        figures.append(("Score by budget", budget_score_figure(leaderboard), "Mean over tasks; bars: 95 % intervals."))
    compositions = {"whole dataset": task_counts(raw["samples"])}
    for partition in sorted(scores):
        _, key = parse_partition(partition)
        if key.seed == 0 and key.method != "full" and home.is_stored("selected_subset", partition):
            rows = home.stored("selected_subset", partition)["subset"].column("row")
            compositions[f"{key.method} {key.budget_text}"] = task_counts(raw["samples"], rows)
    figures.append(("Composition", task_composition_figure(compositions), "Share of each task; seed 0 of each method."))
    if home.is_stored("clusters", dataset):
        labels = home.stored("clusters", dataset)["clusters"].column("label")
        trajectories = read_sums(home.stored("attention_trajectories", dataset))
        picture = sample_figure(raw["samples"], cluster_rows(labels), home.open_image(dataset))
        figures += [
            (
                "Trajectories",
                trajectory_figure(trajectories.sums, labels, steps=trajectories.steps),
                "Cross-modal attention over the proxy's training.",
            ),
            ("Cluster sizes", cluster_size_figure(labels), "Rows per cluster, largest first."),
            ("Samples per cluster", picture, "Some rows of some clusters, from large to small."),
        ]
    return figures


def _made_by(
    dataset: str,
    scores: Mapping[str, StoredTables],
    leaderboard: pl.DataFrame,
    *,
    states: Mapping[str, pl.DataFrame],
) -> dict[str, str]:
    """What the numbers rest on: questions, code, and the commands that make them again."""
    keys = [parse_partition(partition)[1] for partition in scores]
    counts = [f"{n:,}" for n in leaderboard["n_questions"].head(1)]
    if STATES in states:
        counts += [f"{n:,} of {name}" for name, n in states[STATES].select("benchmark", "n_questions").iter_rows()]
    return {
        "questions": ", ".join(counts),
        "code": code_version(),
        "command": " && ".join(run_commands(dataset, keys)),
    }


def run_commands(dataset: str, keys: Iterable[SelectionKey]) -> list[str]:
    """The ``xmas run`` commands that make these selections: one per set of budgets and number of seeds.

    Example:
        >>> run_commands("mine", [SelectionKey.make("random", "0.2", seed) for seed in (0, 1)])
        ['xmas run mine --method random --budget 0.20 --seeds 2']
    """
    by_method: dict[str, list[SelectionKey]] = {}
    for key in sorted(keys, key=lambda key: (key.method, key.budget, key.seed)):
        by_method.setdefault(key.method, []).append(key)
    methods: dict[tuple[str, int], list[str]] = {}
    for method, of_method in by_method.items():
        budgets = "".join(f" --budget {text}" for text in dict.fromkeys(key.budget_text for key in of_method))
        n_seeds = 1 + max(key.seed for key in of_method)
        methods.setdefault(("" if method == "full" else budgets, n_seeds), []).append(f" --method {method}")
    return [
        f"xmas run {shlex.quote(dataset)}{''.join(named)}{budgets} --seeds {n_seeds}"
        for (budgets, n_seeds), named in methods.items()
    ]


def _provenance(home: Home, dataset: str, raw: StoredTables) -> dict[str, str]:
    settings = home.settings(dataset)
    sections = {name: getattr(settings, name).model_dump_json() for name in type(settings).model_fields}
    assets = [
        "base_model",
        "target_base",
        "proxy_checkpoints",
        *SIGNAL_ASSETS,
    ]
    versions = {name: home.stored(name, dataset).version for name in assets if home.is_stored(name, dataset)}
    return {**versions, "raw_dataset": raw.version, **{f"settings: {name}": text for name, text in sections.items()}}
