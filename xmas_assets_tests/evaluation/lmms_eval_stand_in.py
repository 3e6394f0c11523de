"""Stands in for ``python -m lmms_eval`` 0.7.3: takes its arguments, and writes its files as its source does.

Needs the standard library alone, for it is copied into an environment of its own. What it does depends on the task.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ANSWERS = {"yes_no": [("yes", "yes"), ("no", "yes"), ("yes", "yes")], "colours": [("red", "red"), ("", "blue")]}
"""What is said and what is right, by task."""
GROUPS = {"both": ["colours", "yes_no"]}


def samples(task: str) -> list[dict]:
    """Lines of a file of samples, by ``evaluator.py: _process_document_results`` and ``save_results_samples``."""
    return [
        {
            "doc_id": number,
            "target": right,
            "resps": f" {said}",
            "filtered_resps": said,
            "token_counts": [{"output_tokens": 2}],
            "doc_hash": "74234e98afe7498fb5daf1f36ac2d78acc339464f950703b8c019892f982b90b",
            "input_media": ["a.png"],
            "accuracy": {"question_id": str(number), "score": float(said == right), "prediction": said},
            "exact": said == right,
            "input": f"question {number}?",
        }
        for number, (said, right) in enumerate(ANSWERS[task])
    ]


def results(asked: str, model: str, model_args: str, limit: int | None) -> dict:
    """A file of results, by ``evaluator.py`` and ``save_results_aggregated``."""
    tasks = GROUPS.get(asked, [asked])
    rights = {task: [said == right for said, right in ANSWERS[task]][:limit] for task in tasks}
    by_task: dict[str, dict] = {
        task: {
            "alias": task,
            "accuracy,none": sum(right) / len(right),
            "accuracy_stderr,none": "N/A",
            "accuracy_stderr_clt,none": 0.25,
            "accuracy_stderr_clustered,none": "N/A",
            "not_asked_for,none": [],
            "exact,strip": float(sum(right)),
            "exact_stderr,strip": 0.5,
        }
        for task, right in rights.items()
    }
    groups = {asked: {"alias": asked, "accuracy,none": 0.5, "accuracy_stderr,none": "N/A"}} if asked in GROUPS else {}
    return {
        "results": groups | by_task,
        **({"groups": groups} if groups else {}),
        "group_subtasks": {asked: tasks if groups else []},
        "configs": {
            task: {
                "task": task,
                "doc_to_text": f"<function text at {hex(id(right))}>",
                "metric_list": [{"metric": "accuracy"}, {"metric": "exact"}],
                "score_key": "score",
            }
            for task, right in rights.items()
        },
        "versions": dict.fromkeys(tasks, "Yaml"),
        "n-shot": dict.fromkeys(tasks, 0),
        "higher_is_better": {task: {"accuracy": True, "exact": True} for task in tasks},
        "n-samples": {task: {"original": len(ANSWERS[task]), "effective": len(rights[task])} for task in tasks},
        "config": {"model": model, "model_args": model_args, "limit": limit, "batch_size": "1"},
        "git_hash": None,
        "lmms_eval_version": "unknown@unknown",
        "date": "20261129_004352",
        "task_hashes": {task: f"hash of {task}" for task in tasks},
        "model_source": model,
    }


def write(output: Path, asked: str, *, model: str, model_args: str, limit: int | None = None) -> None:
    """Write both kinds of files where ``evaluation_tracker.py`` does."""
    name = "__".join(model_args.split("pretrained=")[1].split(",")[0].split("/")[-2:])
    folder = output / name
    folder.mkdir(parents=True, exist_ok=True)
    written = results(asked, model, model_args, limit)
    (folder / "20261129_004352_results.json").write_text(json.dumps(written, indent=2))
    for task in written["configs"]:
        with (folder / f"20261129_004352_samples_{task}.jsonl").open("a") as stream:
            stream.writelines(json.dumps(sample, ensure_ascii=False) + "\n" for sample in samples(task)[:limit])


def main() -> None:
    """Do what the task's name says."""
    parser = argparse.ArgumentParser()
    for name in ("model", "model_args", "tasks", "batch_size", "device", "verbosity", "output_path", "include_path"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--limit", type=float)
    parser.add_argument("--log_samples", action="store_true", required=True)
    given = parser.parse_args()
    model = Path(given.model_args.split("pretrained=")[1].split(",")[0])
    assert json.loads((model / "config.json").read_text())["model_type"] and (model / "model.safetensors").is_file()
    print("\x1b[32m2026-11-29 00:43:52\x1b[0m | \x1b[33mWARNING\x1b[0m | \x1b[36mlmms_eval\x1b[0m - loading")
    if given.tasks == "environment":
        print(json.dumps(dict(os.environ)), flush=True)
    if given.tasks == "waits":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
        Path("processes.txt").write_text(f"{os.getpid()} {child.pid}")
        time.sleep(600)
    if given.tasks not in {*ANSWERS, *GROUPS}:  # as cli_evaluate: it ends with code 0
        said = f"Error during evaluation: Tasks not found: {given.tasks}. Please set `--verbosity=DEBUG` to get more."
        print(f"\x1b[32m2026-11-29 00:43:52\x1b[0m | \x1b[31mERROR\x1b[0m | \x1b[36mlmms_eval\x1b[0m - {said}")
        return
    limit = None if given.limit is None else int(given.limit)
    write(Path(given.output_path), given.tasks, model=given.model, model_args=given.model_args, limit=limit)


if __name__ == "__main__":
    main()
