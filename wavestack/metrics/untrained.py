"""Segmentations that need no training, as confusion matrices of a whole split."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from wavestack.metrics.segmentation import (
    intersection_over_union,
    luminance,
    otsu_threshold,
    pixel_confusion,
)


def one_class_confusion(data: Any, split: str) -> Tensor:
    """Every pixel taken for the class that most training pixels have: (K, K) int64.

    Args:
        data: a `wavestack.data.SegmentationData`.
        split: "train", "val" or "test".
    """
    pixels = data.class_pixels()[0]
    confusion = torch.zeros(len(pixels), len(pixels), dtype=torch.int64)
    for index in range(data.num_items(split)):
        mask = data.sample(split, index).mask
        counts = np.bincount(mask.ravel(), minlength=256)[: len(pixels)]
        confusion[:, int(pixels.argmax())] += torch.from_numpy(counts)
    return confusion


def otsu_confusion(data: Any, split: str, foreground: int) -> Tensor:
    """Every picture cut in two at its own threshold of Otsu: (2, 2) int64.

    Whether the foreground is the dark part or the light one is what does better on the training
    split.

    Args:
        data: of two classes, a `wavestack.data.SegmentationData`.
        split: "train", "val" or "test".
        foreground: number of the class that is looked for.
    """
    train, found = (_both_ways(data, name, foreground) for name in ("train", split))
    scores = [float(intersection_over_union(c)[foreground]) for c in train]
    return found[int(np.argmax(scores))]


def _both_ways(data: Any, split: str, foreground: int) -> tuple[Tensor, Tensor]:
    """The confusion matrices with the dark part as foreground, and with the light one."""
    dark = torch.zeros(2, 2, dtype=torch.int64)
    for index in range(data.num_items(split)):
        sample = data.sample(split, index)
        grey = luminance(sample.image)
        is_dark = torch.from_numpy(grey <= otsu_threshold(grey))
        guess = torch.where(is_dark, foreground, 1 - foreground)
        dark += pixel_confusion(torch.from_numpy(sample.mask).long(), guess, 2)
    return dark, dark.flip(1)
