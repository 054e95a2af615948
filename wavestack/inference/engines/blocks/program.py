"""A causal model as a list of operations on rows, with its weights packed: data for the kernel.

A signal is a sequence of rows in one float32 memory, one row per time step and stream of the batch.
Signals that convolutions look back on keep their past before the present rows; the others hold
one tile's rows and serve one layer after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wavestack.inference.engines.blocks.convolution import GRAIN, pack, padded
from wavestack.inference.engines.vector.memory import aligned_zeros
from wavestack.inference.engines.vector.simd import WIDTH

# Operations; each is a row of OPERANDS numbers, the first of which is one of these.
CONVOLVE, ADD, ADD_RELU, TANH, SIGMOID, RELU, LEAKY_RELU, GELU, SILU = range(9)
GATE, GLU, FILM, LAYER_NORM = range(9, 13)
OPERANDS = 17
# The last four: how many samples back an operation reads its two sources and its residual, and the
# delay of what it writes.
BACK, BACK_SECOND, BACK_RESIDUAL, DELAY = range(13, 17)
POINTWISE = {"tanh": TANH, "sigmoid": SIGMOID, "relu": RELU, "gelu": GELU, "silu": SILU}


class UnsupportedModelError(Exception):
    """A model, or a part of one, that cannot become a program; the message says why."""


@dataclass(frozen=True)
class Piece:
    """Channels of a state's tensor: the first ones of a signal, or zeros where signal is None."""

    signal: int | None
    channels: int
    delay: int = 0


@dataclass(frozen=True)
class Past:
    """What one tensor of the model's stream state holds: rows of signals, beside each other.

    With s input samples so far, these are the last ``samples + min(s, until) - min(s, since)`` that
    a signal of delay ``since`` has: the history of a convolution that looks until - since samples
    ahead, or, with no samples, what a branch holds back from one delay to the other.

    Attributes:
        pieces: of the channels, first to last.
        samples: time steps at the start.
        since, until: delays.
    """

    pieces: tuple[Piece, ...]
    samples: int
    since: int = 0
    until: int = 0

    @property
    def channels(self) -> int:
        return sum(piece.channels for piece in self.pieces)

    def length(self, step: int) -> int:
        """Time steps after so many input samples."""
        return self.samples + min(step, self.until) - min(step, self.since)


