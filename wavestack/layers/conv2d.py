"""The atrous convolution of images, and the kernel with holes that it stands for."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Pair = int | tuple[int, int]
AxisPadding = str | int | tuple[int, int]
RULES = ("same", "causal", "valid")


class AtrousConv2d(nn.Conv2d):
    """2D convolution whose kernel, stride, dilation and padding are set for each axis alone.

    A dilation of r puts r - 1 holes between two taps, so a kernel of k spans (k - 1) r + 1 pixels
    with k weights. An output at (i, j) is, for 2 x 2 taps and dilation r,

        y[i, j] = sum over m, n of w[m, n] x[s i + r m - top, s j + r n - left]

    where s is the stride and pixels outside the image are zero. Padding decides how many such
    zeros stand before and behind each axis:

        "same"    (k - 1) r of them, half on each side, the odd one behind: ceil(H / s) outputs
        "causal"  (k - 1) r of them, all before: output i reads rows up to s i and none later
        "valid"   none
        p         p on each side
        (p, q)    p before, q behind

    ``CausalConv1d`` is the case of one row: kernel (1, k), padding ("valid", "causal").

    The parameters are those of ``torch.nn.Conv2d``. Padding that is equal on both sides is left to
    torch's convolution, which needs no padded copy; only a rest that is not is added before.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: taps, >= 1; one number, or (rows, columns).
        stride: input pixels per output pixel; one number, or one for each axis.
        dilation: input pixels between two taps; one number, or one for each axis.
        groups: as in torch.nn.Conv2d.
        bias: whether a learned offset is added.
        padding: one of the above for both axes, or a tuple (rows, columns) of two of them.
        device: as in torch.nn.Conv2d.
        dtype: as in torch.nn.Conv2d.

    Shape:
        x: (B, in_channels, H, W) -> (B, out_channels, H', W') with
        H' = 1 + (H + top + bottom - (kernel_size - 1) * dilation - 1) // stride

    Attributes:
        borders: ((top, bottom), (left, right)), the zeros on each side.

    Raises:
        ValueError: when a size is below 1, channels do not divide by groups, or the padding is
            unknown or negative.

    References:
        Holschneider et al. (1990), A Real-Time Algorithm for Signal Analysis with the Help of the
        Wavelet Transform.
        Chen et al. (2018), DeepLab: Semantic Image Segmentation with Deep Convolutional Nets,
        Atrous Convolution, and Fully Connected CRFs, section 3.1.

    Example:
        >>> conv = AtrousConv2d(3, 8, 3, dilation=(1, 4), padding=("causal", "same"))
        >>> conv(torch.randn(1, 3, 33, 65)).shape
        torch.Size([1, 8, 33, 65])
        >>> conv.borders
        ((2, 0), (4, 4))
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        padding: AxisPadding | tuple[AxisPadding, AxisPadding] = "same",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        kernel = _pair("kernel_size", kernel_size)
        rates = _pair("dilation", dilation)
        steps = _pair("stride", stride)
        counts = {"in_channels": in_channels, "out_channels": out_channels, "groups": groups}
        for name, value in counts.items():
            if value < 1:
                raise ValueError(f"{name} must be >= 1, got {value}")
        rules = (padding, padding) if isinstance(padding, (str, int)) else tuple(padding)
        if len(rules) != 2:
            raise ValueError(f"padding must be one rule, or one for each axis, got {padding!r}")
        (top, bottom), (left, right) = (
            _border(rule, (k - 1) * r) for rule, k, r in zip(rules, kernel, rates, strict=True)
        )
        rows, columns = min(top, bottom), min(left, right)
        super().__init__(
            in_channels,
            out_channels,
            kernel,
            stride=steps,
            padding=(rows, columns),
            dilation=rates,
            groups=groups,
            bias=bias,
            device=device,
            dtype=dtype,
        )
        self.borders = ((top, bottom), (left, right))
        # In the order of torch.nn.functional.pad: the last axis first.
        self._rest = (left - columns, right - columns, top - rows, bottom - rows)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve; one line of torch where both sides of each axis have the same padding.

        Shape:
            x: (B, in_channels, H, W) -> (B, out_channels, H', W')
        """
        if any(self._rest):
            x = F.pad(x, self._rest)
        rate = self.dilation
        if self.kernel_size == (1, 1) and self.weight.device.type == "cpu":
            # With one thread torch gives few images' undilated 1x1 convolutions to a plain matrix
            # product, and dilated ones to oneDNN, which takes about two thirds of the time. A
            # single tap has no holes, whatever its rate.
            rate = (2, 2)
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding, rate, self.groups)

    def multiplications(self, height: int, width: int) -> int:
        """Multiplications for one image.

        Args:
            height: rows of the output.
            width: columns of the output.

        Example:
            >>> AtrousConv2d(3, 256, 5).multiplications(8, 8)
            1228800
        """
        return self.weight.numel() * height * width

    def extra_repr(self) -> str:
        """As in torch.nn.Conv2d; with the borders where they are not equal."""
        return super().extra_repr() + (f", borders={self.borders}" if any(self._rest) else "")


def dilate_kernel(weight: Tensor, rate: int | tuple[int, ...]) -> Tensor:
    """The kernel with rate - 1 zeros between its taps, so that dilation 1 does what rate did.

    "Atrous" is French for "with holes": à trous. The dilated convolution never builds this
    kernel, it skips the zeros; both give the same sums.

    Args:
        weight: (out_channels, in_channels / groups, *kernel_size) of a 1D, 2D or 3D convolution.
        rate: dilation, one number or one for each axis.

    Shape:
        kernel_size k -> k + (k - 1) * (rate - 1) along each axis

    Raises:
        ValueError: when the weight is no kernel of a convolution, or a rate is below 1.

    References:
        Chen et al. (2018), DeepLab, section 3.1 and figure 2.

    Example:
        >>> weight = torch.tensor([[[[10, -8], [15, -2]]]])
        >>> dilate_kernel(weight, 2)[0, 0]
        tensor([[10,  0, -8],
                [ 0,  0,  0],
                [15,  0, -2]])
        >>> image = torch.tensor([[4, 5, 8, 7], [1, 8, 8, 8], [3, 6, 6, 4], [6, 5, 7, 8]])
        >>> F.conv2d(image[None, None], dilate_kernel(weight, 2))[0, 0]
        tensor([[ 9, 76],
                [22, 75]])
        >>> F.conv2d(image[None, None], weight, dilation=2)[0, 0]
        tensor([[ 9, 76],
                [22, 75]])
    """
    axes = weight.ndim - 2
    if not 1 <= axes <= 3:
        raise ValueError(
            "weight must be (out_channels, in_channels / groups, *kernel_size) with 1 to 3 axes, "
            f"got shape {tuple(weight.shape)}"
        )
    rates = (rate,) * axes if isinstance(rate, int) else tuple(rate)
    if len(rates) != axes or min(rates) < 1:
        raise ValueError(f"rate must be >= 1, one number or {axes} of them, got {rate}")
    spans = [(k - 1) * r + 1 for k, r in zip(weight.shape[2:], rates, strict=True)]
    dilated = weight.new_zeros(*weight.shape[:2], *spans)
    taps = (slice(None), slice(None), *(slice(None, None, r) for r in rates))
    dilated[taps] = weight
    return dilated


def _pair(name: str, value: Pair) -> tuple[int, int]:
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2:
        raise ValueError(f"{name} must be one number, or one for each axis, got {value}")
    if min(pair) < 1:
        raise ValueError(f"{name} must be >= 1, got {value}")
    return pair


def _border(rule: AxisPadding, span: int) -> tuple[int, int]:
    """Zeros before and behind an axis on which the kernel reaches span pixels far."""
    if isinstance(rule, str):
        if rule not in RULES:
            raise ValueError(f"padding must be one of {RULES} or a number, got {rule!r}")
        return {"same": (span // 2, span - span // 2), "causal": (span, 0), "valid": (0, 0)}[rule]
    before, behind = (rule, rule) if isinstance(rule, int) else rule
    if min(before, behind) < 0:
        raise ValueError(f"padding must be >= 0, got {rule}")
    return before, behind
