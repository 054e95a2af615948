"""Weights that let rare classes count as much as common ones."""

from __future__ import annotations

import numpy as np


def median_frequency_weights(pixels: np.ndarray, around: np.ndarray) -> np.ndarray:
    """Median frequency balancing: the median of the classes' frequencies over each of them.

    The frequency of a class is its share of the labelled pixels of those pictures in which it
    occurs. A class that never occurs gets weight 0 and does not count in the median.

    Args:
        pixels: (K,) pixels of each class.
        around: (K,) labelled pixels of all pictures in which the class occurs.

    Shape:
        -> (K,) float64.

    Raises:
        ValueError: when no class occurs.

    References:
        Eigen and Fergus (2015), "Predicting depth, surface normals and semantic labels with a
        common multi-scale convolutional architecture", section 4.3.2; Badrinarayanan et al. (2017),
        "SegNet", section 4.1.

    Example:
        >>> pixels, around = np.array([60, 20, 0]), np.array([100, 80, 0])
        >>> median_frequency_weights(pixels, around).round(3).tolist()
        [0.708, 1.7, 0.0]
    """
    seen = _seen(pixels)
    frequency = np.divide(pixels, around, out=np.zeros(len(pixels)), where=seen)
    weights = np.zeros(len(pixels))
    weights[seen] = np.median(frequency[seen]) / frequency[seen]
    return weights


def enet_weights(pixels: np.ndarray, c: float = 1.02) -> np.ndarray:
    """ENet's weights: ``1 / ln(c + p)`` of the share p that a class has of all labelled pixels.

    They stay between ``1 / ln(c + 1)`` and ``1 / ln(c)``: 1.4 and 50. A class that never occurs
    gets weight 0.

    Args:
        pixels: (K,) pixels of each class.
        c: above 1; the nearer to 1, the more a rare class counts.

    Shape:
        -> (K,) float64.

    Raises:
        ValueError: when no class occurs, or `c` is not above 1.

    References:
        Paszke et al. (2016), "ENet: a deep neural network architecture for real-time semantic
        segmentation", section 5.2.

    Example:
        >>> enet_weights(np.array([98, 2])).round(2).tolist()
        [1.44, 25.5]
    """
    if c <= 1:
        raise ValueError(f"c must be > 1, got {c}")
    seen = _seen(pixels)
    return np.where(seen, 1 / np.log(c + pixels / pixels.sum()), 0.0)


def _seen(pixels: np.ndarray) -> np.ndarray:
    seen = np.asarray(pixels) > 0
    if not seen.any():
        raise ValueError("pixels must be > 0 for at least one class")
    return seen
