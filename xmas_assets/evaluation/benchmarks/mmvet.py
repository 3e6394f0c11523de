"""MM-Vet: open questions that need several abilities at once, judged by a language model."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

from xmas_assets.evaluation.benchmarks.base import Files, Item, JudgedBenchmark, mean_by_name
from xmas_assets.evaluation.benchmarks.official_files import (
    entry,
    mapping,
    one_question_file,
    read_json,
    strings_of,
    with_unique_ids,
)

_ICELAND = (
    "Can you explain this meme? | This meme is poking fun at the fact that the names of the countries Iceland and"
    " Greenland are misleading. Despite its name, Iceland is known for its beautiful green landscapes, while "
    "Greenland is mostly covered in ice and snow. The meme is saying that the person has trust issues because the"
    " names of these countries do not accurately represent their landscapes. | "
)
_EXAMPLES = (
    "What is x in the equation? | -1 <AND> -5 | x = 3 | 0.0",
    "What is x in the equation? | -1 <AND> -5 | x = -1 | 0.5",
    "What is x in the equation? | -1 <AND> -5 | x = -5 | 0.5",
    "What is x in the equation? | -1 <AND> -5 | x = -5 or 5 | 0.5",
    "What is x in the equation? | -1 <AND> -5 | x = -1 or x = -5 | 1.0",
    _ICELAND
    + "The meme talks about Iceland and Greenland. It's pointing out that despite their names, Iceland is not very "
    "icy and Greenland isn't very green. | 0.4",
    _ICELAND
    + "The meme is using humor to point out the misleading nature of Iceland's and Greenland's names. Iceland, "
    "despite its name, has lush green landscapes while Greenland is mostly covered in ice and snow. The text "
    "'This is why I have trust issues' is a playful way to suggest that these contradictions can lead to distrust"
    " or confusion. The humor in this meme is derived from the unexpected contrast between the names of the "
    "countries and their actual physical characteristics. | 1.0",
)
_INSTRUCTION = (
    "Compare the ground truth and prediction from AI models, to give a correctness score for the prediction. "
    "<AND> in the ground truth means it is totally right only when all elements in the ground truth are present "
    "in the prediction, and <OR> means it is totally right when any one element in the ground truth is present in"
    " the prediction. The correctness score is 0.0 (totally wrong), 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, "
    "or 1.0 (totally right). Just complete the last space of the correctness score."
)
_HEAD = "Question | Ground truth | Prediction | Correctness\n--- | --- | --- | ---"
_AGAIN = "\nPredict the correctness of the answer (digit): "


class Mmvet(JudgedBenchmark):
    """MM-Vet: mean score that a judge gives. The prompt of the judge is the paper's (table 1).

    The official script accepts the reply "nan", which makes every mean NaN; here the judge is asked again.
    """

    name: ClassVar[str] = "mmvet"
    title: ClassVar[str] = "MM-Vet"
    source: ClassVar[str] = "Yu et al. 2023 (arXiv 2308.02490); mm-vet_evaluator.py of yuweihao/MM-Vet"
    metric: ClassVar[str] = "judge's score, percent"
    max_new_tokens: ClassVar[int] = 512
    files: ClassVar[str] = "questions: mm-vet.json; images: its folder images"
    judge: ClassVar[str] = "gpt-4-0613, temperature 0"
    warmer: ClassVar[float] = 0.5
    max_reply_tokens: ClassVar[int] = 3
    max_asks: ClassVar[int] = 5

    def read(self, files: Files) -> list[Item]:
        """The questions, in the file's order."""
        path = one_question_file(files)
        items = []
        for name, value in mapping(read_json(path), str(path)).items():
            where = f"{path}: {name[:80]}"
            row = mapping(value, where)
            question = entry(row, "question", where)
            items.append(
                Item(
                    item_id=name,
                    question=question,
                    prompt=question,
                    images=(entry(row, "imagename", where),),
                    references=(entry(row, "answer", where),),
                    details={"capability": sorted(set(strings_of(row, "capability", where)))},
                )
            )
        return with_unique_ids(items, path)

    def judge_prompt(self, item: Item, answer: str, *, again: bool = False) -> str:
        """The examples, and the question as the last row of their table, its score left open."""
        truth = item.references[0].replace("<AND>", " <AND> ").replace("<OR>", " <OR> ")
        table = "\n".join([_INSTRUCTION, "", _HEAD, *_EXAMPLES])
        return f"{table}\n\n{item.question} | {truth} | {answer} | " + (_AGAIN if again else "")

    def reply_is_readable(self, reply: str) -> bool:
        """Whether it begins with a number from 0 to 1."""
        return _score(reply) is not None

    def score(self, item: Item, answer: str) -> float:
        """The number at the start of the judge's reply; 0 for one that cannot be read."""
        return _score(answer) or 0.0

    def parts(self, items: Sequence[Item], answers: Mapping[str, str]) -> dict[str, float]:
        """By capability, and by set of capabilities (``integration/...``), in percent."""
        scores = self.score_all(items, answers)
        named = [
            (name, scores[item.item_id])
            for item in items
            if item.item_id in scores
            for name in (
                *(f"capability/{capability}" for capability in item.details["capability"]),
                f"integration/{'_'.join(item.details['capability'])}",
            )
        ]
        return {name: self.maximum * mean for name, mean in mean_by_name(named).items()}

    def submission(self, items: Sequence[Item], answers: Mapping[str, str]) -> tuple[str, bytes]:
        """Answers by question, as the official evaluator reads them."""
        rows = {item.item_id: answers.get(item.item_id, "") for item in items}
        return "mmvet_answers.json", json.dumps(rows, ensure_ascii=False).encode()


def _score(reply: str) -> float | None:
    """What stands before the first blank, if it is a number from 0 to 1; so " 0.5" cannot be read."""
    try:
        score = float(reply.split(" ")[0].strip())
    except ValueError:
        return None
    return score if math.isfinite(score) and 0 <= score <= 1 else None
