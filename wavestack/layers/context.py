"""Yu and Koltun's context module: score maps see further without being made smaller."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wavestack.layers.conv2d import AtrousConv2d

DILATIONS = (1, 1, 2, 4, 8, 16, 1)
KINDS = ("basic", "large")
PADDINGS = ("per_layer", "once")


class ContextModule(nn.Module):
    """3 x 3 convolutions of growing dilation on class maps, then a 1 x 1 convolution.

    With dilations 1, 1, 2, 4, 8, 16, 1 the fields are 3, 5, 9, 17, 33, 65, 67 and 67, all without
    holes: each layer's taps lie no further apart than the field before it reaches. The basic module
    keeps C maps in every layer; the large one widens to 2C, 2C, 4C, 8C, 16C, 32C, 32C and comes
    back to C.

    It starts as the identity, so that it can be put behind a trained front end and only then learn.
    From c maps to d maps the centre tap is C / d wherever both maps stand for the same class (map a
    of c stands for class floor(a C / c)), and everything else is zero in the basic module, Gaussian
    noise in the large one. Each class's copies are added up and shared out again, so that the
    factors cancel over the layers. A ReLU follows each 3 x 3 convolution; the identity is therefore
    one of maps that are not negative.

    Args:
        num_classes: C, maps of the input and of the output.
        kind: "basic" or "large".
        dilations: of the 3 x 3 convolutions. Dilation7 and Dilation10 have (1, 1, 2, 4, 8, 1) and
            (1, 1, 2, 4, 8, 16, 32, 64, 1).
        padding: "per_layer": each layer pads by its own dilation; "once": the maps are padded by
            the sum of the dilations before the first layer and no layer pads. The two differ near
            the borders alone.
        noise: spread of the large module's noise, as a share of C / d.
        dilated: False sets every dilation to 1: the control of the same width.

    Shape:
        x: (B, num_classes, H, W) -> the same

    Attributes:
        dilations: those in use.
        margin: zeros on each side before the first layer, 0 with padding "per_layer".

    Raises:
        ValueError: when kind or padding is unknown, or a size is out of range.

    References:
        Yu and Koltun (2016), Multi-Scale Context Aggregation by Dilated Convolutions, section 3,
        table 1 and equations 4 and 5.

    Notes:
        The authors' network for Pascal VOC has the large module with one padding of 33, those for
        CamVid, KITTI and Cityscapes have the basic one with a padding in each layer. The paper
        gives no number for the noise, only that it is much smaller than C / d.

    Example:
        >>> context = ContextModule(11)
        >>> scores = torch.rand(1, 11, 45, 60)
        >>> torch.equal(context(scores), scores)
        True
    """

    def __init__(
        self,
        num_classes: int,
        kind: str = "basic",
        *,
        dilations: Sequence[int] = DILATIONS,
        padding: str = "per_layer",
        noise: float = 0.01,
        dilated: bool = True,
    ) -> None:
        super().__init__()
        for name, value, choices in (("kind", kind, KINDS), ("padding", padding, PADDINGS)):
            if value not in choices:
                raise ValueError(f"{name} must be one of {choices}, got {value!r}")
        if not dilations:
            raise ValueError(f"dilations must name at least one layer, got {dilations}")
        if noise < 0:
            raise ValueError(f"noise must be >= 0, got {noise}")
        self.dilations = tuple(dilations) if dilated else (1,) * len(dilations)
        self.margin = sum(self.dilations) if padding == "once" else 0
        rule = "valid" if padding == "once" else "same"
        widths = [num_classes * factor for factor in _factors(kind, dilations)]
        self.layers = nn.ModuleList(
            AtrousConv2d(before, width, 3, dilation=dilation, padding=rule)
            for before, width, dilation in zip(
                [num_classes, *widths[:-1]], widths, self.dilations, strict=True
            )
        )
        self.output = AtrousConv2d(widths[-1], num_classes, 1)
        for conv in (*self.layers, self.output):
            start_as_identity(conv, num_classes, noise if kind == "large" else 0.0)

    def forward(self, x: Tensor) -> Tensor:
        """Refine class maps.

        Shape:
            x: (B, num_classes, H, W) -> the same
        """
        if self.margin:
            x = F.pad(x, (self.margin,) * 4)
        for layer in self.layers:
            x = F.relu(layer(x))
        return self.output(x)


@torch.no_grad()
def start_as_identity(conv: nn.Conv2d, num_classes: int, noise: float = 0.0) -> None:
    """Set a convolution to pass class maps on; the equation in ``ContextModule``.

    Args:
        conv: with an odd kernel and numbers of channels that are multiples of num_classes.
        num_classes: C.
        noise: spread of what is not on the diagonal, as a share of C / out_channels.

    Raises:
        ValueError: when the channels are no multiples of num_classes.

    References:
        Yu and Koltun (2016), equations 4 and 5.

    Example:
        >>> conv = nn.Conv2d(2, 4, 3)
        >>> start_as_identity(conv, num_classes=2)
        >>> conv.weight[:, :, 1, 1].detach()
        tensor([[0.5000, 0.0000],
                [0.5000, 0.0000],
                [0.0000, 0.5000],
                [0.0000, 0.5000]])
    """
    before, behind = conv.in_channels, conv.out_channels
    if before % num_classes or behind % num_classes:
        raise ValueError(
            f"channels must be multiples of num_classes {num_classes}, got {before} and {behind}"
        )
    share = num_classes / behind
    class_of_input = torch.arange(before) * num_classes // before
    class_of_output = torch.arange(behind) * num_classes // behind
    same_class = class_of_output[:, None] == class_of_input
    conv.weight.normal_(std=noise * share) if noise else conv.weight.zero_()
    row, column = (size // 2 for size in conv.kernel_size)
    conv.weight[:, :, row, column][same_class.to(conv.weight.device)] = share
    if conv.bias is not None:
        conv.bias.zero_()


def _factors(kind: str, dilations: Sequence[int]) -> list[int]:
    """Width of each layer over C: in the large module twice the greatest dilation so far."""
    if kind == "basic":
        return [1] * len(dilations)
    return [2 * max(dilations[: i + 1]) for i in range(len(dilations))]
