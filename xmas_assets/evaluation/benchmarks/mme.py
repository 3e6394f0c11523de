"""MME: pairs of yes/no questions on an image, in fourteen tasks."""

import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.core.arrays import FloatArray
from xmas_assets.evaluation.benchmarks.base import SHORT_ANSWER, Benchmark, Files, Item, Unit
from xmas_assets.evaluation.benchmarks.official_files import read_lines, with_unique_ids, word_in_name

PERCEPTION = (
    "existence",
    "count",
    "position",
    "color",
    "posters",
    "celebrity",
    "scene",
    "landmark",
    "artwork",
    "OCR",
)
COGNITION = ("commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning")
_TASK_MAXIMUM = 200.0
_LLAVA_LEAVES_OUT = " Please answer yes or no."


class Mme(Benchmark):
    """MME's perception score; cognition is among the parts.

    A task counts 100 x its accuracy + 100 x the share of images of which both questions are right. Two lines of a file
    that follow each other are one image. With fewer than ten perception tasks the headline is still out of 2000.
    """

    name: ClassVar[str] = "mme"
    title: ClassVar[str] = "MME-P"
    source: ClassVar[str] = "Fu et al. 2023 (arXiv 2306.13394); calculation.py of its eval_tool"
    metric: ClassVar[str] = "perception, sum over ten tasks of accuracy and accuracy on pairs"
    maximum: ClassVar[float] = len(PERCEPTION) * _TASK_MAXIMUM
    max_new_tokens: ClassVar[int] = 16
    files: ClassVar[str] = "questions: the 14 files of the eval tool, OCR.txt to text_translation.txt"

    def read(self, files: Files) -> list[Item]:
        """The questions, file after file; a fourth column, the answer of some model, is left out."""
        items = []
        for path in files.questions:
            task = word_in_name(path, (*PERCEPTION, *COGNITION))
            rows = list(_rows(path))
            if len(rows) % 2:
                raise DatasetError(f"{path} has {len(rows)} questions, and one without its pair; get it again")
            for number, (image, question, truth) in enumerate(rows):
                items.append(
                    Item(
                        item_id=f"{task}_{number}",
                        question=question,
                        prompt=question.replace(_LLAVA_LEAVES_OUT, "") + SHORT_ANSWER,
                        images=(_image(files.images, task, image),),
                        references=(truth.lower(),),
                        categories={"task": task},
                        details={"pair": f"{task}_{number // 2}", "image": image, "truth": truth},
                    )
                )
        return with_unique_ids(items, files.questions[0])

    def score(self, item: Item, answer: str) -> float:
        """1 if the answer says what the truth is."""
        return float(said(answer) == item.references[0])

    def units(self, items: Sequence[Item], answers: Mapping[str, str]) -> list[Unit]:
        """Each answered pair of a perception task: accuracy of its questions, and whether both are right."""
        return [unit for unit in self._pairs(items, answers) if unit.stratum in PERCEPTION]

    def stratum_score(self, means: FloatArray) -> FloatArray:
        """Mean of accuracy and accuracy on pairs, that is a task's score / 200."""
        return means.mean(axis=-1)

    def parts(self, items: Sequence[Item], answers: Mapping[str, str]) -> dict[str, float]:
        """Sums of perception and cognition; per task its score, what it is made of and the confusion of yes and no."""
        by_task: dict[str, list[Unit]] = {}
        for unit in self._pairs(items, answers):
            by_task.setdefault(unit.stratum, []).append(unit)
        by_id = {item.item_id: item for item in items}
        parts: dict[str, float] = {}
        for task, units in sorted(by_task.items()):
            asked = [by_id[name] for unit in units for name in unit.item_ids]
            accuracy, on_pairs = np.mean([unit.values for unit in units], axis=0)
            measures = {"score": 100 * (accuracy + on_pairs), "acc": accuracy, "acc_plus": on_pairs}
            measures |= _confusion([(item.references[0], said(answers[item.item_id])) for item in asked])
            parts |= {f"{task}/{name}": float(value) for name, value in measures.items()}
        for name, tasks in (("perception", PERCEPTION), ("cognition", COGNITION)):
            scores = [parts[f"{task}/score"] for task in tasks if task in by_task]
            parts |= {name: sum(scores)} if scores else {}
        return parts

    def submission(self, items: Sequence[Item], answers: Mapping[str, str]) -> tuple[str, bytes]:
        """The folder that the official script reads, as a ZIP archive; tabs and line ends in answers become blanks."""
        texts: dict[str, str] = {}
        for item in items:
            answer = " ".join(answers.get(item.item_id, "").replace("\t", " ").splitlines())
            line = "\t".join((item.details["image"], item.question, item.details["truth"], answer))
            task = item.categories["task"]
            texts[task] = texts.get(task, "") + line + "\n"
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as folder:
            for task, text in texts.items():
                folder.writestr(zipfile.ZipInfo(f"{task}.txt"), text)  # with no time of day, so the same bytes again
        return "mme_results.zip", archive.getvalue()

    def _pairs(self, items: Sequence[Item], answers: Mapping[str, str]) -> list[Unit]:
        scores = self.score_all(items, answers)
        pairs: dict[str, list[Item]] = {}
        for item in items:
            pairs.setdefault(item.details["pair"], []).append(item)
        units = []
        for pair in pairs.values():
            reached = [scores[item.item_id] for item in pair if item.item_id in scores]
            if len(reached) == 2:
                values = (sum(reached) / 2, float(min(reached)))
                units.append(Unit(tuple(item.item_id for item in pair), pair[0].categories["task"], values))
        return units


def said(answer: str) -> str:
    """``yes``, ``no`` or ``other``, by the first four characters: "None" and "Know" say no, "  Yes" says nothing."""
    start = answer.lower()[:4]
    return next((word for word in ("yes", "no") if word in start), "other")


def _rows(path: Path) -> Iterator[tuple[str, str, str]]:
    """Image, question and truth of each line."""
    for number, line in enumerate(read_lines(path), start=1):
        cells = line.split("\t")
        if len(cells) not in (3, 4) or cells[2].lower() not in ("yes", "no"):
            raise DatasetError(
                f"{path}: line {number} is {line!r:.80}, not image, question, Yes or No by tabs; get the official file"
            )
        yield cells[0], cells[1], cells[2]


def _image(folder: Path | None, task: str, image: str) -> str:
    """Where an image is: the official archive keeps those of some tasks in a folder of their own, ``images``."""
    nested = f"{task}/images/{image}"
    return nested if folder and (folder / nested).is_file() else f"{task}/{image}"


def _confusion(pairs: Sequence[tuple[str, str]]) -> dict[str, float]:
    """Counts of truth against answer; precision and recall of "yes" among answers that say yes or no."""
    counts = {
        name: float(pairs.count(pair))
        for name, pair in (
            ("TP", ("yes", "yes")),
            ("FN", ("yes", "no")),
            ("TN", ("no", "no")),
            ("FP", ("no", "yes")),
        )
    }
    return counts | {
        "other_num": float(sum(answer == "other" for _, answer in pairs)),
        "precision": counts["TP"] / max(counts["TP"] + counts["FP"], 1),
        "recall": counts["TP"] / max(counts["TP"] + counts["FN"], 1),
    }
