"""Class weights by their published formulas."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

import wavestack.losses.class_weights
from wavestack.losses import enet_weights, median_frequency_weights


def test_median_frequency_counts_only_pictures_with_the_class() -> None:
    # Picture one: 60 of class 0, 40 of class 1. Picture two: 90 of class 0, 10 of class 2.
    pixels, around = np.array([150, 40, 10, 0]), np.array([200, 100, 100, 0])
    weights = median_frequency_weights(pixels, around)
    np.testing.assert_allclose(weights, [0.4 / 0.75, 1.0, 4.0, 0.0])


def test_enet_weights_stay_between_their_bounds() -> None:
    weights = enet_weights(np.array([10**9, 1, 0]))
    assert weights[0] == pytest.approx(1 / np.log(2.02), rel=1e-6)
    assert weights[1] == pytest.approx(1 / np.log(1.02), rel=1e-3)
    assert weights[2] == 0.0


def test_no_class_at_all_is_refused() -> None:
    for weigh in (enet_weights, lambda pixels: median_frequency_weights(pixels, pixels)):
        with pytest.raises(ValueError, match="pixels must be > 0 for at least one class"):
            weigh(np.zeros(3))
    with pytest.raises(ValueError, match="c must be > 1, got 1"):
        enet_weights(np.ones(2), c=1)


def test_examples_in_docstrings() -> None:
    assert doctest.testmod(wavestack.losses.class_weights).failed == 0
