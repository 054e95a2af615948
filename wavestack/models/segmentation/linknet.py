"""LinkNet: an encoder whose every stage hands its input to the decoder of the same size."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from torch import Tensor, nn

from wavestack.models.backbones import ResNet, make_backbone
from wavestack.models.segmentation.base import SegmentationModel, conv_norm_relu


class LinkNet(SegmentationModel):
    """An encoder-decoder that adds what each encoder stage read to what its decoder made of it.

    Args:
        num_classes: classes K.
        backbone: the encoder, a ResNet of ``make_backbone``.
        output_stride: input size / size of the deepest features: 32 in the paper; at 16 or 8 the
            last stages are dilated and their decoders keep the size.
        multi_grid: dilation factors of the last stage's blocks, or None.
        channels: width of the two layers after the decoder.
        in_channels: channels of the images.
        base_channels: width of the backbone's first convolutions, on which all its others follow;
            None: the published one.
        weights: the encoder's, see ``make_backbone``.
        dilated: False sets every dilation to 1 and leaves sizes and parameters as they are.

    Shape:
        x: (B, in_channels, H, W) -> (B, num_classes, H, W)

    Raises:
        ValueError: when an argument is out of range, or x is no batch of such images.

    References:
        Chaurasia and Culurciello (2017), LinkNet: Exploiting Encoder Representations for Efficient
        Semantic Segmentation.

    Notes:
        As in the authors' code, the shallowest bypass is the max pooling's output, and a ReLU
        follows each sum. What a transposed convolution makes beyond an odd size is cut off, so
        sizes need not be multiples of 32. Convolutions before a normalization have no bias.

    Example:
        >>> import torch
        >>> model = LinkNet(num_classes=11)
        >>> model(torch.zeros(2, 3, 65, 97)).shape
        torch.Size([2, 11, 65, 97])
        >>> sum(p.numel() for p in model.parameters())  # published: 11.5 million
        11534603
    """

    def __init__(
        self,
        num_classes: int,
        backbone: str = "resnet18",
        output_stride: int = 32,
        *,
        multi_grid: Sequence[int] | None = None,
        channels: int = 32,
        in_channels: int = 3,
        base_channels: int | None = None,
        weights: str | Path | None = None,
        dilated: bool = True,
    ) -> None:
        super().__init__(num_classes, in_channels)
        if channels < 1:
            raise ValueError(f"channels must be >= 1, got {channels}")
        encoder = make_backbone(
            backbone,
            output_stride=output_stride,
            multi_grid=multi_grid,
            in_channels=in_channels,
            base_channels=base_channels,
            weights=weights,
            dilated=dilated,
        )
        if not isinstance(encoder, ResNet):
            raise ValueError(f"backbone must be a ResNet, got {backbone}")
        self.backbone: ResNet = encoder
        widths, strides = self.backbone.out_channels, self.backbone.strides
        # One decoder a stage, shallow to deep. The first stage reads the max pooling's output, of
        # its own size and of the stem's width.
        steps = (1, *(deep // shallow for shallow, deep in pairwise(strides[1:])))
        self.decoders = nn.ModuleList(
            Decoder(deep, shallow, step)
            for deep, shallow, step in zip(widths[1:], widths, steps, strict=False)
        )
        self.upsample = TransposedConv(widths[0], channels)
        self.classifier = nn.Sequential(
            *conv_norm_relu(channels, channels, 3),
            nn.ConvTranspose2d(channels, num_classes, 2, stride=2),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Score every pixel."""
        self.check_images(x)
        stem, pooled = self.backbone.stem(x)
        *bypasses, y = pooled, *self.backbone.stages(pooled)
        for decoder, bypass in zip(reversed(self.decoders), reversed(bypasses), strict=True):
            y = decoder(y, bypass)
        y = self.classifier(self.upsample(y, stem.shape[-2:]))
        return y[..., : x.shape[-2], : x.shape[-1]]


class Decoder(nn.Module):
    """A 1x1 convolution to a quarter of the width, a transposed one, a 1x1 to the bypass's width.

    Args:
        in_channels: m, of the deeper features.
        out_channels: n, of the bypass.
        stride: of the encoder stage that it undoes.

    Shape:
        x: (B, in_channels, h, w), bypass: (B, out_channels, H, W) -> as bypass
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        narrow = max(in_channels // 4, 1)
        self.reduce = conv_norm_relu(in_channels, narrow, 1)
        self.upsample = TransposedConv(narrow, narrow, stride)
        self.expand = conv_norm_relu(narrow, out_channels, 1)

    def forward(self, x: Tensor, bypass: Tensor) -> Tensor:
        """Bring x to the bypass's size and add the two."""
        y = self.expand(self.upsample(self.reduce(x), bypass.shape[-2:]))
        return (y + bypass).relu_()


class TransposedConv(nn.Module):
    """A 3x3 transposed convolution, batch normalization, ReLU: the mirror of a strided convolution.

    A convolution of stride 2 takes sizes 2n - 1 and 2n to n; given the size, this goes back.

    Shape:
        x: (B, in_channels, h, w), size: (H, W) with h = ceil(H / stride) -> (B, channels, H, W)
    """

    def __init__(self, in_channels: int, channels: int, stride: int = 2) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(
            in_channels, channels, 3, stride, padding=1, output_padding=stride - 1, bias=False
        )
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor, size: Sequence[int]) -> Tensor:
        """Upsample to a size."""
        y = self.conv(x)[..., : size[0], : size[1]]
        return self.norm(y).relu_()
