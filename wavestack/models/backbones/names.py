"""Backbones by name, as configs and models call them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from wavestack.models.backbones.base import Backbone
from wavestack.models.backbones.drn import DRN
from wavestack.models.backbones.resnet import ResNet
from wavestack.models.backbones.vgg import VGG16
from wavestack.models.backbones.weights import load_weights
from wavestack.models.backbones.xception import Xception

_BUILDERS: dict[str, Callable[..., Backbone]] = {
    **{f"resnet{depth}": partial(ResNet, depth) for depth in (18, 34, 50, 101)},
    "vgg16": VGG16,
    "vgg16_bn": partial(VGG16, batch_norm=True),
    **{
        f"drn_{variant}": partial(DRN, variant)
        for variant in ("c_26", "c_42", "c_58", "d_22", "d_38", "d_54", "d_105")
    },
    **{f"xception{depth}": partial(Xception, depth) for depth in (41, 65, 71)},
}

BACKBONES = tuple(_BUILDERS)


def make_backbone(
    name: str,
    *,
    output_stride: int = 32,
    multi_grid: Sequence[int] | None = None,
    in_channels: int = 3,
    base_channels: int | None = None,
    weights: str | Path | None = None,
    dilated: bool = True,
) -> Backbone:
    """Build a backbone by its name.

    Args:
        name: one of `BACKBONES`: resnet18, vgg16, drn_c_26, xception65 ...
        output_stride: 4, 8, 16 or 32: input size over size of the last features. What would be
            coarser dilates instead; parameters are the same at all four.
        multi_grid: factors of the rates in the last stage (DeepLabV3); None for 1 in all.
        in_channels: channels of the image.
        base_channels: width of the first convolutions, on which all others follow; None for the
            published one (64 in ResNets and VGG, 16 in DRNs, 32 in Xceptions).
        weights: None for random ones (He et al., 2015), the path of a file, or "imagenet": see
            `load_weights`.
        dilated: False leaves all rates at 1: the control of the same width and strides.

    Raises:
        ValueError: when the name is unknown or an argument is out of its range.
        UserError: when the weights cannot be read or do not fit.

    Example:
        >>> import torch
        >>> backbone = make_backbone("resnet18", output_stride=16)
        >>> [tuple(h.shape) for h in backbone(torch.zeros(1, 3, 64, 96))][-2:]
        [(1, 256, 4, 6), (1, 512, 4, 6)]
        >>> make_backbone("resnet20")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ValueError: backbone must be one of resnet18, ..., got 'resnet20'
    """
    if name not in _BUILDERS:
        raise ValueError(f"backbone must be one of {', '.join(BACKBONES)}, got {name!r}")
    width = {} if base_channels is None else {"base_channels": base_channels}
    backbone = _BUILDERS[name](
        output_stride=output_stride,
        multi_grid=multi_grid,
        in_channels=in_channels,
        dilated=dilated,
        **width,
    )
    if weights is not None:
        load_weights(backbone, weights)
    return backbone
