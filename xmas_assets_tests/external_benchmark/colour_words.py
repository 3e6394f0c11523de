"""Asks for colours: a benchmark in a package of its own."""

from typing import ClassVar

from xmas_assets.evaluation.benchmarks.base import SHORT_ANSWER, Benchmark, Files, Item
from xmas_assets.evaluation.benchmarks.official_files import entry, one_question_file, read_json_lines, with_unique_ids


class ColourWords(Benchmark):
    """Share of the questions whose answer is the colour, in any case."""

    name: ClassVar[str] = "colour_words"
    title: ClassVar[str] = "Colour Words"
    source: ClassVar[str] = "an example"
    metric: ClassVar[str] = "accuracy, percent"
    max_new_tokens: ClassVar[int] = 16
    files: ClassVar[str] = "questions: colours.jsonl, with id, image, question and colour"

    def read(self, files: Files) -> list[Item]:
        """The questions, in the file's order."""
        path = one_question_file(files)
        items = []
        for number, row in enumerate(read_json_lines(path), start=1):
            where = f"{path}: line {number}"
            question = entry(row, "question", where)
            items.append(
                Item(
                    item_id=entry(row, "id", where),
                    question=question,
                    prompt=question + SHORT_ANSWER,
                    images=(entry(row, "image", where),),
                    references=(entry(row, "colour", where),),
                )
            )
        return with_unique_ids(items, path)

    def score(self, item: Item, answer: str) -> float:
        """1 if the answer is the colour."""
        return float(answer.strip().casefold() == item.references[0].casefold())
