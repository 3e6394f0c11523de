"""One test per file of ``sql/``; the answers are counted by hand from the tables typed in ``small_store``."""

import pytest

from xmas_assets.store.database import SQL, connect, run_query
from xmas_assets_tests.store.small_store import write_store


@pytest.fixture
def run(tmp_path):
    write_store(tmp_path)
    with connect(tmp_path) as connection:
        yield lambda name, **parameters: run_query(connection, name, **parameters)


def test_every_query_has_its_test():
    assert {f"test_{path.stem}" for path in SQL.glob("*.sql")} <= set(globals())


def test_cluster_sizes(run):
    """Label 0: rows 0, 1, 3 with 1, 2, 6; label 1: rows 2, 5 with 4, 5; row 4 has no image."""
    found = run("cluster_sizes", dataset="shapes")
    assert found.columns == ["label", "n_rows", "least_instability", "mean_instability"]
    assert found.rows() == [(-1, 1, None, None), (1, 2, 4.0, 4.5), (0, 3, 1.0, 3.0)]


def test_subset_composition(run):
    """Rows 0, 2 (count) and 4 (colour) of 3 count, 2 colour and 1 without task."""
    found = run("subset_composition", dataset="shapes", selection="xmas_b0.50_s0")
    assert found.columns == ["task", "n_dataset", "n_subset", "dataset_fraction", "subset_fraction"]
    assert found.rows() == [
        ("count", 3, 2, 0.5, pytest.approx(2 / 3)),
        ("colour", 2, 1, pytest.approx(1 / 3), pytest.approx(1 / 3)),
        ("(none)", 1, 0, pytest.approx(1 / 6), 0.0),
    ]


def test_subset_by_cluster(run):
    """Rows 3 (label 0), 4 (no image) and 5 (label 1)."""
    found = run("subset_by_cluster", dataset="shapes", selection="random_b0.50_s1")
    assert found.columns == ["label", "n_rows", "n_chosen"]
    assert found.rows() == [(-1, 1, 1), (1, 2, 1), (0, 3, 1)]


def test_quarantine_counts(run):
    found = run("quarantine_counts", dataset="shapes")
    assert found.columns == ["split", "reason", "n_records", "example"]
    assert found.rows() == [
        ("samples", "image_missing", 2, "x.png"),
        ("samples", "bad_json", 1, "line 3"),
        ("test", "bad_json", 1, "line 9"),
    ]


def test_duplicate_images(run):
    """h1 is in rows 0, 1 and (twice) 3; h2 in rows 2 and 5."""
    found = run("duplicate_images", dataset="shapes")
    assert found.columns == ["image_hash", "n_rows", "first_sample_id"]
    assert found.rows() == [("h1", 3, "a"), ("h2", 2, "c")]


def test_scores_by_skill(run):
    """xmas: count is (1+0)/2 and (1+1)/2 over two seeds, mean .75; colour is 1, and unanswered in the other seed."""
    found = run("scores_by_skill", dataset="shapes")
    assert found.columns == ["method", "budget", "task", "n_seeds", "n_answers", "score"]
    assert found.rows() == [
        ("random", "0.05", "colour", 1, 1, 1.0),
        ("random", "0.05", "count", 1, 2, 0.0),
        ("balanced_random", "0.50", "colour", 1, 1, 0.0),
        ("balanced_random", "0.50", "count", 1, 2, 0.5),
        ("xmas", "0.50", "colour", 1, 1, 1.0),
        ("xmas", "0.50", "count", 2, 4, 0.75),
    ]
