"""A small net of hybrid dilated convolutions, trained from scratch in minutes on one core."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from wavestack.layers import HybridDilatedConv2d
from wavestack.models.segmentation.base import SegmentationModel, conv_norm_relu, resize


class HDCNet(SegmentationModel):
    """Three stages, the deepest of hybrid dilated residual units, and a decoder with two skips.

    At output stride 8 a stem halves the image, the middle stage halves it again, and the deep stage
    once more; there the units see far by their rates and leave no holes. The decoder adds what
    the middle stage and then the stem saw, so that a pole of two pixels is not lost:

        image -> stem 1/2 -> middle 1/4 -> deep 1/8, rates 1 2 5, 1 2 5, 1 2 5
                   |            |            |
        image <- join 1/2 <- join 1/4 <------+

    At output stride 4 the stem keeps the size: the same parameters on a grid twice as fine, for
    images whose lines are thin everywhere, as in electron microscopy.

    Args:
        num_classes: classes K.
        output_stride: input size / size of the deep stage: 8 or 4.
        channels: widths of stem, middle and deep stage.
        rates: dilations of the deep stage, one tuple for each residual unit.
        decoder_channels: width of the deeper join; the other has half of it.
        allow_holes: accept rates that leave holes, to see what they cost.
        in_channels: channels of the images.
        dilated: False sets every rate to 1 and leaves widths and parameters as they are.

    Shape:
        x: (B, in_channels, H, W) -> (B, num_classes, H, W)

    Raises:
        ValueError: when an argument is out of range, rates leave holes, or x is no batch of such
            images.

    References:
        Wang, Chen, Yuan, Liu, Huang, Hou and Cottrell (2018), Understanding Convolution for
        Semantic Segmentation, section 3.2, for the rates.
        Long, Shelhamer and Darrell (2015), Fully Convolutional Networks for Semantic Segmentation,
        for the sum of scores of several depths.

    Notes:
        The paper puts the rates into ResNet-101 and upsamples by DUC, one 1x1 convolution that
        makes all pixels of a cell at once. Here the rates stand in a net of their own.

    Example:
        >>> import torch
        >>> model = HDCNet(num_classes=11)
        >>> model(torch.zeros(2, 3, 65, 97)).shape
        torch.Size([2, 11, 65, 97])
        >>> HDCNet(11, rates=((2, 4, 8),))
        Traceback (most recent call last):
        ValueError: rates (2, 4, 8) leave holes: one of them must be 1
    """

    def __init__(
        self,
        num_classes: int,
        output_stride: int = 8,
        *,
        channels: Sequence[int] = (32, 64, 96),
        rates: Sequence[Sequence[int]] = ((1, 2, 5), (1, 2, 5), (1, 2, 5)),
        decoder_channels: int = 48,
        allow_holes: bool = False,
        in_channels: int = 3,
        dilated: bool = True,
    ) -> None:
        super().__init__(num_classes, in_channels)
        if output_stride not in (4, 8):
            raise ValueError(f"output_stride must be 4 or 8, got {output_stride}")
        if len(channels) != 3 or min(channels) < 1:
            raise ValueError(f"channels must be three numbers >= 1, got {list(channels)}")
        if decoder_channels < 2:
            raise ValueError(f"decoder_channels must be >= 2, got {decoder_channels}")
        shallow, middle, deep = channels
        self.stem = _strided(in_channels, shallow, output_stride // 4)
        self.middle = nn.Sequential(
            _strided(shallow, middle, 2),
            HybridDilatedUnit(middle, (1, 1), dilated=False),
        )
        self.deep = nn.Sequential(
            _strided(middle, deep, 2),
            *(
                HybridDilatedUnit(deep, unit, allow_holes=allow_holes, dilated=dilated)
                for unit in rates
            ),
        )
        self.join_middle = Join(deep, middle, decoder_channels)
        self.join_stem = Join(decoder_channels, shallow, decoder_channels // 2)
        self.classifier = nn.Conv2d(decoder_channels // 2, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Score every pixel."""
        self.check_images(x)
        size = x.shape[-2:]
        shallow = self.stem(x)
        middle = self.middle(shallow)
        y = self.join_middle(self.deep(middle), middle)
        scores = self.classifier(self.join_stem(y, shallow))
        # A few maps are resized faster one after the other than with their channels innermost.
        return resize(scores.float().contiguous(), size)


class HybridDilatedUnit(nn.Module):
    """A residual unit around a group of hybrid dilated convolutions; it begins as the identity.

    Args:
        channels: of input and output.
        rates: dilations of the group's 3x3 convolutions.
        allow_holes: accept rates that leave holes.
        dilated: False sets every rate to 1.

    Shape:
        x: (B, channels, H, W) -> the same

    Raises:
        ValueError: when the rates leave holes.

    References:
        He et al. (2016), Deep Residual Learning for Image Recognition.
        Goyal et al. (2017), Accurate, Large Minibatch SGD, section 5.1, for the zero gain.
    """

    def __init__(
        self,
        channels: int,
        rates: Sequence[int],
        *,
        allow_holes: bool = False,
        dilated: bool = True,
    ) -> None:
        super().__init__()
        group = HybridDilatedConv2d(
            channels, channels, rates=rates, allow_holes=allow_holes, dilated=dilated
        )
        layers = [layer for convolution in group for layer in convolution.children()]
        self.group = nn.Sequential(*layers[:-1])  # the last ReLU comes after the sum
        nn.init.zeros_(layers[-2].get_parameter("weight"))

    def forward(self, x: Tensor) -> Tensor:
        """The group's output is added to its input."""
        return (x + self.group(x)).relu_()


class Join(nn.Module):
    """Deep features, upsampled, and shallow ones are brought to one width, added and mixed.

    Args:
        deep_channels: of the deep features.
        shallow_channels: of the shallow ones.
        channels: of the output.

    Shape:
        deep: (B, deep_channels, h, w), shallow: (B, shallow_channels, H, W) -> (B, channels, H, W)
    """

    def __init__(self, deep_channels: int, shallow_channels: int, channels: int) -> None:
        super().__init__()
        self.reduce_deep = conv_norm_relu(deep_channels, channels, 1)[:-1]
        self.reduce_shallow = conv_norm_relu(shallow_channels, channels, 1)[:-1]
        self.mix = conv_norm_relu(channels, channels, 3)

    def forward(self, deep: Tensor, shallow: Tensor) -> Tensor:
        """Upsample, add, mix."""
        y = resize(self.reduce_deep(deep), shallow.shape[-2:]) + self.reduce_shallow(shallow)
        return self.mix(y.relu_())


def _strided(in_channels: int, channels: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    )
