"""What a comparison over benchmarks says, in plain words."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from xmas_assets.report.tables import budget_percent
from xmas_assets.report.text import visible


def benchmark_sentences(compared: Mapping[str, pl.DataFrame]) -> list[str]:
    """The verdict and the notes of a stored comparison, as ``stages.comparison`` names its tables; none of none."""
    if not compared:
        return []
    overall = compared["benchmark_overall"]
    found = comparison_verdict(
        compared["benchmarks"],
        compared["benchmark_selections"],
        overall=overall,
        data_saved=compared["data_saved"],
    )
    return [*found, *comparison_notes(overall)]


def benchmark_tables(compared: Mapping[str, pl.DataFrame]) -> dict[str, list[list[str]]]:
    """A stored comparison as rows of text, the first the headings: each benchmark, and all of them together."""
    if not compared:
        return {}
    shown = {
        "Each benchmark": (compared["benchmark_selections"], ("headline", "rel", "vs_random", "vs_blind")),
        "All benchmarks": (compared["benchmark_overall"], ("rel", "vs_random")),
    }
    headings = {"headline": "Score", "rel": "Rel %", "vs_random": "vs random", "vs_blind": "vs blind"}
    tables = {}
    for title, (frame, measures) in shown.items():
        names = [name for name in ("benchmark", "budget", "method") if name in frame.columns]
        counts = [name for name in ("wins", "ties", "losses") if name in frame.columns]
        rows = [[*(name.capitalize() for name in names), *(headings[name] for name in measures), *counts]]
        for row in frame.iter_rows(named=True):
            own = [budget_percent(row[name]) if name == "budget" else visible(row[name], 40) for name in names]
            rows.append([*own, *(_cell(row, name) for name in measures), *(str(row[name]) for name in counts)])
        tables[title] = rows
    return tables


def score_rows(compared: Mapping[str, pl.DataFrame], states: Mapping[str, pl.DataFrame]) -> list[list[str]]:
    """The score of each selection on each benchmark with its coverage, as short text; the first row is the headings.

    Args:
        compared: A stored comparison, as ``stages.comparison`` names its tables; may be empty.
        states: What became of each benchmark, from ``stages.benchmark_states``; may be empty.

    Returns:
        Coverage is the share of a benchmark's questions that the scores are over, or of one that is not scored the
        share that was answered. Empty without a benchmark.
    """
    rows = []
    if compared:
        shares = dict(compared["benchmarks"].select("benchmark", "coverage").iter_rows())
        scores = compared["benchmark_selections"].select("benchmark", "budget", "method", "headline")
        for name, budget, method, score in scores.drop_nulls("budget").iter_rows():
            named = [visible(name, 40), budget_percent(budget), visible(method, 40)]
            rows.append([*named, "-" if score is None else f"{score:.1f}", f"{100 * shares[name]:.1f} %"])
    if "benchmark_states" in states:
        silent = states["benchmark_states"].drop_nulls("not_scored").select("benchmark", "coverage")
        rows += [
            [visible(name, 40), "-", "-", "not scored", f"{100 * share:.1f} %"] for name, share in silent.iter_rows()
        ]
    return [["Benchmark", "Budget", "Method", "Score", "Coverage"], *rows] if rows else []


def pair_rows(pairs: pl.DataFrame) -> list[list[str]]:
    """Two selections on each benchmark, from ``evaluation.pairs``, as short text; the first row is the headings."""
    rows = [["Benchmark", "First", "Second", "Difference", "Outcome", "Coverage"]]
    for row in pairs.iter_rows(named=True):
        scores = ["-" if row[name] is None else f"{row[name]:.1f}" for name in ("first", "second")]
        outcome = row["outcome"] or "not comparable"
        rows.append(
            [
                visible(row["benchmark"], 40),
                *scores,
                _cell(row, "difference"),
                outcome,
                f"{100 * row['coverage']:.1f} %",
            ]
        )
    return rows


def _cell(row: dict[str, Any], name: str) -> str:
    """A measure with its interval."""
    if row[name] is None:
        return "-"
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    seeds = row.get("n_seeds", row.get("rel_n_seeds"))
    one = ", one seed" if seeds == 1 else ""
    return f"{row[name]:.1f}" + ("" if low is None else f" ({low:.1f}..{high:.1f}{one})")


def comparison_verdict(
    benchmarks: pl.DataFrame, selections: pl.DataFrame, *, overall: pl.DataFrame, data_saved: pl.DataFrame
) -> list[str]:
    """What the comparison shows, the most important first; the tables are those of ``evaluation.comparison``.

    If no benchmark tells methods apart, that nothing can be compared. Otherwise a sentence per budget below 100 %, the
    largest first: the best method, whether it differs from random, and on how many benchmarks it beats the blind
    baselines. Then what data the best method of all saves, and which benchmarks took no part.
    """
    apart = [
        f"Nothing can be compared on {_names([name])}, which takes no part: no question of it was answered by all "
        "targets and blind baselines. Look at the targets' answers with xmas sql, and run those again that have few."
        for name in benchmarks.filter(coverage=0)["benchmark"]
    ]
    benchmarks = benchmarks.filter(pl.col("coverage") > 0)
    silent = benchmarks.filter(~pl.col("comparable"))["benchmark"].to_list()
    if len(silent) == len(benchmarks):
        nothing = (
            "Nothing can be compared: on no benchmark is full data above the blind baselines beyond chance "
            f"({_names(silent)}), so Rel % is not shown."
        )
        return [nothing, *apart] if silent else apart
    chosen = overall.filter(~pl.col("method").is_in(["full", "random"])).drop_nulls("rel")
    order = (pl.col("budget").cast(pl.Float64), "rel", "method")
    chosen = chosen.sort(*order, descending=[True, True, False], maintain_order=True)
    sentences = []
    for _, rows in chosen.group_by("budget", maintain_order=True):
        row = rows.row(0, named=True)
        telling = selections.filter(~pl.col("benchmark").is_in(silent), method=row["method"], budget=row["budget"])
        sentences.append(f"{_about(row, n_methods=len(rows))}{_against_blind(telling)}.")
    if len(chosen):
        best = data_saved.filter(benchmark="(all)", method=chosen["method"][0])
        sentences += [saved_sentence(row) for row in best.iter_rows(named=True)]
    if silent:
        sentences.append(
            "Nothing can be compared on these benchmarks, which take no part, for full data is not above the blind "
            f"baselines beyond chance there: {_names(silent)}."
        )
    return [*(sentences or ["No method has been scored on every benchmark, together with full data."]), *apart]


def comparison_notes(overall: pl.DataFrame) -> list[str]:
    """How many comparisons with random there are over all benchmarks, and which hold when corrected for that."""
    compared = overall.filter(pl.col("vs_random_p").is_not_null())
    sure = compared.filter(pl.col("vs_random_p") < 0.05)
    names = [f"{row['method']} at {budget_percent(row['budget'])}" for row in sure.iter_rows(named=True)]
    if len(compared) < 2:
        return []
    return [_many_comparisons(len(compared), names, other="random")]


def pair_sentences(pairs: pl.DataFrame, first: str, second: str) -> list[str]:
    """What two selections, by name, come to over the benchmarks, from ``evaluation.pairs``; none without a benchmark.

    On how many the first wins, ties and loses; how many comparisons that were; and where they cannot be compared.
    """
    told = pairs.filter("comparable")
    counts = ", ".join(
        f"{heading} {len(told.filter(outcome=outcome))}"
        for outcome, heading in (("win", "wins"), ("tie", "ties"), ("loss", "losses"))
    )
    sentences = (
        [f"{first} against {second} over {len(told)} of {len(pairs)} benchmarks: {counts}."] if len(pairs) else []
    )
    if len(told) > 1:
        sentences.append(_many_comparisons(len(told), told.filter(pl.col("p") < 0.05)["benchmark"].to_list()))
    for name, reason in pairs.filter(~pl.col("comparable")).select("benchmark", "why_not").iter_rows():
        sentences.append(f"Nothing can be compared on {_names([name])}: {reason}.")
    return sentences


def _many_comparisons(n_comparisons: int, differing: list[str], *, other: str = "") -> str:
    """What so many comparisons find by chance, and what differs all the same."""
    said = f"{n_comparisons} comparisons{f' with {other}' if other else ''}: of so many, {0.05 * n_comparisons:.2f}"
    differ = f"these differ from {other}" if other else "they differ on"
    return (
        f"{said} intervals would leave 0 out by chance alone. Corrected for their number (Holm), {differ}: "
        f"{_names(differing) or 'none'}."
    )


def saved_sentence(row: dict[str, Any]) -> str:
    """What a method needs for a level of full data's score, and saves against random; from ``data_saved``."""
    method, level = visible(row["method"], 40), f"{row['level']:g} % of full data's score"
    if not row["reached"]:
        return f"{method} does not reach {level} with the budgets that were tried."
    bound = "at most " if row["at_most"] else ""
    seed = ", one seed" if row["n_seeds"] == 1 else ""
    said = f"For {level} {method} needs {bound}{100 * row['budget']:.1f} % of the data{_ends(row, 'budget', seed)}"
    if row["saved"] is None:
        return f"{said}."
    if row["saved"] < 0:
        return f"{said}, more than random does."
    bound = {">=": "at least ", "<=": "at most "}.get(row["saved_bound"], "")
    return f"{said}, {bound}{100 * row['saved']:.0f} % less than random{_ends(row, 'saved', '')}."


