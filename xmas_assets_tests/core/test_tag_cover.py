from hypothesis import given, settings
from hypothesis import strategies as st

from xmas_assets.core.tag_cover import complexity_first_order


def rounds_in_order(tags):
    """InsTag's algorithm 1 as written: round after round over what is left, most tags first."""
    left = sorted((row for row in range(len(tags)) if tags[row]), key=lambda row: -len(tags[row]))
    order = []
    while left:
        covered = set()
        taken = []
        for row in left:
            if not set(tags[row]) <= covered:
                covered |= set(tags[row])
                taken.append(row)
        order += taken
        left = [row for row in left if row not in taken]
    return order + [row for row in range(len(tags)) if not tags[row]]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.frozensets(st.integers(0, 5), max_size=4), max_size=25))
def test_the_order_is_that_of_the_rounds(tags):
    assert complexity_first_order(tags).tolist() == rounds_in_order(tags)


def test_a_repeated_tag_counts_once():
    assert complexity_first_order([["a", "a", "a"], ["b", "c"]]).tolist() == [1, 0]
