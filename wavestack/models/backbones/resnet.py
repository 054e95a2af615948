"""ResNet-18 to ResNet-101 at any output stride, with torchvision's parameter names."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from wavestack.models.backbones.base import Backbone, check_base_channels, check_in_channels
from wavestack.models.backbones.plan import feature_strides, plan_stages, unit_rates
from wavestack.models.backbones.residual import BasicBlock, Bottleneck, residual_stage

_BLOCKS: dict[int, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, ...]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
}


class ResNet(Backbone):
    """A residual network without its classifier.

    Features: the stem before its pool (stride 2), then the four stages (4, 8, 16, 32). Below an
    output stride of 32 the last stages dilate: a stage that loses its stride keeps the rate before
    it in its first block's strided convolution and doubles it behind. With bottlenecks this is
    what torchvision's `replace_stride_with_dilation` builds; torchvision has no such thing for the
    basic blocks of ResNet-18 and 34.

    Args:
        depth: 18, 34, 50 or 101.
        output_stride: 4, 8, 16 or 32: input size over size of the last features.
        multi_grid: factors of the rates in the last stage's blocks, (1, 2, 4) in DeepLabV3; None
            for 1 in all.
        in_channels: channels of the image.
        base_channels: width of the stem and the first stage, on which all others follow.
        dilated: False leaves all rates at 1, strides and widths as they are.

    Shape:
        x: (B, in_channels, H, W) -> five of (B, out_channels[i], ceil(H / strides[i]),
        ceil(W / strides[i]))

    Raises:
        ValueError: when an argument is out of its range.

    References:
        He et al. (2016), "Deep residual learning for image recognition"; Chen et al. (2017),
        "Rethinking atrous convolution for semantic image segmentation".

    Example:
        >>> backbone = ResNet(18, output_stride=8)
        >>> backbone.out_channels, backbone.strides
        ((64, 64, 128, 256, 512), (2, 4, 8, 8, 8))
        >>> [tuple(h.shape[2:]) for h in backbone(torch.zeros(1, 3, 65, 97))]
        [(33, 49), (17, 25), (9, 13), (9, 13), (9, 13)]
    """

    classifier = ("fc.",)

    def __init__(
        self,
        depth: int = 50,
        *,
        output_stride: int = 32,
        multi_grid: Sequence[int] | None = None,
        in_channels: int = 3,
        base_channels: int = 64,
        dilated: bool = True,
    ) -> None:
        super().__init__()
        if depth not in _BLOCKS:
            raise ValueError(f"depth must be one of {', '.join(map(str, _BLOCKS))}, got {depth!r}")
        block, counts = _BLOCKS[depth]
        self.depth = depth
        self.in_channels = check_in_channels(in_channels)
        self.output_stride = output_stride
        self.strides = feature_strides((2, 4, 8, 16, 32), output_stride)
        self.torchvision_weights = f"ResNet{depth}_Weights.IMAGENET1K_V1"
        # The stem's two steps never dilate: no output stride is below theirs.
        stages = plan_stages((4, 1, 2, 2, 2), output_stride, dilated=dilated)[1:]
        self.dilation = stages[-1].dilation
        rates = unit_rates(multi_grid, counts[-1], "block of the last stage", dilated=dilated)

        base = check_base_channels(base_channels)
        self.conv1 = nn.Conv2d(in_channels, base, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(base)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        widths = [base * block.expansion * 2**i for i in range(4)]
        self.out_channels = (base, *widths)
        self.layer1 = residual_stage(block, base, base, counts[0], stages[0])
        self.layer2 = residual_stage(block, widths[0], 2 * base, counts[1], stages[1])
        self.layer3 = residual_stage(block, widths[1], 4 * base, counts[2], stages[2])
        self.layer4 = residual_stage(block, widths[2], 8 * base, counts[3], stages[3], rates)
        self.reset_parameters()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Features of five strides."""
        stem, pooled = self.stem(x)
        return stem, *self.stages(pooled)

    def stem(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The first features, and their pool, which the first stage reads.

        Shape:
            x: (B, in_channels, H, W) -> at strides 2 and 4
        """
        y = torch.relu_(self.bn1(self.conv1(x)))
        return y, self.maxpool(y)

    def stages(self, pooled: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The features of the four stages, from the stem's pool."""
        c2 = self.layer1(pooled)
        c3 = self.layer2(c2)
        c4 = self.layer3(c3)
        return c2, c3, c4, self.layer4(c4)
