"""Interpolation as an index relation, in torch's own arithmetic.

Unclipped, positions are exact fractions, so that a ratio repeats exactly; clipped, they are
computed in the float type that torch itself uses, border clamps included. A coefficient that the
interpolation makes exactly zero (an output that falls on an input) is not counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from wavestack.receptive_field import sets
from wavestack.receptive_field.relation import Map, Notes
from wavestack.receptive_field.sets import IntSet

# A scale factor such as 1.7 is meant as 17/10; beyond this denominator no pattern is worth the
# name.
_LARGEST_DENOMINATOR = 4096


@dataclass(frozen=True)
class Resize(Map):
    """Nearest, linear or cubic interpolation along one dimension.

    Attributes:
        length_in, length_out: lengths of the dimension
        mode: "nearest", "nearest-exact", "linear" or "cubic"
        align_corners: whether the corner positions coincide
        scale: the scale factor that torch was given, None when it was given sizes
        single: whether torch computes in float32 (else float64)
        antialias: whether the kernel widens when shrinking
    """

    length_in: int
    length_out: int
    mode: str
    align_corners: bool = False
    scale: float | None = None
    single: bool = True
    antialias: bool = False

    @property
    def step(self) -> Fraction:
        """Input positions per output position, exact."""
        if self.align_corners and not self.mode.startswith("nearest"):
            if self.length_out <= 1:
                return Fraction(0)
            return Fraction(self.length_in - 1, self.length_out - 1)
        if self.scale is not None and self.scale > 0:
            return 1 / Fraction(self.scale).limit_denominator(_LARGEST_DENOMINATOR)
        return Fraction(self.length_in, self.length_out)

    @property
    def ratio(self) -> Fraction | None:
        """The step, as far as a pattern goes: aligned corners drift slowly against n_in / n_out."""
        if self.is_aligned and self.length_in != self.length_out:
            return Fraction(self.length_in, self.length_out)
        return self.step if self.step else None

    @property
    def period(self) -> int:
        return self.ratio.denominator if self.ratio else 1

    @property
    def is_aligned(self) -> bool:
        """Whether the corner positions coincide."""
        return self.align_corners and not self.mode.startswith("nearest")

    @property
    def is_regular(self) -> bool:
        """Whether the positions repeat without drift after a whole number of inputs or outputs."""
        whole = self.step.numerator == 1 or self.step.denominator == 1
        return whole and (not self.is_aligned or self.length_in == self.length_out)

    def pull(self, items: IntSet, clipped: bool, notes: Notes) -> IntSet:
        if sets.is_empty(items):
            return items
        if self.antialias:
            parts = [self._antialiased(o) for o in sets.to_array(items).tolist()]
            found = sets.union(parts)
            return sets.clip(found, 0, self.length_in) if clipped else found
        if self.length_in == self.length_out and (self.scale in (None, 1.0) or clipped):
            return items
        index = sets.to_array(items)
        if clipped:
            return sets.from_array(self._float_positions(index))
        return sets.from_array(self._exact_positions(index))

    def _exact_positions(self, o: np.ndarray) -> np.ndarray:
        p, q = self.step.numerator, self.step.denominator
        if self.mode == "nearest":
            return o * p // q
        if self.mode == "nearest-exact":
            return (2 * o + 1) * p // (2 * q)
        if self.align_corners:
            numerator, denominator = o * p, q
        else:
            numerator, denominator = (2 * o + 1) * p - q, 2 * q
        low = numerator // denominator
        between = low[numerator % denominator != 0]
        if self.mode == "linear":
            return np.concatenate([low, between + 1])
        return np.concatenate([low, between - 1, between + 1, between + 2])

    def _float_positions(self, o: np.ndarray) -> np.ndarray:
        real: Any = np.float32 if self.single or self.mode.startswith("nearest") else np.float64
        n = self.length_in
        half = real(0.5)
        if self.align_corners and not self.mode.startswith("nearest"):
            step = real(n - 1) / real(self.length_out - 1) if self.length_out > 1 else real(0)
        elif self.scale is not None and self.scale > 0:
            step = real(1.0 / self.scale)
        else:
            step = real(n) / real(self.length_out)
        place = o.astype(real)
        if self.mode == "nearest":
            return np.minimum(np.floor(place * step).astype(np.int64), n - 1)
        if self.mode == "nearest-exact":
            return np.minimum(np.floor((place + half) * step).astype(np.int64), n - 1)
        source = place * step if self.align_corners else step * (place + half) - half
        if self.mode == "linear":
            source = np.maximum(source, real(0))
            low = np.minimum(np.floor(source).astype(np.int64), n - 1)
            between = low[(source - low.astype(real) > 0) & (low < n - 1)]
            return np.concatenate([low, between + 1])
        low = np.floor(source).astype(np.int64)
        between = low[source - low.astype(real) != 0]
        return np.concatenate([low, between - 1, between + 1, between + 2]).clip(0, n - 1)

    def _antialiased(self, o: int) -> IntSet:
        step = self.step
        width = max(step, Fraction(1))
        support = width * (1 if self.mode == "linear" else 2)
        centre = step * (2 * o + 1) / 2
        low = math.floor(centre - support + Fraction(1, 2))
        high = math.floor(centre + support + Fraction(1, 2))
        kept = []
        for i in range(low, high):
            place = abs((i + Fraction(1, 2) - centre) / width)
            limit = 1 if self.mode == "linear" else 2
            # The cubic kernel is zero at every whole number but 0.
            if place < limit and not (self.mode == "cubic" and place == 1):
                kept.append(i)
        return sets.from_array(np.array(kept, dtype=np.int64))
