"""Captions as words, like the tokeniser of the official caption scores, which needs Java."""

import re

# Left out by the official script. It also means "-LRB-" and the like, but those are in lower case by then, and stay.
_DROPPED = frozenset("\"'`.?!,:-;")
_BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
_SAME_MARKS = str.maketrans(
    dict.fromkeys("‘’", "'")
    | dict.fromkeys("“”", '"')
    | {"–": " -- ", "—": " -- ", "…": " ... ", "€": "$", "£": "#", "¢": " cents", "½": "1/2", "¼": "1/4", "¾": "3/4"}
)
_ABBREVIATIONS = r"""
    mr mrs ms messrs dr drs prof st jr sr mt ft rev gen col lt sgt capt gov sen rep pres maj cpl adm inc co ltd corp
    bros ave blvd rd ct dept bldg sq etc vs al est univ tel calif fla esq hon mme mlle ph\.d
    jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thurs fri
"""
_WITH_NUMBER = "no nos fig p pp"
_LETTER = r"[^\W\d_]"
_TOKEN = re.compile(
    rf"""
    n't\b | '(?:s|m|d|ll|re|ve)\b                                  # the second half of a contraction
    | '(?:em|cause|till?|n'?|\d0s)\b'? | '(?=t(?:is|was)\b)t        # words that begin with an apostrophe
    | \b[dlos]'{_LETTER}{{2,}} | \bma'am\b | \by'(?=all)
    | \b(?:can(?=not\b)|gon(?=na\b)|wan(?=na\b)|got(?=ta\b)|lem(?=me\b)|gim(?=me\b))
    | \b(?:{"|".join(_ABBREVIATIONS.split())})\.(?!\w)
    | \b(?:{"|".join(_WITH_NUMBER.split())})\.(?=\s*\d)
    | \b{_LETTER}(?:\.{_LETTER})+\.(?!\w) | \b{_LETTER}\.(?!\w|\s*$)  # u.s., p.m.; j., unless it ends the caption
    | \b\w+(?:-{_LETTER}+){{0,2}}(?:/\w+(?:-{_LETTER}+){{0,2}}){{1,2}}   # and/or, 1/2
    | \b\w[\w.,]*(?:-\w+)+                                         # black-and-white
    | [-+]?\d*(?:[.,:]\d+)+                                        # 1,000
    | (?-i:[A-Z]+(?:&[A-Z]+)+)
    | {_LETTER}\w*?(?=n't\b)                                       # the first half of a contraction
    | [@\#]?{_LETTER}\w*(?:[.!?]{_LETTER}\w*)*                     # words, glued ones too
    | \d+{_LETTER}\w* | [-+]?\d+
    | [!?]{{2,}} | \.{{3,}} | \.\s\.\s\. | -{{2,}} | \*{{2,}} | [^\s\U00010000-\U0010ffff]
    """,
    flags=re.VERBOSE | re.IGNORECASE,
)
_RUN = re.compile(r"-{2,}|\.{2,}|\.\s\.\s\.")  # dashes and ellipses


def caption_words(caption: str) -> list[str]:
    """A caption's words in lower case, without punctuation marks.

    "The man's hat (red)." gives "the man 's hat -lrb- red -rrb-". A few rare texts give other words than officially:
    addresses of web pages, smileys, "C++", "2.5e.", and a single letter before a period, which there depends on the
    next caption.

    Source:
        ``PTBTokenizer -preserveLines -lowerCase`` of Stanford CoreNLP 3.4.1, and the marks that ``ptbtokenizer.py`` of
        pycocoevalcap drops.
    """
    tokens: list[str] = _TOKEN.findall(caption.translate(_SAME_MARKS))
    lowered: list[str] = [_BRACKETS[token] if token in _BRACKETS else token.lower() for token in tokens]
    return [token for token in lowered if token not in _DROPPED and not _RUN.fullmatch(token)]
