"""Yu and Koltun's network: a VGG that keeps its resolution, and a context module behind it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wavestack.layers import ContextModule
from wavestack.models.backbones import VGG16, make_backbone
from wavestack.models.segmentation.base import SegmentationModel, resize
from wavestack.models.segmentation.vgg_head import VGGHead, load_fully_connected
from wavestack.receptive_field import analyze

STAGES = ("front_end", "context", "joint")
PADDINGS = ("reflect", "zeros", "same")


class Context(NamedTuple):
    """A published context module: its kind, the dilations of its 3x3 layers and its padding."""

    kind: str
    dilations: tuple[int, ...]
    padding: str


VARIANTS = {
    "dilation7": Context("basic", (1, 1, 2, 4, 8, 1), "per_layer"),
    "dilation8": Context("basic", (1, 1, 2, 4, 8, 16, 1), "per_layer"),
    "dilation8_voc": Context("large", (1, 1, 2, 4, 8, 16, 1), "once"),
    "dilation10": Context("basic", (1, 1, 2, 4, 8, 16, 32, 64, 1), "per_layer"),
}


class DilatedVGG(SegmentationModel):
    """VGG-16 without its last two pools, fc6 and fc7 as convolutions, then a context module.

    What comes after a removed pool is dilated instead: the third of a VGG's convolutions behind
    pool 4 by 2, fc6 by 4. A position of the front end's scores sees 380 pixels; the context
    module of Dilation8 makes that 67 positions, 908 pixels.

    Training has three stages (section 5 of the paper), and each starts from the weights of the
    one before, which have the same names: ``stage="front_end"`` has no context module;
    ``"context"`` trains it behind the frozen front end, from the identity; ``"joint"`` trains both.

    Args:
        num_classes: classes K.
        backbone: "vgg16", or "vgg16_bn" with batch normalization, which trains from scratch.
        output_stride: input size / size of the scores: 8 in the paper; 16 and 32 keep the fourth
            pool, or both.
        variant: the context module, by the number of its layers: "dilation7" (the authors' for
            KITTI), "dilation8" (CamVid), "dilation8_voc" (Pascal VOC: wide, and padded once) or
            "dilation10" (Cityscapes).
        stage: "front_end", "context" or "joint".
        padding: "reflect" fills a margin around the image with its mirror image, and no
            convolution of the front end pads, as in the paper; "zeros" fills it with zeros; "same"
            has no margin and pads in each convolution, which costs far less on small images.
        channels: width of fc6 and fc7.
        dropout: probability of zeroing a value behind fc6 and fc7.
        in_channels: channels of the images.
        base_channels: width of the VGG's first convolutions, on which all its others follow;
            None: the published one.
        weights: the VGG's, see ``make_backbone``; fc6 and fc7 come along where ``channels`` is
            theirs.
        dilated: False sets every dilation to 1 and leaves sizes and parameters as they are.

    Shape:
        x: (B, in_channels, H, W) -> (B, num_classes, H, W)

    Attributes:
        margin: pixels added on each side of the image, from the front end's receptive field.

    Raises:
        ValueError: when an argument is out of range, or x is no batch of such images.

    References:
        Yu and Koltun (2016), Multi-Scale Context Aggregation by Dilated Convolutions. The authors'
        networks are in github.com/fyu/dilation.

    Notes:
        Scores are upsampled bilinearly, each standing for the middle of its 8 x 8 pixels. The
        authors compute probabilities first and interpolate those.

    Example:
        >>> model = DilatedVGG(num_classes=11, base_channels=4, channels=16)
        >>> model.margin  # (380 - 8) / 2
        186
        >>> model(torch.zeros(1, 3, 65, 97)).shape
        torch.Size([1, 11, 65, 97])
    """

    def __init__(
        self,
        num_classes: int,
        backbone: str = "vgg16",
        output_stride: int = 8,
        *,
        variant: str = "dilation8",
        stage: str = "joint",
        padding: str = "reflect",
        channels: int = 4096,
        dropout: float = 0.5,
        in_channels: int = 3,
        base_channels: int | None = None,
        weights: str | Path | None = None,
        dilated: bool = True,
    ) -> None:
        super().__init__(num_classes, in_channels)
        for name, value, choices in (
            ("variant", variant, tuple(VARIANTS)),
            ("stage", stage, STAGES),
            ("padding", padding, PADDINGS),
        ):
            if value not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value}")
        self.stage = stage
        self.padding = padding
        self.output_stride = output_stride
        vgg = make_backbone(
            backbone,
            output_stride=output_stride,
            in_channels=in_channels,
            base_channels=base_channels,
            weights=weights,
            dilated=dilated,
        )
        if not isinstance(vgg, VGG16):
            raise ValueError(f"backbone must be vgg16 or vgg16_bn, got {backbone}")
        self.front_end = FrontEnd(vgg, num_classes, channels, dropout, valid=padding != "same")
        if weights is not None:
            load_fully_connected(self.front_end.classifier, vgg, weights)
        self.margin = 0 if padding == "same" else self.front_end.margin()
        self.context: ContextModule | None = None
        if stage != "front_end":
            kind, dilations, rule = VARIANTS[variant]
            self.context = ContextModule(
                num_classes, kind, dilations=dilations, padding=rule, dilated=dilated
            )
        self.front_end.requires_grad_(stage != "context")

    def forward(self, x: Tensor) -> Tensor:
        """Score every pixel."""
        self.check_images(x)
        height, width = x.shape[-2:]
        y = self.front_end(self._with_margin(x))
        if self.context is not None:
            y = self.context(y)
        size = (y.shape[-2] * self.output_stride, y.shape[-1] * self.output_stride)
        return resize(y, size)[..., :height, :width]

    def train(self, mode: bool = True) -> DilatedVGG:
        """Set training mode; a frozen front end stays in evaluation, its dropout off."""
        super().train(mode)
        if self.stage == "context":
            self.front_end.eval()
        return self

    def _with_margin(self, x: Tensor) -> Tensor:
        """The image with its margin, filled up so that scores cover it to the last pixel."""
        height, width = x.shape[-2:]
        m, stride = self.margin, self.output_stride
        sides = (m, m + -width % stride, m, m + -height % stride)
        return reflect(x, sides) if self.padding == "reflect" else F.pad(x, sides)


class FrontEnd(nn.Module):
    """VGG features and its fully connected layers: scores at the output stride.

    Args:
        backbone: the VGG.
        num_classes: classes K.
        channels: width of fc6 and fc7.
        dropout: probability of zeroing a value behind them.
        valid: take all padding from all convolutions.

    Shape:
        x: (B, C, H, W) -> (B, num_classes, h, w)
    """

    def __init__(
        self, backbone: VGG16, num_classes: int, channels: int, dropout: float, valid: bool
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = VGGHead(
            backbone.out_channels[-1],
            num_classes,
            channels,
            dilation=backbone.dilation,
            padding="valid" if valid else "same",
            dropout=dropout,
        )
        if valid:
            for module in backbone.modules():
                if isinstance(module, nn.Conv2d):
                    module.padding = (0, 0)

    def forward(self, x: Tensor) -> Tensor:
        """Score every position."""
        return self.classifier(self.backbone(x)[-1])

    def margin(self) -> int:
        """Pixels that an output sees on each side of those it stands for."""
        image = torch.zeros(1, self.backbone.in_channels, 512, 512)
        # In training, batch normalization ties the whole image together.
        axis = analyze(self, image).axes["H"]
        return int(axis.local_size - axis.jump) // 2


def reflect(x: Tensor, sides: tuple[int, int, int, int]) -> Tensor:
    """Mirror an image about its outermost pixels, again and again where it is small.

    Args:
        x: the image.
        sides: pixels to add left, right, above and below.

    Shape:
        x: (B, C, H, W) -> (B, C, H + above + below, W + left + right)

    Example:
        >>> reflect(torch.tensor([[[[1, 2, 3]]]]), (3, 4, 0, 0))[0, 0, 0].tolist()
        [2, 3, 2, 1, 2, 3, 2, 1, 2, 3]
    """
    left, right, above, below = sides
    height, width = x.shape[-2:]
    # Torch's own mirrors once, and an export for every size cannot say whether that is enough.
    if (
        not torch.compiler.is_exporting()
        and height > max(above, below)
        and width > max(left, right)
    ):
        return F.pad(x, sides, mode="reflect")
    rows = mirrored(height, above, below, x.device)
    columns = mirrored(width, left, right, x.device)
    return x.index_select(-2, rows).index_select(-1, columns)


def mirrored(size: int, before: int, behind: int, device: torch.device) -> Tensor:
    """Which of ``size`` pixels stands where, in a row that is mirrored about both its ends.

    Example:
        >>> mirrored(3, 3, 4, torch.device("cpu")).tolist()
        [1, 2, 1, 0, 1, 2, 1, 0, 1, 2]
    """
    last = size - 1
    period = torch.full((1,), max(2 * last, 1), device=device)  # a tensor, for ONNX
    place = torch.arange(-before, size + behind, device=device) % period
    return last - (place - last).abs()
