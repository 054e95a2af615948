"""Confusions, class accuracies and the classifiers without training."""

from __future__ import annotations

import numpy as np
import pytest

from wavestack.metrics import (
    class_accuracies,
    confusion_matrix,
    majority_accuracy,
    nearest_mean_accuracy,
)


def test_rows_are_true_classes_and_columns_what_they_were_taken_for():
    confusion = confusion_matrix(np.array([0, 0, 2, 2, 2]), np.array([0, 1, 2, 2, 0]), 4)
    assert confusion.tolist() == [[1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 2, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(class_accuracies(confusion), [0.5, np.nan, 2 / 3, np.nan])


def test_the_majority_is_that_of_the_training_split():
    assert majority_accuracy(np.array([1, 1, 0]), np.array([0, 0, 0, 1])) == 0.25


def test_the_nearest_mean_weighs_dimensions_by_their_spread():
    rng = np.random.default_rng(0)
    classes = np.arange(200) % 2
    # The second dimension says nothing and is a thousand times as large.
    points = np.stack([classes + 0.1 * rng.standard_normal(200), 1e3 * rng.standard_normal(200)], 1)
    found = nearest_mean_accuracy(points[:100], classes[:100], points[100:], classes[100:])
    assert found > 0.95
    # Classes need not be 0, 1, ...; a constant dimension does no harm.
    points[:, 1] = 4
    found = nearest_mean_accuracy(points[:100], classes[:100] + 7, points[100:], classes[100:] + 7)
    assert found == 1.0


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match=r"classes must lie in \[0, 2\), got 0 to 2"):
        confusion_matrix(np.array([0, 2]), np.array([0, 1]), 2)
    with pytest.raises(ValueError, match="equally many"):
        confusion_matrix(np.array([0, 1]), np.array([0]), 2)
    with pytest.raises(ValueError, match="test must hold at least one item, got none"):
        majority_accuracy(np.array([0]), np.array([], dtype=int))
