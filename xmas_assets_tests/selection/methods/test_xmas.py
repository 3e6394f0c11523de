import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from xmas_assets.selection.methods.xmas import Xmas


def signals_of(labels, instability):
    """Rows named in their order; label -1 is a text-only row."""
    labels = np.array(labels)
    return {
        "sample_ids": np.array([f"{row:03d}" for row in range(len(labels))]),
        "cluster_label": labels,
        "instability": np.where(labels >= 0, np.array(instability, dtype=float), np.nan),
    }


def test_the_steadiest_rows_of_every_cluster_are_kept_smallest_cluster_first():
    """Cluster 1 is row 4; cluster 0 rows 0-3 and 5; budget 3: 3 // 2 = 1 from cluster 1, then 2 from cluster 0,
    whose steadiest are row 2 (0.1) and, of the tied rows 0 and 3 (0.4), row 0.
    """
    signals = signals_of([0, 0, 0, 0, 1, 0], [0.4, 0.9, 0.1, 0.4, 7.0, 0.8])
    assert Xmas().select(signals, 3, 0).tolist() == [0, 2, 4]


def test_text_only_rows_are_a_stratum_and_only_they_depend_on_the_seed():
    """Two clusters of 4 and 20 text-only rows, budget 9: 9 // 3 = 3, then 6 // 2 = 3, then 3 text-only rows."""
    signals = signals_of([0] * 4 + [1] * 4 + [-1] * 20, [4, 3, 2, 1, 1, 2, 3, 4] + [0] * 20)
    chosen = [Xmas().select(signals, 9, seed) for seed in range(5)]
    assert {tuple(rows[:6].tolist()) for rows in chosen} == {(1, 2, 3, 4, 5, 6)}
    assert len({tuple(rows[6:].tolist()) for rows in chosen}) == 5
    assert all((rows[6:] >= 8).all() for rows in chosen)


def test_reference_passes_over_clusters_of_two_rows_until_the_others_are_used_up():
    """Sizes 2, 3, 4. Budget 5: default 1 + 2 + 2; reference 5 // 2 = 2 and 3. Budget 8: 7 are held, one is added."""
    signals = signals_of([0, 0, 1, 1, 1, 2, 2, 2, 2], range(9))
    assert Xmas().select(signals, 5, 0).tolist() == [0, 2, 3, 5, 6]
    reference = Xmas(variant="reference")
    assert reference.select(signals, 5, 0).tolist() == [2, 3, 5, 6, 7]
    assert reference.select(signals, 8, 0).tolist() == [0, 2, 3, 4, 5, 6, 7, 8]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 3)), min_size=2, max_size=24), st.integers(0, 9))
def test_every_budget_lies_inside_the_next(rows, seed):
    labels, moves = zip(*[(0, 0), *rows], strict=True)
    signals = signals_of(labels, moves)
    subsets = [set(Xmas().select(signals, budget, seed).tolist()) for budget in range(1, len(labels) + 1)]
    assert all(smaller < larger for smaller, larger in zip(subsets, subsets[1:], strict=False))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), min_size=4, max_size=40), st.data())
def test_no_row_left_out_is_steadier_than_a_row_kept_of_its_cluster(rows, data):
    labels, moves = (np.array(column) for column in zip(*rows, strict=True))
    kept = np.zeros(len(rows), dtype=bool)
    kept[Xmas().select(signals_of(labels, moves), data.draw(st.integers(1, len(rows))), 0)] = True
    for label in set(labels[kept].tolist()) & set(labels[~kept].tolist()):
        assert moves[kept & (labels == label)].max() <= moves[~kept & (labels == label)].min()
