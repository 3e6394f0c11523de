"""NLVR and NLVR2: whether a statement is true of a generated picture, or of two photographs."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.evaluation.benchmarks.base import SHORT_ANSWER, Benchmark, Files, Item
from xmas_assets.evaluation.benchmarks.official_files import (
    entry,
    one_question_file,
    read_json_lines,
    with_unique_ids,
    word_in_name,
)

_SPLITS = ("train", "dev", "test")
_N_PERMUTATIONS = 6
_WORDS = {"yes": "true", "true": "true", "no": "false", "false": "false"}


class _Nlvr(Benchmark):
    """What both have: the label is a word, and a sentence is right where all its judgements are.

    LLaVA has no question file for either. The prompt, and the reading of "yes" as true, are ours.
    """

    metric: ClassVar[str] = "accuracy, percent"
    max_new_tokens: ClassVar[int] = 16

    @abstractmethod
    def _judgements(self, row: Mapping[str, Any], where: str, path: Path) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """Id, id of the sentence and images of each judgement of a record."""

    def read(self, files: Files) -> list[Item]:
        """The judgements, record after record."""
        path = one_question_file(files)
        items = []
        for number, row in enumerate(read_json_lines(path), start=1):
            where = f"{path}: record {number}"
            sentence = entry(row, "sentence", where)
            references = (entry(row, "label", where),) if "label" in row else ()
            for name, sentence_id, images in self._judgements(row, where, path):
                items.append(
                    Item(
                        item_id=name,
                        question=sentence,
                        prompt=f"{sentence}\nIs this statement true or false?{SHORT_ANSWER}",
                        images=images,
                        references=references,
                        details={"sentence": sentence_id},
                    )
                )
        return with_unique_ids(items, path)

    def score(self, item: Item, answer: str) -> float:
        """1 if what is predicted is the label, but for case."""
        return float(self.prediction(answer).lower() == item.references[0].lower())

    def prediction(self, answer: str) -> str:
        """What the official script is given for an answer: a yes or no as true or false, all else as it is."""
        return _WORDS.get(answer.strip().rstrip(".").lower(), answer)

    def parts(self, items: Sequence[Item], answers: Mapping[str, str]) -> dict[str, float]:
        """Consistency: the percentage of sentences with all judgements right, of those that have all answered."""
        scores = self.score_all(items, answers)
        sentences: dict[str, list[str]] = {}
        for item in items:
            sentences.setdefault(item.details["sentence"], []).append(item.item_id)
        whole = [min(scores[name] for name in names) for names in sentences.values() if scores.keys() >= set(names)]
        return {"consistency": self.maximum * sum(whole) / len(whole)} if whole else {}

    def submission(self, items: Sequence[Item], answers: Mapping[str, str]) -> tuple[str, bytes]:
        """The predictions as the official script reads them; what would break a line is left out."""
        lines = [f"{item.item_id},{_one_cell(self.prediction(answers.get(item.item_id, '')))}\n" for item in items]
        return f"{self.name}_predictions.csv", "".join(lines).encode()


class Nlvr1(_Nlvr):
    """NLVR: each statement is judged of six arrangements of a picture's boxes."""

    name: ClassVar[str] = "nlvr1"
    title: ClassVar[str] = "NLVR"
    source: ClassVar[str] = "Suhr et al. 2017 (ACL, P17-2034); metrics_images.py of lil-lab/nlvr"
    files: ClassVar[str] = "questions: dev.json or test.json; images: the split's folder images"

    def _judgements(self, row: Mapping[str, Any], where: str, path: Path) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        identifier, folder = entry(row, "identifier", where), entry(row, "directory", where, kind=(str, int))
        split = word_in_name(path, _SPLITS)
        for permutation in range(_N_PERMUTATIONS):
            name = f"{split}-{identifier}-{permutation}.png"
            yield name, identifier.split("-")[0], (f"{folder}/{name}",)


class Nlvr2(_Nlvr):
    """NLVR2: each statement is judged of several pairs of photographs."""

    name: ClassVar[str] = "nlvr2"
    title: ClassVar[str] = "NLVR2"
    source: ClassVar[str] = "Suhr et al. 2019 (arXiv 1811.00491); metrics.py of lil-lab/nlvr"
    files: ClassVar[str] = "questions: dev.json or test1.json; images: the split's folder"

    def _judgements(self, row: Mapping[str, Any], where: str, path: Path) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        identifier = entry(row, "identifier", where)
        if identifier.count("-") != 3:
            raise DatasetError(
                f"{where}: identifier {identifier[:80]!r} is not split-set-pair-sentence; get the official file"
            )
        in_split, image_set, pair, sentence = identifier.split("-")
        folder = f"{row['directory']}/" if "directory" in row else ""  # the training split's images are in folders
        images = tuple(f"{folder}{in_split}-{image_set}-{pair}-img{side}.png" for side in (0, 1))
        yield identifier, f"{in_split}-{image_set}-{sentence}", images


def _one_cell(text: str) -> str:
    return " ".join(text.replace(",", " ").split())
