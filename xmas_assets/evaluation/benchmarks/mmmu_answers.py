"""Answers to MMMU as its ``eval_utils.py`` reads them, slips of that script included."""

import re
from collections.abc import Mapping, Sequence

_EDGES = ",.!?;:'"
_FEW_WORDS = 5  # with more, an option's text counts as well as its letter
_CUES = ("could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ")
_LAST_CUES = (*_CUES, "=")
_BARE_MARKS = frozenset(_EDGES)
_GROUPED = r"-?\b\d{1,3}(?:,\d{3})+\b"
_SCIENTIFIC = r"-?\d+(?:\.\d+)?[eE][+-]?\d+"
_SIMPLE = r"-?(?:\d+\.\d+|\.\d+|\d+\b)(?![eE][+-]?\d+)(?![,\d])"

Reading = str | float


def read_choice(answer: str, options: Mapping[str, str]) -> str | None:
    """The option that an answer names, the last one if several; None where the official script draws one.

    "(B)" goes before a "B" between blanks, which goes before an option's text in an answer of more than five words. So
    "B. cat", "B: cat" and "**B**" name none, and neither does an empty answer.

    Args:
        answer: As the model gave it.
        options: Text of each by its letter.
    """
    for mark in _EDGES:
        answer = answer.strip(mark)
    answer = f" {answer} "
    lowered = answer.lower()
    ways = [(answer, {letter: f"({letter})" for letter in options}), (answer, {at: f" {at} " for at in options})]
    if len(answer.split()) > _FEW_WORDS:
        ways.append((lowered, {letter: text.lower() for letter, text in options.items()}))
    for text, looks in ways:
        places = {letter: text.rfind(look) for letter, look in looks.items() if look in text}
        if places:
            return max(places, key=lambda letter: places[letter])  # the first of equal ones, as argmax gives
    return None


def is_right(answer: str, references: Sequence[str]) -> bool:
    """Whether an open answer holds a reference's text, or a number equal to it after rounding to two decimals."""
    wanted = [form for reference in references for form in normal_forms(reference)]
    texts = [form for form in wanted if isinstance(form, str)]
    return any(
        any(text in form for text in texts) if isinstance(form, str) else form in wanted for form in readings(answer)
    )


def readings(answer: str) -> list[Reading]:
    """All that an open answer may mean: its key phrases and the numbers in them, in normal form, each once."""
    phrases = _key_phrases(answer)
    numbers = [number for phrase in phrases for number in numbers_in(phrase)]
    return list(dict.fromkeys(form for text in (*phrases, *numbers) for form in normal_forms(text)))


def numbers_in(text: str) -> list[str]:
    """Numbers as they are written: with grouped digits, then with an exponent, then plain.

    Parts of one number come again: "1,200" also gives "200".
    """
    return [number for pattern in (_GROUPED, _SCIENTIFIC, _SIMPLE) for number in re.findall(pattern, text)]


def normal_forms(text: str) -> list[Reading]:
    """A number rounded to two decimals, or the text in lower case.

    A single character is looked for next to a blank only, so it has two forms.
    """
    text = text.strip()
    try:
        return [round(float(text.replace(",", "")), 2)]
    except ValueError:
        text = text.lower()
    return [f" {text}", f"{text} "] if len(text) == 1 else [text]


def _key_phrases(answer: str) -> list[str]:
    """What follows a cue such as "is " in each line, the shortest; the whole answer where there is none.

    The official script means to split sentences too, but looks for their capitals in lower-case text. "=" is a cue in
    the last line alone.
    """
    answer = answer.strip().strip(".").lower()
    lines = answer.split("\n")
    found = [_after_cue(line, _CUES) for line in lines[:-1]] + [_after_cue(lines[-1], _LAST_CUES)]
    return [phrase for phrase in found if phrase and phrase not in _BARE_MARKS] or [answer]


def _after_cue(line: str, cues: Sequence[str]) -> str:
    shortest = ""
    for cue in cues:
        if cue in line:
            phrase = line.split(cue)[-1].strip()
            if not shortest or len(phrase) < len(shortest):
                shortest = phrase
    return shortest
