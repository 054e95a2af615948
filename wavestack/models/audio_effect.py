"""A feed-forward causal WaveNet that turns one audio signal into another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from wavestack.layers import State, dilation_schedule, kernel_schedule
from wavestack.layers.cone import last_outputs, take, whole_in_graph
from wavestack.layers.state import check_history
from wavestack.models.effect_layers import LayerArray
from wavestack.receptive_field import sets
from wavestack.receptive_field.sets import IntSet

ACTIVATIONS = ("tanh", "relu", "gated")


class AudioEffect(nn.Module):
    """A causal net from audio to audio, small enough for guitar amplifiers in real time.

    Arrays of dilated layers stand in a row, each narrower than the one before. Every layer sees
    the dry input again beside the features, and all layers' activations are summed into the head,
    which runs from array to array and ends as the wet signal. The shape is that of the WaveNets of
    Neural Amp Modeler.

    Args:
        channels: one width for each array.
        kernel_size: taps of every layer's convolution.
        num_layers: layers of an array, with dilations dilation_base ** i.
        dilation_base: see num_layers.
        dilations: every layer's dilation by hand, the same in every array.
        kernel_sizes: every layer's kernel size by hand, the same in every array.
        activation: "tanh", "relu" or "gated".
        head_kernel_size: taps of the convolutions that narrow the head.
        head_scale: factor of the output.
        condition_channels: channels of a further condition (knobs), or None.
        sample_rate: of the audio in Hz; only remembered.

    Shape:
        x: (B, 1, T), condition: (B, condition_channels, T or 1) -> (B, 1, T)

    Raises:
        ValueError: when an argument is out of range, or a condition is missing or not expected.

    References:
        Wright, Damskägg and Välimäki (2019), Real-Time Black-Box Modelling with Recurrent Neural
        Networks; Wright et al. (2020), Real-Time Guitar Amplifier Emulation with Deep Learning,
        section 3; Atkinson, Neural Amp Modeler (software).

    Notes:
        The last layer of the last array has no 1x1 convolution, since nothing reads its output;
        Neural Amp Modeler keeps one, which does nothing.

    Example:
        >>> from wavestack.receptive_field import analyze
        >>> effect = AudioEffect.a1_standard()
        >>> analyze(effect, effect.example_input()).axes["T"].size
        4093
    """

    def __init__(
        self,
        channels: Sequence[int] = (16, 8),
        kernel_size: int = 3,
        num_layers: int = 10,
        dilation_base: float = 2,
        *,
        dilations: Sequence[int] | None = None,
        kernel_sizes: Sequence[int] | None = None,
        activation: str = "tanh",
        head_kernel_size: int = 1,
        head_scale: float = 0.02,
        condition_channels: int | None = None,
        sample_rate: int | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(channels, Sequence) or not channels or min(channels) < 1:
            raise ValueError(f"channels must be one number >= 1 per array, got {channels}")
        if condition_channels is not None and condition_channels < 1:
            raise ValueError(f"condition_channels must be None or >= 1, got {condition_channels}")
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation must be one of {ACTIVATIONS}, got {activation!r}")
        self.channels = tuple(channels)
        self.dilations = dilation_schedule(num_layers, 1, dilation_base, dilations)
        self.kernel_sizes = kernel_schedule(kernel_size, len(self.dilations), kernel_sizes)
        self.activation = activation
        self.head_scale = head_scale
        self.condition_channels = condition_channels
        self.sample_rate = sample_rate
        arrays = zip((1, *channels[:-1]), channels, (*channels[1:], 1), strict=True)
        self.arrays = nn.ModuleList(
            LayerArray(
                before,
                width,
                1 + (condition_channels or 0),
                after,
                self.kernel_sizes,
                self.dilations,
                activation,
                head_kernel_size,
                head_bias=i == len(channels) - 1,
                residual_output=i < len(channels) - 1,
            )
            for i, (before, width, after) in enumerate(arrays)
        )

    @classmethod
    def a1_standard(cls, sample_rate: int = 48000) -> AudioEffect:
        """Neural Amp Modeler's standard net of its first architecture, 16 and 8 channels."""
        return cls((16, 8), 3, 10, sample_rate=sample_rate)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Run a whole signal, zeros before its first sample in every layer."""
        c, head = self._mixed(x, condition), None
        for array in self.each_array():
            x, head = array(x, c, head)
        return self.head_scale * cast(Tensor, head)

    def forward_last(
        self, x: Tensor, num_outputs: int = 1, condition: Tensor | None = None
    ) -> Tensor:
        """``forward(x, condition)[..., -num_outputs:]``, every layer only where these need it.

        See ``wavestack.layers.cone``.

        Raises:
            ValueError: when num_outputs is not 1 to T.
        """
        T = x.shape[-1]
        if whole_in_graph(T):
            return self(x, condition)[..., -num_outputs:]
        plans: list[tuple[tuple[IntSet, ...], IntSet, tuple[IntSet, IntSet]]] = []
        wanted: tuple[IntSet, IntSet] = sets.EMPTY, last_outputs(T, num_outputs)
        for array in reversed(list(self.each_array())):
            levels, head_in = array.needed_levels(*wanted, T)
            plans.insert(0, (levels, head_in, wanted))
            wanted = levels[0], head_in
        c, head = self._mixed(x, condition), None
        x = take(x, range(T), wanted[0])
        for array, (levels, head_in, (x_out, head_out)) in zip(
            self.each_array(), plans, strict=True
        ):
            x, head = array.forward_at(x, c, head, levels, head_in, head_out)
            x = x if sets.is_empty(x_out) else take(x, levels[-1], x_out)
        return self.head_scale * cast(Tensor, head)

    def initial_state(
        self,
        batch_size: int,
        history: str = "zeros",
        silence: Tensor | None = None,
        condition: Tensor | None = None,
    ) -> State:
        """What ``stream`` remembers before the first sample: one history per convolution.

        Args:
            batch_size: rows of the stream.
            history: "zeros" in every layer, as ``forward`` assumes, or "silence": what endless
                silent input leaves.
            silence: (B or 1, 1, 1), the silent input; zeros when None.
            condition: (B or 1, condition_channels, 1) during the silence; zeros when None.

        Raises:
            ValueError: when history is unknown.
        """
        check_history(history)
        if history == "zeros":
            return tuple(array.initial_state(batch_size) for array in self.each_array())
        new = next(self.parameters()).new_zeros
        x = new(batch_size, 1, 1) if silence is None else silence.expand(batch_size, 1, 1)
        if condition is None and self.condition_channels:
            condition = new(1, self.condition_channels, 1)
        c, head = self._mixed(x, condition), None
        state = []
        for array in self.each_array():
            x, head, histories = array.after_silence(x, c, head)
            state.append(histories)
        return tuple(state)

    def stream(
        self, x: Tensor, state: Any, condition: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """The next block of any length; condition has its length, or 1.

        Shape:
            x: (B, 1, T) -> (B, 1, T), and the new state
        """
        c, head = self._mixed(x, condition), None
        new_state = []
        for array, histories in zip(self.each_array(), state, strict=True):
            x, head, histories = array.stream(x, c, head, histories)
            new_state.append(histories)
        return self.head_scale * cast(Tensor, head), tuple(new_state)

    def example_input(self, num_samples: int = 64) -> dict[str, Tensor]:
        """Arguments of ``forward`` of the right shapes, for the calculator."""
        new = next(self.parameters()).new_zeros
        example = {"x": new(1, 1, num_samples)}
        if self.condition_channels:
            example["condition"] = new(1, self.condition_channels, 1)
        return example

    def each_array(self) -> Iterator[LayerArray]:
        """The arrays, first to last."""
        return cast(Iterator[LayerArray], iter(self.arrays))

    def _mixed(self, x: Tensor, condition: Tensor | None) -> Tensor:
        """What every layer's mix-in reads: the dry signal, and the condition beside it."""
        if (condition is None) != (self.condition_channels is None):
            raise ValueError(
                f"condition must be {'given' if condition is None else 'None'}: this effect was "
                f"built with condition_channels={self.condition_channels}"
            )
        if condition is None:
            return x
        if condition.dim() != 3 or condition.shape[1] != self.condition_channels:
            raise ValueError(
                f"condition must have shape (B, {self.condition_channels}, T or 1), "
                f"got {tuple(condition.shape)}"
            )
        return torch.cat([x, condition.expand(x.shape[0], -1, x.shape[-1])], dim=1)
