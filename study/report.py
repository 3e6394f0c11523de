"""Redraws ``docs/study/results.md`` and its figures from the stored answers; nothing is trained here."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from study.analysis import difference, gate, table
from study.design import GROUP_SIZES, MAPPED, PLAN, TAILS, Experiment
from study.features import read_features
from study.figures import map_figure, methods_figure, rule_figure, training_figure
from study.rule import METHOD, PAYS_FROM, best_borders, fitted_threshold, n_right, observations
from study.running import RESULTS, read_results
from study.subsets import read_subsets
from study.theory import NEAR, read_theory
from xmas_assets.report.figures import budget_score_figure

_HEAD = (
    "| budget | method | score % (95 %) | Rel % | against random, points (95 %) | q | units "
    "| selection, training CPU s |"
)

_MODEL_MEASURES = {
    "l2": "L2 distance of a row's singular values, per layer, last checkpoint",
    "near": f"share of rows where it is below {NEAR}",
    "l2_rows": "the same distance between different rows of the target",
    "near_rows": f"share of such pairs below {NEAR}",
    "spearman_scalar_trajectory": "rank correlation of all pairs' distances: scalar trajectory",
    "spearman_all_values": "- all values",
    "spearman_attention_maps": "- attention maps",
    "ari": "adjusted Rand index of the clusters",
    "auc_scalar_trajectory": "AUC of the target's nearest gradients within a skill: scalar trajectory",
    "auc_all_values": "- all values",
    "auc_attention_maps": "- attention maps",
}

_FOREWORD = (
    "Made by `python -m study report` from `results/`. How to read it: README.md. An interval over one unit tells of "
    "the test pictures only, and q is then 1."
)


def write_report(folder: Path = RESULTS.parent) -> Path:
    """Write the tables and figures of every experiment that has results into a folder; returns the page."""
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    page = ["# Results", "", _FOREWORD, ""]
    done = [e for e in PLAN if list((RESULTS / e.name).glob("unit*.parquet"))]
    tables = {e.name: table(e) for e in done if not e.against}
    for name, board in tables.items():
        (folder / "figures" / f"{name}.png").write_bytes(budget_score_figure(board))
        page += [f"## {name}", "", _HEAD, "|" + "---|" * 8, *map(_line, board.iter_rows(named=True)), ""]
        page += [f"![scores by budget](figures/{name}.png)", "", *_gate_lines(name), ""]
    page += _summary_lines(tables, folder / "figures")
    page += _feature_lines(read_features())
    page += _subset_lines(read_subsets())
    page += _ablation_lines([e for e in done if e.against in tables])
    page += _rule_lines(observations(), folder / "figures")
    page += _theory_lines(read_theory())
    page += _training_lines(read_theory("over_training"), read_theory(), folder / "figures")
    page += _model_lines(read_theory("models"))
    path = folder / "results.md"
    path.write_text("\n".join(page), encoding="utf-8")
    return path


def _summary_lines(tables: Mapping[str, pl.DataFrame], figures: Path) -> list[str]:
    """All methods against random on the main datasets, and the map."""
    lines = []
    main = {e.dataset: tables[e.name] for e in PLAN if e.part == "main" and e.variant and e.name in tables}
    if main:
        (figures / "methods.png").write_bytes(methods_figure(main))
        lines += ["## main, all methods at equal steps", "", "![methods against random](figures/methods.png)", ""]
    cells = [experiment for experiment in PLAN if experiment.part == "map" and experiment.name in tables]
    if len(cells) == len(GROUP_SIZES) * len(TAILS):
        lines += ["## map", ""]
        for method in MAPPED:
            (figures / f"map_{method}.png").write_bytes(map_figure(method, cells, tables))
            lines += [f"![gain of {method} over random](figures/map_{method}.png)", ""]
    return lines


def _gate_lines(name: str) -> list[str]:
    """Full data above the majority answer, skill by skill, in one line."""
    (experiment,) = (experiment for experiment in PLAN if experiment.name == name)
    gaps = [f"{task} {100 * gap:+.0f}" for task, gap in gate(experiment).select("task", "gap").iter_rows()]
    return [f"Full data above the majority answer, points: {', '.join(gaps)}."]


def _ablation_lines(variants: Sequence[Experiment]) -> list[str]:
    """One changed setting a line: the method with it against itself without, and against random."""
    lines = ["## ablation", "", "| changed | method | budget | against the default, points (95 %) "]
    lines[-1] += "| against random, points (95 %) | units |"
    lines += ["|" + "---|" * 6]
    for variant in variants:
        (main,) = (experiment for experiment in PLAN if experiment.name == variant.against)
        stored = read_results(variant)[0].select("method", pl.col("budget").cast(pl.Float64)).unique().rows()
        for budget in variant.budgets:
            for method in (method for method in variant.methods if (method, float(budget)) in stored):
                moves = [difference((variant, method), (main, other), budget) for other in (method, "random")]
                cells = [_interval(move, "difference", "low", "high", 100, sign="+") for move in moves]
                head = f"| {variant.variant} | {method} | {float(budget):.0%} "
                lines.append(f"{head}| {cells[0]} | {cells[1]} | {moves[0]['n_seeds']} |")
    return [*lines, ""] if variants else []


def _feature_lines(found: pl.DataFrame) -> list[str]:
    """How well each feature finds skills and repeats: means over units."""
    if found.is_empty():
        return []
    lines = ["## how well features find skills and repeats, before any training", ""]
    lines += ["| experiment | feature | mutual information of its clusters with the skill (adjusted; 0 is chance) "]
    lines[-1] += "| chance that a near-duplicate is nearer than another row of the skill | units |"
    lines += ["|" + "---|" * 5]
    for names, group in found.group_by("experiment", "feature", maintain_order=True):
        repeats = "" if group["repeats"].null_count() == group.height else _ranged(group, "repeats")
        lines.append(
            f"| {' | '.join(map(str, names))} | {_ranged(group, 'information')} | {repeats} | {group.height} |"
        )
    return [*lines, ""]


def _subset_lines(found: pl.DataFrame) -> list[str]:
    """What each method's subsets of the main dataset hold, and what they gained; means over scored units."""
    if found.is_empty():
        return []
    lines = ["## what is in the subsets", ""]
    lines += [
        "| budget | method | proxy | groups, % of rows | rare skills, % | against random, points (95 %) | units |"
    ]
    lines += ["|" + "---|" * 7]
    by_name = {experiment.name: experiment for experiment in PLAN}
    chosen = found.filter(pl.col("method") != "full").sort(
        "budget", "experiment", "method", "unit", maintain_order=True
    )
    rows = []
    for (budget, name, method), group in chosen.group_by("budget", "experiment", "method", maintain_order=True):
        experiment = by_name[str(name)]
        main = by_name[experiment.against or experiment.name]
        scored = read_results(experiment)[0].filter((pl.col("method") == method) & (pl.col("budget") == budget))
        held = group.filter(pl.col("unit").is_in(scored["seed"].unique().to_list()))
        if held.height:
            gain = difference((experiment, str(method)), (main, "random"), str(budget))
            proxy = (experiment.variant if experiment.against else "own").removesuffix("_proxy")
            cells = [f"{held.select(100 * pl.col(column).mean()).item():.0f}" for column in ("groups", "rare")]
            cells += [_interval(gain, "difference", "low", "high", 100, sign="+"), str(gain["n_seeds"])]
            line = f"| {float(str(budget)):.0%} | {method} | {proxy} | {' | '.join(cells)} |"
            rows.append((budget, held["groups"].mean(), line))
    return [*lines, *(line for *_, line in sorted(rows)), "", "Units differ; compare proxies in the ablation.", ""]


