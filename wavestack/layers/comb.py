"""Sets of positions with a rule: runs of equal width at equal distances."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from wavestack.receptive_field import sets
from wavestack.receptive_field.sets import IntSet


@dataclass(frozen=True)
class Comb:
    """Positions first + i * step + c, for i < rows and c < width, but for some at either end.

    What the outputs 5, 6, 7 of a convolution of kernel 3 and dilation 4 need is the comb of 3 rows
    at step 4, each 3 wide, of which the border at 0 cuts 3 positions::

        (-3 -2 -1)  ·  1  2  3  ·  5  6  7

    Attributes:
        first: first position of the first run, were it whole.
        step: from one run to the next; 1 where there is one run.
        rows: number of runs.
        width: positions of a run.
        cut_left: positions that the first run lacks.
        cut_right: positions that the last run lacks.
    """

    first: int
    step: int
    rows: int
    width: int
    cut_left: int = 0
    cut_right: int = 0

    @property
    def last_row(self) -> int:
        """First position of the last run."""
        return self.first + (self.rows - 1) * self.step


def spaced(items: IntSet) -> IntSet:
    """The same set, as a range where its members are evenly spaced.

    Example:
        >>> spaced(sets.from_array(np.array([1, 4, 7])))
        range(1, 8, 3)
    """
    if isinstance(items, range):
        return items
    positions = sets.to_array(items)
    step = int(positions[1] - positions[0])
    even = (np.diff(positions) == step).all()
    return range(int(positions[0]), int(positions[-1]) + 1, step) if even else items


def combs(items: IntSet) -> Iterator[Comb]:
    """The combs that a set which is not empty can be read as; a range without holes is two.

    Example:
        >>> list(combs(range(3, 12, 4)))
        [Comb(first=3, step=4, rows=3, width=1, cut_left=0, cut_right=0)]
        >>> [(comb.rows, comb.width) for comb in combs(range(5))]
        [(5, 1), (1, 5)]
        >>> list(combs(sets.from_array(np.array([1, 2, 3, 6, 7]))))
        [Comb(first=1, step=5, rows=2, width=3, cut_left=0, cut_right=1)]
        >>> list(combs(sets.from_array(np.array([1, 2, 3, 6, 9]))))
        []
    """
    if isinstance(items, range):
        yield Comb(items[0], items.step, len(items), 1)
        if items.step == 1 and len(items) > 1:
            yield Comb(items[0], 1, 1, len(items))
        return
    positions = sets.to_array(items)
    ends = np.flatnonzero(np.diff(positions) > 1) + 1
    starts = positions[np.concatenate([[0], ends])]
    widths = np.diff(np.concatenate([[0], ends, [len(positions)]]))
    width = int(widths.max())
    cut_left, cut_right = width - int(widths[0]), width - int(widths[-1])
    starts[0] -= cut_left
    steps = np.diff(starts)
    if (widths[1:-1] == width).all() and (steps == steps[0]).all():
        yield Comb(int(starts[0]), int(steps[0]), len(starts), width, cut_left, cut_right)
