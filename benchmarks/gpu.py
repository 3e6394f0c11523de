"""What signals and LoRA training cost on one NVIDIA card, in less than ten minutes: a table and a JSON file.

Run: python -m benchmarks.gpu [--output FILE] [--seconds 540] [--dry-run]. It needs a card and the packages, and nothing
else: models of the real shapes get random weights, made on the card in bfloat16. Each case has its share of the time;
one that does not fit is reported as not reached, one that the card's memory does not hold as out of memory.
--dry-run takes tiny shapes on the CPU, and does each case once.

The share of the matrix rate is the operations that a case cannot do without (``gpu_flops``) by its seconds, over the
rate of a product of two large bfloat16 matrices on the same card.
"""

import argparse
import gc
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu_cases import CARD, DRY, Case, Scale, cases_of
from benchmarks.gpu_clock import Clock, Measured, OutOfTimeError, matrix_rate
from benchmarks.gpu_machine import describe_machine
from xmas_assets.contracts.messages import one_line
from xmas_assets.files.whole import replacing

_MADE_BY = "benchmarks.gpu"
_COLUMNS = ("model", "case", "samples/s", "peak, GiB", "of the matrix rate", "milliseconds of a sample; notes")


def main(arguments: list[str] | None = None) -> int:
    """Measure all cases; gives the exit status."""
    parser = argparse.ArgumentParser(prog=f"python -m {_MADE_BY}")
    parser.add_argument("--output", type=Path, default=Path("gpu.json"), help="JSON file to write (default: gpu.json)")
    parser.add_argument("--seconds", type=float, default=540, help="when to end (default: 540)")
    parser.add_argument("--dry-run", action="store_true", help="tiny shapes on the CPU, each case once")
    options = parser.parse_args(arguments)
    if not options.dry_run and not torch.cuda.is_available():
        return _refuse("torch sees no NVIDIA card; run this where there is one, or try it on the CPU with --dry-run")
    if options.output.exists() and not _is_ours(options.output):
        return _refuse(f"{options.output} was not written by {_MADE_BY}; give another name with --output")
    return measure(DRY if options.dry_run else CARD, options.output, seconds=options.seconds)


def measure(scale: Scale, output: Path, *, seconds: float) -> int:
    """Print a row for each case, and write all of them to a file, also when a person ends it early."""
    start = time.monotonic()
    cases = list(cases_of(scale))
    clock = Clock(seconds, n_cases=len(cases), is_dry=scale is DRY)
    rate = matrix_rate(torch.device(scale.device), side=scale.matrix_side)
    machine, rows = describe_machine(scale.device), []
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    print(f"{rate / 1e12:.3g} TFLOP/s by products of {scale.matrix_side} x {scale.matrix_side} in bfloat16\n")
    print(f"| {' | '.join(_COLUMNS)} |\n{'|---' * len(_COLUMNS)}|", flush=True)
    try:
        for case in cases:
            rows.append({"model": case.model, "case": case.name, **outcome(case, clock, rate)})
            print(_line(rows[-1]), flush=True)
    finally:
        spent = {"budget_seconds": seconds, "seconds": time.monotonic() - start}
        report = {"made_by": _MADE_BY, "machine": machine, "matrix_flops_per_second": rate, **spent, "cases": rows}
        with replacing(output) as unfinished:
            unfinished.write_text(json.dumps(report, indent=1), encoding="utf-8")
    print(f"\n{spent['seconds']:.0f} s of {seconds:.0f}; {output}")
    return int(any(row["status"] == "failed" for row in rows))


def outcome(case: Case, clock: Clock, rate: float) -> dict[str, Any]:
    """What a case measured, or why it did not."""
    try:
        clock.start_case()
        return {"status": "measured", **_numbers(case.run(clock), rate)}
    except OutOfTimeError:
        return {"status": "not reached"}
    except Exception as error:  # one case's failure must not cost those behind it
        is_full = isinstance(error, torch.OutOfMemoryError) or isinstance(error.__cause__, torch.OutOfMemoryError)
        return {"status": "out of memory" if is_full else "failed", "reason": one_line(error)}
    finally:
        # What a failed case held is free once its traceback is.
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _numbers(measured: Measured, rate: float) -> dict[str, Any]:
    per_second = measured.n_samples / measured.seconds
    return {
        "n_samples": measured.n_samples,
        "seconds": measured.seconds,
        "samples_per_second": per_second,
        "peak_memory_bytes": measured.memory_bytes,
        "flops_per_sample": measured.flops_per_sample,
        "share_of_matrix_rate": per_second * measured.flops_per_sample / rate,
        "seconds_per_sample_by_part": measured.parts,
        "notes": list(measured.notes),
    }


def _line(row: dict[str, Any]) -> str:
    """A row of the table."""
    if row["status"] != "measured":
        return f"| {row['model']} | {row['case']} | {row['status']} | | | {row.get('reason', '')} |"
    parts = [f"{name} {1000 * seconds:.3g}" for name, seconds in row["seconds_per_sample_by_part"].items()]
    cells = [f"{row['samples_per_second']:.3g}", f"{row['peak_memory_bytes'] / 2**30:.3g}"]
    said = "; ".join([", ".join(parts), *row["notes"]]).removeprefix("; ")
    return f"| {row['model']} | {row['case']} | {' | '.join(cells)} | {row['share_of_matrix_rate']:.1%} | {said} |"


def _is_ours(path: Path) -> bool:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("made_by") == _MADE_BY


def _refuse(problem: str) -> int:
    print(problem, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
