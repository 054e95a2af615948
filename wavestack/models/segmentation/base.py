"""What the segmentation networks share: images in, logits of the same size out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wavestack.layers import DepthwiseSeparableConv2d


class SegmentationModel(nn.Module):
    """Base of the networks from images to one logit per class and pixel.

    Args:
        num_classes: classes K.
        in_channels: channels of the images.

    Shape:
        x: (B, in_channels, H, W) -> (B, num_classes, H, W), or, from a model with an auxiliary
        head, {"out": ..., "aux": ...} of that shape

    Raises:
        ValueError: when an argument is out of range, or x is no batch of such images.
    """

    def __init__(self, num_classes: int, in_channels: int = 3) -> None:
        super().__init__()
        if num_classes < 1:
            raise ValueError(f"num_classes must be >= 1, got {num_classes}")
        if in_channels < 1:
            raise ValueError(f"in_channels must be >= 1, got {in_channels}")
        self.num_classes = num_classes
        self.in_channels = in_channels

    def example_input(self, height: int = 256, width: int = 256) -> dict[str, Tensor]:
        """Arguments of ``forward`` of the right shapes and types, for the calculator."""
        like = next(self.parameters())
        return {"x": like.new_zeros(1, self.in_channels, height, width)}

    def check_images(self, x: Tensor) -> None:
        """Refuse what is no batch of images.

        Raises:
            ValueError: with the shape that came.
        """
        if x.dim() != 4 or x.shape[1] != self.in_channels:
            raise ValueError(f"x must be (B, {self.in_channels}, H, W), got {tuple(x.shape)}")


def fcn_head(
    in_channels: int, num_classes: int, channels: int | None = None, dropout: float = 0.1
) -> nn.Sequential:
    """A 3x3 convolution to a quarter of the channels (or so many), and scores by a 1x1 convolution.

    The parts and their names are torchvision's ``FCNHead``: head and auxiliary head of its nets.

    Shape:
        x: (B, in_channels, H, W) -> (B, num_classes, H, W)
    """
    channels = channels or max(in_channels // 4, 1)
    return nn.Sequential(
        *conv_norm_relu(in_channels, channels, 3),
        nn.Dropout(dropout),
        nn.Conv2d(channels, num_classes, 1),
    )


def conv_norm_relu(
    in_channels: int, channels: int, kernel_size: int, separable: bool = False
) -> nn.Sequential:
    """A convolution that keeps the size, batch normalization, ReLU.

    A separable one has normalization and ReLU between its parts too, as in DeepLabV3+.
    """
    conv: nn.Module
    if separable:
        between = nn.Sequential(nn.BatchNorm2d(in_channels), nn.ReLU(inplace=True))
        conv = DepthwiseSeparableConv2d(
            in_channels, channels, kernel_size, bias=False, between=between
        )
    else:
        conv = nn.Conv2d(in_channels, channels, kernel_size, padding=kernel_size // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


def fill_up(x: Tensor, multiple: int) -> Tensor:
    """Zeros below and to the right, up to sizes that are multiples of a number.

    A VGG's pools drop what is left over; features of a filled image cover all of it, and feature i
    still stands for pixels from ``i * stride`` on.

    Shape:
        x: (B, C, H, W) -> (B, C, H', W')
    """
    height, width = x.shape[-2:]
    if multiple == 1:
        return x
    return F.pad(x, (0, -width % multiple, 0, -height % multiple))


def resize(x: Tensor, size: torch.Size | tuple[int, int]) -> Tensor:
    """Bilinear interpolation to a size, pixels taken as squares (``align_corners=False``).

    Shape:
        x: (B, C, h, w) -> (B, C, *size)
    """
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)
