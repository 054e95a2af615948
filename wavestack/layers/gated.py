"""WaveNet's residual unit: a dilated convolution, a tanh·sigmoid gate, two ways out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wavestack.layers.conv1d import CausalConv1d, causal_conv1d, channels_last_pays
from wavestack.layers.lookahead import (
    convolution,
    delayed_together,
    refuse_silence,
    split_lookahead,
    stream_convolution,
)
from wavestack.layers.state import State, flat_state
from wavestack.layers.weight_norm import apply_weight_norm


class GatedResidualBlock(nn.Module):
    """One layer of WaveNet: z = tanh(W_f * x + V_f h) · sigmoid(W_g * x + V_g h).

    The gate's output z leaves twice through one 1x1 convolution: added to x for the next block,
    and as the skip signal for the head. The condition h is a constant per row (global: a speaker)
    or one column per sample (local: upsampled spectra).

    Args:
        residual_channels: channels of x and of the residual output.
        dilation_channels: channels of z; the dilated convolution computes twice as many.
        skip_channels: channels of the skip output, or None for no such output.
        kernel_size: taps of the dilated convolution.
        dilation: samples between the taps.
        condition_channels: channels of h, or None for an unconditioned block.
        bottleneck_channels: when given, a 1x1 convolution first narrows x to that many channels,
            which the dilated convolution then reads.
        dropout: probability of zeroing an input value of the dilated convolution in training.
        weight_norm: whether every convolution is weight-normalised.
        residual_output: False where nobody reads the residual output (the last block of a net
            that ends in its skips); x is then returned as it came.
        bias: whether the convolutions have offsets.
        lookahead: samples after the present one that the dilated convolution reads, or "centred".

    Shape:
        x: (B, residual_channels, T), condition: (B, condition_channels, T or 1)
        -> residual (B, residual_channels, T), skip (B, skip_channels, T) or None

    Raises:
        ValueError: when a size is below 1, or the block would have no output.

    References:
        van den Oord et al. (2016), WaveNet, sections 2.3-2.5, equations 2 and 3.

    Example:
        >>> block = GatedResidualBlock(16, 32, skip_channels=8, kernel_size=2, dilation=4)
        >>> residual, skip = block(torch.randn(1, 16, 50))
        >>> residual.shape, skip.shape
        (torch.Size([1, 16, 50]), torch.Size([1, 8, 50]))
    """

    def __init__(
        self,
        residual_channels: int,
        dilation_channels: int,
        skip_channels: int | None = None,
        kernel_size: int = 2,
        dilation: int = 1,
        *,
        condition_channels: int | None = None,
        bottleneck_channels: int | None = None,
        dropout: float = 0.0,
        weight_norm: bool = False,
        residual_output: bool = True,
        bias: bool = True,
        lookahead: int | str = 0,
    ) -> None:
        super().__init__()
        if not residual_output and skip_channels is None:
            raise ValueError("residual_output must be True where skip_channels is None")
        if not 0.0 <= dropout < 1.0:
            raise ValueError(f"dropout must be in [0, 1), got {dropout}")
        self.residual_channels = residual_channels
        self.dilation_channels = dilation_channels
        self.skip_channels = skip_channels
        self.condition_channels = condition_channels
        self.bottleneck_channels = bottleneck_channels
        self.residual_output = residual_output

        # The 1x1 convolutions are CausalConv1d too: they take blocks of length 0, torch's do not.
        conv_channels = bottleneck_channels or residual_channels
        self.narrow = (
            CausalConv1d(residual_channels, bottleneck_channels, 1, bias=bias)
            if bottleneck_channels
            else None
        )
        (self.lookahead,) = split_lookahead(lookahead, [(kernel_size - 1) * dilation])
        self.conv = convolution(
            conv_channels, 2 * dilation_channels, kernel_size, dilation, self.lookahead, bias
        )
        self.condition = (
            CausalConv1d(condition_channels, 2 * dilation_channels, 1, bias=False)
            if condition_channels
            else None
        )
        # Both ways out in one convolution: residual channels first, then skip channels.
        out_channels = residual_channels * residual_output + (skip_channels or 0)
        self.project = CausalConv1d(dilation_channels, out_channels, 1, bias=bias)
        self.dropout = nn.Dropout(dropout) if dropout else None
        if weight_norm:
            apply_weight_norm(self)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Run a whole signal, zeros before its first sample."""
        return self._leave(x, self.gate(self.conv(self.enter(x)), condition))

    def initial_state(
        self,
        batch_size: int,
        history: str = "zeros",
        silence: Tensor | None = None,
    ) -> State:
        """The history of the dilated convolution; with look-ahead also an empty delay line.

        Args:
            batch_size: rows of the stream.
            history: "zeros" or "silence" (only without look-ahead).
            silence: (B or 1, residual_channels, 1), the silent input; zeros when None.
        """
        refuse_silence(history, self.lookahead)
        if history == "silence":
            if silence is None:
                silence = self.conv.weight.new_zeros(1, self.residual_channels, 1)
            silence = silence if self.narrow is None else self.narrow(silence)
        state = self.conv.initial_state(batch_size, history, silence)
        if not self.lookahead:
            return state
        beside = self.residual_channels + (self.condition_channels or 0)
        return state, state.new_zeros(batch_size, beside, 0)

    def stream(
        self, x: Tensor, state: State, condition: Tensor | None = None, final: bool = False
    ) -> tuple[tuple[Tensor, Tensor | None], State]:
        """Run the next block; condition has the block's length, or 1.

        Args:
            x: the block, of any length.
            state: from ``initial_state`` or the last ``stream``.
            condition: of this block's samples.
            final: whether the signal ends with this block; the new state is then that of a new
                signal.

        Shape:
            -> ((residual, skip), state), of the outputs due
        """
        history, *lines = flat_state(state)
        y, history = stream_convolution(self.conv, self.enter(x), history, final)
        if lines:
            signals = [x] if condition is None else [x, condition.expand(-1, -1, x.shape[-1])]
            (x, *conditions), lines[0] = delayed_together(signals, lines[0], y.shape[-1])
            condition = conditions[0] if conditions else None
        out = self._leave(x, self.gate(y, condition))
        if final:
            return out, self.initial_state(x.shape[0])
        return out, (history, *lines) if lines else history

    def enter(self, x: Tensor) -> Tensor:
        """What the dilated convolution reads."""
        x = x if self.dropout is None else self.dropout(x)
        return x if self.narrow is None else self.narrow(x)

    def gate(self, y: Tensor, condition: Tensor | None = None) -> Tensor:
        """z from the output of the dilated convolution: (B, 2 D, T) -> (B, D, T).

        Raises:
            ValueError: when a condition is missing or not expected.
        """
        if (condition is None) != (self.condition is None):
            raise ValueError(
                f"condition must be {'given' if condition is None else 'None'}: this block was "
                f"built with condition_channels={self.condition_channels}"
            )
        if self.condition is not None:
            y = y + self.condition(condition)
        # As planes, since the gradient of chunk keeps the order in memory of those alone.
        f, g = y.unsqueeze(2).chunk(2, dim=1)
        if channels_last_pays(y):  # sigmoid takes five times as long over the halves of rows
            g = g.contiguous(memory_format=torch.channels_last)
        return (torch.tanh(f) * torch.sigmoid(g)).squeeze(2)

    def add_residual(self, x: Tensor, z: Tensor) -> Tensor:
        """The residual output alone; x as it came where there is none."""
        if not self.residual_output:
            return x
        weight, bias = self.project.weight, self.project.bias
        size = self.residual_channels
        return x + causal_conv1d(z, weight[:size], None if bias is None else bias[:size])

    def _leave(self, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor | None]:
        out = self.project(z)
        if self.skip_channels is None:
            return x + out, None
        if not self.residual_output:
            return x, out
        residual, skip = out.split([self.residual_channels, self.skip_channels], dim=1)
        return x + residual, skip
