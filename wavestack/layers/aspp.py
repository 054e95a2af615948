"""Atrous spatial pyramid pooling: the same features at several rates, side by side."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from wavestack.layers.conv2d import AtrousConv2d
from wavestack.layers.norm2d import PooledBatchNorm2d
from wavestack.layers.separable import DepthwiseSeparableConv2d

# 6, 12 and 18 at output stride 16: rates of 96, 192 and 288 pixels of the image.
PIXELS = (96, 192, 288)


def atrous_rates(output_stride: int) -> tuple[int, ...]:
    """The rates of DeepLabV3's pyramid: they stay the same in pixels of the image.

    Args:
        output_stride: pixels of the image per feature.

    Raises:
        ValueError: when no whole rate has that length.

    References:
        Chen et al. (2017), Rethinking Atrous Convolution for Semantic Image Segmentation,
        section 3.3: 6, 12, 18 at output stride 16, "doubled when output_stride = 8".

    Example:
        >>> atrous_rates(16), atrous_rates(8)
        ((6, 12, 18), (12, 24, 36))
    """
    if output_stride < 1 or PIXELS[0] % output_stride:
        raise ValueError(f"output_stride must be a divisor of {PIXELS[0]}, got {output_stride}")
    return tuple(pixels // output_stride for pixels in PIXELS)


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling of DeepLabV3 and V3+.

    A 1 x 1 convolution, one 3 x 3 convolution for each rate and the mean of the whole image, each
    with batch normalization and ReLU, are joined and brought to ``out_channels`` by a 1 x 1
    convolution. With rates 6, 12, 18 an output spans 37 x 37 features and reads 25 of these 1,369,
    which is why the features before it have to see far themselves.

    The parameters have the names of ``torchvision.models.segmentation.deeplabv3.ASPP``, whose
    ``state_dict`` loads and gives the same function.

    Args:
        in_channels: channels of the features.
        atrous_rates: dilation of each 3 x 3 convolution, see ``atrous_rates``.
        out_channels: channels of each branch and of the output.
        separable: depthwise-separable 3 x 3 convolutions with normalization and ReLU between
            their parts, as in DeepLabV3+.
        image_pooling: whether the mean of the image is one of the branches. It makes the field
            global, so that an image cannot be cut into tiles.
        dropout: probability of zeroing a value of the output in training.
        dilated: False sets every rate to 1: the control of the same width without dilation.

    Shape:
        x: (B, in_channels, H, W) -> (B, out_channels, H, W)

    Attributes:
        atrous_rates: the rates in use.

    Raises:
        ValueError: when there are no rates, a size is below 1, or dropout is not in [0, 1).

    References:
        Chen et al. (2017), Rethinking Atrous Convolution for Semantic Image Segmentation,
        section 3.3.
        Chen et al. (2018), Encoder-Decoder with Atrous Separable Convolution for Semantic Image
        Segmentation, section 3.1.

    Notes:
        The branch of the image's mean trains at batch 1, see ``PooledBatchNorm2d``. Dropout is
        0.1, as in the authors' code for V3+; torchvision has 0.5.

    Example:
        >>> aspp = ASPP(64, atrous_rates(16), out_channels=32, separable=True).train()
        >>> aspp(torch.randn(1, 64, 23, 30)).shape
        torch.Size([1, 32, 23, 30])
    """

    def __init__(
        self,
        in_channels: int,
        atrous_rates: Sequence[int],
        out_channels: int = 256,
        *,
        separable: bool = False,
        image_pooling: bool = True,
        dropout: float = 0.1,
        dilated: bool = True,
    ) -> None:
        super().__init__()
        if not atrous_rates:
            raise ValueError(f"atrous_rates must name at least one rate, got {atrous_rates}")
        if not 0.0 <= dropout < 1.0:
            raise ValueError(f"dropout must be in [0, 1), got {dropout}")
        self.atrous_rates = tuple(atrous_rates) if dilated else (1,) * len(atrous_rates)
        make = _separable if separable else _convolution
        branches = [_convolution(in_channels, out_channels, 1)]
        branches += [make(in_channels, out_channels, 3, rate) for rate in self.atrous_rates]
        if image_pooling:
            branches.append(ImagePooling(in_channels, out_channels))
        self.convs = nn.ModuleList(branches)
        self.project = _convolution(len(branches) * out_channels, out_channels, 1)
        self.project.append(nn.Dropout(dropout))

    def forward(self, x: Tensor) -> Tensor:
        """Every branch on the same features, joined.

        Shape:
            x: (B, in_channels, H, W) -> (B, out_channels, H, W)
        """
        return self.project(torch.cat([branch(x) for branch in self.convs], dim=1))


class ImagePooling(nn.Sequential):
    """The mean of the whole image, brought to ``out_channels`` and to every position.

    Args:
        in_channels: channels of the features.
        out_channels: channels of the output.

    Shape:
        x: (B, in_channels, H, W) -> (B, out_channels, H, W)

    References:
        Liu, Rabinovich and Berg (2015), ParseNet: Looking Wider to See Better.

    Example:
        >>> ImagePooling(4, 2).train()(torch.randn(1, 4, 5, 7)).shape
        torch.Size([1, 2, 5, 7])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.AdaptiveAvgPool2d(1),
            AtrousConv2d(in_channels, out_channels, 1, bias=False),
            PooledBatchNorm2d(out_channels),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """The mean, in every position.

        Shape:
            x: (B, in_channels, H, W) -> (B, out_channels, H, W)
        """
        return super().forward(x).expand(-1, -1, *x.shape[-2:])


def _convolution(
    in_channels: int, out_channels: int, kernel_size: int, rate: int = 1
) -> nn.Sequential:
    conv = AtrousConv2d(in_channels, out_channels, kernel_size, dilation=rate, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels), nn.ReLU())


def _separable(
    in_channels: int, out_channels: int, kernel_size: int, rate: int = 1
) -> nn.Sequential:
    between = nn.Sequential(nn.BatchNorm2d(in_channels), nn.ReLU())
    conv = DepthwiseSeparableConv2d(
        in_channels, out_channels, kernel_size, dilation=rate, bias=False, between=between
    )
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels), nn.ReLU())
