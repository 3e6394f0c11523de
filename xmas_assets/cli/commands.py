"""What each CLI command does. Parsing of arguments is ``cli.py``'s; running assets is ``runs.py``'s."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from xmas_assets.cli.dataset_commands import OUT, add_dataset, print_frame
from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.contracts.errors import SettingsError, StoreError
from xmas_assets.contracts.manifest import Manifest
from xmas_assets.contracts.settings import MethodsSettings
from xmas_assets.data.export import export_subset
from xmas_assets.data.inputs import Inputs
from xmas_assets.data.registration import load_registration, registered_names, registration_path
from xmas_assets.evaluation.leaderboard import compare_selections
from xmas_assets.home.home import Home
from xmas_assets.report.advice import recommend
from xmas_assets.report.agreement import agreement_cells, agreement_verdict
from xmas_assets.report.redundancy import REDUNDANCY_NOTE, redundancy_cells
from xmas_assets.report.tables import render_text
from xmas_assets.selection.registry import METHODS, method_table, parameters_of, supplies_of
from xmas_assets.stages.publishing import scored_answers
from xmas_assets.stages.redundancy import measure_dataset
from xmas_assets.stages.subsets import read_manifest, resolve_method
from xmas_assets.stages.subsets import verify as verify_manifest
from xmas_assets.store.database import connect, query

_ERR = Console(stderr=True, highlight=False)
_DEMO = "demo"


def announce_home() -> None:
    """Say where everything lives, as the first line."""
    _ERR.print(f"XMAS_HOME {Home.open().path()}", style="dim", markup=False, soft_wrap=True)


def run(
    dataset: str,
    *,
    methods: Sequence[str],
    budgets: Sequence[str],
    seeds: int,
    workers: int,
    stages: Sequence[str] | None = None,
) -> None:
    """Bring selections up to date; then, if models were scored, print the leaderboard."""
    keys = selection_keys(methods, budgets, seeds, settings=Home.open().settings(dataset).methods)
    from xmas_assets.orchestration.platform import Platform
    from xmas_assets.orchestration.selection_runs import SELECTION_STAGES, run_selections

    platform = Platform.open(Home.open(Home.open().path()))
    stages = stages or SELECTION_STAGES
    run_selections(
        platform, dataset, keys, stages=stages, workers=workers, say=lambda line: _ERR.print(line, markup=False)
    )
    if "benchmark_scores" in stages:
        show_leaderboard(dataset)
    else:
        for key in keys:
            n_rows = Home.open().stored("selected_subset", f"{dataset}|{key}")["subset"].n_rows
            OUT.print(f"{key}  {n_rows:,} rows", markup=False)


def selection_keys(
    methods: Sequence[str], budgets: Sequence[str], seeds: int, *, settings: MethodsSettings
) -> list[SelectionKey]:
    """Every method at every budget and seed; ``full`` once per seed. Unknown methods are refused here."""
    keys = [
        SelectionKey.make(method, "1" if method == "full" else budget, seed)
        for method in methods
        for budget in (budgets if method != "full" else budgets[:1])
        for seed in range(seeds)
    ]
    for key in keys:
        resolve_method(key, settings)
    return list(dict.fromkeys(keys))


def show_leaderboard(dataset: str) -> None:
    """Print the stored leaderboard, and where the report and the UI are."""
    home = Home.open()
    load_registration(home.path(), dataset)
    table = home.stored("leaderboard", dataset)["leaderboard"].scan().collect()
    OUT.print(render_text(table, title=f"Leaderboard of {dataset}"))
    OUT.print(f"Report: {home.report(dataset)}", markup=False, soft_wrap=True)
    OUT.print("Open the UI: make ui   (or: xmas ui), then http://127.0.0.1:3000", markup=False)


def compare(dataset: str, first: str, second: str) -> None:
    """Print the paired difference of two methods, overall and per task."""
    home = Home.open()
    answers = scored_answers(home, load_registration(home.path(), dataset).name)
    frame = compare_selections(answers, _method_budget(first), _method_budget(second))
    print_frame(frame)


def check_theory(dataset: str) -> None:
    """Bring the theory check up to date, and print it with its verdict."""
    home = _bring_up_to_date(dataset, "attention_gradient_agreement")
    table = home.stored("attention_gradient_agreement", dataset)["agreement"].scan().collect()
    print_frame(agreement_cells(table))
    for sentence in agreement_verdict(table):
        OUT.print(sentence, markup=False)


def advise(dataset: str) -> None:
    """Print how much the dataset repeats itself, and what that advises."""
    measures = measure_dataset(_bring_up_to_date(dataset, "clip_embeddings"), dataset)
    print_frame(redundancy_cells(measures))
    OUT.print(REDUNDANCY_NOTE, markup=False)
    OUT.print(f"Advice: {recommend(measures)}", markup=False)


def _bring_up_to_date(dataset: str, asset: str) -> Home:
    load_registration(Home.open().path(), dataset)
    from xmas_assets.orchestration.platform import Platform
    from xmas_assets.orchestration.selection_runs import bring_up_to_date

    platform = Platform.open(Home.open(Home.open().path()))
    bring_up_to_date(platform, dataset, asset, say=lambda line: _ERR.print(line, markup=False))
    return platform.home


def export(dataset: str, selection: str, *, to: Path, format: str | None, force: bool) -> None:  # noqa: A002
    """Write a subset's original records and its manifest."""
    home = Home.open()
    registration = load_registration(home.path(), dataset)
    key = SelectionKey.parse(selection)
    subset, raw = home.stored("selected_subset", f"{dataset}|{key}"), home.stored("raw_dataset", dataset)
    manifest = read_manifest(subset)
    if manifest.upstream["raw_dataset"] != raw.version:
        raise StoreError(f"{dataset} was read again since {key} was selected; bring it up to date: xmas select")
    places = raw["samples"].scan().select("row", "source_file", "source_row")
    chosen = subset["subset"].scan().select("row").join(places, on="row").sort("row", maintain_order=True).collect()
    written = export_subset(
        registration,
        chosen.select("source_file", "source_row").iter_rows(),
        manifest=manifest,
        to=to,
        inputs=Inputs.of_home(home.path()),
        file_format=format,
        force=force,
    )
    OUT.print(f"{manifest.n_selected:,} records in {to}, manifest in {written}", markup=False, soft_wrap=True)


