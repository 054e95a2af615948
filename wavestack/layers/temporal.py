"""The residual block of a TCN: two dilated convolutions, and the input past them."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wavestack.layers.cone import convolve_at, take, take_condition
from wavestack.layers.conv1d import CausalConv1d
from wavestack.layers.lengths import hide_padding
from wavestack.layers.lookahead import (
    convolution,
    delayed,
    refuse_silence,
    split_lookahead,
    stream_convolution,
)
from wavestack.layers.norm import NORMS, make_norm, normalize
from wavestack.layers.state import State
from wavestack.layers.weight_norm import apply_weight_norm
from wavestack.receptive_field.sets import IntSet

ACTIVATIONS = ("relu", "gelu", "glu")
CONDITIONINGS = ("film", "bias")


class TemporalBlock(nn.Module):
    """Twice convolution, normalization, activation and dropout; then the input is added.

    With the activation f, z = f(norm(conv2(f(norm(conv1(x)))))) and the output f(z + x), where a
    1x1 convolution brings x to the width of z if they differ. A gated linear unit computes twice
    as many channels in each convolution and has no activation behind the sum.

    The condition h enters behind the first normalization, by a 1x1 convolution that starts at
    zero: as scale and shift, y (1 + V_s h) + V_b h ("film"), or as shift alone ("bias"). It is
    constant per row (global) or has one column per sample (local).

    Args:
        in_channels: channels of x.
        out_channels: channels of the output.
        kernel_size: taps of both convolutions.
        dilation: samples between the taps.
        norm: "weight", "batch", "layer" (over the channels of one time step) or None.
        activation: "relu", "gelu" or "glu".
        dropout: probability of zeroing a whole channel of a row, behind each activation.
        skip_channels: channels of the skip output, or None for no such output.
        condition_channels: channels of h, or None.
        conditioning: "film" or "bias".
        lookahead: samples after the present one that the block reads, in all, or "centred".
        residual_output: False where nobody reads the sum (the last block of a net that ends in
            its skips); x is then returned as it came.
        branch_gain: factor on the initial scale of z.

    Shape:
        x: (B, in_channels, T), condition: (B, condition_channels, T or 1), valid: (B, 1, T)
        -> residual (B, out_channels, T), skip (B, skip_channels, T) or None

    Attributes:
        lookahead: samples after the present one, of both convolutions together.

    Raises:
        ValueError: when an argument is out of range or unknown.

    References:
        Bai, Kolter and Koltun (2018), An Empirical Evaluation of Generic Convolutional and
        Recurrent Networks for Sequence Modeling, section 3.3 and figure 1.
        Perez et al. (2018), FiLM: Visual Reasoning with a General Conditioning Layer.

    Notes:
        The weights start with the spread of He et al. (2015), which keeps the scale of signals
        through ReLUs.

    Example:
        >>> block = TemporalBlock(3, 16, kernel_size=3, dilation=2)
        >>> residual, skip = block(torch.randn(1, 3, 50))
        >>> residual.shape, skip
        (torch.Size([1, 16, 50]), None)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        dilation: int = 1,
        *,
        norm: str | None = "weight",
        activation: str = "relu",
        dropout: float = 0.0,
        skip_channels: int | None = None,
        condition_channels: int | None = None,
        conditioning: str = "film",
        lookahead: int | str = 0,
        residual_output: bool = True,
        branch_gain: float = 1.0,
    ) -> None:
        super().__init__()
        _check_choice("norm", norm, NORMS)
        _check_choice("activation", activation, ACTIVATIONS)
        _check_choice("conditioning", conditioning, CONDITIONINGS)
        if not 0.0 <= dropout < 1.0:
            raise ValueError(f"dropout must be in [0, 1), got {dropout}")
        if not residual_output and skip_channels is None:
            raise ValueError("residual_output must be True where skip_channels is None")
        sizes = {
            "in_channels": in_channels,
            "out_channels": out_channels,
            "kernel_size": kernel_size,
            "dilation": dilation,
            "skip_channels": skip_channels,
            "condition_channels": condition_channels,
        }
        for name, value in sizes.items():
            if value is not None and value < 1:
                raise ValueError(f"{name} must be >= 1, got {value}")
        span = (kernel_size - 1) * dilation
        shares = split_lookahead(lookahead, [span, span])
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.skip_channels = skip_channels
        self.condition_channels = condition_channels
        self.activation = activation
        self.residual_output = residual_output
        self.lookahead = sum(shares)

        width = out_channels * (2 if activation == "glu" else 1)
        bias = norm != "batch"  # which has a shift of its own
        self.conv1 = convolution(in_channels, width, kernel_size, dilation, shares[0], bias)
        self.conv2 = convolution(out_channels, width, kernel_size, dilation, shares[1], bias)
        for conv, gain in ((self.conv1, 1.0), (self.conv2, branch_gain)):
            nn.init.normal_(conv.weight, std=gain * math.sqrt(2 / (conv.in_channels * kernel_size)))
            if conv.bias is not None:
                nn.init.zeros_(conv.bias)
            if norm == "weight":
                apply_weight_norm(conv)
        self.norm1 = make_norm(norm, width)
        self.norm2 = make_norm(norm, width)
        if self.norm2 is not None:
            nn.init.constant_(self.norm2.weight, branch_gain)
        self.dropout = nn.Dropout1d(dropout) if dropout else None
        self.condition = None
        if condition_channels:
            scales = 2 if conditioning == "film" else 1
            self.condition = CausalConv1d(condition_channels, scales * width, 1, bias=False)
            nn.init.zeros_(self.condition.weight)
        self.shortcut = None
        if residual_output and in_channels != out_channels:
            self.shortcut = CausalConv1d(in_channels, out_channels, 1)
            nn.init.normal_(self.shortcut.weight, std=in_channels**-0.5)
        self.skip = CausalConv1d(out_channels, skip_channels, 1) if skip_channels else None

    def forward(
        self, x: Tensor, condition: Tensor | None = None, valid: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Run a whole signal, zeros around it; valid says which samples are not padding."""
        x = hide_padding(x, valid)
        h = self.first(self.conv1(x), condition, valid)
        z = self.second(self.conv2(hide_padding(h, valid)), valid)
        return self.leave(x, z)

    def forward_at(
        self,
        x: Tensor,
        levels: tuple[IntSet, ...],
        num_samples: int,
        condition: Tensor | None = None,
        valid: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Run at some positions of a signal alone, see ``wavestack.layers.cone``.

        Args:
            x: its columns at the first of the levels.
            levels: positions of the input, between the convolutions, and of the output.
            num_samples: T, of the whole signal.
            condition: of the whole signal, or one column.
            valid: of the whole signal.

        Shape:
            -> residual and z, both (B, out_channels, positions of the output)
        """
        have, middle, want = levels
        whole = range(num_samples)
        shown = [None if valid is None else take(valid, whole, level) for level in levels]
        x = hide_padding(x, shown[0])
        y = convolve_at(self.conv1, x, have, middle)
        h = self.first(y, take_condition(condition, num_samples, middle), shown[1])
        y = convolve_at(self.conv2, hide_padding(h, shown[1]), middle, want)
        z = self.second(y, shown[2])
        return self.add_residual(take(x, have, want), z), z

    def first(self, y: Tensor, condition: Tensor | None, valid: Tensor | None = None) -> Tensor:
        """What follows the first convolution, up to the second.

        Raises:
            ValueError: when a condition is missing, not expected or of another shape.
        """
        if (condition is None) != (self.condition is None):
            raise ValueError(
                f"condition must be {'given' if condition is None else 'None'}: this block was "
                f"built with condition_channels={self.condition_channels}"
            )
        y = normalize(self.norm1, y, valid)
        if self.condition is not None and condition is not None:
            if condition.shape[1] != self.condition_channels or (
                condition.shape[-1] not in (1, y.shape[-1])
            ):
                raise ValueError(
                    f"condition must be (B, {self.condition_channels}, 1 or {y.shape[-1]}), "
                    f"got {tuple(condition.shape)}"
                )
            h = self.condition(condition)
            if h.shape[1] == y.shape[1]:
                y = y + h
            else:
                scale, shift = h.chunk(2, dim=1)
                y = torch.addcmul(y + shift, y, scale)
        return self._drop(self.activate(y))

    def second(self, y: Tensor, valid: Tensor | None = None) -> Tensor:
        """What follows the second convolution, up to the sum."""
        return self._drop(self.activate(normalize(self.norm2, y, valid)))

    def leave(self, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor | None]:
        """(residual, skip) from the block's input and its branch."""
        return self.add_residual(x, z), None if self.skip is None else self.skip(z)

    def add_residual(self, x: Tensor, z: Tensor) -> Tensor:
        """The residual output alone; x as it came where there is none."""
        if not self.residual_output:
            return x
        total = z + (x if self.shortcut is None else self.shortcut(x))
        return total if self.activation == "glu" else self.activate(total)

    def activate(self, y: Tensor) -> Tensor:
        """The activation; a gated linear unit halves the channels."""
        if self.activation == "glu":
            return F.glu(y, dim=1)
        return F.relu(y) if self.activation == "relu" else F.gelu(y)

    def initial_state(
        self,
        batch_size: int,
        history: str = "zeros",
        silence: Tensor | None = None,
        condition: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """The histories of both convolutions; with look-ahead also the empty delay lines.

        Args:
            batch_size: rows of the stream.
            history: "zeros" or "silence" (only without look-ahead).
            silence: (B or 1, in_channels, 1), the silent input; zeros when None.
            condition: (B or 1, condition_channels, 1) during the silence; zeros when None.
        """
        refuse_silence(history, self.lookahead)
        if history == "silence":
            return self._silent_state(batch_size, silence, condition)
        state = (self.conv1.initial_state(batch_size), self.conv2.initial_state(batch_size))
        if not self.lookahead:
            return state
        new = state[0].new_zeros
        channels = (self.in_channels, self.condition_channels or 0)
        return (*state, *(new(batch_size, size, 0) for size in channels))

    def stream(
        self,
        x: Tensor,
        state: tuple[Tensor, ...],
        condition: Tensor | None = None,
        final: bool = False,
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
        history1, history2, *lines = state
        y, history1 = stream_convolution(self.conv1, x, history1, final)
        if lines and condition is not None:
            wide = condition.expand(-1, -1, x.shape[-1])
            condition, lines[1] = delayed(wide, lines[1], y.shape[-1])
        z, history2 = stream_convolution(self.conv2, self.first(y, condition), history2, final)
        if lines:
            x, lines[0] = delayed(x, lines[0], z.shape[-1])
        new_state = self.initial_state(x.shape[0]) if final else (history1, history2, *lines)
        return self.leave(x, self.second(z)), new_state

    def _silent_state(
        self, batch_size: int, silence: Tensor | None, condition: Tensor | None
    ) -> tuple[Tensor, ...]:
        new = self.conv1.weight.new_zeros
        silence = new(1, self.in_channels, 1) if silence is None else silence
        if condition is None and self.condition_channels:
            condition = new(1, self.condition_channels, 1)
        first = self.conv1.initial_state(batch_size, "silence", silence)
        y, _ = self.conv1.stream(silence.to(first).expand(batch_size, -1, -1), first)
        return first, self.conv2.initial_state(batch_size, "silence", self.first(y, condition))

    def _drop(self, y: Tensor) -> Tensor:
        return y if self.dropout is None else self.dropout(y)


def _check_choice(name: str, value: str | None, choices: tuple[str | None, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {choices}, got {value!r}")
