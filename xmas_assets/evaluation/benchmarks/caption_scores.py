"""Scores of captions against several references, of words as ``caption_words`` gives them: CIDEr, BLEU, ROUGE-L."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

Words = Sequence[str]
Ngram = tuple[str, ...]

_LONGEST = 4  # words of an n-gram
_CIDER_SPREAD = 6.0  # of the penalty on a difference in length
_CIDER_SCALE = 10.0
_ROUGE_BETA = 1.2
_TINY, _SMALL = 1e-15, 1e-9  # keep the official quotients from 0 / 0


class Captions(NamedTuple):
    """What was said of an image, and what people said of it."""

    candidate: Words
    references: tuple[Words, ...]


def cider(captions: Sequence[Captions]) -> list[float]:
    """CIDEr-D of each image, 0 to 10.

    How rare an n-gram is comes from the references of these images, so that scores depend on which images there are:
    with one image all are 0.

    Source:
        Vedantam et al. 2015 (arXiv 1411.5726), as ``cider_scorer.py`` of pycocoevalcap: the length that it compares is
        the number of bigrams.
    """
    frequencies: Counter[Ngram] = Counter()
    for of_image in captions:
        frequencies.update({ngram for words in of_image.references for ngram in _counts(words)})
    rarity = {ngram: math.log(len(captions)) - math.log(count) for ngram, count in frequencies.items()}
    unseen = math.log(max(1, len(captions)))
    return [_cider_of_image(of_image, rarity, unseen) for of_image in captions]


def bleu(captions: Sequence[Captions]) -> list[float]:
    """BLEU-1 to BLEU-4 of all captions together, 0 to 1.

    Source:
        Papineni et al. 2002, as ``bleu_scorer.py`` of pycocoevalcap: against the reference that is closest in length,
        the shorter of two.
    """
    right, possible = [0] * _LONGEST, [0] * _LONGEST
    length = wanted_length = 0
    for candidate, references in captions:
        most = Counter[Ngram]()
        for words in references:
            most |= _counts(words)
        for ngram, count in _counts(candidate).items():
            right[len(ngram) - 1] += min(count, most[ngram])
        for n in range(_LONGEST):
            possible[n] += max(0, len(candidate) - n)
        length += len(candidate)
        wanted_length += min((abs(len(words) - len(candidate)), len(words)) for words in references)[1]
    ratio = (length + _TINY) / (wanted_length + _SMALL)
    penalty = math.exp(1 - 1 / ratio) if ratio < 1 else 1.0
    scores, product = [], 1.0
    for n in range(_LONGEST):
        product *= (right[n] + _TINY) / (possible[n] + _SMALL)
        scores.append(product ** (1 / (n + 1)) * penalty)
    return scores


def rouge_l(of_image: Captions) -> float:
    """ROUGE-L of one image, 0 to 1: best precision and best recall over the references, each by itself.

    Source:
        Lin 2004, as ``rouge.py`` of pycocoevalcap.
    """
    candidate = of_image.candidate or [""]  # the official script splits "" into one empty word
    references = [words or [""] for words in of_image.references]
    common = [_longest_common(candidate, words) for words in references]
    precision = max(common) / len(candidate)
    recall = max(length / len(words) for length, words in zip(common, references, strict=True))
    if precision == 0 or recall == 0:
        return 0.0
    return (1 + _ROUGE_BETA**2) * precision * recall / (recall + _ROUGE_BETA**2 * precision)


def _counts(words: Words) -> Counter[Ngram]:
    """How often each n-gram occurs."""
    return Counter(tuple(words[at : at + n]) for n in range(1, _LONGEST + 1) for at in range(len(words) - n + 1))


def _cider_of_image(of_image: Captions, rarity: Mapping[Ngram, float], unseen: float) -> float:
    candidate = _weights(of_image.candidate, rarity, unseen)
    scores = []
    for words in of_image.references:
        gap = max(0, len(of_image.candidate) - 1) - max(0, len(words) - 1)
        likeness = sum(map(_likeness, candidate, _weights(words, rarity, unseen))) / _LONGEST
        scores.append(likeness * math.exp(-(gap**2) / (2 * _CIDER_SPREAD**2)))
    return _CIDER_SCALE * sum(scores) / len(scores)


def _weights(words: Words, rarity: Mapping[Ngram, float], unseen: float) -> list[dict[Ngram, float]]:
    """Count times rarity of each n-gram, for each length of n-grams."""
    weights: list[dict[Ngram, float]] = [{} for _ in range(_LONGEST)]
    for ngram, count in _counts(words).items():
        weights[len(ngram) - 1][ngram] = count * rarity.get(ngram, unseen)
    return weights


def _likeness(candidate: Mapping[Ngram, float], reference: Mapping[Ngram, float]) -> float:
    """Cosine, in which saying something more often than the reference does not help."""
    norm = math.hypot(*candidate.values()) * math.hypot(*reference.values())
    shared = sum(
        min(weight, reference[ngram]) * reference[ngram] for ngram, weight in candidate.items() if ngram in reference
    )
    return shared / norm if norm > 0 else shared


def _longest_common(first: Words, second: Words) -> int:
    """Length of the longest common subsequence."""
    lengths = [0] * (len(second) + 1)
    for word in first:
        before = lengths
        lengths = [0]
        for at, other in enumerate(second):
            lengths.append(before[at] + 1 if word == other else max(before[at + 1], lengths[at]))
    return lengths[-1]
