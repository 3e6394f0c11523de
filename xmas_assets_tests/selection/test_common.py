"""What every registered method must do, whatever it computes."""

from decimal import Decimal

import numpy as np
import pytest

from xmas_assets.contracts.errors import SelectionError
from xmas_assets.contracts.signals import SIGNALS
from xmas_assets.selection.registry import METHODS
from xmas_assets.selection.signal_arrays import Signals
from xmas_assets_tests.selection.cases import by_row, make_signals, reorder

ALL = sorted(METHODS)
CHOOSING = sorted(set(METHODS) - {"full"})  # those that take any budget
NEEDY = [name for name in ALL if METHODS[name].needs]
IMAGE_NEEDY = [name for name in ALL if any(SIGNALS[signal].rows for signal in METHODS[name].needs)]
SHARES = ("0.005", "0.05", "0.29", "0.5", "0.999")
N = 400


def select(name, signals, budget, seed=0):
    return METHODS[name]().select(signals, budget, seed)


@pytest.mark.parametrize("name", ALL)
def test_the_class_says_what_the_registry_and_the_catalogue_need(name):
    method = METHODS[name]
    assert method.name == name
    assert method.needs <= set(SIGNALS)
    assert method.paper
    assert all(field.description for field in method.model_fields.values())


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("name", CHOOSING)
def test_rows_are_exactly_as_many_as_the_budget_buys_unique_and_ascending(name, share):
    rows = select(name, make_signals(N), Decimal(share))
    assert rows.dtype == np.int64
    assert len(rows) == int(Decimal(share) * N)
    assert (np.diff(rows) > 0).all()
    assert 0 <= rows[0] <= rows[-1] < N


@pytest.mark.parametrize("name", CHOOSING)
def test_rounding_is_exact_in_decimals(name):
    """0.29 of 100 rows is 29; in binary floats 0.29 * 100 is 28.999999999999996."""
    signals = make_signals(100)
    assert len(select(name, signals, Decimal("0.29"))) == len(select(name, signals, 0.29)) == 29


@pytest.mark.parametrize("budget", [1, Decimal("0.0001")])
@pytest.mark.parametrize("name", CHOOSING)
def test_one_row_can_be_bought(name, budget):
    assert len(select(name, make_signals(N), budget)) == 1


@pytest.mark.parametrize("budget", [Decimal(1), 1.0, N])
@pytest.mark.parametrize("name", ALL)
def test_the_whole_budget_is_every_row(name, budget):
    np.testing.assert_array_equal(select(name, make_signals(N), budget), np.arange(N))


@pytest.mark.parametrize(
    "budget", [0, -1, N + 1, Decimal(0), Decimal("-0.1"), Decimal("1.01"), 0.0, 1.5, float("nan"), float("inf")]
)
@pytest.mark.parametrize("name", ALL)
def test_a_budget_of_nothing_or_of_more_than_everything_is_refused(name, budget):
    with pytest.raises(SelectionError, match="out of range; give"):
        select(name, make_signals(N), budget)


@pytest.mark.parametrize("name", ALL)
def test_a_negative_seed_is_refused(name):
    with pytest.raises(SelectionError, match="seed -1 is negative"):
        select(name, make_signals(20), 1.0, seed=-1)


@pytest.mark.parametrize("name", CHOOSING)
def test_the_order_of_the_rows_does_not_matter(name):
    signals = make_signals(N)
    order = np.random.default_rng(1).permutation(N)
    shuffled = reorder(signals, order)
    before = set(signals["sample_ids"][select(name, signals, 60)])
    assert set(shuffled["sample_ids"][select(name, shuffled, 60)]) == before


@pytest.mark.parametrize("name", CHOOSING)
def test_the_same_seed_gives_the_same_bytes(name):
    assert select(name, make_signals(N), 60, 7).tobytes() == select(name, make_signals(N), 60, 7).tobytes()


@pytest.mark.parametrize("name", [name for name in CHOOSING if METHODS[name].nested])
def test_a_smaller_budget_lies_inside_a_larger_one(name):
    signals, method = make_signals(90), METHODS[name]()
    prepared = method.prepare(signals)
    subsets = [set(method.select(signals, budget, 0, prepared=prepared).tolist()) for budget in range(1, 91)]
    assert all(smaller < larger for smaller, larger in zip(subsets, subsets[1:], strict=False))


