"""Hybrid dilated convolution: rates that together leave no holes."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from wavestack.layers.conv2d import AtrousConv2d


def maximum_distance(kernel_size: int, rates: Sequence[int]) -> int:
    """M_2 of Wang et al.: the largest step between pixels read by all layers but the first.

    From M_n = r_n of the last layer down to the second,

        M_i = max(M_{i+1} - (K - 1) r_i, M_{i+1} - 2 (M_{i+1} - r_i), r_i)

    A first layer of rate 1 fills steps of up to K, so M_2 <= K leaves no holes.

    Args:
        kernel_size: K, taps along one axis, >= 2.
        rates: dilations of the layers, the first one first.

    Raises:
        ValueError: when there are less than two rates, or a number is below 1.

    References:
        Wang et al. (2018), Understanding Convolution for Semantic Segmentation, equation 2.

    Notes:
        The paper writes 2 r_i for a kernel of 3, which is (K - 1) r_i for any kernel.

    Example:
        >>> maximum_distance(3, (1, 2, 5)), maximum_distance(3, (1, 2, 9))
        (2, 5)
    """
    if kernel_size < 2:
        raise ValueError(f"kernel_size must be >= 2, got {kernel_size}")
    if len(rates) < 2 or min(rates) < 1:
        raise ValueError(f"rates must be two or more numbers >= 1, got {tuple(rates)}")
    distance = rates[-1]
    for rate in rates[-2:0:-1]:
        distance = max(distance - (kernel_size - 1) * rate, 2 * rate - distance, rate)
    return distance


def refuse_holes(kernel_size: int, rates: Sequence[int]) -> None:
    """Raise unless layers of these rates read every pixel of their field.

    The order of layers does not change which pixels they read, so the rates are taken in increasing
    order. Then there are no holes exactly if the smallest is 1 and M_2 <= K. The condition on the
    smallest is not in the paper's formula, which lets 2, 2, 2 pass: this reads every second pixel.

    Args:
        kernel_size: K, taps along one axis, >= 2.
        rates: dilations of the layers, in any order.

    Raises:
        ValueError: naming the rates, when there are holes.

    Example:
        >>> refuse_holes(3, (1, 2, 5))
        >>> refuse_holes(3, (1, 2, 9))
        Traceback (most recent call last):
        ValueError: rates (1, 2, 9) leave holes: M_2 is 5, more than kernel_size 3
    """
    ordered = sorted(rates)
    distance = maximum_distance(kernel_size, ordered)
    if ordered[0] > 1:
        raise ValueError(f"rates {tuple(rates)} leave holes: one of them must be 1")
    if distance > kernel_size:
        raise ValueError(
            f"rates {tuple(rates)} leave holes: M_2 is {distance}, more than kernel_size "
            f"{kernel_size}"
        )


class HybridDilatedConv2d(nn.Sequential):
    """A group of convolutions whose rates fit into each other, each with normalization and ReLU.

    Three 3 x 3 convolutions of rate 2 read 49 of the 169 pixels of their field, all on one grid;
    neighbouring outputs then share no input at all (the gridding effect). Rates 1, 2, 5 read all
    289 pixels of a larger field with the same number of weights.

    Args:
        in_channels: channels of the input.
        out_channels: channels of every layer and of the output.
        kernel_size: taps of every layer along each axis, >= 2.
        rates: dilation of each layer.
        allow_holes: accept rates that leave holes, where the layers around fill them.
        dilated: False sets every rate to 1: the control of the same width.

    Shape:
        x: (B, in_channels, H, W) -> (B, out_channels, H, W)

    Attributes:
        rates: those in use.

    Raises:
        ValueError: when the rates leave holes, see ``refuse_holes``, or a size is below 1.

    References:
        Wang et al. (2018), Understanding Convolution for Semantic Segmentation, section 3.2.

    Example:
        >>> import torch
        >>> group = HybridDilatedConv2d(16, 32, rates=(1, 2, 5))
        >>> group(torch.randn(2, 16, 24, 24)).shape
        torch.Size([2, 32, 24, 24])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        *,
        rates: Sequence[int] = (1, 2, 5),
        allow_holes: bool = False,
        dilated: bool = True,
    ) -> None:
        if not allow_holes:
            refuse_holes(kernel_size, rates)
        used = tuple(rates) if dilated else (1,) * len(rates)
        widths = [in_channels] + [out_channels] * (len(used) - 1)
        super().__init__(
            *(
                nn.Sequential(
                    AtrousConv2d(width, out_channels, kernel_size, dilation=rate, bias=False),
                    nn.BatchNorm2d(out_channels),
                    nn.ReLU(),
                )
                for width, rate in zip(widths, used, strict=True)
            )
        )
        self.rates = used
