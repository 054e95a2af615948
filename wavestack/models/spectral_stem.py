"""Convolutions over bands and time, which forgive a shift of either."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wavestack.layers import AtrousConv2d
from wavestack.layers.lengths import hide_padding, valid_samples
from wavestack.layers.norm import MaskedBatchNorm1d

_KERNEL = (5, 3)  # bands, steps


class SpectralStem(nn.Module):
    """Frames of a spectrum as a picture: convolutions over bands and time, then one column a step.

    The same vowel lies some bands higher in a smaller mouth, and a little later in a slower one. A
    convolution finds it wherever it lies. The maximum over two bands after every convolution, and
    over two steps after the first, lets a small shift pass unseen.

    Args:
        bands: of a frame.
        channels: widths of the convolutions (5 bands x 3 steps), after each of which half the bands
            are left.
        out_channels: channels of the output.
        dropout: share of channels that are left out between the convolutions while training.
        causal: whether no output looks at a later step than its own.

    Shape:
        x: (B, bands, T), lengths: (B,) or None -> (B, out_channels, ceil(T / 2)) and the lengths
        there: output j stands at step 2 j.

    Raises:
        ValueError: when a size is below 1.

    References:
        Abdel-Hamid et al. (2014), "Convolutional neural networks for speech recognition", for the
        convolution and the maximum over bands.

    Example:
        >>> stem = SpectralStem(bands=40, channels=[8, 16], out_channels=24)
        >>> y, lengths = stem(torch.randn(2, 40, 31), torch.tensor([31, 8]))
        >>> y.shape, lengths.tolist()
        (torch.Size([2, 24, 16]), [16, 4])
    """

    def __init__(
        self,
        bands: int,
        channels: Sequence[int],
        out_channels: int,
        dropout: float = 0.0,
        causal: bool = False,
    ) -> None:
        super().__init__()
        if not channels or min(channels) < 1:
            raise ValueError(f"channels must be numbers >= 1, got {list(channels)}")
        if bands < 1:
            raise ValueError(f"bands must be >= 1, got {bands}")
        self.convolutions = nn.ModuleList()
        self.norms = nn.ModuleList()
        before = 1
        for width in channels:
            padding = ("same", "causal" if causal else "same")
            self.convolutions.append(
                AtrousConv2d(before, width, _KERNEL, bias=False, padding=padding)
            )
            self.norms.append(MaskedBatchNorm1d(width))
            before = width
            bands = -(-bands // 2)
        self.causal = causal
        self.dropout = nn.Dropout2d(dropout)
        self.column = nn.Conv1d(before * bands, out_channels, 1, bias=False)
        self.column_norm = MaskedBatchNorm1d(out_channels)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Every second step, and how many of them each row has."""
        valid = None if lengths is None else valid_samples(x, lengths)
        h = hide_padding(x, valid)[:, None]
        for i, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            h = convolution(self.dropout(h) if i else h)
            # The maximum comes before the normalization, which then has a quarter of the work.
            if i == 0:
                h, lengths = self._halved(h, lengths)
                valid = None if lengths is None else valid_samples(h, lengths)
                hidden = None if valid is None else valid[:, :, None]
            else:
                h = F.max_pool2d(h, (2, 1), ceil_mode=True)
            h = torch.relu(_over_bands(norm, hide_padding(h, hidden), valid))
            h = hide_padding(h, hidden)
        return torch.relu(self.column_norm(self.column(h.flatten(1, 2)), valid)), lengths

    def _halved(self, h: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The maximum over two bands and two steps: 2 j and the next, if causal the one before."""
        steps = -(-h.shape[-1] // 2)
        if lengths is not None:
            h = h.masked_fill(~valid_samples(h, lengths)[:, None], -math.inf)
            lengths = -(-lengths // 2)
        if self.causal:
            h = F.pad(h, (1, 0), value=-math.inf)
        h = F.max_pool2d(h, 2, ceil_mode=True)[..., :steps]
        return h, lengths


def _over_bands(norm: nn.Module, h: Tensor, valid: Tensor | None) -> Tensor:
    """(B, C, bands, T) normalized with one mean and spread for each channel."""
    if valid is not None:
        valid = valid[:, :, None].expand(-1, -1, h.shape[2], -1).flatten(2)
    return norm(h.flatten(2), valid).view_as(h)
