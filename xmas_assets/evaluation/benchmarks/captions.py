"""Captions of images: COCO, and NoCaps, whose images show objects that COCO's captions do not name."""

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from xmas_assets.evaluation.benchmarks.base import Benchmark, Files, Item
from xmas_assets.evaluation.benchmarks.caption_scores import Captions, bleu, cider, rouge_l
from xmas_assets.evaluation.benchmarks.caption_words import caption_words
from xmas_assets.evaluation.benchmarks.official_files import (
    entry,
    question_object,
    rows_of,
    with_unique_ids,
)

_PROMPT = "Provide a one-sentence caption for the provided image."  # of lmms-eval; LLaVA-1.5 has no captions
_MOST_CIDER = 10.0


class CaptionsCoco(Benchmark):
    """Captions of COCO, scored like pycocoevalcap, but by a tokeniser of our own: the official one needs Java.

    The headline is CIDEr-D times 100. How rare a phrase is comes from the references of the answered images, so that an
    image has no score by itself, and numbers on fewer images are not comparable. METEOR and SPICE need Java too, and
    are left out.
    """

    name: ClassVar[str] = "captions_coco"
    title: ClassVar[str] = "COCO Caption"
    source: ClassVar[str] = "Chen et al. 2015 (arXiv 1504.00325); pycocoevalcap 1.2"
    metric: ClassVar[str] = "CIDEr-D times 100; about 110 is good"
    maximum: ClassVar[float] = 1000.0
    max_new_tokens: ClassVar[int] = 64
    files: ClassVar[str] = "questions: captions_val2014.json, or a file of that form with the images of another split"

    def read(self, files: Files) -> list[Item]:
        """The images, with their captions where they are published."""
        path, content = question_object(files)
        references: dict[int, list[str]] = {}
        for where, row in rows_of(content["annotations"], f"{path}: annotations") if content.get("annotations") else ():
            references.setdefault(entry(row, "image_id", where, kind=int), []).append(entry(row, "caption", where))
        items = []
        for where, row in rows_of(content.get("images"), f"{path}: images"):
            number = entry(row, "id", where, kind=int)
            items.append(
                Item(
                    item_id=str(number),
                    question=_PROMPT,
                    prompt=_PROMPT,
                    images=(entry(row, "file_name", where),),
                    references=tuple(references.get(number, ())),
                    categories={"domain": entry(row, "domain", where)} if "domain" in row else {},
                )
            )
        return with_unique_ids(items, path)

    def score(self, item: Item, answer: str) -> float:
        """CIDEr-D of a single image, which is always 0: every phrase is in all references."""
        return self.score_all([item], {item.item_id: answer})[item.item_id]

    def score_all(self, items: Sequence[Item], answers: Mapping[str, str]) -> dict[str, float]:
        """CIDEr-D / 10 of each answered image among these."""
        captions = _captions(items, answers)
        scores = cider(list(captions.values()))
        return {name: min(1.0, score / _MOST_CIDER) for name, score in zip(captions, scores, strict=True)}

    def parts(self, items: Sequence[Item], answers: Mapping[str, str]) -> dict[str, float]:
        """BLEU 1 to 4 and ROUGE-L times 100; of a domain also CIDEr-D, with rarity from all images and from its own.

        Which of the two NoCaps' server means is not known. The mean of a domain with rarity from all is
        ``domain/NAME``; ``domain/NAME/CIDEr`` is with rarity from its own images.
        """
        parts = _measures(list(_captions(items, answers).values())) | super().parts(items, answers)
        for domain in sorted({item.categories["domain"] for item in items if "domain" in item.categories}):
            chosen = [item for item in items if item.categories.get("domain") == domain]
            scores = self.score_all(chosen, answers)
            if scores:
                own = _measures(list(_captions(chosen, answers).values()))
                own["CIDEr"] = self.maximum * float(np.mean(list(scores.values())))
                parts |= {f"domain/{domain}/{name}": value for name, value in own.items()}
        return parts

    def submission(self, items: Sequence[Item], answers: Mapping[str, str]) -> tuple[str, bytes]:
        """Captions in COCO's form of results."""
        rows = [{"image_id": int(item.item_id), "caption": answers.get(item.item_id, "")} for item in items]
        return f"{self.name}_results.json", json.dumps(rows, ensure_ascii=False).encode()


class CaptionsNocaps(CaptionsCoco):
    """NoCaps, scored like COCO; also by domain: in-domain, near-domain and out-domain images."""

    name: ClassVar[str] = "captions_nocaps"
    title: ClassVar[str] = "NoCaps"
    source: ClassVar[str] = "Agrawal et al. 2019 (arXiv 1812.08658); pycocoevalcap 1.2"
    files: ClassVar[str] = "questions: nocaps_val_4500_captions.json"


def _captions(items: Sequence[Item], answers: Mapping[str, str]) -> dict[str, Captions]:
    """Words by item id, of items with an answer and references."""
    return {
        item.item_id: Captions(
            caption_words(answers[item.item_id]), tuple(caption_words(text) for text in item.references)
        )
        for item in items
        if item.item_id in answers and item.references
    }


def _measures(captions: Sequence[Captions]) -> dict[str, float]:
    if not captions:
        return {}
    scores = {f"Bleu_{n}": score for n, score in enumerate(bleu(captions), start=1)}
    scores["ROUGE_L"] = float(np.mean([rouge_l(of_image) for of_image in captions]))
    return {name: 100 * score for name, score in scores.items()}
