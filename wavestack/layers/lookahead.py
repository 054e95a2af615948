"""The dilated convolution that sees a declared number of samples ahead, and streams exactly."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wavestack.layers.conv1d import CausalConv1d
from wavestack.layers.padded_conv1d import padded_conv1d
from wavestack.layers.state import check_history


class LookaheadConv1d(nn.Conv1d):
    """1D convolution whose output t depends on inputs up to t + lookahead (included) and no later.

    ``forward`` assumes zeros on both sides: (kernel_size - 1) * dilation - lookahead before the
    first sample, lookahead behind the last. With kernel 3, dilation 2 and lookahead 1
    (x: input, o: zeros)::

        o o o x0 x1 x2 x3 o
        w0  w1   w2            -> y0
          w0   w1   w2         -> y1

    ``stream`` returns output t as soon as input t + lookahead is there, so the first block gives
    lookahead outputs fewer than it has samples; ``final=True`` says that no sample follows, and
    gives the rest as ``forward`` does. The history grows from its first length,
    history_samples, by up to lookahead samples: its length tells how many outputs are owed.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: taps, >= 1.
        dilation: input samples between two taps.
        lookahead: samples after the present one, 0 (causal) to (kernel_size - 1) * dilation;
            None for the middle, (kernel_size - 1) * dilation // 2.
        groups: as in torch.nn.Conv1d.
        bias: whether a learned offset is added.

    Shape:
        x: (B, in_channels, T) -> (B, out_channels, T)

    Attributes:
        lookahead: samples after the present one.
        history_samples: samples before the present one.

    Raises:
        ValueError: when a size is below 1 or lookahead is out of range.

    Example:
        >>> conv = LookaheadConv1d(1, 4, kernel_size=3, dilation=2, lookahead=1)
        >>> x = torch.randn(2, 1, 100)
        >>> first, state = conv.stream(x[..., :7], conv.initial_state(batch_size=2))
        >>> second, state = conv.stream(x[..., 7:], state, final=True)
        >>> first.shape[-1], second.shape[-1]
        (6, 94)
        >>> torch.allclose(torch.cat([first, second], -1), conv(x), atol=1e-6)
        True
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        dilation: int = 1,
        lookahead: int | None = None,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        sizes = {
            "in_channels": in_channels,
            "out_channels": out_channels,
            "kernel_size": kernel_size,
            "dilation": dilation,
            "groups": groups,
        }
        for name, value in sizes.items():
            if value < 1:
                raise ValueError(f"{name} must be >= 1, got {value}")
        span = (kernel_size - 1) * dilation
        lookahead = span // 2 if lookahead is None else lookahead
        if not 0 <= lookahead <= span:
            raise ValueError(f"lookahead must be 0 to {span} for this kernel, got {lookahead}")
        super().__init__(
            in_channels, out_channels, kernel_size, dilation=dilation, groups=groups, bias=bias
        )
        self.lookahead = lookahead
        self.history_samples = span - lookahead

    def forward(self, x: Tensor) -> Tensor:
        """Convolve a whole signal, zeros on both sides."""
        if x.shape[-1] == 0:  # torch calls a convolution of nothing an error
            return x.new_empty(x.shape[0], self.out_channels, 0)
        return padded_conv1d(
            x,
            self.weight,
            self.bias,
            self.history_samples,
            self.lookahead,
            dilation=self.dilation[0],
            groups=self.groups,
        )

    def initial_state(
        self, batch_size: int, history: str = "zeros", silence: Tensor | None = None
    ) -> Tensor:
        """The history before the first block; see ``CausalConv1d.initial_state``.

        Raises:
            ValueError: when history is unknown, or "silence" with look-ahead: behind endless
                silence the first outputs due would be those of the silence.
        """
        refuse_silence(history, self.lookahead)
        shape = (batch_size, self.in_channels, self.history_samples)
        if history == "zeros" or silence is None:
            return torch.zeros(shape, dtype=self.weight.dtype, device=self.weight.device)
        return silence.to(self.weight).expand(shape)

    def stream(self, x: Tensor, state: Tensor, final: bool = False) -> tuple[Tensor, Tensor]:
        """Convolve the next block.

        Args:
            x: the block, of any length.
            state: from ``initial_state`` or the last ``stream``; not modified.
            final: whether the signal ends with this block; the new state is then that of a new
                signal.

        Shape:
            x: (B, in_channels, T) -> (B, out_channels, outputs due), and the new state

        Raises:
            ValueError: when the state belongs to another batch size or layer.
        """
        owed = state.shape[-1] - self.history_samples
        if state.shape[:2] != x.shape[:2] or not 0 <= owed <= self.lookahead:
            raise ValueError(
                f"state of shape {tuple(state.shape)} does not continue a block of shape "
                f"{tuple(x.shape)} with history_samples {self.history_samples}"
            )
        span = self.history_samples + self.lookahead
        window = torch.cat([state, x], dim=-1)
        if final:
            if window.shape[-1] == self.history_samples:  # a signal of no samples owes nothing
                return window.new_empty(x.shape[0], self.out_channels, 0), state
            y = self._convolve(F.pad(window, (0, self.lookahead)))
            return y, self.initial_state(x.shape[0])
        return self._convolve(window), window[..., max(0, window.shape[-1] - span) :]

    def _convolve(self, window: Tensor) -> Tensor:
        if window.shape[-1] <= self.history_samples + self.lookahead:  # nothing is due
            return window.new_empty(window.shape[0], self.out_channels, 0)
        return F.conv1d(window, self.weight, self.bias, 1, 0, self.dilation, self.groups)