@pytest.mark.parametrize("name", ALL)
def test_what_was_prepared_once_serves_every_budget_and_seed(name):
    signals, method = make_signals(N), METHODS[name]()
    prepared = method.prepare(signals)
    for budget, seed in [(N, 0)] if name == "full" else [(5, 0), (120, 3)]:
        np.testing.assert_array_equal(
            method.select(signals, budget, seed, prepared=prepared), method.select(signals, budget, seed)
        )


@pytest.mark.parametrize("name", ALL)
def test_what_is_prepared_does_not_depend_on_the_order_of_the_rows(name):
    signals = make_signals(N)
    shuffled = reorder(signals, np.random.default_rng(4).permutation(N))
    first, second = METHODS[name]().prepare(signals), METHODS[name]().prepare(shuffled)
    assert first.keys() == second.keys()
    for array in first.keys() - {"id_order"}:
        np.testing.assert_array_equal(first[array], second[array])
    ids, shuffled_ids = signals["sample_ids"], shuffled["sample_ids"]
    np.testing.assert_array_equal(ids[first["id_order"]], shuffled_ids[second["id_order"]])


@pytest.mark.parametrize("name", NEEDY)
def test_a_missing_signal_names_the_asset_that_makes_it(name):
    for signal in METHODS[name].needs:
        signals = {key: values for key, values in make_signals(20).items() if key != signal}
        with pytest.raises(
            SelectionError,
            match=f"needs {signal}, .*materialize {SIGNALS[signal].asset} in the UI",
        ):
            select(name, signals, 1.0)


@pytest.mark.parametrize("name", ALL)
def test_only_what_is_needed_is_opened(name):
    opened, signals = set(), make_signals(30)

    def opener(key):
        return lambda: opened.add(key) or signals[key]

    select(name, Signals({key: opener(key) for key in signals}), 1.0)
    # A cluster is lacking only where there is an image.
    more = {"has_image"} if "cluster_label" in METHODS[name].needs else set()
    assert opened == METHODS[name].needs | {"sample_ids"} | more


@pytest.mark.parametrize("bad", [np.inf, -np.inf])
@pytest.mark.parametrize("name", ALL)
def test_an_infinite_value_is_refused_with_count_and_ids(name, bad):
    signals = make_signals(50)
    for signal in float_signals(name, signals):
        spoiled, ids = spoil(signals, signal, 2, bad)
        with pytest.raises(SelectionError, match=rf"{signal!r} is NaN or infinite in 2 of 50 rows \(first: {ids[0]}, "):
            select(name, spoiled, 5)


@pytest.mark.parametrize("name", NEEDY)
def test_a_signal_that_no_row_has_is_refused(name):
    signals = make_signals(50)
    for signal in float_signals(name, signals):
        spoiled, _ = spoil(signals, signal, 50, np.nan)
        with pytest.raises(SelectionError, match=rf"{signal!r} is missing .* rows \(first: id"):
            select(name, spoiled | {signal: np.full_like(spoiled[signal], np.nan)}, 5)


@pytest.mark.parametrize("count", [2, 9])
@pytest.mark.parametrize("name", ALL)
def test_rows_that_could_not_be_read_are_left_out_by_every_method_whatever_the_order(name, count):
    """Two or nine rows in fifty that were too long: chosen only where more rows are wanted than were read."""
    signals = make_signals(50)
    shuffle = np.random.default_rng(9).permutation(50)
    for signal in float_signals(name, signals):
        spoiled, ids = spoil(signals, signal, count, np.nan)
        n_chosen = []
        for budget in (25, 50 - count, 49):
            rows = select(name, spoiled, budget)
            assert len(rows) == budget
            n_chosen.append(int(np.isin(spoiled["sample_ids"][rows], ids).sum()))
            shuffled = reorder(spoiled, shuffle)
            again = shuffled["sample_ids"][select(name, shuffled, budget)]
            assert sorted(again) == sorted(spoiled["sample_ids"][rows])
        assert n_chosen == [0, 0, count - 1]


