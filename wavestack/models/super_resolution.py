"""Super-resolution as dense prediction: a dilated net at low resolution, then sub-pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wavestack.layers import AtrousConv2d

_GREY = 0.45  # taken from the input: about the mean of photographs


class SuperResolutionNet(nn.Module):
    """Adds to the bicubic enlargement the detail that dilated convolutions see around each pixel.

    All convolutions work on the small image, where a pixel of context costs scale² times less; the
    last one gives the scale² pixels of each input pixel as channels, which are put in their places
    (sub-pixel convolution). Rates 1, 2, 3, 4, 3, 2, 1 see 33 pixels along each axis with the
    weights that see 15 without dilation. The layers between the first and the last add to their
    input, so depth costs no signal; the last starts at zero, so training begins with bicubic.

    Args:
        scale: output pixels per input pixel along each axis, >= 2.
        in_channels: 1 for brightness alone, 3 for RGB; the output has as many.
        channels: width of the layers.
        dilations: of the 3x3 convolutions, first to last; at least two.
        dilated: False makes every rate 1, the control of equal size and cost.

    Shape:
        x: (B, in_channels, H, W), 0 to 1 -> (B, in_channels, scale * H, scale * W), float32

    Raises:
        ValueError: when a number is out of its range or x has other channels.

    References:
        Zhang, Zuo, Gu and Zhang (2017), Learning deep CNN denoiser prior for image restoration
        (IRCNN), section 3.3, for the rates; Shi et al. (2016), Real-time single image and video
        super-resolution using an efficient sub-pixel convolutional neural network; Kim, Lee and Lee
        (2016), Accurate image super-resolution using very deep convolutional networks (VDSR), for
        learning the residual.

    Notes:
        IRCNN restores an image that bicubic interpolation has enlarged before, with batch
        normalization and one residual around all. Here the net works before the enlargement,
        without normalization, with one residual around each layer.

    Example:
        >>> model = SuperResolutionNet(scale=2, channels=16)
        >>> model(torch.rand(1, 1, 31, 45)).shape
        torch.Size([1, 1, 62, 90])
    """

    def __init__(
        self,
        scale: int,
        in_channels: int = 1,
        channels: int = 64,
        dilations: Sequence[int] = (1, 2, 3, 4, 3, 2, 1),
        *,
        dilated: bool = True,
    ) -> None:
        super().__init__()
        if scale < 2:
            raise ValueError(f"scale must be >= 2, got {scale}")
        for name, value in (("in_channels", in_channels), ("channels", channels)):
            if value < 1:
                raise ValueError(f"{name} must be >= 1, got {value}")
        if len(dilations) < 2:
            raise ValueError(f"dilations must be two or more, got {list(dilations)}")
        self.scale = scale
        self.in_channels = in_channels
        self.dilations = tuple(dilations) if dilated else (1,) * len(dilations)
        first, *inner, last = self.dilations
        self.first = AtrousConv2d(in_channels, channels, 3, dilation=first)
        convolutions = [AtrousConv2d(channels, channels, 3, dilation=r) for r in inner]
        self.inner = nn.ModuleList(convolutions)
        self.last = AtrousConv2d(channels, in_channels * scale**2, 3, dilation=last)
        for convolution in convolutions:
            # Half the deviation that keeps the signal's power: the layers' sum stays of its size.
            nn.init.normal_(convolution.weight, std=0.5 * math.sqrt(2 / (9 * channels)))
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge."""
        if x.dim() != 4 or x.shape[1] != self.in_channels:
            raise ValueError(
                f"x must have shape (B, {self.in_channels}, H, W), got {tuple(x.shape)}"
            )
        h = self.first(x - _GREY).contiguous(memory_format=torch.channels_last)
        for convolution in self.inner:
            h = h + convolution(F.relu(h))
        detail = F.pixel_shuffle(self.last(F.relu(h)).float(), self.scale)
        return enlarge_bicubic(x.float(), self.scale) + detail

    def example_input(self) -> dict[str, Tensor]:
        """A small image."""
        return {"x": torch.zeros(1, self.in_channels, 48, 48)}


def enlarge_bicubic(x: Tensor, scale: int) -> Tensor:
    """Bicubic interpolation (Keys, a = -0.5) by a whole factor.

    Shape:
        x: (B, C, H, W) floating -> (B, C, scale * H, scale * W)
    """
    # With antialiasing, torch takes a = -0.5 as super-resolution does, without it a = -0.75;
    # enlarging needs no smoothing, so nothing else differs.
    return F.interpolate(x, scale_factor=scale, mode="bicubic", antialias=True)
