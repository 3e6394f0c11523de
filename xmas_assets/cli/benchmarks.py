"""``xmas benchmark``: register, list, show and remove published benchmarks, and compare training rows with them."""

from pathlib import Path
from typing import Annotated

import typer

from xmas_assets.cli.groups import Commands
from xmas_assets.cli.options import (
    NO_BENCHMARKS,
    Benchmarks,
    Dataset,
    benchmark_forms,
    benchmark_names,
    find_home,
    open_home,
    shared_kinds,
)
from xmas_assets.cli.output import note, print_frame, print_table, print_text, prints_tables

app = typer.Typer(cls=Commands, no_args_is_help=True, help="Register, list, show and remove published benchmarks.")
Name = Annotated[str, typer.Argument(help="A registered benchmark.", autocompletion=benchmark_names)]


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="New name, mostly that of the benchmark.")],
    questions: Annotated[list[Path], typer.Option(help="Official question file; several times where there are more.")],
    annotations: Annotated[Path | None, typer.Option(help="Official file of right answers, if it is another.")] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of the images, unless the question file holds them.")
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(help="Which benchmark it is; default: the one of this name.", autocompletion=benchmark_forms),
    ] = None,
    prompt: Annotated[
        str, typer.Option(help="What models are told; {prompt} stands for the benchmark's own prompt.")
    ] = "{prompt}",
    max_new_tokens: Annotated[
        int | None, typer.Option(help="Longest answer, tokens; default: as the benchmark needs.")
    ] = None,
    answering: Annotated[
        str, typer.Option(help="generate, or likelihood: the likeliest option is the answer (seedbench).")
    ] = "generate",
    prompt_style: Annotated[
        str, typer.Option(help="Whose prompts: llava, or family, as the model's own family published them.")
    ] = "llava",
) -> None:
    """Register a benchmark: reads its official files, checks its images, writes XMAS_HOME/benchmarks/NAME.yaml.

    Example: xmas benchmark add pope --questions coco_pope_random.json --questions coco_pope_popular.json
    --questions coco_pope_adversarial.json --images val2014
    """
    from xmas_assets.data.benchmark_registration import BenchmarkRegistration
    from xmas_assets.stages.benchmarks import benchmark_items

    home = open_home()
    options: dict[str, object] = {"annotations": annotations, "images": images, "form": form, "prompt": prompt}
    options |= {"max_new_tokens": max_new_tokens, "answering": answering, "prompt_style": prompt_style}
    registration = BenchmarkRegistration.create(name, questions, **options)
    home.benchmarks.check_new(registration)
    path = registration.save(home.root)
    try:
        items = benchmark_items(home, name)
    except BaseException:
        home.benchmarks.forget(name)
        raise
    print(f"registered {name}: {items['items'].n_rows:,} questions; {path}")
    refused = items["refused"].frame()
    if len(refused):
        first = refused.row(0, named=True)
        note(
            f"{len(refused):,} questions cannot be asked; the first: {first['item_id']}, {first['detail']} (see: xmas "
            f"benchmark show {name})"
        )


@app.command("list")
@prints_tables
def list_all() -> None:
    """List the registered benchmarks, and the forms that can be registered.

    Example: xmas benchmark list
    """
    from xmas_assets.contracts.errors import XmasError
    from xmas_assets.evaluation.benchmarks.registry import BENCHMARKS
    from xmas_assets.stages.benchmarks import benchmark_items

    home = find_home()
    rows: list[tuple[object, ...]] = []
    for name in home.benchmarks.names():
        try:
            items, benchmark = benchmark_items(home, name), BENCHMARKS[home.benchmarks.registration(name).form]
        except XmasError as error:  # which hides no other
            rows.append((name, None, None, None, None))
            note(f"{name} cannot be used: {error}")
            continue
        rows.append((name, benchmark.name, items["items"].n_rows, items["refused"].n_rows, benchmark.metric))
    print_table("benchmarks", ("benchmark", "form", "questions", "refused", "metric"), rows)
    for problem in BENCHMARKS.problems().values():
        note(problem)
    if not rows:
        note(f"forms: {', '.join(BENCHMARKS)}; register one with: xmas benchmark add")


