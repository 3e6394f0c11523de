"""News of processes among what libraries print."""

import pickle
from base64 import b64encode

import pytest

from xmas_assets.contracts.errors import ModelError
from xmas_assets.training.news import WORD, Note, read_news, tell


@pytest.mark.parametrize("news", [Note("log", 20, "text"), ModelError("it ends")])
def test_what_is_told_is_heard_by_who_knows_the_word(news, monkeypatch, capfdbinary):
    monkeypatch.setenv(WORD, "drawn")
    tell(news)
    empty, line, end = capfdbinary.readouterr().out.split(b"\n")
    assert (empty, end) == (b"", b"")
    heard = read_news(line, word="drawn")
    assert (type(heard), str(heard)) == (type(news), str(news))


class Attack:
    def __reduce__(self):
        return pytest.fail, ("it was unpickled",)


@pytest.mark.parametrize("start", [b"", b"\x1exmas ", b"\x1exmas guessed "])
def test_a_line_that_a_library_prints_of_a_text_is_never_unpickled(start):
    assert read_news(start + b64encode(pickle.dumps(Attack())), word="drawn") is None
