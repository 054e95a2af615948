"""Figures of a segmentation from its confusion matrix, and the ways to cut a picture untrained."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def pixel_confusion(classes: Tensor, predictions: Tensor, num_classes: int) -> Tensor:
    """How often a pixel of each class (row) was taken for each class (column), by torchmetrics.

    Args:
        classes: (...) true classes; 255 does not count.
        predictions: (...) predicted classes.
        num_classes: K.

    Shape:
        -> (K, K) int64.

    Example:
        >>> pixel_confusion(torch.tensor([0, 0, 1, 255]), torch.tensor([0, 1, 1, 1]), 2).tolist()
        [[1, 1], [0, 1]]
    """
    from torchmetrics.functional.classification import multiclass_confusion_matrix

    return multiclass_confusion_matrix(
        predictions, classes, num_classes, ignore_index=255, validate_args=False
    )


def intersection_over_union(confusion: Tensor) -> Tensor:
    """The IoU of each class: (K, K) -> (K,) float64, NaN for a class that is in no mask.

    Such a class cannot be found, so it has no figure of its own and is left out of the mean; where
    a model sees it all the same, the classes that are there pay for it.

    Example:
        >>> intersection_over_union(torch.tensor([[3, 1, 0], [0, 2, 1], [0, 0, 0]])).tolist()
        [0.75, 0.5, nan]
    """
    confusion = confusion.double()
    hits, there = confusion.diag(), confusion.sum(1)
    union = there + confusion.sum(0) - hits
    return torch.where(there > 0, hits / union.clamp(min=1), torch.nan)


def mean_iou(confusion: Tensor) -> float:
    """The mean of the classes' IoU over those that are in a mask; NaN when there is none."""
    return float(intersection_over_union(confusion).nanmean())


def pixel_accuracy(confusion: Tensor) -> float:
    """The share of pixels that were given their class.

    Example:
        >>> pixel_accuracy(torch.tensor([[3, 1], [0, 4]]))
        0.875
    """
    return float(confusion.diag().sum() / confusion.sum().clamp(min=1))


def otsu_threshold(grey: np.ndarray) -> int:
    """The grey level that best divides a picture into a dark and a light part.

    Args:
        grey: (H, W) uint8.

    Returns:
        A level t: the dark part is ``grey <= t``.

    References:
        Otsu (1979), "A threshold selection method from gray-level histograms".

    Example:
        >>> otsu_threshold(np.array([[10, 12, 11, 200, 210, 205]], dtype=np.uint8))
        12
    """
    share = np.bincount(grey.ravel(), minlength=256) / grey.size
    dark = np.cumsum(share)  # share of pixels up to each level
    level = np.cumsum(share * np.arange(256))
    # Variance between the two parts: (m(1) w(t) - m(t))^2 / (w(t) (1 - w(t))).
    apart = np.zeros(256)
    split = (dark > 0) & (dark < 1)
    apart[split] = (level[-1] * dark[split] - level[split]) ** 2 / (dark * (1 - dark))[split]
    return int(apart.argmax())


def luminance(image: np.ndarray) -> np.ndarray:
    """Grey levels of colours (ITU-R BT.601): (H, W, 3) uint8 -> (H, W) uint8."""
    weights = np.array([0.299, 0.587, 0.114], dtype=np.float32)
    return (image @ weights).round().clip(0, 255).astype(np.uint8)
