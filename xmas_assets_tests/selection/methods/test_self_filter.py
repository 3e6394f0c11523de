import numpy as np

from xmas_assets.selection.methods.self_filter import SelfFilter


def signals_of(difficulty, directions):
    """Embeddings of unit length at angles, in degrees; image and text alike."""
    angles = np.deg2rad(directions)
    embeddings = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return {
        "sample_ids": np.array([f"{row:03d}" for row in range(len(angles))]),
        "has_image": np.ones(len(angles)),
        "difficulty": np.array(difficulty, dtype=float),
        "image_embedding": embeddings,
        "text_embedding": embeddings,
    }


def test_a_chosen_row_makes_its_neighbours_easier_by_their_squared_cosine():
    """Difficulties 10, 9, 4, 0. Row 0 comes first: row 1, at 60 degrees, loses 10 cos(60)^2 = 2.5; row 2, at 90, and
    row 3, which points away, nothing. Row 1 is next, with 6.5: row 2, at 30 degrees from it, loses 6.5 cos(30)^2 = 4.9
    and falls to -0.9, below row 3.
    """
    signals = signals_of([10, 9, 4, 0], [0, 60, 90, 180])
    orders = [SelfFilter(n_neighbours=3).select(signals, budget, 0).tolist() for budget in (1, 2, 3)]
    assert orders == [[0], [0, 1], [0, 1, 3]]


def test_without_look_alikes_the_hardest_are_kept():
    signals = signals_of([1, 5, 3], [0, 90, 180])
    assert SelfFilter(n_neighbours=1, penalty=0.001).select(signals, 2, 0).tolist() == [1, 2]


def test_diversity_is_what_the_penalty_buys():
    """Ten copies of the hardest row and one row elsewhere: with the penalty the second choice is the other row."""
    signals = signals_of([9] * 10 + [5, 0], [0] * 10 + [90, 180])
    assert SelfFilter().select(signals, 2, 0).tolist() == [0, 10]
    assert SelfFilter(penalty=0.01).select(signals, 2, 0).tolist() == [0, 1]
