"""Reads the answers and scores of official scripts: the folder XMAS_GOLDEN_BENCH_DIR, by default the set kept here."""

import fnmatch
import json
import os
import re
from pathlib import Path
from typing import Any

from xmas_assets.evaluation.benchmarks.base import Files
from xmas_assets.evaluation.benchmarks.mme import COGNITION, PERCEPTION

FOLDER = Path(os.environ.get("XMAS_GOLDEN_BENCH_DIR") or Path(__file__).parent / "benchmarks")


def file(benchmark: str, name: str) -> Path:
    """A file of a benchmark, which its manifest must describe."""
    described = json.loads((FOLDER / benchmark / "MANIFEST.json").read_text(encoding="utf-8"))["files"]
    patterns = [re.sub("<.*?>", "*", pattern).strip() for key in described for pattern in re.split("[,+]", key)]
    assert any(fnmatch.fnmatch(name, f"{pattern.rstrip('/')}*") for pattern in patterns), f"{name} is not in {patterns}"
    return FOLDER / benchmark / name


def files(benchmark: str, name: str) -> list[Path]:
    """The files of this name, in which ``*`` stands for any folder."""
    found = sorted((FOLDER / benchmark).glob(name)) if "*" in name else [FOLDER / benchmark / name]
    return [file(benchmark, path.relative_to(FOLDER / benchmark).as_posix()) for path in found]


def read(benchmark: str, name: str) -> Any:
    """The value of a JSON file; of JSON lines, which may have the suffix of JSON, a list."""
    text = file(benchmark, name).read_text(encoding="utf-8")
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return [json.loads(line) for line in text.split("\n") if line.strip()]


_QUESTIONS: dict[str, tuple[str, list[str], str | None]] = {
    "vqav2": ("vqav2", ["questions.json"], "annotations.json"),
    "vizwiz": ("vizwiz", ["annotations.json"], None),
    "textvqa": ("textvqa", ["TextVQA_0.5.1_val.json"], None),
    "gqa": ("gqa", ["testdev_balanced_questions.json"], None),
    "scienceqa": ("scienceqa", ["problems.json", "pid_splits.json"], None),
    "chartqa": ("chartqa", ["test_human.json", "test_augmented.json"], None),
    "mme": ("mme", [f"results/{task}.txt" for task in (*PERCEPTION, *COGNITION)], None),
    "nlvr1": ("nlvr", ["nlvr1_dev.json"], None),
    "nlvr2": ("nlvr", ["nlvr2_dev.json"], None),
    "pope": ("pope", [f"coco/coco_pope_{name}.json" for name in ("adversarial", "popular", "random")], None),
    "mmbench_en": ("mmbench_en", ["mmbench.tsv"], None),
    "mmbench_cn": ("mmbench_cn", ["mmbench.tsv"], None),
    "mmmu": ("mmmu", ["outputs/*/output.json"], None),
    "captions_coco": ("captions_coco", ["annotations.json"], None),
    "captions_nocaps": ("captions_nocaps", ["annotations.json"], None),
    "mmvet": ("mmvet", ["mm-vet_1runs.json"], None),
    "seedbench": ("seedbench", ["SEED-Bench.json"], None),
}
"""By benchmark: the folder of its vectors, its question files there (``*`` is any name), its file of right answers."""


_OURS = Path(__file__).parent.parent / "evaluation" / "benchmarks" / "files"
_WITHOUT_VECTORS = {
    "llavabench": Files(
        questions=tuple(_OURS / "llavabench" / name for name in ("questions.jsonl", "context.jsonl", "rule.json")),
        annotations=_OURS / "llavabench" / "answers_gpt4.jsonl",
    ),
    "owleval": Files(questions=(_OURS / "owleval" / "questions.jsonl",)),
}
"""Files in official form, made for the tests, of benchmarks whose vectors have no questions."""


def question_files(benchmark: str) -> Files:
    """What a user gives to ``xmas benchmark add``."""
    if benchmark in _WITHOUT_VECTORS:
        return _WITHOUT_VECTORS[benchmark]
    folder, questions, annotations = _QUESTIONS[benchmark]
    return Files(
        questions=tuple(found for name in questions for found in files(folder, name)),
        annotations=file(folder, annotations) if annotations else None,
    )
