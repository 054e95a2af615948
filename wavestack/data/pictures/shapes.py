"""Textured shapes made on the fly: the segmentation data that are always there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wavestack.data.pictures.class_table import make_table
from wavestack.data.pictures.image_pairs import Sample
from wavestack.data.splits import SPLITS, Split, check_split

_NAMES = ("ground", "disc", "square", "triangle", "ring", "cross")
# Classes share their colours: shape and texture alone tell them apart.
_ANGLES = (0.0, 0.9, 1.8, 2.5)


class SyntheticShapes:
    """Seeded pictures of textured shapes on a textured ground.

    Shapes of one class differ in place, size, turn, colour, brightness and the phase of their
    stripes; what a class has for itself is its outline and the width of its stripes. Later shapes
    lie over earlier ones. Picture i of a split is a pure function of (seed, split, i), so a larger
    set begins with the smaller one.

    Args:
        num_classes: the ground and the kinds of shape: 2 to 6 have names, more are further widths
            of stripes on the same outlines.
        height: of a picture, in pixels.
        width: likewise.
        num_train: pictures in the training split.
        num_val: in the validation split.
        num_test: in the test split.
        shapes: shapes on a picture, fewest and most.
        border: pixels around every shape that belong to no class, as annotators leave them.
        seed: not negative.

    Attributes:
        classes: names and colours.
        report: how many pictures each split has.

    Raises:
        ValueError: when a number is out of its range.

    Example:
        >>> sample = SyntheticShapes(height=48, width=64).sample("train", 0)
        >>> sample.image.shape, sample.image.dtype, sample.mask.shape
        ((48, 64, 3), dtype('uint8'), (48, 64))
    """

    def __init__(
        self,
        num_classes: int = 6,
        height: int = 96,
        width: int = 128,
        num_train: int = 120,
        num_val: int = 20,
        num_test: int = 40,
        shapes: Sequence[int] = (3, 7),
        border: int = 0,
        seed: int = 0,
    ) -> None:
        for name, value, least in (
            ("num_classes", num_classes, 2),
            ("height", height, 8),
            ("width", width, 8),
            ("num_train", num_train, 1),
            ("num_val", num_val, 1),
            ("num_test", num_test, 1),
            ("border", border, 0),
            ("seed", seed, 0),
        ):
            if value < least:
                raise ValueError(f"{name} must be >= {least}, got {value}")
        if num_classes > 255:
            raise ValueError(f"num_classes must be <= 255, got {num_classes}")
        if len(shapes) != 2 or not 0 <= shapes[0] <= shapes[1]:
            raise ValueError(f"shapes must be [fewest, most], got {list(shapes)}")
        extra = [f"shape {i}" for i in range(len(_NAMES), num_classes)]
        self.classes = make_table([*_NAMES[:num_classes], *extra])
        self.size = (height, width)
        self.shapes = (int(shapes[0]), int(shapes[1]))
        self.border = border
        self.seed = seed
        self._counts = dict(zip(SPLITS, (num_train, num_val, num_test), strict=True))
        self.report: dict[str, Any] = {str(name): n for name, n in self._counts.items()}

    def num_items(self, split: Split) -> int:
        """Pictures of a split."""
        check_split(split)
        return self._counts[split]

    def sample(self, split: Split, index: int) -> Sample:
        """Make a picture with its mask.

        Raises:
            IndexError: when there is no such picture.
        """
        if not 0 <= index < self.num_items(split):
            raise IndexError(f"{split} has {self.num_items(split)} pictures, got index {index}")
        rng = np.random.default_rng([self.seed, SPLITS.index(split), index])
        H, W = self.size
        y, x = np.mgrid[:H, :W].astype(np.float32)
        image = _texture(y, x, 0, rng)
        mask = np.zeros((H, W), dtype=np.uint8)
        for _ in range(rng.integers(self.shapes[0], self.shapes[1] + 1)):
            kind = int(rng.integers(1, len(self.classes)))
            distance = _outline(y, x, (kind - 1) % (len(_NAMES) - 1), rng)
            if self.border:
                mask[np.abs(distance) < self.border / 2] = 255
            inside = distance < -self.border / 2 if self.border else distance < 0
            image[distance < 0] = _texture(y, x, kind, rng)[distance < 0]
            mask[inside] = kind
        image += rng.normal(0, 6, image.shape).astype(np.float32)
        return Sample(f"{split}_{index:05d}", image.clip(0, 255).astype(np.uint8), mask)


def _texture(y: np.ndarray, x: np.ndarray, kind: int, rng: np.random.Generator) -> np.ndarray:
    """Stripes whose width is that of the class: (H, W, 3) float32."""
    angle = _ANGLES[kind % len(_ANGLES)] + rng.uniform(-0.3, 0.3)
    period = 4.0 + 2.5 * kind
    phase = rng.uniform(0, 2 * np.pi)
    wave = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / period + phase)
    dark, light = np.sort(rng.uniform(30, 225, (2, 3)), axis=0).astype(np.float32)
    share = (0.5 + 0.5 * wave)[..., None].astype(np.float32)
    return dark + (light - dark) * share


def _outline(y: np.ndarray, x: np.ndarray, form: int, rng: np.random.Generator) -> np.ndarray:
    """Distance to a shape's outline, negative inside: (H, W)."""
    H, W = y.shape
    radius = rng.uniform(0.1, 0.28) * min(H, W)
    turn = rng.uniform(0, 2 * np.pi)
    dy, dx = y - rng.uniform(0, H), x - rng.uniform(0, W)
    u = np.cos(turn) * dx + np.sin(turn) * dy
    v = -np.sin(turn) * dx + np.cos(turn) * dy
    away = np.hypot(u, v)
    if form == 0:  # disc
        return away - radius
    if form == 1:  # square
        return np.maximum(np.abs(u), np.abs(v)) - 0.85 * radius
    if form == 2:  # triangle
        return np.maximum(np.abs(u) * 0.866 + v * 0.5, -v) - 0.6 * radius
    if form == 3:  # ring
        return np.abs(away - 0.8 * radius) - 0.3 * radius
    arms = np.minimum(np.abs(u), np.abs(v)) - 0.25 * radius  # cross
    return np.maximum(arms, np.maximum(np.abs(u), np.abs(v)) - radius)
