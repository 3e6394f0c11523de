"""Open-ended answers as VQA compares them: two normal forms, and the accuracy over ten annotators."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

# In the order of the official script, whose edits add up.
_MARKS = ';/[]"{}()=+\\_-><@`,?!'
_COUNTED = "zero one two three four five six seven eight nine ten"
_NUMBERS = {word: str(value) for value, word in enumerate(_COUNTED.split())} | {"none": "0"}
_ARTICLES = {"a", "an", "the"}
_CONTRACTED = """
    ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd he'd've
    he's how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've might've mustn't must've needn't not've
    o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd've somebody'll somebody's
    someone'd someone'd've someone'll someone's something'd something'd've something'll that's there'd there'd've
    there're there's they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't what'll what're what's
    what've when's where'd where's where've who'd who'd've who'll who's who've why'll why're why's won't would've
    wouldn't wouldn't've y'all y'all'll y'all'd've you'd you'd've you'll you're you've
"""
CACHED_TEXTS = 1 << 16
"""Texts whose normal form is remembered: a few make up most answers, and all references are read for every model."""
_PERIOD_LIMIT = 32  # the official script passes re.UNICODE, which is 32, where ``re.sub`` takes a count


def _misspelled(word: str) -> dict[str, str]:
    """A contraction by its spellings that lack one apostrophe."""
    return {word[:at] + word[at + 1 :]: word for at, letter in enumerate(word) if letter == "'"}


CONTRACTIONS: Mapping[str, str] = {
    wrong: word for right in _CONTRACTED.split() for wrong, word in _misspelled(right).items()
} | {"somebody'd": "somebodyd"}
"""The official table, by the spelling to correct; its keys with capitals are left out, since they never match."""


def plain_words(text: str, contractions: Mapping[str, str] = CONTRACTIONS) -> str:
    """An answer as the official VQA script compares it.

    Args:
        text: The answer.
        contractions: Spellings to correct.

    Source:
        ``vqaEval.py`` of GT-Vision-Lab/VQA: line ends to blanks and ``strip``, ``processPunctuation``,
        ``processDigitArticle``. Its slips are kept: a look-behind that is no look-behind, so that "3." loses its period
        and ".5" does not, and at most 32 periods.

    Example:
        >>> plain_words("The two dogs, dont!")
        "2 dogs don't"
    """
    text = text.replace("\n", " ").replace("\t", " ").strip()
    return _digits_and_articles(_without_marks(text), contractions)


@lru_cache(maxsize=CACHED_TEXTS)
def evalai_words(text: str) -> str:
    """An answer as LLaVA and TextVQA prepare it: ``plain_words`` after commas, question marks and ``'s``.

    Source:
        ``EvalAIAnswerProcessor`` of ``llava/eval/m4c_evaluator.py``, from Pythia.

    Example:
        >>> evalai_words("The man's"), plain_words("The man's")
        ("man 's", "man's")
    """
    return plain_words(text.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip())


def soft_accuracy(answer: str, references: Sequence[str]) -> float:
    """Mean over annotators of min(1, others who said the same / 3), in [0, 1].

    Args:
        answer: As it is compared.
        references: One per annotator, as they are compared.

    Source:
        Antol et al. 2015 (arXiv 1505.00468), section 3, as the official script averages it: with ten annotators of
        whom m agree, 0, 0.3, 0.6, 0.9, 1 for m = 0, 1, 2, 3, 4 and more.
    """
    n_agreeing = references.count(answer)
    left_out, others = min(1.0, (n_agreeing - 1) / 3), min(1.0, n_agreeing / 3)
    return (n_agreeing * left_out + (len(references) - n_agreeing) * others) / len(references)


def _without_marks(text: str) -> str:
    """Delete marks next to a blank, and put a blank for others; all decided by the text as it came."""
    has_grouped_digits = re.search(r"\d,\d", text) is not None
    out = text
    for mark in filter(text.__contains__, _MARKS):
        is_deleted = has_grouped_digits or f"{mark} " in text or f" {mark}" in text
        out = out.replace(mark, "" if is_deleted else " ")
    return re.sub(r"\.(?!\d)", "", out, count=_PERIOD_LIMIT)


def _digits_and_articles(text: str, contractions: Mapping[str, str]) -> str:
    words = [_NUMBERS.get(word, word) for word in text.lower().split()]
    return " ".join(contractions.get(word, word) for word in words if word not in _ARTICLES)
