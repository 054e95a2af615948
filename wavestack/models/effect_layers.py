"""The layers of an audio effect: dilated convolutions that hear the dry input again and again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from wavestack.layers import CausalConv1d
from wavestack.layers.comb import spaced
from wavestack.layers.cone import convolve_at, needed_input, take, window_of
from wavestack.receptive_field import sets
from wavestack.receptive_field.sets import IntSet


class EffectLayer(nn.Module):
    """One layer: z = a(W * x + V c), out to the head as it is and to the next layer as x + P z.

    W is a dilated convolution, c the effect's own input, which every layer sees anew (the mix-in),
    and P a 1x1 convolution. "gated" makes a the product of a tanh and a sigmoid half.

    Args:
        channels: of x and z.
        condition_channels: of c.
        kernel_size: taps of W.
        dilation: samples between the taps.
        activation: "tanh", "relu" or "gated".
        residual_output: False where nobody reads x + P z; x is then returned as it came.

    Shape:
        x: (B, channels, T), c: (B, condition_channels, T) -> x + P z, z, both (B, channels, T)
    """

    def __init__(
        self,
        channels: int,
        condition_channels: int,
        kernel_size: int,
        dilation: int,
        activation: str,
        residual_output: bool = True,
    ) -> None:
        super().__init__()
        self.activation = activation
        wide = 2 * channels if activation == "gated" else channels
        self.conv = CausalConv1d(channels, wide, kernel_size, dilation=dilation)
        self.mix_in = CausalConv1d(condition_channels, wide, 1, bias=False)
        self.project = CausalConv1d(channels, channels, 1) if residual_output else None

    def forward(self, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Run a whole signal, zeros before its first sample."""
        return self.leave(x, self.conv(x), c)

    def stream(self, x: Tensor, c: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Run the next block -> x + P z, z, and the new state."""
        y, state = self.conv.stream(x, state)
        return *self.leave(x, y, c), state

    def leave(self, x: Tensor, y: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """x + P z and z, from the output y of the dilated convolution."""
        y = y + self.mix_in(c)
        if self.activation == "gated":
            f, g = y.chunk(2, dim=1)
            z = torch.tanh(f) * torch.sigmoid(g)
        else:
            z = torch.tanh(y) if self.activation == "tanh" else torch.relu(y)
        return (x if self.project is None else x + self.project(z)), z


class LayerArray(nn.Module):
    """Layers of one width: a 1x1 convolution in, the layers, their summed z, a convolution out.

    Args:
        in_channels: of the signal from the array before.
        channels: of every layer.
        condition_channels: of the effect's own input.
        head_channels: of the head signal that leaves.
        kernel_sizes, dilations: one number for each layer.
        activation: see ``EffectLayer``.
        head_kernel_size: taps of the convolution out.
        head_bias: whether that has offsets.
        residual_output: False for the last array.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        condition_channels: int,
        head_channels: int,
        kernel_sizes: Sequence[int],
        dilations: Sequence[int],
        activation: str,
        head_kernel_size: int,
        head_bias: bool,
        residual_output: bool,
    ) -> None:
        super().__init__()
        self.enter = CausalConv1d(in_channels, channels, 1, bias=False)
        last = len(dilations) - 1
        self.layers = nn.ModuleList(
            EffectLayer(
                channels,
                condition_channels,
                size,
                dilation,
                activation,
                residual_output or i < last,
            )
            for i, (size, dilation) in enumerate(zip(kernel_sizes, dilations, strict=True))
        )
        self.head = CausalConv1d(channels, head_channels, head_kernel_size, bias=head_bias)

    def forward(self, x: Tensor, c: Tensor, head: Tensor | None) -> tuple[Tensor, Tensor]:
        """Run a whole signal; head is what the array before sends -> x, head."""
        x = self.enter(x)
        for layer in self.each_layer():
            x, z = layer(x, c)
            head = z if head is None else head + z
        return x, self.head(head)

    def needed_levels(
        self, x_out: IntSet, head_out: IntSet, num_samples: int
    ) -> tuple[tuple[IntSet, ...], IntSet]:
        """The positions that some outputs need: of x at every layer, and of the head that enters.

        Args:
            x_out: wanted positions of x, which may be none.
            head_out: wanted positions of the head.
            num_samples: T, of the whole signal.
        """
        head_in = needed_input(window_of(self.head), head_out, num_samples)
        levels = [spaced(sets.union([x_out, head_in]))]
        for layer in reversed(list(self.each_layer())):
            levels.insert(0, needed_input(window_of(layer.conv), levels[0], num_samples))
        return tuple(levels), head_in

    def forward_at(
        self,
        x: Tensor,
        c: Tensor,
        head: Tensor | None,
        levels: tuple[IntSet, ...],
        head_in: IntSet,
        head_out: IntSet,
    ) -> tuple[Tensor, Tensor]:
        """Run at some positions alone, see ``wavestack.layers.cone``; c has all its columns."""
        x = self.enter(x)
        for layer, have, want in zip(self.each_layer(), levels, levels[1:], strict=False):
            y = convolve_at(layer.conv, x, have, want)
            here = take(c, range(c.shape[-1]), want)
            x, z = layer.leave(take(x, have, want), y, here)
            z = take(z, want, head_in)
            head = z if head is None else head + z
        return x, convolve_at(self.head, cast(Tensor, head), head_in, head_out)

    def initial_state(self, batch_size: int) -> tuple[Tensor, ...]:
        """Zeros for each layer's convolution, then for the head's."""
        convs = [*(layer.conv for layer in self.each_layer()), self.head]
        return tuple(conv.initial_state(batch_size) for conv in convs)

    def stream(
        self, x: Tensor, c: Tensor, head: Tensor | None, state: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """Run the next block -> x, head, and the new state."""
        x = self.enter(x)
        new_state = []
        for layer, history in zip(self.each_layer(), state[:-1], strict=True):
            x, z, history = layer.stream(x, c, history)
            head = z if head is None else head + z
            new_state.append(history)
        head, history = self.head.stream(cast(Tensor, head), state[-1])
        return x, head, (*new_state, history)

    def after_silence(
        self, x: Tensor, c: Tensor, head: Tensor | None
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """Like ``stream`` of one sample after endless samples of the same."""
        x = self.enter(x)
        state = []
        for layer in self.each_layer():
            # A constant input has always given a constant output: the next layer's silence.
            state.append(layer.conv.initial_state(x.shape[0], "silence", x))
            x, z, _ = layer.stream(x, c, state[-1])
            head = z if head is None else head + z
        state.append(self.head.initial_state(x.shape[0], "silence", head))
        head, _ = self.head.stream(cast(Tensor, head), state[-1])
        return x, head, tuple(state)

    def each_layer(self) -> Iterator[EffectLayer]:
        """The layers, first to last."""
        return cast(Iterator[EffectLayer], iter(self.layers))
