"""Nats per frame of two tables."""

from __future__ import annotations

import math

import numpy as np
import pytest

from wavestack.metrics import key_frequency_nats, key_succession_nats


def test_frequencies_give_the_entropy_of_independent_keys() -> None:
    rng = np.random.default_rng(0)
    piece = (rng.random((40_000, 2)) < [0.5, 0.1]).astype(np.uint8)
    entropy = math.log(2) - 0.1 * math.log(0.1) - 0.9 * math.log(0.9)
    assert key_frequency_nats([piece], [piece]) == pytest.approx(entropy, abs=0.01)
    # Nothing follows from the last frame here.
    assert key_succession_nats([piece], [piece]) == pytest.approx(entropy, abs=0.01)


def test_successions_know_that_keys_stay() -> None:
    piece = np.repeat(np.eye(2, dtype=np.uint8), 500, axis=0)
    assert key_frequency_nats([piece], [piece]) == pytest.approx(2 * math.log(2), abs=0.01)
    assert key_succession_nats([piece], [piece]) < 0.05


def test_first_frames_do_not_count() -> None:
    train = [np.array([[0], [0], [1]] * 50)]
    test = np.array([[0], [1], [0]])
    other = test.copy()
    other[0] = 1
    assert key_frequency_nats(train, [test]) == key_frequency_nats(train, [other])


def test_nothing_to_code_is_named() -> None:
    with pytest.raises(ValueError, match="test must hold a piece of two frames or more"):
        key_frequency_nats([np.zeros((5, 2))], [np.zeros((1, 2))])
