"""How a convolution between two sets of positions reads its input.

Where the positions follow a rule it is a dense convolution over rows: a signal of which every s-th
sample is needed is one column of rows, N neighbouring outputs in s-spaced runs are N such columns
side by side. Kernel 3, dilation 4, the outputs 9, 10, 13, 14 (o: zeros before the signal)::

    inputs  o 2    outputs
            5 6    (dilation 4 is dilation 1 along the rows)
            9 10   9  10
           13 14  13  14

Otherwise every tap of every output is gathered.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wavestack.layers.comb import Comb, combs
from wavestack.layers.conv1d import channels_last_pays
from wavestack.layers.padded_conv1d import padded_conv1d
from wavestack.receptive_field import sets
from wavestack.receptive_field.relation import Window
from wavestack.receptive_field.sets import IntSet


@dataclass(frozen=True)
class Rows:
    """A dense convolution over rows of columns.

    Attributes:
        left: columns of zeros put before the given ones; negative: columns left out.
        right: likewise behind them.
        every: columns from one row to the next.
        width: columns of a row.
        stride: rows of the input per row of the output.
        dilation: rows between two taps.
        cut_left: outputs of the first row that nobody asked for.
        cut_right: outputs of the last row that nobody asked for.
        gives: the positions of the outputs.
    """

    left: int
    right: int
    every: int
    width: int
    stride: int
    dilation: int
    cut_left: int
    cut_right: int
    gives: IntSet

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> Tensor:
        """The outputs from the given columns.

        Shape:
            x: (B, C, columns) -> (B, out_channels, outputs)
        """
        left, right = max(0, self.left), max(0, self.right)
        x = x[..., max(0, -self.left) : x.shape[-1] - max(0, -self.right)]
        channels_last = channels_last_pays(x) or x.stride(1) == 1  # as the signal lies already
        if self.width == self.every == 1 and not channels_last:
            return padded_conv1d(x, weight, bias, left, right, self.stride, self.dilation, groups)
        plane = x.unsqueeze(2)
        if left or right:  # as a plane, since padding keeps their order in memory
            plane = F.pad(plane, (left, right))
        if self.width == 1:
            plane, kernel = plane[..., :: self.every], weight.unsqueeze(2)
            stride, dilation = (1, self.stride), (1, self.dilation)
        else:
            plane, kernel = plane.squeeze(2).unfold(-1, self.width, self.every), weight.unsqueeze(3)
            stride, dilation = (self.stride, 1), (self.dilation, 1)
        if channels_last:
            plane = plane.contiguous(memory_format=torch.channels_last)
            kernel = kernel.contiguous(memory_format=torch.channels_last)
        y = F.conv2d(plane, kernel, bias, stride, 0, dilation, groups).flatten(2)
        return y[..., self.cut_left : y.shape[-1] - self.cut_right]


@functools.lru_cache(maxsize=1024)
def plan_rows(window: Window, have: IntSet, want: IntSet) -> Rows | None:
    """The convolution over rows that leads from one set to another, or None without a rule.

    Args:
        window: the convolution's index relation.
        have: the positions of the columns at hand, all needed ones among them.
        want: the positions of the outputs.

    Example:
        >>> rows = plan_rows(Window(2, padding=4, dilation=4), range(1, 10, 2), range(5, 10, 4))
        >>> rows.left, rows.every, rows.stride, rows.dilation
        (0, 2, 1, 1)
    """
    for comb in combs(want):
        rows = _rows_of(window, have, comb, want)
        if rows is not None:
            return rows
    hull = range(sets.first(want), sets.last(want) + 1)
    if isinstance(have, range) and have.step == 1 and len(hull) <= window.kernel * sets.count(want):
        # Outputs between the wanted ones cost less than gathering every tap of these.
        return plan_rows(window, have, hull) if hull != want else None
    return None


def _rows_of(window: Window, have: IntSet, out: Comb, want: IntSet) -> Rows | None:
    if out.width > 1 and window.stride > 1:
        return None
    spacing = math.gcd(
        window.dilation if window.kernel > 1 else 0,
        out.step * window.stride if out.rows > 1 else 0,
    )
    spacing = spacing or 1  # one tap of one row
    # The first positions of the first and of the last row that are read.
    first = out.first * window.stride - window.padding
    last = out.last_row * window.stride - window.padding + (window.kernel - 1) * window.dilation
    shape = (
        out.width,
        out.step * window.stride // spacing if out.rows > 1 else 1,
        window.dilation // spacing if window.kernel > 1 else 1,
        out.cut_left,
        out.cut_right,
        want,
    )
    for comb in combs(have):
        if (
            comb.width == out.width
            and (comb.rows == 1 or comb.step == spacing)
            and (comb.first - first) % spacing == 0
        ):
            left = (comb.first - first) // spacing * comb.width + comb.cut_left
            right = (last - comb.last_row) // spacing * comb.width + comb.cut_right
            return Rows(left, right, comb.width, *shape)
    if not isinstance(have, range) or spacing % have.step or (first - have[0]) % have.step:
        return None
    every = spacing // have.step
    if out.width == 1 or (have.step == 1 and out.width <= spacing):
        left = (have[0] - first) // have.step
        right = (last - have[-1]) // have.step + out.width - 1
        return Rows(left, right, every, *shape)
    return None


@functools.lru_cache(maxsize=256)
def plan_gather(window: Window, have: IntSet, want: IntSet) -> Tensor:
    """For every tap of every output the column to read; beyond the signal, one behind the last.

    Shape:
        -> (outputs * kernel_size,) int64
    """
    columns, outputs = sets.to_array(have), sets.to_array(want)
    taps = np.arange(window.kernel) * window.dilation - window.padding
    positions = (outputs[:, None] * window.stride + taps).ravel()
    index = np.searchsorted(columns, positions)
    found = columns[index.clip(max=len(columns) - 1)] == positions
    return torch.from_numpy(np.where(found, index, len(columns)))


@functools.lru_cache(maxsize=256)
def columns_of(have: IntSet, want: IntSet) -> Tensor:
    """Where some positions stand among others.

    Shape:
        -> (len(want),) int64
    """
    return torch.from_numpy(np.searchsorted(sets.to_array(have), sets.to_array(want)))
