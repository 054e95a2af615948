"""Where the positions of a tensor lie in the dense network, and how a stride changes that."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction


@dataclass(frozen=True)
class Grid:
    """The positions of one tensor: index i of the strided network is index rate * i here.

    Attributes:
        dims: the tensor's spatial dimensions, in the order of the image's axes.
        rate: phases along each axis; all 1 where both networks hold the same tensor.
        stride: input positions per position of the dense network; None where resizing to a given
            size has made it unknown.
        folded: True where the strided network has no axes left (a pooled or flattened vector); the
            dense tensor then keeps one vector per phase, its axes at the end.
    """

    dims: tuple[int, ...]
    rate: tuple[int, ...]
    stride: tuple[Fraction | None, ...]
    folded: bool = False

    @property
    def is_dense(self) -> bool:
        """Whether the tensor has positions that the strided network does not have."""
        return max(self.rate) > 1

    def advance(self, stride: Sequence[int], output_stride: int) -> tuple[tuple[int, ...], Grid]:
        """The strides that an operator keeps, and the grid behind it.

        What the output stride still allows is kept, first come, first served; the rest becomes the
        rate of all that follows. Whatever the order of the strides on a path, an operator with an
        accumulated stride of s ends at gcd(s, output_stride), so that branches meet.

        Example:
            >>> grid = Grid((2, 3), (1, 1), (Fraction(4), Fraction(4)))
            >>> kept, grid = grid.advance((4, 4), 8)
            >>> kept, grid.rate
            ((2, 2), (2, 2))
        """
        kept = []
        for step, reached, rate in zip(stride, self.stride, self.rate, strict=True):
            if reached is None:
                kept.append(step if rate == 1 else 1)
            else:
                left = output_stride / reached
                kept.append(math.gcd(step, left.numerator // left.denominator))
        rates = tuple(r * s // k for r, s, k in zip(self.rate, stride, kept, strict=True))
        after = tuple(None if s is None else s * k for s, k in zip(self.stride, kept, strict=True))
        return tuple(kept), replace(self, rate=rates, stride=after)

    def resized(self, factors: Sequence[Fraction | None]) -> Grid:
        """The grid of a tensor with factor times as many positions along each axis."""
        reached = tuple(
            None if s is None or f is None else s / f
            for s, f in zip(self.stride, factors, strict=True)
        )
        return replace(self, stride=reached)