def _rule_lines(seen: pl.DataFrame, figures: Path) -> list[str]:
    """The border that the map gives, what it predicts elsewhere, and how other rules would have done."""
    parts = {
        "map (fitted to)": pl.col("part") == "map",
        "others": ~pl.col("part").is_in(["map", "fresh"]),
        "made to try it": pl.col("part") == "fresh",
    }
    on_map = seen.filter(pl.col("part") == "map")
    if on_map["expected_loss"].n_unique() < 2:
        return []
    threshold = fitted_threshold(on_map)
    (figures / "rule.png").write_bytes(rule_figure(seen, threshold, PAYS_FROM))
    lines = ["## rule", ""]
    lines += [f"Whether `{METHOD}` pays, that is, is {100 * PAYS_FROM:.0f} points or more above random in the mean."]
    lines += ["Right on k of n datasets and budgets; in brackets, of those whose interval leaves no doubt.", ""]
    lines += [f"| rule | borders with fewest errors | {' | '.join(parts)} | rank correlation with the gain |"]
    lines += ["|" + "---|" * (3 + len(parts))]
    rules = {f"{name.replace('_', ' ')}": name for name in ("expected_loss", "duplicate_mass")}
    for label, measure in rules.items():
        border = fitted_threshold(on_map, measure)
        gaps = ", ".join(f"{low:.1%}..{high:.1%}" for low, high in best_borders(on_map, measure)[1])
        rights = [_right(n_right(seen.filter(part), pl.col(measure) >= border)) for part in parts.values()]
        rank = seen.select(pl.corr(measure, "difference", method="spearman")).item()
        lines.append(f"| {label} from {border:.0%} on | {gaps} | {' | '.join(rights)} | {rank:.2f} |")
    rights = [_right(n_right(seen.filter(part), pl.lit(True))) for part in parts.values()]
    ranks = [
        part.select(pl.corr("headroom", "difference", method="spearman")).item()
        for part in (seen, seen.filter(pl.col("expected_loss") >= threshold))
    ]
    lines += [f"| always | | {' | '.join(rights)} | |", ""]
    lines += [
        "Known only after training both: how far full data is above random (headroom). Its rank correlation with "
    ]
    lines[-1] += (
        f"the gain is {ranks[0]:.2f} over all, {ranks[1]:.2f} where the expected loss is at or above the border."
    )
    lines += ["", "![gain by expected loss](figures/rule.png)", ""]
    lines += [
        "| part | dataset | repeats | budget | expected loss | headroom | against random (95 %) | units | predicted "
        "| pays |"
    ]
    lines += ["|" + "---|" * 10]
    for row in (
        seen.with_columns(predicted=pl.col("expected_loss") >= threshold)
        .sort("part", "expected_loss", maintain_order=True)
        .iter_rows(named=True)
    ):
        gain = _interval(row, "difference", "low", "high", 100, sign="+")
        answers = " | ".join("yes" if row[name] else "no" for name in ("predicted", "pays"))
        head = f"| {row['part']} | {row['dataset']} | {row['duplicate_mass']:.0%} | {float(row['budget']):.0%} "
        lines.append(
            f"{head}| {row['expected_loss']:.1%} | {100 * row['headroom']:+.1f} | {gain} "
            f"| {row['n_seeds']} | {answers} |"
        )
    return [*lines, ""]


