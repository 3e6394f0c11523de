import numpy as np
import pytest

from xmas_assets.training.like_lengths import LikeLengths
from xmas_assets.training.run_directory import read_record
from xmas_assets_tests.training.small import N_SAMPLES, settings, stopping_at, train, weights


def order_of(lengths: list[int], batch_size: int, *, seed: int = 0, epoch: int = 0) -> list[int]:
    sampler = LikeLengths(lengths, batch_size, seed=seed)
    sampler.set_epoch(epoch)
    assert len(sampler) == len(lengths)
    return list(sampler)


def test_rows_of_like_length_make_a_batch_and_the_batches_are_shuffled():
    """Lengths 1..7 in twos: 1 2, 3 4, 5 6 in any order, and the 7 that is left over at the end."""
    lengths = [7, 3, 1, 5, 2, 6, 4]
    orders = {tuple(lengths[row] for row in order_of(lengths, 2, seed=seed)) for seed in range(60)}
    pairs = [(1, 2), (3, 4), (5, 6)]
    possible = {(*pairs[a], *pairs[b], *pairs[3 - a - b], 7) for a in range(3) for b in range(3) if a != b}
    assert orders == possible


@pytest.mark.parametrize("n_rows", [1, 3, 4, 399, 400, 401, 1000])
def test_every_row_comes_once_an_epoch_with_less_padding_than_shuffled(n_rows):
    lengths = np.random.default_rng(1).integers(1, 500, n_rows)

    def n_padded(order: list[int]) -> int:
        batches = [lengths[order[start : start + 4]] for start in range(0, n_rows, 4)]
        return sum(int((batch.max() - batch).sum()) for batch in batches)

    order = order_of(lengths.tolist(), 4)
    assert sorted(order) == list(range(n_rows))
    if n_rows >= 399:
        assert n_padded(order) < 0.2 * n_padded(list(range(n_rows)))


def test_the_order_follows_from_seed_and_epoch_alone():
    lengths = [number % 7 for number in range(40)]
    assert order_of(lengths, 4, seed=3, epoch=2) == order_of(lengths, 4, seed=3, epoch=2)
    others = [order_of(lengths, 4, seed=3, epoch=1), order_of(lengths, 4, seed=2, epoch=2)]
    assert order_of(lengths, 4, seed=3, epoch=2) not in others


def test_a_run_ordered_by_length_sees_each_row_once_an_epoch_and_goes_on_to_the_same_bytes(base, tmp_path):
    ordered = settings(group_by_length=True)
    whole = train(base, tmp_path / "whole", settings=ordered)
    assert read_record(tmp_path / "whole").n_samples_seen == 2 * N_SAMPLES
    # States are of every third step; an epoch has six.
    for step in (4, 10):
        with pytest.raises(KeyboardInterrupt):
            train(base, tmp_path / "stopped", settings=ordered, progress=stopping_at(step))
    assert weights(train(base, tmp_path / "stopped", settings=ordered)) == weights(whole)
    assert weights(whole) != weights(train(base, tmp_path / "shuffled"))
