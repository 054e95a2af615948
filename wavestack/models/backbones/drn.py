"""Dilated residual networks, C and D, with the names of their authors' files."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from wavestack.models.backbones.base import Backbone, check_base_channels, check_in_channels
from wavestack.models.backbones.plan import Stage, feature_strides, plan_stages, unit_rates
from wavestack.models.backbones.residual import (
    BasicBlock,
    Bottleneck,
    PlainBlock,
    conv3x3,
    residual_stage,
)

# Blocks of layers 3 to 6. The layers around them have one block (C) or one convolution (D).
_VARIANTS: dict[str, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, ...]]] = {
    "c_26": (BasicBlock, (2, 2, 2, 2)),
    "c_42": (BasicBlock, (3, 4, 6, 3)),
    "c_58": (Bottleneck, (3, 4, 6, 3)),
    "d_22": (BasicBlock, (2, 2, 2, 2)),
    "d_38": (BasicBlock, (3, 4, 6, 3)),
    "d_54": (Bottleneck, (3, 4, 6, 3)),
    "d_105": (Bottleneck, (3, 4, 23, 3)),
}


class DRN(Backbone):
    """A dilated residual network without its classifier.

    A ResNet without max pooling that dilates from layer 5 on (2, then 4), and whose last two layers
    dilate less and less again (2, then 1) and have no residual sums: they take away the grid that
    large rates leave in the features. In C the layers around the residual ones are blocks, in D
    single convolutions.

    Features: layers 2, 3, 4, 5 and 8. At output stride 8 this is the network of the paper. At 4,
    layer 4 dilates too and all rates behind it double: the same function on a finer grid. At 16 and
    32, layers 5 and 6 stride as in a ResNet; this is not the same function on a coarser grid, as
    the last two layers would need rates below 1.

    Args:
        variant: "c_26", "c_42", "c_58", "d_22", "d_38", "d_54" or "d_105".
        output_stride: 4, 8, 16 or 32: input size over size of the last features.
        multi_grid: factors of the rates in the blocks of layer 6; None for 1 in all.
        in_channels: channels of the image.
        base_channels: width of the first convolution, on which all others follow.
        dilated: False leaves all rates at 1, strides and widths as they are.

    Shape:
        x: (B, in_channels, H, W) -> five of (B, out_channels[i], ceil(H / strides[i]),
        ceil(W / strides[i]))

    Raises:
        ValueError: when an argument is out of its range.

    References:
        Yu, Koltun and Funkhouser (2017), "Dilated residual networks", sections 3 and 4; variant D
        is of their code (github.com/fyu/drn), whose names the parameters have.

    Notes:
        The files of DRN-C-58 hold a projection in layer 7 that their network computes and does not
        use. It is left out here (1.05 million parameters).

    Example:
        >>> backbone = DRN("d_22", output_stride=8)
        >>> backbone.out_channels, backbone.strides
        ((32, 64, 128, 256, 512), (2, 4, 8, 8, 8))
        >>> [tuple(h.shape[2:]) for h in backbone(torch.zeros(1, 3, 65, 97))]
        [(33, 49), (17, 25), (9, 13), (9, 13), (9, 13)]
    """

    classifier = ("fc.", "seg.", "up.")

    def __init__(
        self,
        variant: str = "d_22",
        *,
        output_stride: int = 8,
        multi_grid: Sequence[int] | None = None,
        in_channels: int = 3,
        base_channels: int = 16,
        dilated: bool = True,
    ) -> None:
        super().__init__()
        if variant not in _VARIANTS:
            raise ValueError(f"variant must be one of {', '.join(_VARIANTS)}, got {variant!r}")
        block, counts = _VARIANTS[variant]
        self.has_blocks = variant.startswith("c")
        self.in_channels = check_in_channels(in_channels)
        self.output_stride = output_stride
        self.strides = feature_strides((2, 4, 8, 16, 32), output_stride)
        layer2, layer3, layer4, *deep = plan_stages((2,) * 5, output_stride, dilated=dilated)
        # Where they have no stride, layers 5 and 6 have their own rate from the first block on.
        layer5, layer6 = (
            stage._replace(entry_dilation=stage.dilation) if stage.stride == 1 else stage
            for stage in deep
        )
        layer7, layer8 = (
            Stage(1, rate, rate) for rate in (max(layer6.dilation // d, 1) for d in (2, 4))
        )
        self.dilation = layer8.dilation
        rates = unit_rates(multi_grid, counts[-1], "block of layer 6", dilated=dilated)

        edge = _block if self.has_blocks else _convolution
        base = check_base_channels(base_channels)
        stem = [nn.Conv2d(in_channels, base, 7, padding=3, bias=False), nn.BatchNorm2d(base)]
        if self.has_blocks:
            self.conv1, self.bn1 = stem
        else:
            self.layer0 = nn.Sequential(*stem, nn.ReLU(inplace=True))
        self.layer1 = edge(base, base, Stage(1, 1, 1))
        self.layer2 = edge(base, 2 * base, layer2)
        widths = [2 * base, *(base * block.expansion * 2**i for i in (2, 3, 4, 5))]
        self.layer3 = residual_stage(block, widths[0], 4 * base, counts[0], layer3)
        self.layer4 = residual_stage(block, widths[1], 8 * base, counts[1], layer4)
        self.layer5 = residual_stage(block, widths[2], 16 * base, counts[2], layer5)
        self.layer6 = residual_stage(block, widths[3], 32 * base, counts[3], layer6, rates)
        self.layer7 = edge(widths[4], 32 * base, layer7, PlainBlock)
        self.layer8 = edge(32 * base, 32 * base, layer8, PlainBlock)
        self.out_channels = (*widths[:4], 32 * base)
        self.reset_parameters()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Features of five strides."""
        if self.has_blocks:
            x = torch.relu_(self.bn1(self.conv1(x)))
        else:
            x = self.layer0(x)
        c1 = self.layer2(self.layer1(x))
        c2 = self.layer3(c1)
        c3 = self.layer4(c2)
        c4 = self.layer5(c3)
        c5 = self.layer8(self.layer7(self.layer6(c4)))
        return c1, c2, c3, c4, c5

    def translate(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Names of the authors' segmentation files, `base.<place>.`, to those of the layers."""
        stem = ["conv1", "bn1", "relu"] if self.has_blocks else ["layer0"]
        names = [*stem, *(f"layer{i}" for i in range(1, 9))]
        places = {f"base.{place}.": f"{name}." for place, name in enumerate(names)}
        unused = "layer7.0.downsample."  # computed by the authors' network, then thrown away
        translated = {}
        for key, tensor in state.items():
            for place, name in places.items():
                if key.startswith(place):
                    key = name + key.removeprefix(place)
            if not key.startswith(unused):
                translated[key] = tensor
        return translated


def _block(
    in_channels: int, channels: int, stage: Stage, block: type[BasicBlock] = BasicBlock
) -> nn.Sequential:
    """Layers 1, 2, 7 and 8 of a DRN-C."""
    return residual_stage(block, in_channels, channels, 1, stage)


def _convolution(
    in_channels: int, channels: int, stage: Stage, block: type[BasicBlock] | None = None
) -> nn.Sequential:
    """The same of a DRN-D, which has no blocks there."""
    conv = conv3x3(in_channels, channels, stage.stride, stage.entry_dilation)
    return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
