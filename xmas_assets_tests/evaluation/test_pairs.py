"""Two selections compared benchmark by benchmark: hand-worked numbers, and the reasons why nothing can be compared."""

import polars as pl
import pytest

from xmas_assets.evaluation.benchmark_resamples import Model, Scored
from xmas_assets.evaluation.benchmarks.base import Unit
from xmas_assets.evaluation.benchmarks.vqav2 import Vqav2
from xmas_assets.evaluation.pairs import compare_pair
from xmas_assets.report.comparison import pair_sentences

_FIRST, _SECOND = ("xmas", "0.20"), ("random", "0.20")


def _scored(name: str, *, first: str, second: str, full: str = "1" * 8, blind: str = "0" * 8, seeds=(0, 1)) -> Scored:
    """Eight questions on an image each; a digit is the score of one, and a dot that it was not answered."""

    def units(scores: str) -> list[Unit]:
        return [Unit((f"q{i}",), "", (float(score),)) for i, score in enumerate(scores) if score != "."]

    given = {_FIRST: first, _SECOND: second, ("full", "1.00"): full}
    models = {Model(*selection, seed): units(scores) for selection, scores in given.items() for seed in seeds}
    return Scored(
        benchmark=Vqav2(), models=models, baselines={"majority": units(blind)}, images={}, n_items=8, name=name
    )


def _compared(*scored: Scored) -> pl.DataFrame:
    return compare_pair(scored, _FIRST, _SECOND, n_resamples=200)


def test_the_difference_of_headlines_is_won_tied_or_lost():
    """All right against none, 4 of 8 against another 4 of 8, none against all right."""
    table = _compared(
        _scored("a", first="1" * 8, second="0" * 8),
        _scored("b", first="11110000", second="00001111"),
        _scored("c", first="0" * 8, second="1" * 8),
    )
    columns = ("benchmark", "comparable", "first", "second", "difference", "outcome", "n_seeds")
    assert table.select(columns).rows() == [
        ("a", True, 100.0, 0.0, 100.0, "win", 2),
        ("b", True, 50.0, 50.0, 0.0, "tie", 2),
        ("c", True, 0.0, 100.0, -100.0, "loss", 2),
    ]
    assert (table["difference_low"] <= table["difference"]).all()
    assert (table["difference_high"] >= table["difference"]).all()
    said = pair_sentences(table, "xmas@0.20", "random@0.20")
    assert said[0] == "xmas@0.20 against random@0.20 over 3 of 3 benchmarks: wins 1, ties 1, losses 1."
    assert said[1].startswith("3 comparisons: of so many, 0.15 intervals") and said[1].endswith("they differ on: a, c.")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"full": "00001111", "blind": "11110000"}, "full data is not above the blind baselines beyond chance"),
        ({"first": "." * 8}, "xmas@0.20 was not scored"),
        ({"second": "1111....", "first": "....1111"}, "no question was answered by all of them"),
    ],
)
def test_where_nothing_can_be_compared_it_says_why(given, reason):
    table = _compared(_scored("a", **{"first": "1" * 8, "second": "0" * 8} | given))
    assert table.select("comparable", "why_not", "p", "outcome").rows() == [(False, reason, None, None)]
    assert f"Nothing can be compared on a: {reason}." in pair_sentences(table, "x", "y")


def test_no_benchmark_is_no_row_and_no_sentence():
    assert pair_sentences(_compared(), "x", "y") == []
