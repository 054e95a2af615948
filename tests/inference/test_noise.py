"""The counter-based noise: the published test vectors, and that a number depends on its place."""

from __future__ import annotations

import numpy as np
import pytest

from wavestack.inference.noise import LABELS, philox4x32, uniform

# Counter, key and output from the known-answer file of Random123 (philox4x32, 10 rounds).
KNOWN = [
    (
        (0, 0, 0, 0),
        (0, 0),
        (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
    ),
    (
        (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
        (0xFFFFFFFF, 0xFFFFFFFF),
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_known_answers(counter, key, expected):
    words = philox4x32(tuple(np.array([c], dtype=np.uint32) for c in counter), key)
    assert tuple(int(word[0]) for word in words) == expected


def test_a_number_is_a_function_of_its_place():
    whole = uniform(99, np.arange(4), np.arange(10), 7)
    assert whole.shape == (10, 4, 7)
    part = uniform(99, [2, 0], [9, 3], 5)
    np.testing.assert_array_equal(part, whole[[9, 3]][:, [2, 0], :5])
    assert (uniform(100, np.arange(4), np.arange(10), 7) != whole).all()
    assert (uniform(99 + 2**32, np.arange(4), np.arange(10), 7) != whole).all()
    assert (uniform(99, np.arange(4), np.arange(10), 7, LABELS) != whole).all()


def test_numbers_are_uniform_and_never_at_the_ends():
    numbers = uniform(1, np.arange(8), np.arange(500), 32)
    assert numbers.dtype == np.float32
    assert numbers.min() > 0
    assert numbers.max() < 1
    counts, _ = np.histogram(numbers, bins=64, range=(0, 1))
    expected = numbers.size / 64
    assert ((counts - expected) ** 2 / expected).sum() < 103.4  # chi-square, 63 degrees, 0.1 %
    # Neighbours in lane, row and step are not correlated (five standard deviations).
    for axis in range(3):
        a, b = np.moveaxis(numbers, axis, 0)[:-1], np.moveaxis(numbers, axis, 0)[1:]
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 5 / np.sqrt(a.size)


def test_the_extreme_words_stay_inside():
    ends = (np.array([0, 2**23 - 1], dtype=np.float32) + np.float32(0.5)) * np.float32(2**-23)
    assert ends[0] > 0
    assert ends[1] < 1
    assert np.isfinite(-np.log(-np.log(ends))).all()


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seeds_are_64_bits(seed):
    with pytest.raises(ValueError, match=f"got {seed}"):
        uniform(seed, [0], [0], 1)
