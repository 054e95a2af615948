"""The depthwise-separable convolution: space and channels one after the other."""

from __future__ import annotations

from torch import Tensor, nn

from wavestack.layers.conv2d import AtrousConv2d, AxisPadding, Pair


class DepthwiseSeparableConv2d(nn.Module):
    """A kernel of its own for each channel, then a 1 x 1 convolution that mixes the channels.

    A k x k convolution from C to K channels takes K C k^2 multiplications at each position. Done
    in two steps it takes C k^2 for the depthwise and K C for the pointwise part, a share of
    1 / K + 1 / k^2. With a dilation in the depthwise part this is DeepLabV3+'s atrous separable
    convolution.

    The depthwise part has no bias, which the pointwise one (or a normalization between) would
    take up.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: taps of the depthwise part; one number, or (rows, columns).
        stride: input pixels per output pixel, of the depthwise part.
        dilation: input pixels between two taps, of the depthwise part.
        bias: whether a learned offset is added to the output.
        depth_multiplier: kernels for each input channel.
        padding: of the depthwise part, as in ``AtrousConv2d``.
        between: run between the two parts, as the batch normalization and ReLU of DeepLabV3+;
            None for nothing.

    Shape:
        x: (B, in_channels, H, W) -> (B, out_channels, H', W'), as in ``AtrousConv2d``

    Raises:
        ValueError: when a size is below 1.

    References:
        Sifre (2014), Rigid-Motion Scattering for Image Classification, chapter 6.
        Chollet (2017), Xception: Deep Learning with Depthwise Separable Convolutions.
        Chen et al. (2018), Encoder-Decoder with Atrous Separable Convolution for Semantic Image
        Segmentation, section 3.1.

    Example:
        >>> import torch
        >>> conv = DepthwiseSeparableConv2d(3, 256, 5, padding="valid")
        >>> conv(torch.randn(1, 3, 12, 12)).shape
        torch.Size([1, 256, 8, 8])
        >>> conv.multiplications(8, 8)
        53952
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        dilation: Pair = 1,
        bias: bool = True,
        *,
        depth_multiplier: int = 1,
        padding: AxisPadding | tuple[AxisPadding, AxisPadding] = "same",
        between: nn.Module | None = None,
    ) -> None:
        super().__init__()
        if depth_multiplier < 1:
            raise ValueError(f"depth_multiplier must be >= 1, got {depth_multiplier}")
        width = in_channels * depth_multiplier
        self.depthwise = AtrousConv2d(
            in_channels, width, kernel_size, stride, dilation, in_channels, False, padding=padding
        )
        self.between = between
        self.pointwise = AtrousConv2d(width, out_channels, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Filter each channel, then mix them.

        Shape:
            x: (B, in_channels, H, W) -> (B, out_channels, H', W')
        """
        h = self.depthwise(x)
        if self.between is not None:
            h = self.between(h)
        return self.pointwise(h)

    def multiplications(self, height: int, width: int) -> int:
        """Multiplications of both parts for one image, without those of ``between``.

        Args:
            height: rows of the output.
            width: columns of the output.
        """
        parts = (self.depthwise, self.pointwise)
        return sum(part.multiplications(height, width) for part in parts)
