"""Pictures as numbers for a network: one normalization for the whole house."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

# Mean and deviation of ImageNet's training pictures, by channel, of values in [0, 1]. Published
# backbones were trained with them; a net that starts from scratch does not mind.
IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_STD = (0.229, 0.224, 0.225)


def normalize_image(image: Tensor) -> Tensor:
    """8-bit colours as normalized float32.

    Args:
        image: uint8, red, green, blue.

    Shape:
        image: (..., 3, H, W) -> (..., 3, H, W).

    Example:
        >>> white = torch.full((3, 1, 1), 255, dtype=torch.uint8)
        >>> [round(value, 2) for value in normalize_image(white).flatten().tolist()]
        [2.25, 2.43, 2.64]
    """
    mean, std = (torch.tensor(values, device=image.device) for values in (IMAGE_MEAN, IMAGE_STD))
    # 255 x / (255 s) - m / s, in one multiplication and one addition.
    scale = (1 / (255 * std))[:, None, None]
    return torch.addcmul((-mean / std)[:, None, None], image.float(), scale)


def resize_image(image: Tensor, size: Sequence[int]) -> Tensor:
    """8-bit pictures of another size: bilinear, smoothed before they are made smaller.

    Args:
        image: uint8.
        size: (height, width) in pixels.

    Shape:
        image: (C, H, W) -> (C, *size), uint8.
    """
    if image.shape[-2:] == (size[0], size[1]):
        return image
    small = F.interpolate(image[None].float(), tuple(size), mode="bilinear", antialias=True)
    return small[0].round().clamp(0, 255).to(torch.uint8)


def resize_mask(mask: Tensor, size: Sequence[int]) -> Tensor:
    """Class numbers at another size: each pixel takes the class at its centre.

    ("nearest" would take the upper left corner's instead, half a pixel off the picture.)

    Args:
        mask: uint8 class numbers.
        size: (height, width) in pixels.

    Shape:
        mask: (H, W) -> (*size), uint8.

    Example:
        >>> resize_mask(torch.arange(6, dtype=torch.uint8)[None], (1, 2)).tolist()
        [[1, 4]]
    """
    if mask.shape == (size[0], size[1]):
        return mask
    return F.interpolate(mask[None, None], tuple(size), mode="nearest-exact")[0, 0]
