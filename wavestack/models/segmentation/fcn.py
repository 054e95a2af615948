"""FCN: a classification network made convolutional, its coarse scores refined by shallow ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from wavestack.layers import BilinearConvTranspose2d
from wavestack.models.backbones import VGG16, make_backbone
from wavestack.models.segmentation.base import SegmentationModel, fcn_head, fill_up, resize
from wavestack.models.segmentation.vgg_head import VGGHead, load_fully_connected


class FCN(SegmentationModel):
    """Scores at the backbone's stride, added to those of shallower stages, brought to image size.

    ``skips`` chooses the net: 0 is FCN-32s, 1 is FCN-16s, 2 is FCN-8s. Without skips, at output
    stride 8 on a ResNet, this is torchvision's ``fcn_resnet50`` or ``fcn_resnet101``: their
    weights load strictly, with ``aux=True`` where they have an auxiliary head.

    Args:
        num_classes: classes K.
        backbone: a name of ``make_backbone``. A VGG keeps its fully connected layers, as
            convolutions; any other has a 3x3 and a 1x1 convolution for a head.
        output_stride: input size / size of the deepest features.
        skips: how many shallower stages have scores of their own.
        channels: width of the head; None: 4096 on a VGG, a quarter of the features' elsewhere.
        dropout: probability of zeroing a value within the head; None: 0.5 on a VGG, 0.1 elsewhere.
        multi_grid: dilation factors of the last stage's blocks, or None.
        in_channels: channels of the images.
        base_channels: width of the backbone's first convolutions, on which all its others follow;
            None: the published one.
        aux: add an auxiliary head on the last stage but one, and return a dict.
        weights: the backbone's, see ``make_backbone``; fc6 and fc7 of a VGG come along where
            the head is as wide as they are.
        dilated: False sets every dilation to 1 and leaves sizes and parameters as they are.

    Shape:
        x: (B, in_channels, H, W) -> (B, num_classes, H, W); with aux a dict {"out", "aux"} of
        tensors of that shape

    Raises:
        ValueError: when an argument is out of range, or x is no batch of such images.

    References:
        Long, Shelhamer and Darrell (2015), Fully Convolutional Networks for Semantic Segmentation.

    Notes:
        The paper pads images by 100 pixels on each side and then cuts its maps to each other with
        offsets (19, 27 and 31 pixels). Here every convolution keeps the size and a VGG's image is
        filled up to a multiple of its stride, so that position i of a map of stride s always
        covers pixels s i to s (i + 1) - 1 and nothing is to be shifted. As in the paper, the
        scores of a skip start at zero, and upsampling between skips starts bilinear and is
        learned, for each class alone; the last one stays bilinear.

    Example:
        >>> import torch
        >>> model = FCN(num_classes=11, backbone="resnet18")
        >>> model(torch.zeros(2, 3, 65, 97)).shape
        torch.Size([2, 11, 65, 97])
    """

    def __init__(
        self,
        num_classes: int,
        backbone: str = "vgg16",
        output_stride: int = 32,
        *,
        skips: int = 2,
        channels: int | None = None,
        dropout: float | None = None,
        multi_grid: Sequence[int] | None = None,
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
        widths, strides = self.backbone.out_channels, self.backbone.strides
        if not 0 <= skips < len(widths):
            raise ValueError(f"skips must be between 0 and {len(widths) - 1}, got {skips}")
        self.classifier: nn.Module
        if isinstance(self.backbone, VGG16):
            self.classifier = VGGHead(
                widths[-1],
                num_classes,
                4096 if channels is None else channels,
                dilation=self.backbone.dilation,
                dropout=0.5 if dropout is None else dropout,
            )
            if weights is not None:
                load_fully_connected(self.classifier, self.backbone, weights)
        else:
            self.classifier = fcn_head(
                widths[-1], num_classes, channels, 0.1 if dropout is None else dropout
            )
        # Deep to shallow: the scores of each skip, and what brings the deeper scores to its size.
        steps = range(len(widths) - 1, len(widths) - 1 - skips, -1)
        self.scores = nn.ModuleList(nn.Conv2d(widths[i - 1], num_classes, 1) for i in steps)
        self.upsamples = nn.ModuleList(
            BilinearConvTranspose2d(num_classes, strides[i] // strides[i - 1])
            if strides[i] > strides[i - 1]
            else nn.Identity()
            for i in steps
        )
        for parameter in self.scores.parameters():
            nn.init.zeros_(parameter)
        self.aux_classifier = fcn_head(widths[-2], num_classes) if aux else None

    def forward(self, x: Tensor) -> Tensor | dict[str, Tensor]:
        """Score every pixel."""
        self.check_images(x)
        height, width = x.shape[-2:]
        x = fill_up(x, self.backbone.whole)
        features = self.backbone(x)
        y = self.classifier(features[-1])
        for i, (score, upsample) in enumerate(zip(self.scores, self.upsamples, strict=True)):
            skip = score(features[-2 - i])
            y = skip + upsample(y)[..., : skip.shape[-2], : skip.shape[-1]]
        logits = resize(y, x.shape[-2:])[..., :height, :width]
        if self.aux_classifier is None:
            return logits
        aux = resize(self.aux_classifier(features[-2]), x.shape[-2:])[..., :height, :width]
        return {"out": logits, "aux": aux}
