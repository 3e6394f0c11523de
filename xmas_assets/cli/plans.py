"""What ``xmas plan`` prints, and ``xmas calibrate``: what work takes, before it is done."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xmas_assets.cli.options import Dataset, method_names, open_home
from xmas_assets.cli.output import is_drawn, note, print_gap, print_table, prints_tables

if TYPE_CHECKING:
    from xmas_assets.contracts.artifacts import SelectionKey
    from xmas_assets.home.home import Home
    from xmas_assets.scale.estimates import Hours
    from xmas_assets.stages.planning import PlannedStage, Verdict

app = typer.Typer()
On = Annotated[
    str | None,
    typer.Option(help="Estimate the whole cost on these cards, such as 8xH100; or 'here', on this machine."),
]
CalibrationFile = Annotated[
    Path | None,
    typer.Option("--calibration", help="YAML file of rates, as xmas calibrate writes it. Default: this machine's."),
]
Rows = Annotated[int | None, typer.Option(min=1, help="Estimate as if the dataset had so many rows.")]
Price = Annotated[float | None, typer.Option(min=0, help="Of the whole machine, in any currency.")]
_HERE = "here"
_HOURS = ("stage", "times", "CPU h", "GPU h", "GPU h at most", "clock h", "clock h at most", "by")
_PAYS = ("method", "budget", "hours of", "hours", "hours at most", "all rows", "all rows at most", "pays up to")
_PAYS += ("pays up to at most",)
_AT_MOST = " at most"  # ends the name of a column that is the other end of the one before


@app.command()
@prints_tables
def calibrate(
    dataset: Dataset,
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            help="A method whose stages are measured; may be given several times. Default: xmas.",
            autocompletion=method_names,
        ),
    ] = None,
    rows: Annotated[int, typer.Option(min=64, help="Rows of the larger of two parts that are run.")] = 400,
) -> None:
    """Run the stages of a method on a few rows, and keep what they took for xmas plan: XMAS_HOME/calibrations.

    Example: xmas calibrate mine --method xmas --rows 200
    """
    from xmas_assets.orchestration.calibrating import calibrate as measure
    from xmas_assets.orchestration.platform import Platform
    from xmas_assets.selection.registry import make_method

    methods = method or ["xmas"]
    for name in methods:
        make_method(name, {})
    home = open_home()
    home.registration(dataset)
    calibration, path = measure(Platform.open(home), dataset, methods, n_rows=rows, say=note)
    table = [
        (name, *(_three(seconds) for seconds in (*(rate.cpu_seconds or (None, None)), *_thousand(rate.disk_bytes))))
        for name, rate in calibration.stages.items()
    ]
    print_table("rates", ("stage", "fixed CPU s", "CPU s per unit", "disk kB", "kB per unit"), table)
    note(f"kept in {path}; see: xmas plan {dataset} --method {methods[0]} --on here")


def print_costs(
    home: "Home",
    dataset: str,
    keys: "Sequence[SelectionKey]",
    *,
    on: str,
    calibration: Path | None,
    rows: int | None,
    price: float | None,
) -> None:
    """Print what selections would take from nothing to their scores."""
    from xmas_assets.scale.fleet import Fleet
    from xmas_assets.stages.planning import Planner, Total
    from xmas_assets.stages.rates import Rates

    rates = Rates.open(home, dataset, calibration)
    fleet = None if on == _HERE else Fleet.of(on, rates.calibration)
    planner = Planner.of(rates, fleet, n_rows=rows)
    planned = planner.stages(keys)
    _print_ranges("hours", _HOURS, map(_hours_row, planned))
    print_gap()
    totals = planner.totals(planned, price=price)
    print_table("totals", Total._fields, [(t.what, _three(t.least), _three(t.most), t.unit) for t in totals])
    verdicts = planner.verdicts(keys)
    if verdicts:
        print_gap()
        _print_ranges("pays", _PAYS, map(_verdict_row, verdicts))
    unknown = [", ".join(stage.names) for stage in planned if not stage.all.by]
    if unknown:
        note(f"not known, and not in the totals: {'; '.join(unknown)}")
    if fleet is None:
        note("estimates from what was measured on this machine; docs/scale.md says how far they were off")
    else:
        note(f"estimates for {fleet.n_cards} x {fleet.name}, not measured there; docs/scale.md says what is assumed")
        if too_large := [", ".join(s.names) for s in planned if (s.all.memory_gib or 0) > fleet.card.memory_gib]:
            note(f"{'; '.join(too_large)} may need more than the {fleet.card.memory_gib:g} GiB of a card")


def _print_ranges(name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table; where it is drawn for a person, both ends of a range are in one cell."""
    if not is_drawn():
        print_table(name, columns, rows)
        return
    ends = [place for place, column in enumerate(columns) if column.endswith(_AT_MOST)]
    drawn = []
    for row in rows:
        cells = list(row)
        for place in ends:
            if cells[place] != cells[place - 1]:
                cells[place - 1] = f"{_short(cells[place - 1])}-{_short(cells[place])}"
        drawn.append([cell for place, cell in enumerate(cells) if place not in ends])
    print_table(name, [column for column in columns if not column.endswith(_AT_MOST)], drawn)


def _short(end: float) -> str:
    return f"{end:.2g}" if end < 1 else f"{end:g}"  # so that a range is no wider than its column


def _hours_row(stage: "PlannedStage") -> tuple[object, ...]:
    whole = stage.all
    hours = (whole.cpu_hours, *_both(whole.gpu_hours), *_both(whole.clock_hours))
    return (", ".join(stage.names), stage.times, *map(_three, hours), whole.by or "not known")


def _verdict_row(verdict: "Verdict") -> tuple[object, ...]:
    numbers = (*_both(verdict.hours), *_both(verdict.full_hours), *_both(verdict.up_to))
    return (verdict.method, verdict.budget, verdict.device.upper(), *map(_three, numbers))


def _both(hours: "Hours | None") -> tuple[float | None, float | None]:
    return hours or (None, None)


def _thousand(line: tuple[float, float] | None) -> tuple[float | None, float | None]:
    return (None, None) if line is None else (line[0] / 1000, line[1] / 1000)


def _three(number: float | None) -> float | None:
    """Three digits, as hours may be seconds of a toy or years."""
    return None if number is None else float(f"{number:.3g}")
