"""Learned upsampling that starts as bilinear interpolation."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def bilinear_kernel(stride: int) -> Tensor:
    """Weights of bilinear interpolation between pixels that are ``stride`` apart, on one axis.

    Args:
        stride: output pixels per input pixel.

    Shape:
        -> (2 * stride - stride % 2,)

    Example:
        >>> bilinear_kernel(2), bilinear_kernel(3)
        (tensor([0.2500, 0.7500, 0.7500, 0.2500]), tensor([0.3333, 0.6667, 1.0000, 0.6667, 0.3333]))
    """
    taps = 2 * stride - stride % 2
    distances = torch.arange(taps, dtype=torch.float64) - (taps - 1) / 2
    return (1 - distances.abs() / stride).float()


class BilinearConvTranspose2d(nn.ConvTranspose2d):
    """Transposed convolution by a whole factor that starts as bilinear interpolation.

    Input pixel i has its centre at (i + 1/2) s in output pixels, as in
    ``F.interpolate(mode="bilinear", align_corners=False)``, and each output is a mean of its two
    neighbours on each axis, weighted by nearness. Both agree up to s / 2 pixels from the border,
    where interpolation repeats the outermost pixel and this layer takes what is outside for zero.

    Args:
        channels: of the input and the output; each starts on its own.
        stride: s, output pixels per input pixel.
        depthwise: True: channels stay on their own, which saves weights and time; False: training
            may mix them.
        trainable: False keeps the interpolation, as FCN's last upsampling and Yu and Koltun's do.

    Shape:
        x: (B, channels, H, W) -> (B, channels, s H, s W)

    Raises:
        ValueError: when channels or stride is below 1.

    References:
        Long, Shelhamer and Darrell (2015), Fully Convolutional Networks for Semantic Segmentation,
        section 3.3.

    Example:
        >>> up = BilinearConvTranspose2d(1, stride=2)
        >>> up(torch.tensor([[[[0.0, 4.0, 8.0]] * 3]]))[0, 0, 2].detach()
        tensor([0., 1., 3., 5., 7., 6.])
    """

    def __init__(
        self, channels: int, stride: int, *, depthwise: bool = True, trainable: bool = True
    ) -> None:
        for name, value in (("channels", channels), ("stride", stride)):
            if value < 1:
                raise ValueError(f"{name} must be >= 1, got {value}")
        line = bilinear_kernel(stride)
        super().__init__(
            channels,
            channels,
            len(line),
            stride=stride,
            padding=(len(line) - stride) // 2,
            groups=channels if depthwise else 1,
            bias=False,
        )
        with torch.no_grad():
            self.weight.zero_()
            own = torch.arange(channels)
            self.weight[own, own * 0 if depthwise else own] = torch.outer(line, line)
        self.weight.requires_grad_(trainable)
