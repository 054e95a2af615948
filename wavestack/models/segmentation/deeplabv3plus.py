"""DeepLabV3+: DeepLabV3 with a decoder that sees shallow features."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from wavestack.layers import ASPP
from wavestack.layers.aspp import atrous_rates as rates_at
from wavestack.models.backbones import make_backbone
from wavestack.models.segmentation.base import (
    SegmentationModel,
    conv_norm_relu,
    fcn_head,
    fill_up,
    resize,
)


class DeepLabV3Plus(SegmentationModel):
    """ASPP on deep features, joined with shallow ones by a small decoder at a quarter of the size.

    Args:
        num_classes: classes K.
        backbone: a name of ``make_backbone``; the paper has Xception and ResNet-101.
        output_stride: input size / size of the deep features: 16 (the paper's for training), 8
            or 32.
        multi_grid: dilation factors of the last stage's blocks, or None.
        atrous_rates: dilations of ASPP's 3x3 convolutions; None: (6, 12, 18) at output stride 16,
            doubled with each halving of it.
        channels: width of ASPP and decoder.
        low_level_channels: what the shallow features, of stride 4, are reduced to.
        separable: depthwise separable 3x3 convolutions in ASPP and decoder.
        dropout: probability of zeroing a whole channel behind ASPP.
        in_channels: channels of the images.
        base_channels: width of the backbone's first convolutions, on which all its others follow;
            None: the published one.
        aux: add an auxiliary head on the last stage but one, and return a dict.
        weights: the backbone's, see ``make_backbone``.
        dilated: False sets every dilation to 1 and leaves sizes and parameters as they are.

    Shape:
        x: (B, in_channels, H, W) -> (B, num_classes, H, W); with aux a dict {"out", "aux"} of
        tensors of that shape

    Raises:
        ValueError: when an argument is out of range, or x is no batch of such images.

    References:
        Chen, Zhu, Papandreou, Schroff and Adam (2018), Encoder-Decoder with Atrous Separable
        Convolution for Semantic Image Segmentation.

    Example:
        >>> model = DeepLabV3Plus(num_classes=19, backbone="resnet18", channels=32)
        >>> model(torch.zeros(1, 3, 65, 97)).shape
        torch.Size([1, 19, 65, 97])
    """

    def __init__(
        self,
        num_classes: int,
        backbone: str = "resnet50",
        output_stride: int = 16,
        *,
        multi_grid: Sequence[int] | None = None,
        atrous_rates: Sequence[int] | None = None,
        channels: int = 256,
        low_level_channels: int = 48,
        separable: bool = True,
        dropout: float = 0.5,
        in_channels: int = 3,
        base_channels: int | None = None,
        aux: bool = False,
        weights: str | Path | None = None,
        dilated: bool = True,
    ) -> None:
        super().__init__(num_classes, in_channels)
        if low_level_channels < 1:
            raise ValueError(f"low_level_channels must be >= 1, got {low_level_channels}")
        self.backbone = make_backbone(
            backbone,
            output_stride=output_stride,
            multi_grid=multi_grid,
            in_channels=in_channels,
            base_channels=base_channels,
            weights=weights,
            dilated=dilated,
        )
        widths = self.backbone.out_channels
        self.aspp = ASPP(
            widths[-1],
            rates_at(output_stride) if atrous_rates is None else atrous_rates,
            channels,
            separable=separable,
            dropout=dropout,
            dilated=dilated,
        )
        self.low_level = self.backbone.strides.index(4)
        self.reduce = conv_norm_relu(widths[self.low_level], low_level_channels, 1)
        self.decoder = nn.Sequential(
            conv_norm_relu(channels + low_level_channels, channels, 3, separable),
            conv_norm_relu(channels, channels, 3, separable),
        )
        self.classifier = nn.Conv2d(channels, num_classes, 1)
        self.aux_classifier = fcn_head(widths[-2], num_classes) if aux else None

    def forward(self, x: Tensor) -> Tensor | dict[str, Tensor]:
        """Score every pixel."""
        self.check_images(x)
        height, width = x.shape[-2:]
        x = fill_up(x, self.backbone.whole)
        features = self.backbone(x)
        shallow = self.reduce(features[self.low_level])
        deep = resize(self.aspp(features[-1]), shallow.shape[-2:])
        y = self.decoder(torch.cat([deep, shallow], dim=1))
        logits = resize(self.classifier(y), x.shape[-2:])[..., :height, :width]
        if self.aux_classifier is None:
            return logits
        aux = resize(self.aux_classifier(features[-2]), x.shape[-2:])[..., :height, :width]
        return {"out": logits, "aux": aux}
