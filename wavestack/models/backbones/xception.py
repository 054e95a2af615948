"""The modified aligned Xception of DeepLabV3+, at any output stride."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from wavestack.layers import DepthwiseSeparableConv2d
from wavestack.models.backbones.base import Backbone, check_base_channels, check_in_channels
from wavestack.models.backbones.plan import Stage, feature_strides, plan_stages, unit_rates

# Blocks of the entry flow, as (width over base width, whether the block strides), and how many
# blocks the middle flow has.
_FLOWS: dict[int, tuple[tuple[tuple[float, bool], ...], int]] = {
    41: (((4, True), (8, True), (22.75, True)), 8),
    65: (((4, True), (8, True), (22.75, True)), 16),
    71: (((4, True), (8, False), (8, True), (22.75, False), (22.75, True)), 16),
}

# Names in timm's files of the parts of a separable convolution, and ours.
_PARTS = {"conv_dw": "0.depthwise", "bn_dw": "0.between", "conv_pw": "0.pointwise", "bn_pw": "1"}
_STEM = {"0.conv": "0", "0.bn": "1", "1.conv": "3", "1.bn": "4"}

_STAY = Stage(1, 1, 1)

# The authors' epsilon; with torch's, their weights would not give their function.
_norm = partial(nn.BatchNorm2d, eps=1e-3)


class Xception(Backbone):
    """A modified aligned Xception without its classifier.

    Blocks of three depthwise-separable convolutions each, the last of which strides where max
    pooling would. Features are the paper's: at strides 2, 4, 8 and 16, what the second convolution
    of each striding block hands to the third (the decoder of DeepLabV3+ takes the one of stride 4),
    and the output. A block that loses its stride keeps the rate before it in all three
    convolutions; all behind dilates.

    Args:
        depth: 41, 65 or 71 layers.
        output_stride: 4, 8, 16 or 32: input size over size of the last features.
        multi_grid: factors of the rates of the last three convolutions; None for 1 in all.
        in_channels: channels of the image.
        base_channels: width of the first convolution, on which all others follow.
        dilated: False leaves all rates at 1, strides and widths as they are.

    Shape:
        x: (B, in_channels, H, W) -> five of (B, out_channels[i], ceil(H / strides[i]),
        ceil(W / strides[i]))

    Raises:
        ValueError: when an argument is out of its range.

    References:
        Chollet (2017), "Xception: deep learning with depthwise separable convolutions"; Chen et
        al. (2018), "Encoder-decoder with atrous separable convolution for semantic image
        segmentation", section 3.2 and figure 4.

    Notes:
        Files of timm's xception41, xception65 and xception71 load (images scaled to -1..1).

    Example:
        >>> backbone = Xception(41, output_stride=16)
        >>> backbone.out_channels, backbone.strides
        ((128, 256, 728, 1024, 2048), (2, 4, 8, 16, 16))
        >>> [tuple(h.shape[2:]) for h in backbone(torch.zeros(1, 3, 65, 97))]
        [(33, 49), (17, 25), (9, 13), (5, 7), (5, 7)]
    """

    classifier = ("head.",)

    def __init__(
        self,
        depth: int = 65,
        *,
        output_stride: int = 32,
        multi_grid: Sequence[int] | None = None,
        in_channels: int = 3,
        base_channels: int = 32,
        dilated: bool = True,
    ) -> None:
        super().__init__()
        if depth not in _FLOWS:
            raise ValueError(f"depth must be one of {', '.join(map(str, _FLOWS))}, got {depth!r}")
        entry, num_middle = _FLOWS[depth]
        self.depth = depth
        self.in_channels = check_in_channels(in_channels)
        self.output_stride = output_stride
        self.strides = feature_strides((2, 4, 8, 16, 32), output_stride)
        base = check_base_channels(base_channels)
        *stages, last = plan_stages((2,) * 5, output_stride, dilated=dilated)[1:]
        self.dilation = last.dilation
        rates = unit_rates(multi_grid, 3, "convolution of the last block", dilated=dilated)

        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, base, 3, stride=2, padding=1, bias=False),
            _norm(base),
            nn.ReLU(inplace=True),
            nn.Conv2d(base, 2 * base, 3, padding=1, bias=False),
            _norm(2 * base),
            nn.ReLU(inplace=True),
        )
        self.blocks = nn.ModuleList()
        width, rate = 2 * base, 1
        taps: list[int] = []
        for factor, striding in entry:
            channels = round(base * factor)
            stage = stages.pop(0) if striding else Stage(1, rate, rate)
            self.blocks.append(XceptionBlock(width, (channels,) * 3, stage, striding=striding))
            width, rate = channels, stage.dilation
            if striding:
                taps.append(channels)
        for _ in range(num_middle):
            self.blocks.append(XceptionBlock(width, (width,) * 3, Stage(1, rate, rate)))
        wide, wider, widest = 32 * base, 48 * base, 64 * base
        self.blocks.append(XceptionBlock(width, (width, wide, wide), last, striding=True))
        self.out_channels = (*taps, wide, widest)
        self.exit = nn.Sequential(
            *(
                separable(a, b, Stage(1, last.dilation * factor, 1), activation=True)
                for a, b, factor in zip(
                    (wide, wider, wider), (wider, wider, widest), rates, strict=True
                )
            )
        )
        self.reset_parameters()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Features of five strides."""
        features = []
        x = self.stem(x)
        for block in self.blocks:
            x, before_stride = block(x)
            if block.striding:
                features.append(before_stride)
        return *features, self.exit(x)

    def translate(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Names of timm's files, which call the exit one more block, to ours."""
        return {self._translated(name): tensor for name, tensor in state.items()}

    def _translated(self, name: str) -> str:
        if found := re.fullmatch(r"stem\.([01]\.(?:conv|bn))\.(\w+)", name):
            return f"stem.{_STEM[found[1]]}.{found[2]}"
        if found := re.fullmatch(r"(blocks\.\d+\.shortcut)\.(conv|bn)\.(\w+)", name):
            return f"{found[1]}.{('conv', 'bn').index(found[2])}.{found[3]}"
        found = re.fullmatch(r"blocks\.(\d+)\.stack\.conv([123])\.(\w+_[dp]w)\.(\w+)", name)
        if found is None or found[3] not in _PARTS:
            return name
        block, convolution, part = int(found[1]), int(found[2]), _PARTS[found[3]]
        if block < len(self.blocks):
            return f"blocks.{block}.conv{convolution}.{part}.{found[4]}"
        # There ReLU follows each normalization, so that both stand in a Sequential.
        place = ".0" if found[3].startswith("bn") else ""
        return f"exit.{convolution - 1}.{part}{place}.{found[4]}"


class XceptionBlock(nn.Module):
    """ReLU and separable convolution, three times, beside the identity or its projection.

    Args:
        in_channels: channels of the input.
        channels: of the three convolutions.
        stage: stride of the last one, and the rate of all.
        striding: whether this is a block that strides at output stride 32; it has a projection.

    Shape:
        x: (B, in_channels, H, W) -> (B, channels[2], ceil(H / stride), ceil(W / stride)), and what
        the last convolution reads, (B, channels[1], H, W)
    """

    def __init__(
        self,
        in_channels: int,
        channels: tuple[int, int, int],
        stage: Stage = _STAY,
        *,
        striding: bool = False,
    ) -> None:
        super().__init__()
        self.striding = striding
        self.shortcut = None
        if striding or in_channels != channels[-1]:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, channels[-1], 1, stage.stride, bias=False),
                _norm(channels[-1]),
            )
        rate = Stage(1, stage.entry_dilation, 1)
        first, second, third = channels
        self.conv1 = separable(in_channels, first, rate)
        self.conv2 = separable(first, second, rate)
        self.conv3 = separable(second, third, stage)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """F(x) + x, and what stands before the stride."""
        # x and h are read again, by the identity and as a feature, so ReLU must not write there.
        h = self.conv2(torch.relu_(self.conv1(torch.relu(x))))
        y = self.conv3(torch.relu(h))
        y += x if self.shortcut is None else self.shortcut(x)
        return y, h


def separable(
    in_channels: int, channels: int, stage: Stage, *, activation: bool = False
) -> nn.Sequential:
    """A 3x3 separable convolution with normalization after both its parts.

    Args:
        in_channels: channels of the input.
        channels: channels of the output.
        stage: its stride; its rate is that of the grid it reads.
        activation: whether ReLU follows both normalizations.
    """

    def norm(width: int) -> nn.Module:
        return nn.Sequential(_norm(width), nn.ReLU(inplace=True)) if activation else _norm(width)

    convolution = DepthwiseSeparableConv2d(
        in_channels,
        channels,
        3,
        stage.stride,
        stage.entry_dilation,
        bias=False,
        between=norm(in_channels),
    )
    return nn.Sequential(convolution, norm(channels))
