"""Quality indicators, and ratings out of a person's CSV file."""

import json
import math

import numpy as np
import polars as pl
import pytest

from xmas_assets.annotation.quality import indicator_table, judge_rows, mean_indicators, rating_table, read_ratings
from xmas_assets.contracts.annotation import QualitySettings
from xmas_assets.contracts.errors import DatasetError, SelectionError, SettingsError
from xmas_assets_tests.annotation.chat_server import Server, completion
from xmas_assets_tests.extraction.worlds import make_samples


@pytest.fixture
def rate(tmp_path):
    """Write subsets and a CSV file of their ratings, and read it."""

    def read(text, **subsets):
        for name, ids in subsets.items():
            (tmp_path / f"{name}.txt").write_text("\n".join(ids) + "\n")
        (tmp_path / "ratings.csv").write_text(text)
        return read_ratings(QualitySettings(ratings=str(tmp_path / "ratings.csv")))

    return read


def test_ratings_are_read_with_their_rows_in_the_datasets_order(rate):
    rated = rate("rating,note,subset\n3.5,x,one.txt\n-1,,two.txt\n", one=["c", "a"], two=["b"])
    frame = rating_table(rated, ["a", "b", "c"])
    assert frame.to_dict(as_series=False) == {
        "subset": ["one.txt", "two.txt"],
        "rating": [3.5, -1.0],
        "rows": [[0, 2], [1]],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has 0 rows"),
        ("subset,rating\none.txt,1\n", "has 1 rows .*two rated subsets or more"),
        ("name,rating\none.txt,1\none.txt,2\n", r"columns \['name', 'rating'\]; give .*columns subset, rating"),
        ("subset,rating\none.txt,1\none.txt,good\n", r"line 3: rating 'good' is no finite number"),
        ("subset,rating\none.txt,1\none.txt,nan\n", r"line 3: rating 'nan' is no finite number"),
        ("subset,rating\none.txt,1\none.txt\n", r"line 3: rating '' is no finite number"),
        ("subset,rating\none.txt,1\nmissing.txt,2\n", r"line 3: subset '.*missing\.txt' cannot be read"),
        ("subset,rating\none.txt,1\ntwice.txt,2\n", r"line 3: subset '.*twice\.txt' is empty or names a row twice"),
        ("subset,rating\none.txt,1\nempty.txt,2\n", r"line 3: subset '.*empty\.txt' is empty"),
    ],
)
def test_malformed_ratings_are_refused_with_their_line(rate, text, message):
    with pytest.raises(SettingsError, match=message):
        rate(text, one=["a"], twice=["a", "a"], empty=[])


def test_a_missing_or_unreadable_file_is_refused(rate, tmp_path):
    with pytest.raises(SettingsError, match=r"which you must provide; set quality\.ratings"):
        read_ratings(QualitySettings())
    with pytest.raises(SettingsError, match=r"nowhere\.csv cannot be read as CSV"):
        read_ratings(QualitySettings(ratings=str(tmp_path / "nowhere.csv")))
    (tmp_path / "bad.manifest.json").write_text("{}")
    with pytest.raises(SelectionError, match="not a manifest"):
        rate("subset,rating\nbad.manifest.json,1\nbad.manifest.json,2\n")
    with pytest.raises(DatasetError, match=r"subset 'one\.txt' has row 'z', which the dataset has not"):
        rating_table(rate("subset,rating\none.txt,1\none.txt,2\n", one=["a", "z"]), ["a"])


def test_a_subsets_indicators_are_the_mean_over_its_rows_with_an_image():
    """Rows 0 and 2 have images with (1, 10) and (3, 30); row 1 has none. Means: of 0, 1, 2 (2, 20); of 2 (3, 30)."""
    frame = indicator_table(["a", "b", "c"], np.array([0, 2]), [np.array([1, 3]), np.array([10, 30])])
    values = frame["values"].to_numpy()
    assert values[[0, 2]].tolist() == [[1, 10], [3, 30]]
    assert np.isnan(values[1]).all()
    ratings = pl.DataFrame({"subset": ["all", "last"], "rating": [0.0, 1.0], "rows": [[0, 1, 2], [2]]})
    assert mean_indicators(ratings, values)["indicators"].to_list() == [[2, 20], [3, 30]]
    with pytest.raises(DatasetError, match="subset 'text' has no row with an image"):
        mean_indicators(pl.DataFrame({"subset": ["text"], "rating": [0.0], "rows": [[1]]}), values)


def test_a_row_that_the_judge_said_nothing_of_counts_as_the_mean_and_is_noticed(tmp_path):
    """Of 20 rows one is unreadable; the others have 10 (nine times) and 30 (ten times), mean 390 / 19."""

    def judge(number, body):
        return 200, {}, completion("no idea" if number == 0 else json.dumps({"score": 10 if number < 10 else 30}))

    with Server(judge) as server:
        endpoint = {"url": server.url, "model": "judge", "n_attempts": 1, "n_parallel": 1}
        scores, notices = judge_rows(make_samples(20), QualitySettings(endpoint=endpoint), workspace=tmp_path)
    assert scores.tolist() == [pytest.approx(390 / 19), *[10] * 9, *[30] * 10]
    assert len(notices) == 1
    assert notices[0].startswith("1 of 20 rows have no readable answer")
    assert not any(map(math.isnan, scores))
