"""VGG's fully connected layers as convolutions, which take images of any size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from wavestack.layers import AtrousConv2d
from wavestack.models.backbones import VGG16
from wavestack.models.backbones.weights import read_weights


class VGGHead(nn.Sequential):
    """fc6 as a 7x7 convolution, fc7 and the scores as 1x1 convolutions, with ReLU and dropout.

    The parts stand where torchvision's ``VGG.classifier`` has its linear layers.

    Args:
        in_channels: channels of the features.
        num_classes: classes K.
        channels: width of fc6 and fc7.
        dilation: of fc6; 4 behind a VGG without its last two pools.
        padding: of fc6, see ``AtrousConv2d``.
        dropout: probability of zeroing a value behind fc6 and fc7.

    Shape:
        x: (B, in_channels, H, W) -> (B, num_classes, H, W), or smaller by 6 * dilation where
        padding is "valid"

    References:
        Long, Shelhamer and Darrell (2015), Fully Convolutional Networks for Semantic Segmentation,
        section 3.1.

    Example:
        >>> VGGHead(8, 5, channels=16, padding="valid")(torch.zeros(1, 8, 7, 9)).shape
        torch.Size([1, 5, 1, 3])
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        channels: int = 4096,
        *,
        dilation: int = 1,
        padding: str = "same",
        dropout: float = 0.5,
    ) -> None:
        fc6 = AtrousConv2d(in_channels, channels, 7, dilation=dilation, padding=padding)
        fc7 = AtrousConv2d(channels, channels, 1)
        super().__init__(
            *(fc6, nn.ReLU(inplace=True), nn.Dropout(dropout)),
            *(fc7, nn.ReLU(inplace=True), nn.Dropout(dropout)),
            AtrousConv2d(channels, num_classes, 1),
        )
        self.channels = channels
        for layer in (fc6, fc7):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)

    @torch.no_grad()
    def load_linear(self, state: Mapping[str, Tensor]) -> None:
        """Take fc6 and fc7 from the linear layers of a VGG's classifier.

        A linear layer on flattened (C, 7, 7) features is a 7x7 convolution with the same numbers.
        The scores are those of other classes, and stay as they are.

        Args:
            state: "0.weight", "0.bias", "3.weight" and "3.bias", as torchvision names them; others
                are not looked at.

        Raises:
            ValueError: when one of the four is missing or has another number of values.
        """
        for index in (0, 3):
            for name, parameter in self[index].named_parameters():
                key = f"{index}.{name}"
                given = state.get(key)
                if given is None or given.numel() != parameter.numel():
                    found = "nothing" if given is None else f"shape {tuple(given.shape)}"
                    raise ValueError(f"{key} must have {parameter.numel()} values, got {found}")
                parameter.copy_(given.view_as(parameter))


def load_fully_connected(head: VGGHead, backbone: VGG16, weights: str | Path) -> None:
    """Give a head the fully connected layers that a VGG's weights come with.

    A file without them (of a backbone alone), and a head of another width than theirs, change
    nothing.

    Args:
        head: changed in place.
        backbone: the VGG before it.
        weights: as for ``make_backbone``.

    Raises:
        UserError: when the weights cannot be read.
    """
    _, state = read_weights(backbone, weights)
    prefix = "classifier."
    linear = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    if "0.weight" in linear and len(linear["0.weight"]) == head.channels:
        head.load_linear(linear)
