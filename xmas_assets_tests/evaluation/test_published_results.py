import re

import polars as pl

from xmas_assets.evaluation.published_results import beside_own, published_results
from xmas_assets.selection.registry import METHODS


def test_every_published_number_names_its_paper_version_and_place():
    for row in published_results().iter_rows(named=True):
        assert re.fullmatch(r"\d{4}\.\d{5}v\d", row["arxiv"]), row
        assert row["place"], row
        assert row["method"] in METHODS, row
        assert 0 < float(row["budget"]) < 1, row
        assert 50 < row["rel_percent"] < 150, row


def test_own_numbers_stand_in_a_column_of_their_own_at_the_same_method_and_budget():
    """XMAS is published at 50 % of LLaVA-665k and 15 % of Vision-Flan; the own board has it at 15 and 20 %."""
    board = pl.DataFrame(
        [("xmas", "0.15", 91.5), ("xmas", "0.20", 93.0), ("majority", None, 60.0)],
        schema={"method": pl.String, "budget": pl.String, "rel_percent": pl.Float64},
        orient="row",
    )
    table = beside_own(board)
    assert table.drop("own_rel_percent").equals(published_results())
    assert table.filter(method="xmas").select("data", "rel_percent", "own_rel_percent").rows() == [
        ("LLaVA-665k", 100.0, None),
        ("Vision-Flan", 100.0, 91.5),
    ]
