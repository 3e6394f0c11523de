"""Every benchmark by name."""

from collections.abc import Mapping

from xmas_assets.contracts.errors import SettingsError
from xmas_assets.contracts.manifest import OutsidePackage
from xmas_assets.contracts.messages import one_of
from xmas_assets.evaluation.benchmarks.base import Benchmark
from xmas_assets.evaluation.benchmarks.benchmark_registry import BenchmarkRegistry
from xmas_assets.evaluation.benchmarks.captions import CaptionsCoco, CaptionsNocaps
from xmas_assets.evaluation.benchmarks.chartqa import Chartqa
from xmas_assets.evaluation.benchmarks.gqa import Gqa
from xmas_assets.evaluation.benchmarks.llavabench import Llavabench
from xmas_assets.evaluation.benchmarks.mmbench import MmbenchCn, MmbenchEn
from xmas_assets.evaluation.benchmarks.mme import Mme
from xmas_assets.evaluation.benchmarks.mmmu import Mmmu
from xmas_assets.evaluation.benchmarks.mmvet import Mmvet
from xmas_assets.evaluation.benchmarks.nlvr import Nlvr1, Nlvr2
from xmas_assets.evaluation.benchmarks.owleval import Owleval
from xmas_assets.evaluation.benchmarks.pope import Pope
from xmas_assets.evaluation.benchmarks.scienceqa import Scienceqa
from xmas_assets.evaluation.benchmarks.seedbench import Seedbench
from xmas_assets.evaluation.benchmarks.textvqa import Textvqa
from xmas_assets.evaluation.benchmarks.vizwiz import Vizwiz
from xmas_assets.evaluation.benchmarks.vqav2 import Vqav2

BUILT_IN: dict[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (
        Vqav2(),
        Vizwiz(),
        Textvqa(),
        Gqa(),
        Scienceqa(),
        Pope(),
        Mme(),
        Chartqa(),
        Nlvr1(),
        Nlvr2(),
        MmbenchEn(),
        MmbenchCn(),
        Seedbench(),
        Mmmu(),
        CaptionsCoco(),
        CaptionsNocaps(),
        Mmvet(),
        Llavabench(),
        Owleval(),
    )
}
BENCHMARKS = BenchmarkRegistry(BUILT_IN)


def benchmark_named(name: str) -> Benchmark:
    """The benchmark of this name; ``SettingsError`` if there is none, or its package is broken."""
    if name not in BENCHMARKS:
        known = f"benchmark {name[:80]!r} is not known; {one_of(name, BENCHMARKS)}"
        raise SettingsError(BENCHMARKS.problems().get(name, known))
    return BENCHMARKS[name]


def benchmark_package(name: str) -> OutsidePackage | None:
    """The other package that a benchmark comes from; None for one of our own."""
    return BENCHMARKS.package(name)


def benchmark_table(benchmarks: Mapping[str, Benchmark] = BUILT_IN) -> str:
    """Benchmarks as a Markdown table, one row each, in their order."""
    lines = ["| benchmark | in papers | headline | maximum | official files | source |", "|---|---|---|---|---|---|"]
    for name, benchmark in benchmarks.items():
        cells = (
            f"`{name}`",
            benchmark.title,
            benchmark.metric,
            f"{benchmark.maximum:g}",
            benchmark.files,
            benchmark.source,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