def _about(row: dict[str, Any], *, n_methods: int) -> str:
    method, at = visible(row["method"], 40), f"at {budget_percent(row['budget'])}"
    subject = f"{method} is the best of {n_methods} methods {at}: it" if n_methods > 1 else f"{method} {at}"
    seed = ", one seed" if row["rel_n_seeds"] == 1 else ""
    interval = "" if row["rel_low"] is None else f" (95 % interval {row['rel_low']:.1f}..{row['rel_high']:.1f}{seed})"
    count = "1 benchmark" if row["n_benchmarks"] == 1 else f"{row['n_benchmarks']} benchmarks"
    return f"{subject} reaches {row['rel']:.1f} % of full data over {count}{interval}{_against_random(row)}"


def _against_random(row: dict[str, Any]) -> str:
    gap, low, high = (row[f"vs_random{end}"] for end in ("", "_low", "_high"))
    if gap is None:
        return ", with no random subset to compare it with"
    if low is None:
        return ", with too little to compare it with random"
    seed = ", one seed" if row["vs_random_n_seeds"] == 1 else ""
    found = f"({gap:+.1f} points, {low:+.1f}..{high:+.1f}{seed}; wins {row['wins']}, ties {row['ties']}, "
    found += f"losses {row['losses']})"
    if low <= 0 <= high:
        return f", does not differ from random beyond chance {found}"
    corrected = "" if row["vs_random_p"] < 0.05 else ", though not when corrected for the number of comparisons"
    return f", is {'above' if gap > 0 else 'below'} random beyond chance {found}{corrected}"


def _against_blind(rows: pl.DataFrame) -> str:
    """On how many benchmarks a selection beats a blind guess, and on which it is worse."""
    known = rows.drop_nulls("vs_blind")
    if known.is_empty():
        return ""
    beats, worse = known.filter(pl.col("vs_blind_low") > 0), known.filter(pl.col("vs_blind_high") < 0)
    said = f", and beats the blind baselines beyond chance on {len(beats)} of {len(known)} benchmarks"
    return f"{said}; it is worse than a blind guess on {_names(worse['benchmark'].to_list())}" if len(worse) else said


def _ends(row: dict[str, Any], name: str, seed: str) -> str:
    low, high = (
        "unknown" if value is None else f"{100 * value:.1f}" for value in (row[f"{name}_low"], row[f"{name}_high"])
    )
    return f" (95 % interval {low}..{high}{seed})"


def _names(names: list[str]) -> str:
    return ", ".join(visible(name, 40) for name in names)
