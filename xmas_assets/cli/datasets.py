"""``xmas dataset``: register, list, show and remove datasets."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xmas_assets.cli.first_look import print_first_look
from xmas_assets.cli.groups import Commands
from xmas_assets.cli.options import (
    NO_BENCHMARKS,
    Benchmarks,
    Dataset,
    duplicate_rules,
    find_home,
    format_names,
    open_home,
    profile_names,
    task_rules,
)
from xmas_assets.cli.output import fail, note, print_frame, print_table, print_text, prints_tables

if TYPE_CHECKING:
    from xmas_assets.data.registration import Registration
    from xmas_assets.home.home import Home

app = typer.Typer(cls=Commands, no_args_is_help=True, help="Register, list, show and remove datasets.")
_NO_FILES: list[Path] = []
_NO_WORDS: list[str] = []


@app.command()
@prints_tables
def add(
    name: Annotated[str, typer.Argument(help="New name: a-z, 0-9, '_', '-', '.'.")],
    annotations: Annotated[
        list[Path],
        typer.Option(
            help="Annotation file, quoted pattern, folder or hf://OWNER/NAME@COMMIT; repeatable. Required unless --toy."
        ),
    ] = _NO_FILES,
    test: Annotated[list[Path], typer.Option(help="Held-out records to score on.")] = _NO_FILES,
    validation: Annotated[list[Path], typer.Option(help="Records of target tasks, for less and icons.")] = _NO_FILES,
    images: Annotated[
        Path | None, typer.Option(help="Folder, ZIP or TAR file that image references are relative to.")
    ] = None,
    format: Annotated[  # noqa: A002
        str | None,
        typer.Option(help="Format of the files; found out file by file if left out.", autocompletion=format_names),
    ] = None,
    profile: Annotated[
        str, typer.Option(help="Packaged profile, or path of a YAML file.", autocompletion=profile_names)
    ] = "toy",
    model: Annotated[
        str | None,
        typer.Option(help="Model of proxy and targets: a directory, or owner/name@COMMIT of the hub. Default: toy."),
    ] = None,
    target_model: Annotated[str | None, typer.Option(help="Model of the targets, if it is another.")] = None,
    duplicates: Annotated[
        str,
        typer.Option(help="What to do with records whose id and content came before.", autocompletion=duplicate_rules),
    ] = "keep",
    columns: Annotated[
        list[str], typer.Option(help="THEIRS=OURS: a field that is read under another name; may be repeated.")
    ] = _NO_WORDS,
    task_from: Annotated[
        str | None,
        typer.Option(
            help="Where a record without a task gets one from: the first folder on its first image's path.",
            autocompletion=task_rules,
        ),
    ] = None,
    benchmark: Benchmarks = NO_BENCHMARKS,
    toy: Annotated[
        bool, typer.Option("--toy", "--embedded", help="Generate the toy dataset; --embedded is the former name.")
    ] = False,
) -> None:
    """Register a dataset: writes XMAS_HOME/datasets/NAME.yaml, which you may edit, and shows how records are read.

    Example: xmas dataset add mine --annotations train.json --test test.json --images pictures
    """
    models = {"base_model": model, "target_base": target_model}
    overrides = {section: _model_fields(source) for section, source in models.items() if source is not None}
    options = {"profile": profile, "duplicates": duplicates, "format": format, "validation": validation}
    options["benchmarks"] = benchmark
    options["task_from"] = task_from
    options["overrides"] = overrides
    options["columns"] = dict(map(_column, columns)) or None
    if toy:
        registration = add_toy(open_home(), name, **options)
    else:
        registration = register(open_home(), name, annotations, test=test, images=images, **options)
    print_first_look(registration)


@app.command("list")
@prints_tables
def list_all() -> None:
    """List registered datasets.

    Example: xmas dataset list
    """
    home = find_home()
    rows = []
    for name in home.datasets():
        selections = len(home.stored_partitions("benchmark_scores", name))
        rows.append((name, *_counts(home, name), selections, home.registration(name).profile))
    print_table("datasets", ("dataset", "rows", "quarantined", "selections", "profile"), rows)


@app.command()
@prints_tables
def show(dataset: Dataset) -> None:
    """Show a dataset's registration, its rows and what was quarantined.

    Example: xmas dataset show mine
    """
    from xmas_assets.files.notes import json_value
    from xmas_assets.stages.refused import is_all_refused
    from xmas_assets.stages.sources import source_table

    home = find_home()
    print_text("registration", home.registration_path(dataset).read_text())
    if is_all_refused(home, dataset):
        note(f"no row was left when it was last read; see: xmas dataset refused {dataset}")
    if not home.is_stored("raw_dataset", dataset):
        note(f"not read yet; run: xmas run {dataset} --method random")
        return
    tables = home.stored("raw_dataset", dataset)
    ledger = tables["ledger"].frame()
    print_frame("read", ledger.drop("notices"))
    print_table("notices", ("notice", "records"), json_value(ledger["notices"][0]).items())
    quarantined = tables["quarantine"].frame(["split", "reason"])
    counts = quarantined.group_by("split", "reason", maintain_order=True).len("rows")
    print_frame("quarantined", counts.sort("split", "reason", maintain_order=True))
    sources = source_table(home, dataset)
    print_frame("sources", sources)
    if sources["answer_tokens"].null_count():
        note(f"tokens are not counted yet; they are by: xmas select {dataset} --method length")


@app.command()
def remove(
    dataset: Dataset,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Forget a dataset: its registration and stored tables; never the source files, and not the MLflow runs.

    Example: xmas dataset remove mine --yes
    """
    home = open_home()
    home.registration(dataset)
    if not yes:
        typer.confirm(f"Remove the registration and all stored tables of {dataset}?", abort=True)
    led_to = home.forget(dataset)
    from xmas_assets.orchestration.platform import open_instance

    open_instance(home).delete_dynamic_partition("dataset", dataset)
    print(f"removed {dataset}; its source files are where they were")
    for folder in led_to:
        note(f"a link led to {folder}, which stays; delete it if nothing else needs it")


