"""VGG-16 at any output stride, with torchvision's parameter names."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from wavestack.models.backbones.base import Backbone, check_base_channels, check_in_channels
from wavestack.models.backbones.plan import feature_strides, plan_stages, unit_rates

# Width of each convolution over that of the first.
_FACTORS = ((1, 1), (2, 2), (4, 4, 4), (8, 8, 8), (8, 8, 8))


class VGG16(Backbone):
    """The convolutions of VGG-16.

    Features: what each of the five pools hands on. Below an output stride of 32 the last pools are
    taken out and everything behind dilates instead, as in the front end of Yu and Koltun;
    `dilation` is then the rate of their first fully connected layer.

    Args:
        batch_norm: whether batch normalization follows each convolution (torchvision's vgg16_bn).
        output_stride: 4, 8, 16 or 32: input size over size of the last features.
        multi_grid: factors of the rates of the last three convolutions; None for 1 in all.
        in_channels: channels of the image.
        base_channels: width of the first convolutions, on which all others follow.
        dilated: False leaves all rates at 1; the pools stay out all the same.

    Shape:
        x: (B, in_channels, H, W) -> five of (B, out_channels[i], floor(H / strides[i]),
        floor(W / strides[i])). An image smaller than the output stride has no features.

    Raises:
        ValueError: when an argument is out of its range.

    References:
        Simonyan and Zisserman (2015), "Very deep convolutional networks for large-scale image
        recognition", column D; Yu and Koltun (2016), "Multi-scale context aggregation by dilated
        convolutions", section 4.

    Notes:
        A removed pool is a change of function: weights want fine-tuning, as they got in the paper.
        `wavestack.layers.densify` keeps the pools, at stride 1 and dilated, and so the function.

    Example:
        >>> import torch
        >>> backbone = VGG16(output_stride=8)
        >>> backbone.out_channels, backbone.strides, backbone.dilation
        ((64, 128, 256, 512, 512), (2, 4, 8, 8, 8), 4)
        >>> [tuple(h.shape[2:]) for h in backbone(torch.zeros(1, 3, 65, 97))]
        [(32, 48), (16, 24), (8, 12), (8, 12), (8, 12)]
    """

    classifier = ("classifier.",)

    def __init__(
        self,
        batch_norm: bool = False,
        *,
        output_stride: int = 32,
        multi_grid: Sequence[int] | None = None,
        in_channels: int = 3,
        base_channels: int = 64,
        dilated: bool = True,
    ) -> None:
        super().__init__()
        self.in_channels = check_in_channels(in_channels)
        self.output_stride = self.whole = output_stride
        base = check_base_channels(base_channels)
        all_widths = [[base * factor for factor in factors] for factors in _FACTORS]
        self.out_channels = tuple(widths[-1] for widths in all_widths)
        self.strides = feature_strides((2, 4, 8, 16, 32), output_stride)
        self.torchvision_weights = f"VGG16{'_BN' * batch_norm}_Weights.IMAGENET1K_V1"
        pools = plan_stages((2,) * len(all_widths), output_stride, dilated=dilated)
        self.dilation = pools[-1].dilation
        last_rates = unit_rates(multi_grid, 3, "convolution of the last stage", dilated=dilated)

        layers: list[nn.Module] = []
        self.ends: tuple[int, ...] = ()  # the indices of the five pools
        for i, (widths, pool) in enumerate(zip(all_widths, pools, strict=True)):
            rates = last_rates if i == len(all_widths) - 1 else (1,) * len(widths)
            for width, rate in zip(widths, rates, strict=True):
                dilation = pool.entry_dilation * rate
                layers.append(nn.Conv2d(in_channels, width, 3, padding=dilation, dilation=dilation))
                if batch_norm:
                    layers.append(nn.BatchNorm2d(width))
                layers.append(nn.ReLU(inplace=True))
                in_channels = width
            self.ends += (len(layers),)
            # A removed pool leaves its place: names of parameters count places.
            layers.append(nn.MaxPool2d(2) if pool.stride == 2 else nn.Identity())
        self.features = nn.Sequential(*layers)
        self.reset_parameters()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Features of five strides."""
        outputs = []
        for i, layer in enumerate(self.features):
            x = layer(x)
            if i in self.ends:
                outputs.append(x)
        return tuple(outputs)
