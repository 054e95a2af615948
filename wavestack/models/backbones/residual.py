"""Residual blocks whose stride can turn into dilation, and stages of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from wavestack.layers import AtrousConv2d
from wavestack.models.backbones.plan import Stage


def conv3x3(
    in_channels: int, out_channels: int, stride: int = 1, dilation: int = 1, groups: int = 1
) -> nn.Conv2d:
    """A 3x3 convolution without bias whose output is as large as its input over `stride`."""
    return nn.Conv2d(
        in_channels, out_channels, 3, stride, dilation, dilation, groups=groups, bias=False
    )


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside the identity. Parameter names are torchvision's.

    Args:
        in_channels: channels of the input.
        channels: channels of the output.
        stride: of the first convolution.
        entry_dilation: rate of the first convolution, which reads the grid before the stride.
        dilation: rate of the second.
        downsample: what the identity passes where stride or width change.

    Shape:
        x: (B, in_channels, H, W) -> (B, channels, ceil(H / stride), ceil(W / stride))

    References:
        He et al. (2016), "Deep residual learning for image recognition", figure 5 left.
    """

    expansion = 1
    residual = True

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        entry_dilation: int = 1,
        dilation: int = 1,
        *,
        downsample: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.conv1 = conv3x3(in_channels, channels, stride, entry_dilation)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = conv3x3(channels, channels, 1, dilation)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """relu(F(x) + x)."""
        h = torch.relu_(self.bn1(self.conv1(x)))
        h = self.bn2(self.conv2(h))
        if self.residual:
            h += x if self.downsample is None else self.downsample(x)
        return torch.relu_(h)


class PlainBlock(BasicBlock):
    """A `BasicBlock` without the sum: the last blocks of a DRN-C, which shall forget the grid.

    References:
        Yu, Koltun and Funkhouser (2017), "Dilated residual networks", section 4.
    """

    residual = False


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolution beside the identity. Parameter names are torchvision's.

    The stride is the 3x3 convolution's, as in torchvision. Nothing behind it is wider than one
    pixel, so that the block needs one rate only: that of the grid before the stride.

    Args:
        in_channels: channels of the input.
        channels: channels between; the output has four times as many.
        stride: of the 3x3 convolution.
        entry_dilation: rate of the 3x3 convolution.
        dilation: for the sake of one signature with `BasicBlock`; nothing here uses it.
        downsample: what the identity passes where stride or width change.

    Shape:
        x: (B, in_channels, H, W) -> (B, 4 channels, ceil(H / stride), ceil(W / stride))

    References:
        He et al. (2016), "Deep residual learning for image recognition", figure 5 right.
    """

    expansion = 4
    residual = True

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        entry_dilation: int = 1,
        dilation: int = 1,
        *,
        downsample: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.conv1 = AtrousConv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = conv3x3(channels, channels, stride, entry_dilation)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = AtrousConv2d(channels, 4 * channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * channels)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """relu(F(x) + x)."""
        h = torch.relu_(self.bn1(self.conv1(x)))
        h = torch.relu_(self.bn2(self.conv2(h)))
        h = self.bn3(self.conv3(h))
        h += x if self.downsample is None else self.downsample(x)
        return torch.relu_(h)


def residual_stage(
    block: type[BasicBlock] | type[Bottleneck],
    in_channels: int,
    channels: int,
    num_blocks: int,
    stage: Stage,
    rates: Sequence[int] | None = None,
) -> nn.Sequential:
    """Blocks of one width; the first takes the stage's stride and changes the width.

    Args:
        block: their class.
        in_channels: channels of the input.
        channels: width of the blocks, before their expansion.
        num_blocks: how many.
        stage: stride and rates.
        rates: a factor for each block's rates (multi-grid); 1 for all if None.
    """
    rates = (1,) * num_blocks if rates is None else rates
    out_channels = channels * block.expansion
    downsample = None
    if block.residual and (stage.stride != 1 or in_channels != out_channels):
        downsample = nn.Sequential(
            AtrousConv2d(in_channels, out_channels, 1, stage.stride, bias=False),
            nn.BatchNorm2d(out_channels),
        )
    blocks: list[nn.Module] = [
        block(
            in_channels,
            channels,
            stage.stride,
            stage.entry_dilation * rates[0],
            stage.dilation * rates[0],
            downsample=downsample,
        )
    ]
    for rate in rates[1:]:
        dilation = stage.dilation * rate
        blocks.append(block(out_channels, channels, 1, dilation, dilation))
    return nn.Sequential(*blocks)
