"""MMBench in English and Chinese: lettered options, each question asked once per rotation of them."""

import base64
import binascii
import itertools
import re
import string
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.evaluation.benchmarks.base import OPTION_LETTER, Benchmark, Files, Item, Unit, mean_by_name
from xmas_assets.evaluation.benchmarks.official_files import entry, one_question_file, read_table, with_unique_ids
from xmas_assets.evaluation.benchmarks.workbook import workbook

_ROTATION = 1_000_000  # a question's rotated copy has its index plus a multiple of this
_LLAVA_LETTERS = "ABCD"
_ABILITIES = {
    "coarse_perception": "CP",
    "finegrained_perception (instance-level)": "FP-S",
    "finegrained_perception (cross-instance)": "FP-C",
    "logic_reasoning": "LR",
    "relation_reasoning": "RR",
    "attribute_reasoning": "AR",
}
_NOT_SUBMITTED = {"hint", "category", "source", "image", "comment", "l2-category"}
_PREDICTION_COLUMN = 6  # the seventh
_MARKS = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
_REFUSALS = (
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)
_REFUSED = "Z"
_LAST_WORDS = 4


class MmbenchEn(Benchmark):
    """MMBench, scored as VLMEvalKit scores it by exact matching, without a judge for answers that it cannot read.

    A question counts as right when the answers to all its rotations are; one that is not read makes it wrong. The
    official leaderboard asks a language model to read those, which gives a few points more on chatty models.
    """

    name: ClassVar[str] = "mmbench_en"
    title: ClassVar[str] = "MMBench"
    source: ClassVar[str] = "Liu et al. 2023 (arXiv 2307.06281); multiple_choice.py of open-compass/VLMEvalKit"
    metric: ClassVar[str] = "questions right in every rotation, percent"
    max_new_tokens: ClassVar[int] = 32
    files: ClassVar[str] = "questions: mmbench_dev_20230712.tsv, which holds the images"
    instruction: ClassVar[str] = OPTION_LETTER
    """What follows the options in the prompt."""

    def read(self, files: Files) -> list[Item]:
        """The table's rows; an image that is an index is that row's."""
        path = one_question_file(files)
        rows = read_table(path)
        images = {row.get("index", ""): row.get("image", "") for row in rows}
        items = []
        for number, row in enumerate(rows, start=1):
            where = f"{path}: row {number}"
            index: str = entry(row, "index", where)
            image: str = entry(row, "image", where)
            if re.fullmatch("[0-9]+", index, flags=re.ASCII) is None:
                raise DatasetError(f"{where}: index {index[:40]!r} is not a number; get the official file again")
            options = {letter: row[letter] for letter in string.ascii_uppercase if _is_given(row.get(letter, ""))}
            items.append(
                Item(
                    item_id=index,
                    question=entry(row, "question", where),
                    prompt=_prompt(row, options) + self.instruction,
                    images=(_decoded(images.get(image, image), where),),
                    references=(row["answer"],) if row.get("answer") else (),
                    categories=_categories(row),
                    details={"options": options, "columns": _submitted(row)},
                )
            )
        return with_unique_ids(items, path)

    def score(self, item: Item, answer: str) -> float:
        """1 if the answer is read as the right letter, in this rotation."""
        return float(read_option(answer, item.details["options"]) in item.references)

    def units(self, items: Sequence[Item], answers: Mapping[str, str]) -> list[Unit]:
        """A question with all its rotations; only where all were answered."""
        scores = self.score_all(items, answers)
        groups: dict[int, list[str]] = {}
        for item in items:
            groups.setdefault(_question_index(item), []).append(item.item_id)
        return [
            Unit(tuple(sorted(names, key=int)), "", (float(all(scores[name] == 1 for name in names)),))
            for index, names in groups.items()
            if str(index) in names and all(name in scores for name in names)
        ]

    def parts(self, items: Sequence[Item], answers: Mapping[str, str]) -> dict[str, float]:
        """By ability and category, in percent; names that begin with ``vanilla`` are of the first rotation alone."""
        first = {item.item_id: item for item in items if str(_question_index(item)) == item.item_id}
        circular = {unit.item_ids[0]: unit.values[0] for unit in self.units(items, answers)}
        vanilla = self.score_all(list(first.values()), answers)
        means = mean_by_name(
            [
                *_by_category("", circular, first),
                *(("vanilla", score) for score in vanilla.values()),
                *_by_category("vanilla/", vanilla, first),
            ]
        )
        return {name: self.maximum * mean for name, mean in means.items()}

    def submission(self, items: Sequence[Item], answers: Mapping[str, str]) -> tuple[str, bytes]:
        """The workbook that LLaVA sends to the server: the table without images, and the answers as they are."""
        head = list(items[0].details["columns"]) if items else []
        head.insert(_PREDICTION_COLUMN, "prediction")
        rows: list[list[str | int]] = [[*head]]
        for item in items:
            columns = item.details["columns"].items()
            cells: list[str | int] = [int(text) if name == "index" else text for name, text in columns]
            cells.insert(_PREDICTION_COLUMN, answers.get(item.item_id, ""))
            rows.append(cells)
        return f"{self.name}_answers.xlsx", workbook(rows)


