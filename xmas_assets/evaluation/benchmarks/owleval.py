"""OwlEval: open questions whose answers people rate from A to D."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from xmas_assets.evaluation.benchmarks.base import Files, Item, JudgedBenchmark, mean_by_name
from xmas_assets.evaluation.benchmarks.official_files import (
    entry,
    one_question_file,
    read_json_lines,
    with_unique_ids,
)

_RATINGS = {
    "A": "correct and satisfying",
    "B": "acceptable, with minor imperfections",
    "C": "responds to the instruction, but has significant errors",
    "D": "irrelevant or invalid",
}
_ABILITIES = {
    "a": "instruction",
    "b": "vision",
    "c": "ocr",
    "d": "knowledge",
    "e": "reasoning",
    "f": "dialogue",
}


class Owleval(JudgedBenchmark):
    """OwlEval: ratings from A to D by people who see the image.

    The paper counts the ratings and prints no single number. The headline here is ours: their mean, with A = 100, B and
    C a third less each, and D = 0. People rate on a sheet (``evaluation.ratings``), and several raters are several
    runs. Questions that the authors ask one after the other in one dialogue are asked each by itself.
    """

    name: ClassVar[str] = "owleval"
    title: ClassVar[str] = "OwlEval"
    source: ClassVar[str] = "Ye et al. 2023 (arXiv 2304.14178); OwlEval of X-PLUG/mPLUG-Owl"
    metric: ClassVar[str] = "mean rating (A = 100, D = 0), ours"
    max_new_tokens: ClassVar[int] = 512
    files: ClassVar[str] = "questions: questions.jsonl; images: its folder cases"
    judge: ClassVar[str] = "people"
    warmer: ClassVar[float] = 0.5
    rated: ClassVar[bool] = True
    max_reply_tokens: ClassVar[int] = 4
    max_asks: ClassVar[int] = 3

    def read(self, files: Files) -> list[Item]:
        """The questions, in the file's order."""
        path = one_question_file(files)
        items = []
        for number, row in enumerate(read_json_lines(path)):
            where = f"{path}: question {number}"
            question = entry(row, "question", where)
            letters = entry(row, "ability", where).split(",") if "ability" in row else []
            items.append(
                Item(
                    item_id=str(entry(row, "question_id", where, kind=int)),
                    question=question,
                    prompt=question,
                    images=(entry(row, "image", where),),
                    references=(),
                    details={"abilities": [_ABILITIES.get(letter.strip(), letter.strip()) for letter in letters]},
                )
            )
        return with_unique_ids(items, path)

    def judge_prompt(self, item: Item, answer: str, *, again: bool = False) -> str:
        """What a rater is asked. The words are ours; the meaning of the letters is the paper's."""
        scale = "\n".join(f"{letter}: {meaning}" for letter, meaning in _RATINGS.items())
        return (
            f"Rate the answer to a question about an image.\n{scale}\n\nQuestion: {item.question}\nAnswer: {answer}\n\n"
            "Reply with the letter alone."
        )

    def reply_is_readable(self, reply: str) -> bool:
        """Whether it is a letter from A to D."""
        return _letter(reply) in _RATINGS

    def is_scored(self, item: Item) -> bool:
        """True: a rater needs no right answer."""
        return True

    def score(self, item: Item, answer: str) -> float:
        """1, 2/3, 1/3, 0 for A, B, C, D; 0 for a reply that cannot be read."""
        letters = "DCBA"
        letter = _letter(answer)
        return letters.index(letter) / (len(letters) - 1) if letter in _RATINGS else 0.0

    def parts(self, items: Sequence[Item], answers: Mapping[str, str]) -> dict[str, float]:
        """Share of each rating, and the mean rating by ability, in percent."""
        scores = self.score_all(items, answers)
        answered = [item for item in items if item.item_id in scores]
        shares = [
            (f"rating/{letter}", float(_letter(answers[item.item_id]) == letter))
            for item in answered
            for letter in _RATINGS
        ]
        abilities = [
            (f"ability/{name}", scores[item.item_id]) for item in answered for name in item.details["abilities"]
        ]
        return {name: self.maximum * mean for name, mean in mean_by_name([*shares, *abilities]).items()}


def _letter(reply: str) -> str:
    return reply.strip().upper()
