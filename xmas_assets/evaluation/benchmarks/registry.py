"""Every benchmark by name."""

from xmas_assets.contracts.errors import SettingsError
from xmas_assets.evaluation.benchmarks.base import Benchmark
from xmas_assets.evaluation.benchmarks.pope import Pope
from xmas_assets.evaluation.benchmarks.textvqa import Textvqa
from xmas_assets.evaluation.benchmarks.vizwiz import Vizwiz
from xmas_assets.evaluation.benchmarks.vqav2 import Vqav2

BENCHMARKS: dict[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (
        Vqav2(),
        Vizwiz(),
        Textvqa(),
        Pope(),
    )
}


def benchmark_named(name: str) -> Benchmark:
    """The benchmark of this name; ``SettingsError`` if there is none."""
    if name not in BENCHMARKS:
        raise SettingsError(f"benchmark {name[:80]!r} is not known; use one of {', '.join(BENCHMARKS)}")
    return BENCHMARKS[name]
