"""Boundary F: how well the outlines of a segmentation lie, apart from its areas."""

from __future__ import annotations

import math

import torch
from torch import Tensor

TOLERANCE = 0.0075  # share of the picture's diagonal


def boundary_scores(
    classes: Tensor, predictions: Tensor, num_classes: int, tolerance: float = TOLERANCE
) -> Tensor:
    """The boundary F of every class, summed over pictures, and the number of pictures that count.

    The boundary of a class are its pixels with a neighbour (above, below, left or right) of another
    class; the picture's edge and pixels of no class make no boundary. Precision is the share of
    predicted boundary pixels with a true one within the tolerance, recall the reverse, and F their
    harmonic mean. A picture counts for a class that is in its mask or in the prediction.

    Args:
        classes: true classes; 255 is no class.
        predictions: predicted classes.
        num_classes: K.
        tolerance: largest distance, as share of the diagonal of the picture.

    Shape:
        classes, predictions: (B, H, W) int64 -> (2, K) float64: sums of F, pictures.

    References:
        Csurka, Larlus and Perronnin (2013), "What is a good evaluation measure for semantic
        segmentation?", section 2.3, whose tolerance is the default.

    Example:
        >>> mask = torch.tensor([[[0, 0, 0, 1, 1, 1]]])
        >>> boundary_scores(mask, mask, 2).tolist()
        [[1.0, 1.0], [1.0, 1.0]]
    """
    known = classes != 255
    predictions = torch.where(known, predictions, 255)
    radius = tolerance * math.hypot(*classes.shape[-2:])
    sums = torch.zeros(2, num_classes, dtype=torch.float64, device=classes.device)
    for truth, guess in zip(classes, predictions, strict=True):
        true_edge, found_edge = _edges(truth), _edges(guess)
        for k in range(num_classes):
            is_there, is_found = truth == k, guess == k
            if not (is_there.any() or is_found.any()):
                continue
            sums[1, k] += 1
            sums[0, k] += _f_score(true_edge & is_there, found_edge & is_found, radius)
    return sums


def _f_score(true: Tensor, found: Tensor, radius: float) -> float:
    """F of two sets of boundary pixels; 1 where neither has one (a class fills the picture)."""
    num_true, num_found = int(true.sum()), int(found.sum())
    if not num_true and not num_found:
        return 1.0
    if not num_true or not num_found:
        return 0.0
    # Nothing outside the box around both is asked for.
    either = true | found
    rows, columns = (either.any(axis).nonzero() for axis in (1, 0))
    box = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
    true, found = true[box], found[box]
    near_true, near_found = _near(torch.stack([true, found]), radius)
    precision = int((found & near_true).sum()) / num_found
    recall = int((true & near_found).sum()) / num_true
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _edges(classes: Tensor) -> Tensor:
    """Pixels with a neighbour of another class: (H, W) bool."""
    edge = torch.zeros_like(classes, dtype=torch.bool)
    for axis in (0, 1):
        n = classes.shape[axis] - 1
        first, second = classes.narrow(axis, 0, n), classes.narrow(axis, 1, n)
        differ = (first != second) & (first != 255) & (second != 255)
        edge.narrow(axis, 0, n).logical_or_(differ)
        edge.narrow(axis, 1, n).logical_or_(differ)
    return edge


def _near(sets: Tensor, radius: float) -> Tensor:
    """All pixels within a distance of a set: (N, H, W) bool, dilated by a disc."""
    H, W = sets.shape[-2:]
    runs = [sets]  # dilated along the rows by so many pixels to each side
    for reach in range(1, int(radius) + 1):
        run = runs[-1].clone()
        if reach < W:
            run[..., reach:] |= sets[..., :-reach]
            run[..., :-reach] |= sets[..., reach:]
        runs.append(run)
    result = torch.zeros_like(sets)
    for dy in range(min(int(radius), H - 1) + 1):
        # The disc row by row: at heights dy and -dy it is as wide as this run.
        run = runs[int(math.sqrt(radius**2 - dy**2))]
        result[..., dy:, :] |= run[..., : H - dy, :]
        result[..., : H - dy, :] |= run[..., dy:, :]
    return result
