"""How near an image is to another: peak signal-to-noise ratio and structural similarity."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_WINDOW, _SIGMA = 11, 1.5
_K1, _K2 = 0.01, 0.03


def psnr(image: Tensor, reference: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of each image of a batch, the peak being 1.

    Shape:
        image, reference: (B, C, H, W) -> (B,) float64, inf where the two are equal

    Raises:
        ValueError: when the shapes differ.

    Example:
        >>> psnr(torch.full((1, 1, 4, 4), 0.1), torch.zeros(1, 1, 4, 4)).round(decimals=3)
        tensor([20.], dtype=torch.float64)
    """
    _check(image, reference)
    error = (image.double() - reference.double()).square().flatten(1).mean(1)
    return -10 * error.log10()


def ssim(image: Tensor, reference: Tensor) -> Tensor:
    """Structural similarity of each image of a batch, the range being 0 to 1.

    Means, variances and covariance under a Gaussian window of 11 x 11 pixels (deviation 1.5), at
    the places where the window lies inside the image.

    Shape:
        image, reference: (B, C, H, W) with H, W >= 11 -> (B,) float64, 1 where the two are equal

    Raises:
        ValueError: when the shapes differ or the window does not fit.

    References:
        Wang, Bovik, Sheikh and Simoncelli (2004), Image quality assessment: from error visibility
        to structural similarity, section III.
    """
    _check(image, reference)
    if min(image.shape[-2:]) < _WINDOW:
        raise ValueError(f"ssim needs images of {_WINDOW} x {_WINDOW} pixels or more")
    x, y = image.double(), reference.double()
    mean_x, mean_y = _windowed(x), _windowed(y)
    variance_x = _windowed(x * x) - mean_x.square()
    variance_y = _windowed(y * y) - mean_y.square()
    covariance = _windowed(x * y) - mean_x * mean_y
    similar = (2 * mean_x * mean_y + _K1**2) * (2 * covariance + _K2**2)
    scale = (mean_x.square() + mean_y.square() + _K1**2) * (variance_x + variance_y + _K2**2)
    return (similar / scale).flatten(1).mean(1)


def shave(image: Tensor, border: int) -> Tensor:
    """An image without so many pixels on each side, where methods differ by their padding alone.

    Shape:
        image: (..., H, W) -> (..., H - 2 * border, W - 2 * border)
    """
    return image[..., border : image.shape[-2] - border, border : image.shape[-1] - border]


def _windowed(x: Tensor) -> Tensor:
    """The Gaussian-weighted mean around each place, rows and columns one after the other."""
    offsets = torch.arange(_WINDOW, dtype=x.dtype, device=x.device) - _WINDOW // 2
    weights = (-offsets.square() / (2 * _SIGMA**2)).exp()
    weights = (weights / weights.sum()).expand(x.shape[1], 1, 1, _WINDOW)
    x = F.conv2d(x, weights, groups=x.shape[1])
    return F.conv2d(x, weights.transpose(2, 3), groups=x.shape[1])


def _check(image: Tensor, reference: Tensor) -> None:
    if image.shape != reference.shape or image.dim() != 4:
        raise ValueError(
            "image and reference must have one shape (B, C, H, W), got "
            f"{tuple(image.shape)} and {tuple(reference.shape)}"
        )