def verify(path: Path) -> None:
    """Replay a manifest."""
    OUT.print(f"verified: {verify_manifest(Home.open(), Manifest.read(path))}", markup=False)


def sql(text: str) -> None:
    """Run one query on the stored tables."""
    with connect(Home.open().tables()) as connection:
        print_frame(query(connection, text))


def list_methods(*, markdown: bool) -> None:
    """Print the methods, for people or as the README's table."""
    if markdown:
        print(method_table())
        return
    table = Table("method", "paper", "needs", "cost", "nested")
    for name, method in METHODS.items():
        needs = ", ".join(sorted(method.needs)) or "-"
        table.add_row(name, method.paper, needs, method.cost, "yes" if method.nested else "no")
    OUT.print(table)
    for name, method in METHODS.items():
        for parameter in parameters_of(method):
            OUT.print(f"{name}: {parameter}", markup=False)
    for supply in supplies_of(METHODS):
        OUT.print(supply, markup=False)
    for problem in METHODS.problems().values():
        _ERR.print(problem, markup=False, soft_wrap=True)


def status(dataset: str | None) -> None:
    """Per dataset and asset: how many partitions are made, stale, missing."""
    from xmas_assets.orchestration.platform import Platform

    home = Home.open(Home.open().path())
    names = registered_names(home.path()) if dataset is None else [load_registration(home.path(), dataset).name]
    platform = Platform.open(home)
    table = Table("dataset", "asset", "fresh", "stale", "missing")
    for name in names:
        platform.observe(name)
        for asset, counts in platform.freshness().counts(name).items():
            table.add_row(name, asset, *(str(counts[state]) for state in ("FRESH", "STALE", "MISSING")))
    OUT.print(table)


def demo(*, workers: int) -> None:
    """The whole way on the embedded dataset."""
    home = Home.open()
    if not registration_path(home.path(), _DEMO).exists():
        add_dataset(_DEMO, annotations=[], embedded=True, profile="tiny")
    run(_DEMO, methods=["xmas", "random", "full"], budgets=["0.05", "0.2"], seeds=3, workers=workers)


def _method_budget(text: str) -> tuple[str, str]:
    method, _, budget = text.partition("@")
    if not budget:
        raise SettingsError(f"{text!r} is not understood; write METHOD@BUDGET, for example xmas@0.20")
    return method, SelectionKey.make(method, budget, 0).budget_text


def doctor() -> int:
    """Print what this machine lacks; returns the exit code."""
    from xmas_assets.cli.serving import findings

    bad = 0
    for finding in findings(Home.open()):
        mark = "ok  " if finding.ok else "BAD "
        OUT.print(
            f"{mark} {finding.seen}" + ("" if finding.ok else f"  ->  {finding.remedy}"), markup=False, soft_wrap=True
        )
        bad += not finding.ok
    return 2 if bad else 0


def serve(*, host: str, port: int, mlflow_port: int, allow_remote: bool, allowed_hosts: Sequence[str]) -> None:
    """Serve the UIs."""
    from xmas_assets.cli import serving

    serving.serve(
        Home.open(),
        host=host,
        port=port,
        mlflow_port=mlflow_port,
        allow_remote=allow_remote,
        allowed_hosts=allowed_hosts,
    )
