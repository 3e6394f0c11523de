import numpy as np

from xmas_assets.extraction.batching import batches_of
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