@dataclass
class Program:
    """Operations in their order; methods append one and return the signal it writes.

    Attributes:
        channels: of each signal.
        delays: by how many samples each signal, as last written, comes after the input.
        samples: past time steps that each signal keeps.
        pasts: one for each tensor of the model's stream state, in its order.
        operations: rows of OPERANDS numbers.
        input, input_channels: the signal that holds the input, and how many of its channels.
        enter: gives these channels from the model's input where that is something else (codes).
        condition: where the condition goes: signal, first channel and number, or None.
        output: the signal that leaves.
    """

    channels: list[int] = field(default_factory=list)
    delays: list[int] = field(default_factory=list)
    samples: list[int] = field(default_factory=list)
    pasts: list[Past] = field(default_factory=list)
    operations: list[list[int]] = field(default_factory=list)
    input: int = 0
    input_channels: int = 0
    enter: Callable[[Tensor], Tensor] | None = None
    condition: tuple[int, int, int] | None = None
    output: int = 0
    _weights: list[NDArray[np.float32]] = field(default_factory=list)
    _size: int = 0
    _reused: dict[tuple[str, int], int] = field(default_factory=dict)

    def signal(self, channels: int, name: str | None = None) -> int:
        """A new signal; one with a name is shared by all that ask for it at that width."""
        key = (name or "", channels)
        if name is None or key not in self._reused:
            self._reused[key] = len(self.channels)
            self.channels.append(channels)
            self.delays.append(0)
            self.samples.append(0)
        return self._reused[key]

    def convolve(
        self,
        x: int,
        weight: Tensor,
        bias: Tensor | None = None,
        dilation: int = 1,
        *,
        mixed: tuple[int, Tensor] | None = None,
        onto: int | None = None,
        into: int | None = None,
        relu: bool = False,
        remembered: bool = True,
        lookahead: int = 0,
        delay: int = 0,
    ) -> int:
        """y = onto + bias + weight * x + mixed weight · mixed signal.

        All are brought to the greatest of their delays, where y comes ``lookahead`` after x.

        Args:
            x: a signal.
            weight: (out, in, taps).
            bias: (out,) or None.
            dilation: samples between the taps.
            mixed: another signal and (out, in, 1).
            onto: a signal of as many channels that is added.
            into: the signal to write, which may be ``onto``; a new one when None.
            relu: whether y is cut at 0.
            remembered: whether the model's state holds the past of x for this convolution.
            lookahead: samples after the present one that are read.
            delay: of y at least.
        """
        out, inputs, taps = weight.shape
        span, before = (taps - 1) * dilation, self.delays[x]
        others = [
            signal for signal in (onto, None if mixed is None else mixed[0]) if signal is not None
        ]
        delay = max(delay, before + lookahead, *(self.delays[signal] for signal in others))
        back = delay - before - lookahead
        self.keep(x, span + back)
        for signal in others:
            self.keep(signal, delay - self.delays[signal])
        if remembered:
            piece = Piece(x, inputs, before)
            self.pasts.append(Past((piece,), span - lookahead, before, before + lookahead))
        rows = [_numbers(weight).transpose(2, 1, 0).reshape(taps * inputs, out)]
        mixed_signal, mixed_inputs = -1, 0
        if mixed is not None:
            mixed_signal, mixed_weight = mixed
            rows.append(_numbers(mixed_weight)[:, :, 0].T)
            mixed_inputs = mixed_weight.shape[1]
        backs = [
            back,
            *(
                0 if s < 0 else delay - self.delays[s]
                for s in (mixed_signal, -1 if onto is None else onto)
            ),
        ]
        w = self._constant(pack(np.concatenate(rows)))
        b = self._constant(_row(bias, out))
        y = self.signal(out) if into is None else into
        residual = -1 if onto is None else onto
        self._append(
            *(CONVOLVE, y, x, mixed_signal, residual, w, b, inputs, taps, dilation),
            *(mixed_inputs, padded(out), int(relu)),
            backs=backs,
            delay=delay,
        )
        return y

    def keep(self, signal: int, samples: int) -> None:
        """Make a signal's past so long at least."""
        self.samples[signal] = max(self.samples[signal], samples)

    def add(self, a: int, b: int, into: int | None = None, relu: bool = False) -> int:
        """a + b, cut at 0 where relu is set."""
        y = self.signal(self.channels[a]) if into is None else into
        delay = max(self.delays[a], self.delays[b])
        backs = [delay - self.delays[signal] for signal in (a, b)]
        for signal, back in zip((a, b), backs, strict=True):
            self.keep(signal, back)
        self._append(ADD_RELU if relu else ADD, y, a, b, backs=backs, delay=delay)
        return y

    def pointwise(self, kind: str, x: int, into: int | None = None) -> int:
        """One of POINTWISE of every value; in place unless into is given."""
        y = x if into is None else into
        self._append(POINTWISE[kind], y, x)
        return y

    def leaky_relu(self, x: int, slope: float, into: int | None = None) -> int:
        y = x if into is None else into
        self._append(LEAKY_RELU, y, x, self._constant(np.array([slope], np.float32)))
        return y

    def gate(self, x: int, channels: int, kind: int = GATE, into: int | None = None) -> int:
        """From the two halves of x: tanh · sigmoid (GATE) or first · sigmoid (GLU).

        Args:
            x: halves of so many channels, each padded: see ``halves``.
            channels: of the result.
            kind: GATE or GLU.
            into: the signal to write.
        """
        z = self.signal(channels) if into is None else into
        self._append(kind, z, x)
        return z

    def film(self, y: int, h: int) -> int:
        """y + shift + y · scale in place; h holds scale and shift as ``halves``."""
        self._append(FILM, y, h, delay=self.delays[y])
        return y

    def layer_norm(
        self, x: int, weight: Tensor, bias: Tensor | None, epsilon: float, parts: int = 1
    ) -> int:
        """Every row less its mean over its deviation, in place; parts is 2 for ``halves``."""
        size = len(weight) // parts
        lay_out = halves if parts == 2 else fill
        bias = torch.zeros_like(weight) if bias is None else bias
        w, b = (self._constant(_numbers(lay_out(numbers))) for numbers in (weight, bias))
        e = self._constant(np.array([epsilon], np.float32))
        self._append(LAYER_NORM, x, size, w, b, e, parts)
        return x

    def tables(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The operations, and all weights in one row."""
        # The last one is a row of zeros, for convolutions without a residual.
        self._constant(np.zeros(max(padded(c) for c in self.channels), np.float32))
        weights = aligned_zeros(self._size)
        np.concatenate(self._weights, out=weights)
        return np.array(self.operations, np.int64), weights

    def _append(self, *numbers: int, backs: Sequence[int] = (), delay: int | None = None) -> None:
        """One operation; without a delay it keeps that of its source."""
        kind, target, source = numbers[0], numbers[1], numbers[2]
        if kind == LAYER_NORM:
            source = target
        self.delays[target] = self.delays[source] if delay is None else delay
        row = [*numbers, *[0] * (OPERANDS - len(numbers))]
        row[BACK : BACK + len(backs)] = backs
        row[DELAY] = self.delays[target]
        self.operations.append(row)

    def _constant(self, values: NDArray[np.float32]) -> int:
        """Where the values begin among all weights; each begins at a whole vector."""
        start, room = self._size, -len(values) % max(WIDTH, 16)
        self._weights += [values, np.zeros(room, np.float32)]
        self._size += len(values) + room
        return start


def fill(weight: Tensor) -> Tensor:
    """Outputs padded to whole vectors with zeros."""
    room = padded(weight.shape[0]) - weight.shape[0]
    return torch.cat([weight, weight.new_zeros(room, *weight.shape[1:])]) if room else weight


def halves(weight: Tensor) -> Tensor:
    """Outputs [f | g] with each half padded, so that both begin at a whole vector."""
    f, g = weight.chunk(2)
    return torch.cat([fill(f), fill(g)])


def _numbers(tensor: Tensor) -> NDArray[np.float32]:
    return np.asarray(tensor.detach().numpy(), np.float32)


def _row(bias: Tensor | None, size: int) -> NDArray[np.float32]:
    row = np.zeros(padded(size), np.float32)
    if bias is not None:
        row[:size] = _numbers(bias)
    return row


__all__ = ["GRAIN", "Past", "Program", "UnsupportedModelError", "halves"]
