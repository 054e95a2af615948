"""The figures of a report: what is said of an axis, of the image plane, and of a layer."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

Index = int | tuple[int, ...] | dict[str, int] | None


@dataclass(frozen=True)
class Phase:
    """The positions behind one output of a repeating pattern.

    Attributes:
        start: first input index (unclipped; negative in the padding), None where nothing is seen
        size: last - first + 1; 0 where nothing is seen
        used: positions really used between first and last
    """

    start: int | None
    size: int
    used: int


@dataclass(frozen=True)
class Axis:
    """The receptive field along one axis of one input, in positions of that input.

    Attributes:
        name: "T", "H", "W", or the name given with ``axes=``
        size: largest extent that one output depends on; math.inf when a global operator joins;
            None when an unknown operator stands between
        local_size: the same with the global operators cut
        jump: input positions per output position; None without a repeating pattern
        start: first input index that output 0 depends on, unclipped
        period: smallest number of outputs after which the pattern repeats; None without one
        phases: output o uses phases[o % period], shifted by (o // period) * period * jump
        used: positions really used inside the largest extent
        coverage: used / local_size (1.0 where nothing is skipped)
        lookahead: largest number of input positions after floor(o * jump); 0 is causal; None where
            that is unknown, or the output has no position along this axis
        input_size: length of the input along this axis
        output_size: length of the (last) tensor that has this axis
        collapsed: True where the output itself no longer has this axis
    """

    name: str
    size: int | float | None
    local_size: int | None
    jump: Fraction | None
    start: int | None
    period: int | None
    phases: tuple[Phase, ...]
    used: int | None
    coverage: float | None
    lookahead: int | float | None
    input_size: int
    output_size: int
    collapsed: bool = False

    @property
    def end(self) -> int | None:
        """Last input index that output 0 depends on, unclipped."""
        if not self.phases or self.phases[0].start is None:
            return None
        return self.phases[0].start + self.phases[0].size - 1

    @property
    def is_global(self) -> bool:
        """Whether a global operator joins all positions along this axis."""
        return self.size is not None and math.isinf(self.size)


@dataclass(frozen=True)
class Area:
    """The receptive field in the image plane, global operators cut.

    Attributes:
        used: pixels really used
        box: pixels of the bounding rectangle
        coverage: used / box
        mask: (rows, columns) boolean plane of the bounding rectangle
        start: first row and column of the rectangle for the output that was asked
        axes: the names of the two axes
    """

    used: int
    box: int
    coverage: float
    mask: np.ndarray = field(repr=False, compare=False)
    start: tuple[int, int] = (0, 0)
    axes: tuple[str, str] = ("H", "W")


@dataclass(frozen=True)
class LayerAxis:
    """What one module's output sees along one axis, accumulated from the input."""

    size: int | float | None
    local_size: int | None
    jump: Fraction | None
    start: int | None
    coverage: float | None


@dataclass(frozen=True)
class LayerRow:
    """One module of the table, in order of execution.

    Attributes:
        name: path of the module, as in ``named_modules()``
        operator: class name of the module
        kernel, effective_kernel, stride, dilation: own geometry per axis, None where it has none
        axes: cumulative figures, one LayerAxis per axis name
        output_shape: shape of its output
        params: its own parameters
        macs: its own multiply-accumulates for this input
    """

    name: str
    operator: str
    kernel: tuple[int, ...] | None
    effective_kernel: tuple[int, ...] | None
    stride: tuple[int, ...] | None
    dilation: tuple[int, ...] | None
    axes: dict[str, LayerAxis]
    output_shape: tuple[int, ...]
    params: int
    macs: int

    def _per_axis(self, figure: str) -> Any:
        values = tuple(getattr(axis, figure) for axis in self.axes.values())
        return values[0] if len(values) == 1 else values

    @property
    def size(self) -> Any:
        """Cumulative size: one value for one axis, a tuple in the order of ``axes`` for several."""
        return self._per_axis("size")

    @property
    def jump(self) -> Any:
        """Cumulative jump, as ``size``."""
        return self._per_axis("jump")

    @property
    def start(self) -> Any:
        """Cumulative start, as ``size``."""
        return self._per_axis("start")

    @property
    def coverage(self) -> Any:
        """Cumulative coverage, as ``size``."""
        return self._per_axis("coverage")
