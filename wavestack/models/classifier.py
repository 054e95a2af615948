"""One label for a whole sequence: a TCN, the mean over time, a linear layer."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from wavestack.layers import CausalConv1d
from wavestack.layers.lengths import hide_padding, valid_samples
from wavestack.layers.norm import MaskedBatchNorm1d
from wavestack.models.spectral_stem import SpectralStem
from wavestack.models.tcn import TCN

POOLINGS = ("mean", "mean_max", "last")


class SequenceClassifier(nn.Module):
    """Classifies sequences of any length, from frames or raw samples.

    Raw audio first passes a stem of strided convolutions, which brings it to some hundred steps a
    second; frames of a spectrum may pass one of convolutions over bands and time (`SpectralStem`).
    A TCN follows; its output is pooled over the row's own steps.

    Args:
        in_channels: channels of the input: mel bands, or 1 for raw samples.
        num_classes: how many classes there are.
        channels: width of the blocks, one number for all or one each.
        kernel_size: taps of the convolutions.
        num_layers: how many blocks, when `channels` is one number.
        dilation_base: block i has dilation ``dilation_base ** i``.
        dilations: one for each block instead.
        norm: of the blocks: "batch", "weight", "layer" or None.
        activation: of the blocks: "relu", "gelu" or "glu".
        dropout: share of channels that blocks and head leave out while training.
        lookahead: of the TCN: 0 (causal), "centred", or a number of steps.
        pooling: "mean" over time, "mean_max" (mean and maximum side by side) or "last" (the row's
            last step, which a causal TCN needs a field as long as the row for).
        strides: of the stem's convolutions, each with a kernel of twice its stride; () for none.
        stem_channels: width of the strided stem.
        spectral_channels: widths of the convolutions over bands and time instead; () for none.

    Shape:
        x: (B, in_channels, T), lengths: (B,) int64, T for all if None -> (B, num_classes) logits.
        What stands behind a row's length does not change its logits.

    Raises:
        ValueError: when an argument is out of its range, both stems are asked for, x has another
            number of channels, or a length is not in 1..T.

    References:
        Bai, Kolter and Koltun (2018), "An empirical evaluation of generic convolutional and
        recurrent networks for sequence modeling".

    Example:
        >>> model = SequenceClassifier(40, num_classes=10, channels=32, num_layers=4)
        >>> model(torch.randn(2, 40, 50), torch.tensor([50, 31])).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        channels: int | Sequence[int],
        kernel_size: int = 3,
        num_layers: int | None = None,
        *,
        dilation_base: int = 2,
        dilations: Sequence[int] | None = None,
        norm: str | None = "batch",
        activation: str = "relu",
        dropout: float = 0.1,
        lookahead: int | str = "centred",
        pooling: str = "mean",
        strides: Sequence[int] = (),
        stem_channels: int = 32,
        spectral_channels: Sequence[int] = (),
    ) -> None:
        super().__init__()
        if num_classes < 2:
            raise ValueError(f"num_classes must be >= 2, got {num_classes}")
        if pooling not in POOLINGS:
            raise ValueError(f"pooling must be one of {', '.join(POOLINGS)}, got {pooling!r}")
        if any(stride < 1 for stride in strides):
            raise ValueError(f"strides must be >= 1, got {list(strides)}")
        if strides and spectral_channels:
            raise ValueError("strides are for raw audio and spectral_channels for frames: not both")
        self.in_channels = in_channels
        self.num_classes = num_classes
        self.pooling = pooling
        self.strides = tuple(strides)
        self.stem = nn.ModuleList()
        for stride in self.strides:
            self.stem.append(StridedConv(in_channels, stem_channels, stride))
            in_channels = stem_channels
        if spectral_channels:
            width = channels if isinstance(channels, int) else channels[0]
            stem = SpectralStem(
                in_channels, spectral_channels, width, dropout, causal=lookahead == 0
            )
            self.stem.append(stem)
            in_channels = width
        self.tcn = TCN(
            in_channels,
            channels,
            kernel_size,
            num_layers,
            dilation_base=dilation_base,
            dilations=dilations,
            norm=norm,
            activation=activation,
            dropout=dropout,
            lookahead=lookahead,
        )
        # Nothing else is computed where nothing else counts, batch statistics included.
        self.last_alone = pooling == "last" and not self.tcn.lookahead and norm != "batch"
        width = self.tcn.out_channels * (2 if pooling == "mean_max" else 1)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, num_classes)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The logits of whole sequences."""
        if x.dim() != 3 or x.shape[1] != self.in_channels:
            raise ValueError(f"x must have shape (B, {self.in_channels}, T), got {tuple(x.shape)}")
        if x.shape[-1] == 0:
            raise ValueError("x must hold at least one step, got none")
        for stage in self.stem:
            x, lengths = stage(x, lengths)
        return self.head(self.dropout(self._pool(x, lengths)))

    def _pool(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """The TCN's output over time as one vector for each row."""
        if self.last_alone:
            return self.tcn.forward_last(x, 1, lengths)[..., 0]
        h = self.tcn(x, lengths)
        if self.pooling == "last":
            if lengths is None:
                return h[..., -1]
            return h.gather(-1, (lengths - 1)[:, None, None].expand(-1, h.shape[1], 1))[..., 0]
        # Outputs behind a row's end are zeros.
        mean = h.mean(-1) if lengths is None else h.sum(-1) / lengths[:, None]
        if self.pooling == "mean":
            return mean
        if lengths is not None:
            h = h.masked_fill(~valid_samples(h, lengths), -math.inf)
        return torch.cat([mean, h.amax(-1)], dim=1)

    def example_input(self, num_samples: int | None = None) -> dict[str, Tensor]:
        """Silence of a length that every stride divides: num_samples or more, or 64 of the TCN's.

        Example:
            >>> from wavestack.receptive_field import analyze
            >>> last = {"norm": None, "lookahead": 0, "pooling": "last"}
            >>> model = SequenceClassifier(1, 2, 4, kernel_size=7, num_layers=8, **last).eval()
            >>> analyze(model, model.example_input(4096)).axes["T"].size  # 1 + 2 (7 - 1) 255
            3061
        """
        step = math.prod(self.strides)
        steps = 64 if num_samples is None else -(-num_samples // step)
        return {"x": torch.zeros(1, self.in_channels, steps * step)}


class StridedConv(nn.Module):
    """A causal convolution of twice its stride, batch normalization and ReLU: one step of the stem.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        stride: input samples for each output sample.

    Shape:
        x: (B, in_channels, T), lengths: (B,) or None -> (B, out_channels, ceil(T / stride)) and
        the lengths there.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv = CausalConv1d(in_channels, out_channels, 2 * stride, stride=stride, bias=False)
        self.norm = MaskedBatchNorm1d(out_channels)

    def forward(self, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Every stride-th step, and how many steps of each row these are."""
        if lengths is not None:
            x = hide_padding(x, valid_samples(x, lengths))
            lengths = -(-lengths // self.conv.stride[0])
        x = self.conv(x)
        valid = None if lengths is None else valid_samples(x, lengths)
        return torch.relu(self.norm(x, valid)), lengths
