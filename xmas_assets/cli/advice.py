"""``xmas advise`` and ``theory``: what a dataset's own rows say about selecting from it."""

import typer

from xmas_assets.cli.options import Dataset, open_home
from xmas_assets.cli.output import note, print_frame, print_gap, print_text, prints_tables
from xmas_assets.cli.runs import note_toy_model

app = typer.Typer()


@app.command()
@prints_tables
def advise(dataset: Dataset) -> None:
    """Measure how much a dataset repeats itself, without any training.

    Example: xmas advise mine
    """
    home = open_home()
    home.registration(dataset)
    from xmas_assets.orchestration.platform import Platform
    from xmas_assets.orchestration.selection_runs import bring_up_to_date
    from xmas_assets.report.advice import recommend
    from xmas_assets.report.redundancy import REDUNDANCY_NOTE, redundancy_cells
    from xmas_assets.stages.redundancy import measure_dataset

    bring_up_to_date(Platform.open(home), dataset, "clip_embeddings", say=note)
    measures = measure_dataset(home, dataset)
    print_frame("redundancy", redundancy_cells(measures))
    print_gap()
    print_text("meaning", REDUNDANCY_NOTE)
    print_text("advice", f"Advice: {recommend(measures)}")


@app.command()
@prints_tables
def theory(dataset: Dataset) -> None:
    """Check on your own rows whether similar attention goes with similar gradients; reads both if need be.

    Example: xmas theory mine
    """
    home = open_home()
    note_toy_model(home, dataset)
    from xmas_assets.orchestration.platform import Platform
    from xmas_assets.orchestration.selection_runs import bring_up_to_date
    from xmas_assets.report.agreement import agreement_cells, agreement_verdict

    bring_up_to_date(Platform.open(home), dataset, "attention_gradient_agreement", say=note)
    table = home.stored("attention_gradient_agreement", dataset)["agreement"].frame()
    print_frame("agreement", agreement_cells(table))
    print_gap()
    print_text("verdict", "\n".join(agreement_verdict(table)))