class MmbenchCn(MmbenchEn):
    """MMBench with its questions in Chinese. Full-width marks and "选B" are not read, as in the official script."""

    name: ClassVar[str] = "mmbench_cn"
    title: ClassVar[str] = "MMBench-CN"
    files: ClassVar[str] = "questions: mmbench_dev_cn_20231003.tsv, which holds the images"
    instruction: ClassVar[str] = "\n请直接回答选项字母。"


def read_option(answer: str, options: Mapping[str, str]) -> str | None:
    """The option that an answer means, ``Z`` if it refuses, None if it cannot be read.

    Args:
        answer: As the model gave it.
        options: Text of each by its letter.

    Source:
        ``matching_util.py`` of open-compass/VLMEvalKit, commit e8e78f05: first the letter, then the text.
    """
    return _read_letter(answer, options) or _read_text(answer, options)


def _read_letter(answer: str, options: Mapping[str, str]) -> str | None:
    """The only letter among the words if it is one of the last four, or what "answer is" precedes.

    The official pattern has a slip: the letter there may begin a word, so that "the answer is blue" means B.
    """
    if any(phrase in answer for phrase in _REFUSALS):
        return _REFUSED
    words = answer.translate(_MARKS).split()
    letters = [letter for letter in options if letter in words]
    if len(letters) == 1 and words.index(letters[0]) >= len(words) - _LAST_WORDS:
        return letters[0]
    if not letters and _REFUSED in words:
        return _REFUSED
    said = re.search(r"answer\s+is\s+\**([A-D])", answer, flags=re.IGNORECASE)
    return said[1].upper() if said and said[1].upper() in options else None


def _read_text(answer: str, options: Mapping[str, str]) -> str | None:
    """The only option whose text is in an answer that is at most twice as long as all options together."""
    answer = answer.lower()
    found = [letter for letter, text in options.items() if text.lower() in answer]
    is_short = len(answer) <= 2 * sum(len(text) for text in options.values())
    return found[0] if is_short and len(found) == 1 else None


def _question_index(item: Item) -> int:
    return int(item.item_id) % _ROTATION


def _by_category(prefix: str, scores: Mapping[str, float], items: Mapping[str, Item]) -> Iterator[tuple[str, float]]:
    """Each score once for each category of its item."""
    for name, score in scores.items():
        for division, category in items[name].categories.items():
            yield f"{prefix}{division}/{category}", score


def _is_given(text: str) -> bool:
    return text.lower() not in ("", "nan", "none")


def _prompt(row: Mapping[str, str], options: Mapping[str, str]) -> str:
    """Hint, question and options; like LLaVA's it ends at the first option that is not given."""
    letters = itertools.takewhile(lambda letter: letter in options, _LLAVA_LETTERS)
    lines = [row["question"], *(f"{letter}. {options[letter]}" for letter in letters)]
    hint = row.get("hint", "")
    return "\n".join([hint, *lines] if _is_given(hint) else lines)


def _categories(row: Mapping[str, str]) -> dict[str, str]:
    found = {name: row[name] for name in ("category", "l2-category") if row.get(name)}
    return {name: _ABILITIES.get(category, category) for name, category in found.items()}


def _submitted(row: Mapping[str, str]) -> dict[str, str]:
    """The columns that are sent."""
    return {name: text for name, text in row.items() if name not in _NOT_SUBMITTED}


def _decoded(image: str, where: str) -> bytes:
    try:
        return base64.b64decode(image, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DatasetError(f"{where}: its image is not base64 ({error}); get the official file again") from error