@pytest.mark.parametrize("name", [name for name in ALL if "cluster_label" in METHODS[name].needs])
def test_rows_with_an_image_and_without_a_cluster_are_left_out_too(name):
    """As of a pass that left them out: they have neither trajectory nor cluster."""
    signals = make_signals(50)
    rows = np.flatnonzero(signals["has_image"])[:9]
    for signal, absent in (("cluster_label", -1), ("instability", np.nan), ("stability_rank", -1)):
        signals[signal][rows] = absent
    for signal in ("trajectories",):
        signals[signal][rows] = np.nan
    for budget, n_chosen in ((25, 0), (41, 0), (49, 8)):
        assert np.isin(rows, select(name, signals, budget)).sum() == n_chosen


def float_signals(name, signals):
    """The method's signals that have a float for each row."""
    floats = [signal for signal in METHODS[name].needs if np.issubdtype(signals[signal].dtype, np.floating)]
    return by_row(dict.fromkeys(floats))


def spoil(signals, signal, count, value):
    """The signals with some rows with an image set to a value in one of them, and those rows' ids, ascending."""
    spoiled = signals | {signal: signals[signal].copy()}
    rows = np.flatnonzero(signals["has_image"])[:count]
    spoiled[signal][rows] = value
    return spoiled, sorted(signals["sample_ids"][rows])


@pytest.mark.parametrize("name", ALL)
def test_a_shared_value_that_is_not_finite_is_refused(name):
    signals = make_signals(50)
    for signal in METHODS[name].needs - set(by_row(dict.fromkeys(METHODS[name].needs))):
        spoiled = signals | {signal: signals[signal] * np.nan}
        with pytest.raises(SelectionError, match=f"{signal!r} holds NaN or infinity; delete .* materialize"):
            select(name, spoiled, 5)


@pytest.mark.parametrize("name", NEEDY)
def test_a_signal_of_another_length_is_refused(name):
    signal = min(by_row(dict.fromkeys(METHODS[name].needs)))
    signals = make_signals(20)
    with pytest.raises(SelectionError, match=f"{signal!r} has 19 rows, the dataset 20"):
        select(name, signals | {signal: signals[signal][:19]}, 1.0)


@pytest.mark.parametrize("name", ALL)
def test_two_rows_of_one_name_are_refused(name):
    signals = make_signals(20)
    signals["sample_ids"][3] = signals["sample_ids"][11]
    with pytest.raises(SelectionError, match="names more than one row"):
        select(name, signals, 1.0)


@pytest.mark.parametrize("name", CHOOSING)
def test_fewer_rows_than_clusters_work(name):
    """Three rows with the labels of a clustering that had many more."""
    signals = make_signals(3, n_text=0) | {"cluster_label": np.array([11, 500, 40])}
    assert len(select(name, signals, 2)) == 2


@pytest.mark.parametrize("name", CHOOSING)
def test_a_single_cluster_works(name):
    assert len(select(name, make_signals(40, n_clusters=1), 13)) == 13


@pytest.mark.parametrize("name", CHOOSING)
def test_identical_rows_work_and_do_not_depend_on_their_order(name):
    signals = make_signals(40, n_text=0)
    signals |= {
        key: np.repeat(values[:1], 40, axis=0) for key, values in by_row(signals).items() if key != "sample_ids"
    }
    shuffled = reorder(signals, np.random.default_rng(8).permutation(40))
    chosen = signals["sample_ids"][select(name, signals, 11)]
    assert sorted(shuffled["sample_ids"][select(name, shuffled, 11)]) == sorted(chosen)


@pytest.mark.parametrize("name", CHOOSING)
def test_text_only_rows_are_chosen_too(name):
    signals = make_signals(N, n_text=N // 2)
    rows = select(name, signals, N // 2)
    assert 0 < (signals["has_image"][rows] == 0).sum() < N // 2


@pytest.mark.parametrize("name", IMAGE_NEEDY)
def test_a_dataset_without_any_image_is_refused_with_the_reason(name):
    with pytest.raises(SelectionError, match="all 20 rows are text-only"):
        select(name, make_signals(20, n_text=20), 5)


@pytest.mark.parametrize("name", ALL)
def test_one_row_is_a_dataset(name):
    assert select(name, make_signals(1), 1.0).tolist() == [0]


@pytest.mark.parametrize("name", ALL)
def test_no_argument_is_changed(name):
    signals = make_signals(60)
    before = {key: values.copy() for key, values in signals.items()}
    select(name, signals, 1.0 if name == "full" else 20)
    for key, values in before.items():
        np.testing.assert_array_equal(signals[key], values)
