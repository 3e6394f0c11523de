"""Captions as words: what Stanford CoreNLP 3.4.1 gave, with the marks left out that pycocoevalcap drops."""

import pytest

from xmas_assets.evaluation.benchmarks.caption_words import caption_words


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        (
            "the man's hat; 3.5 m (black-and-white) 1,000 café",
            "the man 's hat 3.5 m -lrb- black-and-white -rrb- 1,000 café",
        ),
        ("Don't, CAN'T, isn’t, cannot, I'm, we've", "do n't ca n't is n't can not i 'm we 've"),
        ("the boys' bikes at six o'clock, 'tis", "the boys bikes at six o'clock 't is"),
        ('He said "hello" & left... ok -- yes - no', "he said hello & left ok yes no"),
        ("the sign says “stop” and ‘go’ here [1]", "the sign says stop and go here -lsb- 1 -rsb-"),
        ("Mr. Smith and Dr. Who on Oak St. in the U.S.", "mr. smith and dr. who on oak st. in the u.s."),
        ("10:30 a.m. or 5pm, 50% of $5.00 and 1/2", "10:30 a.m. or 5pm 50 % of $ 5.00 and 1/2"),
        ("a 60's car, the 1960s, '60s music", "a 60 's car the 1960s '60s music"),
        ("what?! no!! yes? ok!", "what ?! no !! yes ok"),
        ("a man,a woman;a dog:a hat.He is happy", "a man a woman a dog a hat.he is happy"),
        ("5-year-old and/or up/down-left pre- and post-war", "5-year-old and/or up/down-left pre and post-war"),
        ("rock'n'roll, M&M's, a&b, #1, #tag", "rock 'n' roll m&m 's a & b # 1 #tag"),
        ("北京 naïve 😀 ok", "北京 naïve ok"),
        ("one\nline\tand  another", "one line and another"),
        ("no. 7, the no.5 bus, no.", "no. 7 the no. 5 bus no"),
        ("", ""),
        (" . ", ""),
    ],
)
def test_a_caption_becomes_the_words_of_the_official_tokeniser(caption: str, words: str):
    assert caption_words(caption) == words.split()