def _right(counts: tuple[int, int, int, int]) -> str:
    right, of, surely, of_sure = counts
    return f"{right} of {of} ({surely} of {of_sure})"


def _theory_lines(found: pl.DataFrame) -> list[str]:
    """Whether alike attention goes with alike gradient directions: means over units, with their range."""
    if found.is_empty():
        return []
    lines = ["## theory", "", "| experiment | pairs | attention | rank correlation | AUC of the nearest 1 % | units |"]
    lines += ["|" + "---|" * 6]
    directions = found.filter(pl.col("gradient") == "direction")
    keys = ["experiment", "pairs", "attention"]
    for names, group in directions.group_by(keys, maintain_order=True):
        cells = [_ranged(group, column) for column in ("spearman", "auc")]
        lines.append(f"| {' | '.join(map(str, names))} | {' | '.join(cells)} | {group['unit'].n_unique()} |")
    return [*lines, ""]


def _training_lines(found: pl.DataFrame, whole: pl.DataFrame, figures: Path) -> list[str]:
    """How well attention at each checkpoint alone finds the nearest gradients within a skill: means over units."""
    if found.is_empty():
        return []
    within = found.filter(pl.col("pairs") == "same_task")
    numbers = sorted(within["checkpoint"].unique())
    head = ["experiment", "attention", *(f"checkpoint {number}" for number in numbers), "all", "units"]
    all_of_them = whole.filter((pl.col("pairs") == "same_task") & (pl.col("gradient") == "direction"))
    overall = all_of_them.group_by("experiment", "attention", maintain_order=True).agg(pl.col("auc").mean())
    aucs = {(experiment, attention): auc for experiment, attention, auc in overall.iter_rows()}
    lines = [
        "## theory, over training",
        "",
        "AUC of the nearest 1 % within a skill, by attention at one checkpoint.",
        "",
    ]
    lines += [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for names, group in within.group_by("experiment", "attention", maintain_order=True):
        means = [group.filter(pl.col("checkpoint") == number)["auc"].mean() for number in numbers]
        cells = [*map(str, names), *(f"{mean:.2f}" for mean in (*means, aucs[names])), str(group["unit"].n_unique())]
        lines.append(f"| {' | '.join(cells)} |")
    means = within.group_by("experiment", "attention", "checkpoint", maintain_order=True).agg(pl.col("auc").mean())
    (figures / "training.png").write_bytes(training_figure(means))
    return [*lines, "", "![AUC by checkpoint](figures/training.png)", ""]


def _model_lines(found: pl.DataFrame) -> list[str]:
    """The target's attention against that of other models fine-tuned on the same rows: means over units and ranges."""
    if found.is_empty():
        return []
    lines = ["## theory, proxy against target", "", "Means over units with their range.", ""]
    names = found["other"].unique(maintain_order=True).to_list()
    lines += [f"| | {' | '.join(names)} |", "|" + "---|" * (1 + len(names))]
    for column, label in _MODEL_MEASURES.items():
        cells = [_ranged(found.filter(pl.col("other") == name), column) for name in names]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return [*lines, "", f"{found['unit'].n_unique()} units.", ""]


def _ranged(group: pl.DataFrame, column: str) -> str:
    """A column's mean with its range."""
    return f"{group[column].mean():.2f} ({group[column].min():.2f}..{group[column].max():.2f})"


def _line(row: dict) -> str:
    budget = "" if row["budget"] is None else f"{float(row['budget']):.0%}"
    cells = (
        budget,
        row["method"],
        _interval(row, "score", "score_low", "score_high", 100),
        "" if row["rel_percent"] is None else f"{row['rel_percent']:.0f}",
        _interval(row, "vs_random", "vs_random_low", "vs_random_high", 100, sign="+"),
        "" if row["q_value"] is None else f"{row['q_value']:.3f}",
        f"{row['n_seeds'] or ''}",
        "" if row["training_cpu_seconds"] is None else
        f"{row['selection_cpu_seconds']:.0f}, {row['training_cpu_seconds']:.0f}",
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _interval(row: dict, value: str, low: str, high: str, factor: float, sign: str = "") -> str:
    if row[value] is None:
        return ""
    middle = f"{factor * row[value]:{sign}.1f}"
    return middle if row[low] is None else f"{middle} ({factor * row[low]:{sign}.1f}..{factor * row[high]:{sign}.1f})"
