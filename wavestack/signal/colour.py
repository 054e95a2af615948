"""Brightness and colour apart: YCbCr of ITU-R BT.601 in the range of 8-bit video."""

from __future__ import annotations

import torch
from torch import Tensor

# Rows Y, Cb, Cr over columns R, G, B, all from 0 to 1; Y spans 16/255 to 235/255, the colours
# 16/255 to 240/255 around 128/255 (BT.601, as MATLAB's rgb2ycbcr).
_MATRIX = (
    (65.481, 128.553, 24.966),
    (-37.797, -74.203, 112.0),
    (112.0, -93.786, -18.214),
)
_OFFSET = (16.0, 128.0, 128.0)


def rgb_to_ycbcr(image: Tensor) -> Tensor:
    """RGB to YCbCr, both with 1 for 255.

    Shape:
        image: (..., 3, H, W) floating -> the same

    Example:
        >>> (255 * rgb_to_ycbcr(torch.ones(3, 1, 1))).round().flatten().tolist()
        [235.0, 128.0, 128.0]
    """
    matrix, offset = _constants(image)
    return torch.einsum("yc,...chw->...yhw", matrix, image) + offset


def ycbcr_to_rgb(image: Tensor) -> Tensor:
    """The inverse of :func:`rgb_to_ycbcr`; colours outside RGB are not clipped.

    Shape:
        image: (..., 3, H, W) floating -> the same
    """
    matrix, offset = _constants(image)
    inverse = torch.linalg.inv(matrix.double()).to(matrix.dtype)
    return torch.einsum("cy,...yhw->...chw", inverse, image - offset)


def luma(image: Tensor) -> Tensor:
    """Y of an RGB image, the brightness that super-resolution is measured on.

    Shape:
        image: (..., 3, H, W) floating, 1 for 255 -> (..., 1, H, W), from 16/255 to 235/255
    """
    matrix, offset = _constants(image)
    return torch.einsum("yc,...chw->...yhw", matrix[:1], image) + offset[:1]


def _constants(image: Tensor) -> tuple[Tensor, Tensor]:
    if image.shape[-3] != 3:
        raise ValueError(f"image must have shape (..., 3, H, W), got {tuple(image.shape)}")
    matrix = torch.tensor(_MATRIX, dtype=image.dtype, device=image.device) / 255
    offset = torch.tensor(_OFFSET, dtype=image.dtype, device=image.device) / 255
    return matrix, offset[:, None, None]