def register(home: "Home", name: str, annotations: list[Path], **options: Any) -> "Registration":
    """Register a dataset, and say where."""
    from xmas_assets.contracts.errors import SettingsError
    from xmas_assets.data.hub import local
    from xmas_assets.data.registration import Registration

    home.check_new(name)
    if not annotations:
        raise SettingsError("no annotation file was given; add --annotations FILE, or --toy")
    annotations, *others = [
        [local(path, home.hub()) for path in paths]
        for paths in (annotations, options.get("test", []), options.get("validation", []))
    ]
    options |= dict(zip(("test", "validation"), others, strict=True))
    if options.get("images") is None and annotations[0].is_relative_to(home.hub()):
        options["images"] = annotations[0]
    registration = Registration.create(name, annotations, **options)
    print_text("registered", f"registered {name}: {home.register(registration)}")
    return registration


def add_toy(home: "Home", name: str, **options: Any) -> "Registration":
    """Generate the toy dataset and register it."""
    from xmas_assets.toy.dataset import SyntheticSettings, generate

    home.check_new(name)
    folder = home.path("toy", name)
    shutil.rmtree(folder)  # what an interrupted command left of a dataset that is not registered
    generate(SyntheticSettings(), folder)
    options |= {"test": [folder / "test.json"], "images": folder, "generated": "toy"}
    return register(home, name, [folder / "train.json"], **options)


def _model_fields(source: str) -> dict[str, str]:
    """The settings that name a model: its directory, or its hub id and the commit behind the last '@'."""
    from xmas_assets.contracts.errors import SettingsError
    from xmas_assets.contracts.settings import TOY_MODEL

    if Path(source).expanduser().is_dir():
        return {"source": str(Path(source).expanduser().absolute())}
    name, _, commit = source.rpartition("@")
    if not name and source != TOY_MODEL:
        raise SettingsError(
            f"model {source!r} is neither a directory nor owner/name@COMMIT; give one of them, so that reruns see the "
            "same bytes"
        )
    return {"source": name, "revision": commit} if name else {"source": source}


def _column(word: str) -> tuple[str, str]:
    theirs, equals, ours = word.rpartition("=")
    if not (theirs and equals and ours):
        fail(f"--columns {word!r} is not of the form THEIRS=OURS; write, for instance, --columns source=task")
    return theirs, ours


def _counts(home: "Home", dataset: str) -> tuple[int | None, int | None]:
    """Rows read and rows quarantined."""
    if not home.is_stored("raw_dataset", dataset):
        note(f"{dataset} was not read yet; run: xmas run {dataset} --method random")
        return None, None
    tables = home.stored("raw_dataset", dataset)
    return tables["samples"].n_rows, tables["quarantine"].n_rows