@app.command()
@prints_tables
def show(
    name: Name,
    items: Annotated[int, typer.Option(min=1, max=1000, help="How many questions are shown.")] = 3,
    to: Annotated[
        Path | None,
        typer.Option(help="New .png file to write: their images and right answers, drawn."),
    ] = None,
) -> None:
    """Show a benchmark's registration, some of its questions, and which cannot be asked.

    Example: xmas benchmark show pope --items 12 --to pope.png
    """
    from xmas_assets.data.inputs import Inputs
    from xmas_assets.data.outputs import write_new_file
    from xmas_assets.stages.benchmarks import benchmark_items, item_sheet

    home = find_home()
    if to is not None:
        inputs = Inputs.of_home(home.root)
        write_new_file(to, lambda: item_sheet(home, name, items), suffix=".png", inputs=inputs)
    print_text("registration", home.benchmarks.registration_path(name).read_text(encoding="utf-8"))
    tables = benchmark_items(home, name)
    import polars as pl

    frame = tables["items"].frame(["sample_id", "turns", "images", "references", "categories"])
    told = pl.col("turns").list.first().struct.field("text").alias("prompt")
    shown = frame.select(pl.col("sample_id").alias("item_id"), told, "images", "references", "categories")
    print_frame("questions", shown.head(items))
    refused = tables["refused"].frame()
    if len(refused):
        reasons = refused.group_by("reason", maintain_order=True)
        print_frame("refused", reasons.agg(pl.len().alias("items"), pl.first("detail")))
    if to is not None:
        note(f"drawn: {to}")


@app.command()
@prints_tables
def contamination(
    dataset: Dataset,
    benchmark: Benchmarks = NO_BENCHMARKS,
    kind: Annotated[
        list[str] | None,
        typer.Option(help="Only rows that share this; may be given several times.", autocompletion=shared_kinds),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="New .csv file to write the rows to; default: printed.")] = None,
) -> None:
    """List training rows that share pictures or questions with the dataset's benchmarks and its test records.

    Example: xmas benchmark contamination mine --kind same_question
    """
    from xmas_assets.contracts.contamination import KINDS
    from xmas_assets.contracts.errors import SettingsError
    from xmas_assets.contracts.messages import one_of
    from xmas_assets.data.inputs import Inputs
    from xmas_assets.data.outputs import write_new_file
    from xmas_assets.report.contamination import contamination_notes
    from xmas_assets.stages.contamination import compared_with, contamination_counts, contamination_rows
    from xmas_assets.store.result_files import result_bytes

    home = find_home()
    wrong = sorted(set(kind or []) - KINDS.keys())
    if wrong:
        raise SettingsError(f"kind {wrong[0]!r} is not known; {one_of(wrong[0], KINDS)}")
    names = [home.benchmarks.registration(name).name for name in benchmark] or compared_with(home, dataset)
    if not names:
        raise SettingsError(
            f"{dataset} has neither benchmarks nor test records to compare with; name one with --benchmark (see: xmas "
            "benchmark list)"
        )
    import polars as pl

    rows = contamination_rows(home, dataset, names).filter(pl.col("kind").is_in(kind or list(KINDS)))
    if out is None:
        print_frame("contaminated", rows)
    else:
        content = result_bytes(rows, "csv")
        write_new_file(out, lambda: content, suffix=".csv", inputs=Inputs.of_home(home.root))
        print_text("written", f"{len(rows):,} rows in {out}")
    for sentence in contamination_notes(contamination_counts(home, dataset, names)) or ["No row shares anything."]:
        note(sentence)


@app.command()
def remove(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Forget a benchmark: its registration, its items and the answers to it; never its official files.

    Example: xmas benchmark remove pope --yes
    """
    from xmas_assets.contracts.errors import SettingsError

    home = open_home()
    home.benchmarks.registration(name)
    users = [dataset for dataset in home.datasets() if name in home.registration(dataset).benchmarks]
    if users:
        raise SettingsError(
            f"benchmark {name!r} scores {', '.join(users)}; take it out of 'benchmarks' in "
            f"{home.registration_path(users[0])} first"
        )
    if not yes:
        typer.confirm(f"Remove the registration of {name} and all answers to it?", abort=True)
    home.benchmarks.forget(name)
    print(f"removed {name}; its official files are where they were")
