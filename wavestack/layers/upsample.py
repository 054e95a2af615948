"""Conditioning frames brought to the sample rate."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

METHODS = ("transposed", "interpolate")


class FeatureUpsampler(nn.Module):
    """Give every sample its own column of conditioning features.

    Frame f stands for the samples around f * hop_length, so sample t lies between frames
    t // hop_length and t // hop_length + 1 and both methods read exactly these two. "interpolate"
    joins them by a straight line. "transposed" is a transposed convolution, one learned
    filter of 2 * hop_length taps per channel, which starts as that straight line::

        frame      0           1           2
        sample     0  1  2  3  4  5  6  7  8      (hop_length 4)
        weight of  1 .75 .5 .25 0                 frame 0
        weight of  0 .25 .5 .75 1 .75 .5 .25 0    frame 1

    Beyond the last frame its value is held.

    Args:
        channels: of the features; kept.
        hop_length: samples per frame.
        method: "transposed" or "interpolate".

    Shape:
        features: (B, channels, frames) -> (B, channels, num_samples)

    Raises:
        ValueError: when hop_length is below 1, method is unknown, or num_samples needs frames that
            are not there.

    References:
        van den Oord et al. (2016), WaveNet, section 2.5 (local conditioning).

    Example:
        >>> up = FeatureUpsampler(1, hop_length=4)
        >>> up(torch.tensor([[[0.0, 4.0]]]), num_samples=9).detach()
        tensor([[[0., 1., 2., 3., 4., 4., 4., 4., 4.]]])
    """

    def __init__(self, channels: int, hop_length: int, method: str = "transposed") -> None:
        super().__init__()
        if hop_length < 1:
            raise ValueError(f"hop_length must be >= 1, got {hop_length}")
        if method not in METHODS:
            raise ValueError(f"method must be one of {METHODS}, got {method!r}")
        self.channels = channels
        self.hop_length = hop_length
        self.method = method
        self.filter = None
        if method == "transposed":
            self.filter = nn.ConvTranspose1d(
                channels,
                channels,
                2 * hop_length,
                stride=hop_length,
                padding=hop_length,
                groups=channels,
                bias=False,
            )
            ramp = 1 - (torch.arange(2 * hop_length) - hop_length).abs() / hop_length
            with torch.no_grad():
                self.filter.weight.copy_(ramp.expand_as(self.filter.weight))

    def forward(self, features: Tensor, num_samples: int) -> Tensor:
        """Upsample; the last frame covers at most 2 * hop_length - 1 samples."""
        frames = features.shape[-1]
        if num_samples >= (frames + 1) * self.hop_length:
            raise ValueError(
                f"features of {frames} frames cover fewer than {(frames + 1) * self.hop_length} "
                f"samples at hop_length {self.hop_length}, got num_samples {num_samples}"
            )
        # Two held frames: sample t reads frame t // hop_length + 1, and up to hop_length - 1
        # samples follow the last whole frame.
        held = torch.cat([features, features[..., -1:], features[..., -1:]], dim=-1)
        if self.filter is not None:
            # A depthwise transposed convolution takes five times as long in bfloat16 on a CPU.
            with torch.autocast(held.device.type, enabled=False):
                return self.filter(held.to(self.filter.weight.dtype))[..., :num_samples]
        size = (frames + 1) * self.hop_length + 1
        return F.interpolate(held, size=size, mode="linear", align_corners=True)[..., :num_samples]
