"""The temporal convolutional network: dilated residual blocks for sequences of any kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wavestack.layers import CausalConv1d, State, TemporalBlock, dilation_schedule, kernel_schedule
from wavestack.layers.cone import (
    needed_levels,
    refuse_batch_statistics,
    take,
    whole_in_graph,
    window_of,
)
from wavestack.layers.conv1d import channels_last_pays
from wavestack.layers.lengths import align_ends, hide_padding, valid_samples
from wavestack.layers.look_up import look_up
from wavestack.layers.lookahead import delayed, refuse_silence, split_lookahead
from wavestack.layers.schedule import width_schedule


class TCN(nn.Module):
    """Residual blocks of two dilated convolutions each, whose dilations grow.

    Output t depends on inputs up to t + lookahead and no later, so 0 makes a causal model.
    ``analyze(model, model.example_input())`` says how far it sees.

    Args:
        in_channels: channels of the input; for tokens, the width of their embedding.
        channels: the width of every block, or one number for num_layers blocks.
        kernel_size: taps of every convolution.
        num_layers: how many blocks, where channels is one number and dilations is None.
        out_channels: channels of a last 1x1 convolution, or None for no such convolution.
        dilation_base: block i has dilation dilation_base ** i.
        dilations: every block's dilation by hand.
        kernel_sizes: every block's kernel size by hand.
        norm: "weight", "batch", "layer" (over the channels of one time step) or None.
        activation: "relu", "gelu" or "glu".
        dropout: probability of zeroing a whole channel of a row.
        skip_channels: when given, every block adds to a sum of that many channels, which takes
            the place of the last block's output.
        condition_channels: channels of the condition, or None.
        conditioning: "film" or "bias", see ``TemporalBlock``.
        lookahead: samples after the present one that an output may read: 0 (causal), "centred",
            or a number for the whole model, shared out in proportion to the kernels' spans.
        num_embeddings: how many tokens there are, where the input is integers (B, T).

    Shape:
        x: (B, in_channels, T), or (B, T) tokens; lengths: (B,) integers;
        condition: (B, condition_channels, T or 1)
        -> (B, out_channels or skip_channels or the last width, T)

    Attributes:
        channels, dilations, kernel_sizes: one number per block, first to last.
        lookahead: samples after the present one that all convolutions together read.

    Raises:
        ValueError: when an argument is out of range, x has the wrong shape, or a length is.

    References:
        Bai, Kolter and Koltun (2018), An Empirical Evaluation of Generic Convolutional and
        Recurrent Networks for Sequence Modeling.

    Notes:
        Dropout takes whole channels, as the paper says (its published code zeroes single values).
        The branch of each of n blocks starts smaller by the square root of n, so that a deep sum
        starts at the scale of its input.

    Example:
        >>> model = TCN(in_channels=2, channels=16, kernel_size=3, num_layers=4, out_channels=1)
        >>> model(torch.randn(8, 2, 100)).shape
        torch.Size([8, 1, 100])
        >>> from wavestack.receptive_field import analyze
        >>> analyze(model, model.example_input()).axes["T"].size  # 1 + 2 (3 - 1) (1 + 2 + 4 + 8)
        61
    """

    def __init__(
        self,
        in_channels: int,
        channels: int | Sequence[int],
        kernel_size: int = 3,
        num_layers: int | None = None,
        out_channels: int | None = None,
        *,
        dilation_base: float = 2,
        dilations: Sequence[int] | None = None,
        kernel_sizes: Sequence[int] | None = None,
        norm: str | None = "weight",
        activation: str = "relu",
        dropout: float = 0.0,
        skip_channels: int | None = None,
        condition_channels: int | None = None,
        conditioning: str = "film",
        lookahead: int | str = 0,
        num_embeddings: int | None = None,
    ) -> None:
        super().__init__()
        for name, size in (("num_embeddings", num_embeddings), ("out_channels", out_channels)):
            if size is not None and size < 1:
                raise ValueError(f"{name} must be >= 1, got {size}")
        self.in_channels = in_channels
        self.channels = width_schedule(channels, num_layers, dilations)
        count = len(self.channels)
        self.dilations = dilation_schedule(count, 1, dilation_base, dilations)
        self.kernel_sizes = kernel_schedule(kernel_size, count, kernel_sizes)
        self.skip_channels = skip_channels
        self.condition_channels = condition_channels
        self.activation = activation
        geometry = list(zip(self.kernel_sizes, self.dilations, strict=True))
        spans = [2 * (size - 1) * dilation for size, dilation in geometry]
        shares: Sequence[int | str] = (
            ["centred"] * count if lookahead == "centred" else split_lookahead(lookahead, spans)
        )
        self.num_embeddings = num_embeddings
        self.embed = nn.Embedding(num_embeddings, in_channels) if num_embeddings else None
        self.blocks = nn.ModuleList(
            TemporalBlock(
                width_in,
                width,
                size,
                dilation,
                norm=norm,
                activation=activation,
                dropout=dropout,
                skip_channels=skip_channels,
                condition_channels=condition_channels,
                conditioning=conditioning,
                lookahead=share,
                residual_output=skip_channels is None or i < count - 1,
                branch_gain=count**-0.5,
            )
            for i, (width_in, width, (size, dilation), share) in enumerate(
                zip((in_channels, *self.channels), self.channels, geometry, shares, strict=False)
            )
        )
        self.lookahead = sum(block.lookahead for block in self._each_block())
        width = skip_channels or self.channels[-1]
        self.out = CausalConv1d(width, out_channels, 1) if out_channels else None
        self.out_channels = out_channels or width

    def forward(
        self, x: Tensor, lengths: Tensor | None = None, condition: Tensor | None = None
    ) -> Tensor:
        """Run whole signals, zeros around each.

        Args:
            x: the batch; rows shorter than T are padded behind their end with anything.
            lengths: samples of each row, or None when all are T. What stands behind a row's
                length changes neither its outputs nor any gradient; outputs there are zeros.
            condition: one column for all samples, or one for each.
        """
        x = self.enter(x)
        # An embedding comes with its channels innermost in memory; to pad that is slow.
        x = x if channels_last_pays(x) else x.contiguous()
        valid = None if lengths is None else valid_samples(x, lengths)
        if condition is not None and condition.shape[-1] == x.shape[-1]:
            condition = hide_padding(condition, valid)
        total: Tensor | None = None
        for block in self._each_block():
            x, skip = block(x, condition, valid)
            if skip is not None:
                total = skip if total is None else total + skip
        return hide_padding(self.head(x if total is None else total), valid)

    def forward_last(
        self,
        x: Tensor,
        num_outputs: int = 1,
        lengths: Tensor | None = None,
        condition: Tensor | None = None,
    ) -> Tensor:
        """``forward(...)[..., -num_outputs:]``, every level only where these outputs need it.

        With lengths, the last outputs of each row at its own end; zeros before a shorter row's
        beginning. See ``wavestack.layers.cone``. Dropout takes whole channels, as everywhere.

        Args:
            x: the batch, as for ``forward``.
            num_outputs: N, 1 to T.
            lengths: samples of each row, or None.
            condition: one column for all samples, or one for each.

        Shape:
            -> (B, channels, num_outputs)

        Raises:
            ValueError: when num_outputs is out of range, or in training mode with batch
                normalization, whose statistics are those of all positions.
        """
        self._check_input(x)
        refuse_batch_statistics(self)
        T = x.shape[-1]
        if whole_in_graph(T):
            y = self(x, lengths, condition)
            return (y if lengths is None else align_ends(y, lengths))[..., -num_outputs:]
        branches = [(window_of(b.conv1), window_of(b.conv2)) for b in self._each_block()]
        levels = needed_levels(tuple(branches), T, num_outputs)
        last = levels[-1][-1]
        valid = None
        if lengths is not None:
            valid = align_ends(valid_samples(x, lengths), lengths)
            x = align_ends(x, lengths)
            if condition is not None and condition.shape[-1] == T:
                condition = hide_padding(align_ends(condition, lengths), valid)
        x = self.enter(take(x, range(T), levels[0][0]))
        if x.device.type == "cpu":
            # Dense convolutions with the channels innermost in memory run 1.3x to 2.3x as fast.
            x = x.transpose(1, 2).contiguous().transpose(1, 2)
        total: Tensor | None = None
        for block, block_levels in zip(self._each_block(), levels, strict=True):
            x, z = block.forward_at(x, block_levels, T, condition, valid)
            if block.skip is not None:
                skip = block.skip(take(z, block_levels[-1], last))
                total = skip if total is None else total + skip
        y = self.head(x if total is None else total)
        return y if valid is None else hide_padding(y, valid[..., -num_outputs:])

    def initial_state(
        self,
        batch_size: int,
        history: str = "zeros",
        silence: Tensor | None = None,
        condition: Tensor | None = None,
    ) -> State:
        """What ``stream`` remembers before the first sample.

        Args:
            batch_size: rows of the stream.
            history: "zeros" in every layer, as ``forward`` assumes, or "silence": what endless
                silent input leaves (only without look-ahead).
            silence: (B or 1, in_channels, 1), or (B or 1, 1) tokens; zeros when None.
            condition: (B or 1, condition_channels, 1) during the silence; zeros when None.

        Raises:
            ValueError: when history is unknown or cannot be had.
        """
        refuse_silence(history, self.lookahead)
        blocks = list(self._each_block())
        if history == "silence":
            return self._silent_state(batch_size, silence, condition)
        states = tuple(block.initial_state(batch_size) for block in blocks)
        if not self.lookahead:
            return states
        # What runs beside a block and must not get ahead of it: the sum of skips, the condition.
        beside = (self.skip_channels or 0) + (self.condition_channels or 0)
        line = blocks[0].conv1.weight.new_zeros(batch_size, beside, 0)
        return tuple((state, line) for state in states)

    def stream(
        self, x: Tensor, state: Any, condition: Tensor | None = None, final: bool = False
    ) -> tuple[Tensor, State]:
        """Run the next block of samples.

        Args:
            x: (B, in_channels, T) or (B, T) tokens, of any length.
            state: from ``initial_state`` or the last ``stream``; not modified.
            condition: of these samples: the block's length, or 1.
            final: whether the signal ends with this block: the outputs still owed are then given,
                as ``forward`` gives them (without look-ahead none is ever owed), and the new
                state is that of a new signal.

        Shape:
            -> (B, channels, outputs due), and the new state

        Raises:
            ValueError: when the state does not belong to this model or batch.
        """
        if len(state) != len(self.blocks):
            raise ValueError(f"state must hold {len(self.blocks)} blocks, got {len(state)}")
        x = self.enter(x)
        states = []
        skip_channels = self.skip_channels or 0
        total = x.new_zeros(x.shape[0], skip_channels, x.shape[-1])
        if self.lookahead and condition is not None:
            condition = condition.expand(-1, -1, x.shape[-1])
        for block, block_state in zip(self._each_block(), state, strict=True):
            if not self.lookahead:
                (x, skip), block_state = block.stream(x, block_state, condition)
                total = total if skip is None else total + skip
                states.append(block_state)
                continue
            block_state, line = block_state
            beside = total if condition is None else torch.cat([total, condition], dim=1)
            (x, skip), block_state = block.stream(x, block_state, condition, final)
            beside, line = delayed(beside, line, x.shape[-1])
            total = beside[:, :skip_channels] if skip is None else beside[:, :skip_channels] + skip
            condition = None if condition is None else beside[:, skip_channels:]
            states.append((block_state, line))
        y = self.head(total if self.skip_channels else x)
        return y, self.initial_state(y.shape[0]) if final else tuple(states)

    def example_input(self, num_samples: int = 64) -> dict[str, Tensor]:
        """Arguments of ``forward`` of the right shapes and types, for the calculator."""
        new = self._like().new_zeros
        if self.embed is None:
            example = {"x": new(1, self.in_channels, num_samples)}
        else:
            example = {"x": new(1, num_samples, dtype=torch.int64)}
        if self.condition_channels:
            example["condition"] = new(1, self.condition_channels, num_samples)
        return example

    def enter(self, x: Tensor) -> Tensor:
        """What the first block reads: the input itself, or the embedding of its tokens.

        Raises:
            ValueError: when x has the wrong shape or type, or on a CPU a token out of range.
        """
        self._check_input(x)
        return x if self.embed is None else look_up(self.embed, x, "tokens").transpose(1, 2)

    def head(self, x: Tensor) -> Tensor:
        """The output from the last block's, or from the sum of skips."""
        if self.out is None:
            return x
        if self.skip_channels:  # two linear maps in a row would be one
            x = F.gelu(x) if self.activation == "gelu" else F.relu(x)
        return self.out(x)

    def _check_input(self, x: Tensor) -> None:
        shape = tuple(x.shape)
        if self.embed is not None and (x.dim() != 2 or x.is_floating_point()):
            raise ValueError(f"x must be (B, T) integers, got {shape} of {x.dtype}")
        if self.embed is None and (x.dim() != 3 or x.shape[1] != self.in_channels):
            raise ValueError(f"x must be (B, {self.in_channels}, T), got {shape}")

    def _silent_state(
        self, batch_size: int, silence: Tensor | None, condition: Tensor | None
    ) -> State:
        if silence is None:
            silence = self.example_input(1)["x"]
        if condition is None and self.condition_channels:
            condition = self.example_input(1)["condition"]
        x = self.enter(silence)
        x = x.expand(batch_size, -1, -1)
        states = []
        for block in self._each_block():
            state = block.initial_state(batch_size, "silence", x, condition)
            # A constant input has always given a constant output: the next block's silence.
            (x, _), _ = block.stream(x, state, condition)
            states.append(state)
        return tuple(states)

    def _like(self) -> Tensor:
        return next(self.parameters())

    def _each_block(self) -> Iterator[TemporalBlock]:
        return cast(Iterator[TemporalBlock], iter(self.blocks))
