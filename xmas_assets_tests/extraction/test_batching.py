import threading

import numpy as np
import pytest

from xmas_assets.extraction.batching import ahead, batches_of
from xmas_assets.vlm.image_inputs import Unit
from xmas_assets.vlm.prompts import Encoded


def row(name: str, image: str, n_own: int) -> Encoded:
    """Three image tokens, if there is an image, and some words."""
    n_image = 3 if image else 0
    is_image = np.arange(n_image + n_own) < n_image
    units = (Unit((image,), (image,)),) if image else ()
    ids = np.where(is_image, 9, 1).astype(np.int32)
    return Encoded(name, ids, ~is_image, is_image, units, (3,) * len(units))


def names(batches: list[list[Encoded]]) -> list[str]:
    return ["".join(row.sample_id for row in batch) for batch in batches]


def test_rows_of_one_beginning_stay_together_in_the_order_of_their_longest():
    """Longest of image x: 8 own tokens; of y: 5; so y's rows come first, and each image's keep their order."""
    rows = [row("a", "x", 2), row("b", "y", 5), row("c", "x", 8), row("d", "y", 1), row("e", "x", 1)]
    assert names(batches_of(rows, 5)) == ["bdace"]
    assert names(batches_of(rows, 4)) == ["bd", "ace"]


def test_more_rows_of_one_beginning_than_a_batch_holds_are_cut():
    rows = [row(name, "x", 1) for name in "abcde"]
    assert names(batches_of(rows, 2)) == ["ab", "cd", "e"]


def test_text_only_rows_have_nothing_to_share_and_are_batched_by_length():
    assert names(batches_of([row("a", "", 9), row("b", "", 1), row("c", "", 5)], 2)) == ["bc", "a"]


def test_items_are_made_in_order_in_another_thread_and_no_more_than_a_few_ahead():
    made: list[int] = []
    main = threading.get_ident()

    def make(item: int) -> int:
        assert threading.get_ident() != main
        made.append(item)
        return item * item

    for number, square in enumerate(ahead(make, range(20))):
        assert square == number * number
        assert len(made) <= number + 3
    assert made == list(range(20))


def test_a_failure_comes_out_where_its_item_would():
    def make(item: int) -> int:
        if item == 2:
            raise ValueError("item 2")
        return item

    seen = []
    with pytest.raises(ValueError, match="item 2"):
        seen += [seen.append(item) for item in ahead(make, range(9))]
    assert seen == [0, 1]


def test_what_nobody_takes_any_more_is_not_made():
    made: list[int] = []
    items = ahead(made.append, range(1000))
    next(items)
    items.close()
    assert len(made) <= 4
