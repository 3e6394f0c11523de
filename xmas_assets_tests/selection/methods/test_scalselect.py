import numpy as np

from xmas_assets.selection.methods.scalselect import ScalSelect


def signals_of(features, has_image=None):
    features = np.array(features, dtype=np.float32)
    return {
        "sample_ids": np.array([f"{row:03d}" for row in range(len(features))]),
        "has_image": np.ones(len(features)) if has_image is None else np.array(has_image),
        "attended_features": features,
    }


def test_rows_that_make_up_the_leading_directions_are_kept():
    """Centred already; columns hold 2 x 16 = 32 and 2 x 1 = 2 of 34. One direction holds 94 %, so rows 1 and 3 have
    leverage 1/2 each, the others 0; for all of the energy rows 0 and 2 have 1/2, too, and the smaller id wins.
    """
    signals = signals_of([[0, 1], [4, 0], [0, -1], [-4, 0]])
    assert ScalSelect().select(signals, 2, 0).tolist() == [1, 3]
    assert ScalSelect(energy_share=1).select(signals, 2, 0).tolist() == [0, 1]


def test_a_direction_that_only_few_rows_have_is_not_lost():
    """What the paper claims of leverage: of 40 rows along x and two along y, both y rows are among the first three."""
    along_x = np.outer(np.linspace(-1, 1, 40), [1, 0])
    signals = signals_of(np.vstack([along_x, [[0, 4], [0, -4]]]))
    assert set(ScalSelect().select(signals, 3, 0).tolist()) >= {40, 41}


def test_reference_puts_text_only_rows_last_and_breaks_ties_the_other_way():
    signals = signals_of([[0, 1], [np.nan, np.nan], [0, -1], [3, 0], [-3, 0]], has_image=[1, 0, 1, 1, 1])
    assert ScalSelect(variant="reference", energy_share=0.5).select(signals, 1, 0).tolist() == [4]
    assert ScalSelect(variant="reference").select(signals, 4, 0).tolist() == [0, 2, 3, 4]
    assert all(1 in ScalSelect().select(signals, 5, seed) for seed in range(3))