def convolution(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    dilation: int,
    lookahead: int,
    bias: bool = True,
) -> CausalConv1d | LookaheadConv1d:
    """A dilated convolution of the kind that the look-ahead asks for."""
    if not lookahead:
        return CausalConv1d(in_channels, out_channels, kernel_size, dilation=dilation, bias=bias)
    return LookaheadConv1d(in_channels, out_channels, kernel_size, dilation, lookahead, bias=bias)


def stream_convolution(
    conv: CausalConv1d | LookaheadConv1d, x: Tensor, state: Tensor, final: bool
) -> tuple[Tensor, Tensor]:
    """The next block of either kind; a causal convolution owes nothing at the end."""
    if isinstance(conv, LookaheadConv1d):
        return conv.stream(x, state, final)
    return conv.stream(x, state)


def delayed(x: Tensor, line: Tensor, due: int) -> tuple[Tensor, Tensor]:
    """Hold a signal back until the branch beside it gives its outputs.

    Args:
        x: the next block of the signal.
        line: what is held from the blocks before.
        due: how many samples the branch has given.

    Returns:
        the due samples, and what is held now.

    Example:
        >>> x = torch.tensor([[[1.0, 2.0, 3.0]]])
        >>> y, line = delayed(x, torch.zeros(1, 1, 0), due=1)
        >>> delayed(x, line, due=4)[0]
        tensor([[[2., 3., 1., 2.]]])
    """
    held = torch.cat([line, x], dim=-1)
    return held[..., :due], held[..., due:]


def delayed_together(
    signals: Sequence[Tensor], line: Tensor, due: int
) -> tuple[list[Tensor], Tensor]:
    """``delayed`` for several signals (B, C_i, T) that share one line (B, sum of C_i, held)."""
    beside, line = delayed(torch.cat(list(signals), dim=1), line, due)
    return list(beside.split([signal.shape[1] for signal in signals], dim=1)), line


def split_lookahead(lookahead: int | str, spans: Sequence[int]) -> tuple[int, ...]:
    """Share a look-ahead out to the convolutions of a stack.

    Args:
        lookahead: "centred" for the middle of each convolution, or samples in all, which are
            shared in proportion to the spans.
        spans: (kernel_size - 1) * dilation of each convolution.

    Raises:
        ValueError: when it is another word, negative, or more than all spans together.

    Example:
        >>> split_lookahead("centred", [2, 4, 8]), split_lookahead(10, [2, 4, 8])
        ((1, 2, 4), (1, 3, 6))
    """
    total = sum(spans)
    if lookahead == "centred":
        return tuple(span // 2 for span in spans)
    if isinstance(lookahead, str):
        raise ValueError(f"lookahead must be 'centred' or a number of samples, got {lookahead!r}")
    if not 0 <= lookahead <= total or int(lookahead) != lookahead:
        raise ValueError(f"lookahead must be 0 to {total} for these kernels, got {lookahead}")
    # Whole shares of the running total: none exceeds its span, and they sum up exactly.
    ends = [lookahead * sum(spans[: i + 1]) // max(total, 1) for i in range(len(spans))]
    return tuple(end - start for start, end in zip([0, *ends], ends, strict=False))


def refuse_silence(history: str, lookahead: int) -> None:
    """Check a history where samples ahead are seen."""
    check_history(history)
    if history == "silence" and lookahead:
        raise ValueError("history must be 'zeros' with look-ahead, got 'silence'")
