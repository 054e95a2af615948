"""Accuracy class by class, and the classifiers that need no training."""

from __future__ import annotations

import numpy as np


def confusion_matrix(classes: np.ndarray, predictions: np.ndarray, num_classes: int) -> np.ndarray:
    """How often each class (row) was taken for each class (column).

    Args:
        classes: (N,) true classes.
        predictions: (N,) predicted classes.
        num_classes: K; classes lie in [0, K).

    Shape:
        -> (K, K) int64.

    Raises:
        ValueError: when the two differ in length or hold a class out of range.

    Example:
        >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
        [[1, 1], [0, 1]]
    """
    classes, predictions = np.asarray(classes), np.asarray(predictions)
    if classes.shape != predictions.shape:
        raise ValueError(
            f"classes and predictions must be equally many, got {classes.shape} and "
            f"{predictions.shape}"
        )
    for found in (classes, predictions):
        if found.size and not 0 <= found.min() <= found.max() < num_classes:
            raise ValueError(
                f"classes must lie in [0, {num_classes}), got {found.min()} to {found.max()}"
            )
    counts = np.bincount(classes * num_classes + predictions, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def class_accuracies(confusion: np.ndarray) -> np.ndarray:
    """The share of every class that was recognised: (K,) float64, NaN for a class that is absent.

    Example:
        >>> class_accuracies(np.array([[3, 1], [0, 2]])).tolist()
        [0.75, 1.0]
    """
    totals = confusion.sum(axis=1)
    shares = np.full(len(confusion), np.nan)
    np.divide(np.diag(confusion), totals, out=shares, where=totals > 0)
    return shares


def majority_accuracy(train_classes: np.ndarray, test_classes: np.ndarray) -> float:
    """The accuracy of answering always with the training split's most frequent class.

    Raises:
        ValueError: when either is empty.

    Example:
        >>> majority_accuracy(np.array([0, 0, 1]), np.array([0, 1, 1, 1]))
        0.25
    """
    _check_some(train_classes, test_classes)
    return float((test_classes == np.bincount(train_classes).argmax()).mean())


def nearest_mean_accuracy(
    train: np.ndarray, train_classes: np.ndarray, test: np.ndarray, test_classes: np.ndarray
) -> float:
    """The accuracy of the class whose mean vector is nearest, every dimension standardised.

    Args:
        train: (N, D) one vector for each training item.
        train_classes: (N,).
        test: (M, D).
        test_classes: (M,).

    Raises:
        ValueError: when either is empty.

    Example:
        >>> points, classes = np.array([[0.0], [1.0], [9.0]]), np.array([0, 0, 1])
        >>> nearest_mean_accuracy(points, classes, np.array([[2.0], [8.0]]), np.array([0, 1]))
        1.0
    """
    _check_some(train_classes, test_classes)
    mean, spread = train.mean(0), train.std(0)
    spread = np.where(spread > 0, spread, 1.0)
    known = np.unique(train_classes)
    centres = np.stack([train[train_classes == k].mean(0) for k in known])
    distances = np.linalg.norm(
        ((test - mean) / spread)[:, None] - ((centres - mean) / spread)[None], axis=-1
    )
    return float((known[distances.argmin(1)] == test_classes).mean())


def _check_some(train_classes: np.ndarray, test_classes: np.ndarray) -> None:
    for name, classes in (("train", train_classes), ("test", test_classes)):
        if not len(classes):
            raise ValueError(f"{name} must hold at least one item, got none")
