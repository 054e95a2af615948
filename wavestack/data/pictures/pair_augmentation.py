"""Variations of a picture together with its mask, by torchvision's transforms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from wavestack.data.pictures.class_table import IGNORE_INDEX
from wavestack.data.pictures.scaled_crop import FILL, random_scaled_crop
from wavestack.errors import UserError

Size = tuple[int, int]


class PairAugmentation:
    """Sizes, crops, flips, turns, bends and colours; picture and mask move alike.

    The mask never blends classes, and what comes in from beyond the edge belongs to none. Every
    setting is off by default.

    Args:
        flip: how often left and right are exchanged.
        vertical_flip: how often top and bottom are.
        quarter_turns: turn by 0, 90, 180 or 270 degrees (for pictures without an upright; crops
            must be square).
        scale: smallest and largest size, relative to the input size; None: as it is. Crops are cut
            from the picture at its own resolution and resized once.
        aspect: largest change of width to height, as logarithm of their ratio.
        rotation: largest turn, in degrees.
        elastic: how far pixels are displaced, in pixels (standard deviation of the random
            displacements before they are smoothed); 0: not.
        elastic_smoothness: standard deviation of that smoothing, in pixels.
        brightness: largest share by which it changes; likewise the next two.
        contrast: likewise.
        saturation: likewise.
        hue: largest turn of the colour circle, as a share of it, up to 0.5 (slow on a CPU).

    Raises:
        ValueError: when a number is out of its range.

    References:
        Simard, Steinkraus and Platt (2003), "Best practices for convolutional neural networks
        applied to visual document analysis", for elastic deformations.
    """

    def __init__(
        self,
        flip: float = 0.0,
        vertical_flip: float = 0.0,
        quarter_turns: bool = False,
        scale: Sequence[float] | None = None,
        aspect: float = 0.0,
        rotation: float = 0.0,
        elastic: float = 0.0,
        elastic_smoothness: float = 8.0,
        brightness: float = 0.0,
        contrast: float = 0.0,
        saturation: float = 0.0,
        hue: float = 0.0,
    ) -> None:
        for name, value, most in (
            ("flip", flip, 1.0),
            ("vertical_flip", vertical_flip, 1.0),
            ("aspect", aspect, 2.0),
            ("rotation", rotation, 180.0),
            ("elastic", elastic, 1e4),
            ("brightness", brightness, 1.0),
            ("contrast", contrast, 1.0),
            ("saturation", saturation, 1.0),
            ("hue", hue, 0.5),
        ):
            if not 0 <= value <= most:
                raise ValueError(f"{name} must be in [0, {most:g}], got {value}")
        if elastic_smoothness <= 0:
            raise ValueError(f"elastic_smoothness must be > 0, got {elastic_smoothness}")
        if scale is not None and (len(scale) != 2 or not 0 < scale[0] <= scale[1]):
            raise ValueError(f"scale must be [smallest, largest] or null, got {list(scale)}")
        self.flip = flip
        self.vertical_flip = vertical_flip
        self.quarter_turns = quarter_turns
        self.scale = (1.0, 1.0) if scale is None else (float(scale[0]), float(scale[1]))
        self.aspect = aspect
        self.rotation = rotation
        self.elastic = elastic
        self.elastic_smoothness = elastic_smoothness
        self.colour = {
            "brightness": brightness,
            "contrast": contrast,
            "saturation": saturation,
            "hue": hue,
        }

    def make(
        self, input_size: Size | None, crop_size: Size | None
    ) -> Callable[[Any, Any], tuple[Any, Any]]:
        """The transforms in their order: crop, turn, bend, flip, colour.

        Args:
            input_size: (height, width) that whole pictures are brought to; None: their own.
            crop_size: (height, width) of a crop at a random place of that; None: all of it.

        Returns:
            A torchvision transform of a picture and a mask (tv_tensors).

        Raises:
            UserError: when torchvision is not installed.
        """
        try:
            from torchvision import tv_tensors
            from torchvision.transforms import InterpolationMode, v2
        except ImportError as error:
            raise UserError(
                "pictures are varied by torchvision; python -m pip install 'wavestack[vision]'"
            ) from error
        fill: Any = {tv_tensors.Image: FILL, tv_tensors.Mask: IGNORE_INDEX}
        smooth = InterpolationMode.BILINEAR  # of pictures; masks always take the nearest
        steps: list[Any] = []
        if crop_size is not None:
            steps.append(random_scaled_crop(input_size, crop_size, self.scale, self.aspect))
        if self.rotation:
            steps.append(v2.RandomRotation(self.rotation, interpolation=smooth, fill=fill))
        if self.elastic:
            alpha, sigma = self.elastic * self.elastic_smoothness, self.elastic_smoothness
            if crop_size is not None and 4 * sigma >= min(crop_size):  # the reach of the smoothing
                raise UserError(
                    f"data.augmentation.elastic_smoothness={sigma:g} must be below "
                    f"{min(crop_size) / 4:g} for crops of {crop_size[1]} x {crop_size[0]}"
                )
            steps.append(v2.ElasticTransform(alpha, sigma, fill=fill))
        if self.flip:
            steps.append(v2.RandomHorizontalFlip(self.flip))
        if self.vertical_flip:
            steps.append(v2.RandomVerticalFlip(self.vertical_flip))
        if self.quarter_turns:
            turns = [v2.RandomRotation((angle, angle)) for angle in (90, 180, 270)]
            steps.append(v2.RandomChoice([v2.Identity(), *turns]))
        if any(self.colour.values()):
            steps.append(v2.ColorJitter(**self.colour))
        return v2.Compose(steps or [v2.Identity()])


def vary(
    transform: Callable[[Any, Any], tuple[Any, Any]], image: Tensor, mask: Tensor, seed: int
) -> tuple[Tensor, Tensor]:
    """A variation of a picture and its mask that is a pure function of them and of the seed.

    Args:
        transform: of `PairAugmentation.make`.
        image: (3, H, W) uint8.
        mask: (H, W) uint8.
        seed: of the draws; the process's own random state stays as it was.
    """
    from torchvision import tv_tensors

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        varied, classes = transform(tv_tensors.Image(image), tv_tensors.Mask(mask))
    return varied.as_subclass(Tensor), classes.as_subclass(Tensor)
