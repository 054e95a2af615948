"""IoU as torchmetrics has it, Otsu and boundary F by their definitions."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
import torch

import wavestack.metrics.boundary as boundary
import wavestack.metrics.segmentation as segmentation
from wavestack.data import SegmentationData, SyntheticShapes
from wavestack.metrics import (
    boundary_scores,
    intersection_over_union,
    mean_iou,
    one_class_confusion,
    otsu_confusion,
    otsu_threshold,
    pixel_accuracy,
    pixel_confusion,
)


def pictures() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    classes = torch.randint(0, 4, (2, 9, 12), generator=generator).repeat_interleave(4, 2)
    guess = torch.where(torch.rand(classes.shape, generator=generator) < 0.7, classes, 1)
    classes[0, :2] = 255
    return classes, guess


def test_iou_is_that_of_torchmetrics() -> None:
    from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex

    classes, guess = pictures()
    confusion = pixel_confusion(classes, guess, 4)
    theirs = MulticlassJaccardIndex(4, average="none", ignore_index=255)(guess, classes)
    torch.testing.assert_close(intersection_over_union(confusion).float(), theirs)
    mean = MulticlassJaccardIndex(4, ignore_index=255)(guess, classes)
    assert mean_iou(confusion) == pytest.approx(float(mean), abs=1e-6)
    accuracy = MulticlassAccuracy(4, average="micro", ignore_index=255)(guess, classes)
    assert pixel_accuracy(confusion) == pytest.approx(float(accuracy), abs=1e-6)


def test_a_class_in_no_mask_is_left_out_of_the_mean() -> None:
    confusion = torch.tensor([[8, 0, 2], [0, 5, 0], [0, 0, 0]])
    assert mean_iou(confusion) == pytest.approx((0.8 + 1.0) / 2)


def brute_force(classes: np.ndarray, guess: np.ndarray, k: int, radius: float) -> float:
    """F of class k of one picture, pixel by pixel."""

    def boundary(x: np.ndarray) -> np.ndarray:
        places = []
        for i, j in np.argwhere(x == k):
            for di, dj in ((0, 1), (1, 0), (0, -1), (-1, 0)):
                a, b = i + di, j + dj
                inside = 0 <= a < x.shape[0] and 0 <= b < x.shape[1]
                if inside and x[a, b] not in (k, 255):
                    places.append((i, j))
                    break
        return np.array(places).reshape(-1, 2)

    true, found = boundary(classes), boundary(np.where(classes == 255, 255, guess))
    if not len(true) or not len(found):
        return float(len(true) == len(found))
    apart = np.linalg.norm(true[:, None] - found[None], axis=-1)
    precision, recall = (apart.min(0) <= radius).mean(), (apart.min(1) <= radius).mean()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@pytest.mark.parametrize("tolerance", [0.005, 0.03, 0.06])
def test_boundary_f_is_what_its_definition_says(tolerance: float) -> None:
    classes, guess = pictures()
    found = boundary_scores(classes, guess, 4, tolerance)
    radius = tolerance * np.hypot(9, 48)
    for k in range(4):
        wanted = sum(
            brute_force(c.numpy(), g.numpy(), k, radius)
            for c, g in zip(classes, guess, strict=True)
        )
        assert found[0, k] == pytest.approx(wanted)
    assert found[1].tolist() == [2.0] * 4


def test_boundary_of_a_shifted_square_is_lost_beyond_the_tolerance() -> None:
    mask = torch.zeros(1, 60, 80, dtype=torch.int64)  # a diagonal of 100 pixels
    mask[:, 20:40, 20:40] = 1
    for shift, found in ((0, True), (2, True), (6, False)):
        scores = boundary_scores(mask, mask.roll(shift, 2), 3, tolerance=0.02)
        assert (scores[0, 1] == 1) == found
    assert scores[1].tolist() == [1, 1, 0]  # class 2 is nowhere


def test_otsu_maximises_the_variance_between_two_parts() -> None:
    rng = np.random.default_rng(0)
    grey = np.concatenate([rng.normal(60, 15, 500), rng.normal(150, 25, 300)]).clip(0, 255)
    grey = grey.astype(np.uint8)[None]

    def between(t: int) -> float:
        dark, light = grey[grey <= t], grey[grey > t]
        if not len(dark) or not len(light):
            return 0.0
        return len(dark) * len(light) * (float(dark.mean()) - float(light.mean())) ** 2

    best = max(range(256), key=between)
    assert otsu_threshold(grey) == best


def test_untrained_ways_of_a_whole_split() -> None:
    source = SyntheticShapes(num_classes=2, height=24, width=32, num_train=3, num_test=3)
    data = SegmentationData(source)
    masks = [data.sample("test", i).mask for i in range(3)]
    counts = np.bincount(np.concatenate([m.ravel() for m in masks]), minlength=2)
    most = int(data.class_pixels()[0].argmax())
    assert one_class_confusion(data, "test")[:, most].tolist() == counts.tolist()
    otsu = otsu_confusion(data, "test", foreground=1)
    assert otsu.sum(1).tolist() == counts.tolist()


@pytest.mark.parametrize("module", [boundary, segmentation])
def test_examples_in_docstrings(module) -> None:
    assert doctest.testmod(module).failed == 0
