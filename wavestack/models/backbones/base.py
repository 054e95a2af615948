"""What every backbone is: an image in, a tuple of ever coarser features out."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn


class Backbone(nn.Module, ABC):
    """The one interface of all backbones.

    A backbone turns an image into features of nominal strides 2, 4, 8, 16 and 32, shallow to deep.
    `output_stride` caps them: what would be coarser dilates instead. Names and shapes of the
    parameters are the same at every output stride, so weights pass from one to another.

    Attributes:
        in_channels: channels of the image.
        out_channels: channels of the features, one number for each.
        strides: input pixels for one step of the features, one number for each.
        output_stride: the stride of the last features.
        dilation: the rate that a layer behind the last features needs where it shall see what it
            sees at output stride 32 (fc6 of a dilated VGG); 1 without dilation.
        whole: heights and widths that are multiples of it lose no pixels; 1 where none do.

    Shape:
        x: (B, in_channels, H, W) -> tuple of (B, out_channels[i], H_i, W_i); H_i is H / strides[i],
        rounded up (down in a VGG, whose pools drop an odd last row).
    """

    in_channels: int
    out_channels: tuple[int, ...]
    strides: tuple[int, ...]
    output_stride: int
    dilation: int
    whole: int = 1
    classifier: ClassVar[tuple[str, ...]] = ()  # how keys of a published classifier begin
    torchvision_weights: str | None = None  # the name of published weights, where there are any

    @abstractmethod
    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Features, shallow to deep."""

    def translate(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """A state dict in the names of this class; those of other people's files may differ."""
        return state

    def example_input(self) -> Tensor:
        """A black image that every stride divides."""
        return torch.zeros(1, self.in_channels, 64, 64)

    def reset_parameters(self) -> None:
        """Draws all parameters anew: normal convolutions of variance 2 / fan out, biases of 0.

        The fan out is that of one group, so that depthwise convolutions keep the variance too.

        References:
            He et al. (2015), "Delving deep into rectifiers", equation 14.
        """
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = module.weight[:, 0].numel() / module.groups
                nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.BatchNorm2d):
                module.reset_parameters()


def check_in_channels(in_channels: int) -> int:
    """`in_channels`, where it is one of an image.

    Raises:
        ValueError: when it is below 1.
    """
    if in_channels < 1:
        raise ValueError(f"in_channels must be >= 1, got {in_channels}")
    return in_channels


def check_base_channels(base_channels: int) -> int:
    """`base_channels`, where it is a width.

    Raises:
        ValueError: when it is below 1.
    """
    if base_channels < 1:
        raise ValueError(f"base_channels must be >= 1, got {base_channels}")
    return base_channels
