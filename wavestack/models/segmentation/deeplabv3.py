"""DeepLabV3: a dilated backbone and atrous spatial pyramid pooling."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

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


class DeepLabV3(SegmentationModel):
    """Dilated backbone, ASPP, a 3x3 convolution, scores, bilinear upsampling.

    Weights of torchvision's ``deeplabv3_resnet50`` and ``deeplabv3_resnet101`` load strictly, with
    ``aux=True`` where they have an auxiliary head, and give the same function.

    Args:
        num_classes: classes K.
        backbone: a name of ``make_backbone``.
        output_stride: input size / feature size: 8 (torchvision's), 16 or 32.
        multi_grid: dilation factors of the last stage's blocks: (1, 2, 4) in the paper; None: as
            torchvision has them, the first block with the stage's former dilation.
        atrous_rates: dilations of ASPP's 3x3 convolutions; None: (12, 24, 36) at output stride 8,
            halved with each doubling of it.
        channels: width of the head.
        separable: depthwise separable convolutions in the head.
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
        Chen, Papandreou, Schroff and Adam (2017), Rethinking Atrous Convolution for Semantic Image
        Segmentation.

    Example:
        >>> import torch
        >>> model = DeepLabV3(num_classes=21, backbone="resnet18", output_stride=16, channels=32)
        >>> model(torch.zeros(1, 3, 65, 97)).shape  # one image trains too
        torch.Size([1, 21, 65, 97])
    """

    def __init__(
        self,
        num_classes: int,
        backbone: str = "resnet50",
        output_stride: int = 8,
        *,
        multi_grid: Sequence[int] | None = None,
        atrous_rates: Sequence[int] | None = None,
        channels: int = 256,
        separable: bool = False,
        dropout: float = 0.5,
        in_channels: int = 3,
        base_channels: int | None = None,
        aux: bool = False,
        weights: str | Path | None = None,
        dilated: bool = True,
    ) -> None:
        super().__init__(num_classes, in_channels)
        self.backbone = make_backbone(
            backbone,
            output_stride=output_stride,
            multi_grid=multi_grid,
            in_channels=in_channels,
            base_channels=base_channels,
            weights=weights,
            dilated=dilated,
        )
        *_, aux_width, width = self.backbone.out_channels
        self.classifier = nn.Sequential(
            ASPP(
                width,
                rates_at(output_stride) if atrous_rates is None else atrous_rates,
                channels,
                separable=separable,
                dropout=dropout,
                dilated=dilated,
            ),
            *conv_norm_relu(channels, channels, 3, separable),
            nn.Conv2d(channels, num_classes, 1),
        )
        self.aux_classifier = fcn_head(aux_width, num_classes) if aux else None

    def forward(self, x: Tensor) -> Tensor | dict[str, Tensor]:
        """Score every pixel."""
        self.check_images(x)
        height, width = x.shape[-2:]
        x = fill_up(x, self.backbone.whole)
        *_, shallower, features = self.backbone(x)
        logits = resize(self.classifier(features), x.shape[-2:])[..., :height, :width]
        if self.aux_classifier is None:
            return logits
        aux = resize(self.aux_classifier(shallower), x.shape[-2:])[..., :height, :width]
        return {"out": logits, "aux": aux}
