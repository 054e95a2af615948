"""The order of batches: pure, complete in every epoch, and grouped by length."""

from __future__ import annotations

import numpy as np
import pytest

from wavestack.data import BatchOrder


@pytest.mark.parametrize(("num_items", "batch_size"), [(10, 3), (7, 7), (1, 4), (5, 8), (300, 8)])
@pytest.mark.parametrize("with_lengths", [False, True])
def test_every_item_comes_once_an_epoch(
    num_items: int, batch_size: int, with_lengths: bool
) -> None:
    lengths = np.random.default_rng(0).integers(1, 100, num_items) if with_lengths else None
    order = BatchOrder(num_items, batch_size, seed=3, lengths=lengths)
    num_epochs = 4
    num_batches = -(-num_epochs * num_items // batch_size)
    line = np.concatenate([order.items(k) for k in range(num_batches)])
    epochs = np.concatenate([order.epochs(k) for k in range(num_batches)])
    assert all(len(order.items(k)) == batch_size for k in range(num_batches))
    for epoch in range(num_epochs):
        assert sorted(line[epochs == epoch]) == list(range(num_items))


def test_a_batch_is_a_pure_function_of_seed_and_index() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 50)
    forwards = BatchOrder(50, 4, seed=1, lengths=lengths)
    expected = [forwards.items(k) for k in range(60)]
    for k in (59, 0, 31, 12, 13, 0):
        fresh = BatchOrder(50, 4, seed=1, lengths=lengths)
        np.testing.assert_array_equal(fresh.items(k), expected[k])
        np.testing.assert_array_equal(forwards.items(k), expected[k])


def test_seeds_and_epochs_differ() -> None:
    first = BatchOrder(40, 40, seed=0)
    assert (first.items(0) != first.items(1)).any()
    assert (first.items(0) != BatchOrder(40, 40, seed=1).items(0)).any()


def test_items_of_similar_length_share_a_batch() -> None:
    lengths = np.random.default_rng(0).integers(1000, 16000, 2000)
    order = BatchOrder(2000, 8, seed=0, lengths=lengths)
    batches = np.stack([lengths[order.items(k)] for k in range(250)])
    assert lengths.sum() / (batches.max(axis=1) * 8).sum() > 0.95
    unsorted = BatchOrder(2000, 8, seed=0)
    batches = np.stack([lengths[unsorted.items(k)] for k in range(250)])
    assert lengths.sum() / (batches.max(axis=1) * 8).sum() < 0.65


def test_short_batches_are_spread_over_the_epoch() -> None:
    lengths = np.arange(1, 801)
    order = BatchOrder(800, 8, seed=0, lengths=lengths)
    means = np.array([lengths[order.items(k)].mean() for k in range(100)])
    assert abs(np.corrcoef(means, np.arange(100))[0, 1]) < 0.3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1, 0), "num_items must be >= 1, got 0"),
        ((1, 0, 0), "batch_size must be >= 1, got 0"),
        ((1, 1, -1), "seed must be >= 0, got -1"),
    ],
)
def test_numbers_out_of_range_are_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BatchOrder(*arguments)


def test_a_negative_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="batch index must be >= 0, got -1"):
        BatchOrder(1, 1, 0).items(-1)
