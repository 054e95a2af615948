"""The search behind the designer: which cycles of dilated convolutions reach a target.

It is small because of one fact: a cycle leaves no holes exactly when every dilation is at most the
extent that the smaller ones have already filled. So kernels k1..kn reach at most k1·k2·…·kn
positions without a hole, in any order, and a cycle that is repeated s times behaves like one cycle
of kernels s·(k-1) + 1. What a found cycle really reads is measured by the calculator afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations_with_replacement

Counts = tuple[int, ...]
"""How many layers of a cycle have each of the allowed kernel sizes."""

BASES_WITH_HOLES = range(2, 9)


@dataclass(frozen=True)
class Search:
    """Cycles that reach `target` when repeated `stacks` times."""

    target: int
    kernels: tuple[int, ...]
    stacks: int
    dimensions: int
    centred: bool
    max_length: int
    max_dilation: int | None

    def hole_free(self) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
        """Undominated cycles without holes, as (kernel sizes, dilations)."""
        # A repeated 1D cycle is one cycle of larger kernels. The HDC rule speaks of a single cycle.
        merge = self.dimensions == 1
        steps = tuple((self.stacks if merge else 1) * (k - 1) for k in self.kernels)
        goal = self.target if merge else -(-(self.target - 1) // self.stacks) + 1
        reach = Reach(steps, self.max_dilation or goal)
        best: list[tuple[int, int, int]] = []
        for length in range(1, self.max_length + 1):
            cheapest = length * self.kernels[0] ** self.dimensions
            if any(cost <= cheapest and late <= half(goal) for _, cost, late in best):
                break  # a longer cycle can win neither on weights nor on latency
            for counts in multisets(len(steps), length):
                if reach.most(counts) < goal:
                    continue
                cost = sum(
                    n * k**self.dimensions for n, k in zip(counts, self.kernels, strict=True)
                )
                if any(b[1] <= cost and b[2] <= half(goal) for b in best):
                    continue
                for kernel_sizes, dilations, extent in self._cycles(reach, counts, goal):
                    figures = (length, cost, half(extent) if self.centred else 0)
                    if not any(all(a <= b for a, b in zip(x, figures, strict=True)) for x in best):
                        best.append(figures)
                    yield kernel_sizes, dilations
        if not best:
            most = max((reach.most(c) for c in multisets(len(steps), self.max_length)), default=0)
            total = most if merge else 1 + self.stacks * (most - 1)
            unit = "pixels" if self.dimensions == 2 else "samples"
            raise ValueError(
                f"no schedule of at most {self.max_length * self.stacks} layers with kernel sizes "
                f"{self.kernels} reaches {self.target:,} {unit} without holes, only {total:,}"
            )

    def _cycles(
        self, reach: Reach, counts: Counts, goal: int
    ) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], int]]:
        """The regular cycle of these kernels, if there is one, and the closest to the goal."""
        used = [k for n, k in zip(counts, self.kernels, strict=True) if n]
        length = sum(counts)
        if len(used) == 1:
            step = reach.steps[self.kernels.index(used[0])]
            for base in range(2, step + 2):
                dilations = tuple(base**i for i in range(length))
                extent = 1 + step * sum(dilations)
                if extent >= goal and dilations[-1] <= reach.max_dilation:
                    yield (used[0],) * length, dilations, extent
                    break
        extent, layers = reach.closest(counts, goal)
        ordered = sorted(layers, key=lambda layer: layer[1])
        kernel_sizes = tuple(self.kernels[reach.steps.index(step)] for step, _ in ordered)
        yield kernel_sizes, tuple(d for _, d in ordered), extent

    def geometric(self) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
        """Every geometric cycle that reaches the target, holes allowed."""
        found = False
        for k in self.kernels:
            for base in BASES_WITH_HOLES:
                for length in range(1, self.max_length + 1):
                    dilations = tuple(base**i for i in range(length))
                    if self.max_dilation and dilations[-1] > self.max_dilation:
                        break
                    if self.stacks * (k - 1) * sum(dilations) >= self.target - 1:
                        found = True
                        yield (k,) * length, dilations
                        break
        if not found:
            raise ValueError(
                f"no geometric cycle of at most {self.max_length} layers with kernel sizes "
                f"{self.kernels} reaches {self.target:,}"
            )


class Reach:
    """Which extents a multiset of kernels fills without a hole.

    A layer of step k - 1 and dilation d takes a filled extent s to s + (k - 1) d, for 1 <= d <= s.

    Args:
        steps: k - 1 of every allowed kernel size.
        max_dilation: largest d.
    """

    def __init__(self, steps: tuple[int, ...], max_dilation: int) -> None:
        self.steps = steps
        self.max_dilation = max_dilation
        self.most = lru_cache(maxsize=None)(self._most)
        self._fit = lru_cache(maxsize=None)(self._find_fit)

    def _most(self, counts: Counts) -> int:
        extents = [
            extent + step * min(extent, self.max_dilation)
            for step, rest in self._last_layers(counts)
            for extent in [self.most(rest)]
        ]
        return max(extents, default=1)

    def closest(self, counts: Counts, goal: int) -> tuple[int, list[tuple[int, int]]]:
        """Smallest fillable extent of at least `goal`, and its layers as (step, dilation)."""
        shift = math.gcd(*(s for n, s in zip(counts, self.steps, strict=True) if n))
        extent = goal + (1 - goal) % shift
        while extent <= self.most(counts):
            layers = self._fit(counts, extent)
            if layers is not None:
                return extent, list(layers)
            extent += shift
        raise ValueError(f"goal {goal} is out of reach")

    def _find_fit(self, counts: Counts, extent: int) -> tuple[tuple[int, int], ...] | None:
        if not any(counts):
            return () if extent == 1 else None
        for step, rest in self._last_layers(counts):
            largest = min(self.most(rest), extent - step)
            largest -= (largest - extent) % step  # extent - s must be a multiple of the step
            smallest = max(-(-extent // (step + 1)), extent - step * self.max_dilation, 1)
            for before in range(largest, smallest - 1, -step):
                layers = self._fit(rest, before)
                if layers is not None:
                    return (*layers, (step, (extent - before) // step))
        return None

    def _last_layers(self, counts: Counts) -> Iterator[tuple[int, Counts]]:
        for i, n in enumerate(counts):
            if n:
                yield self.steps[i], (*counts[:i], n - 1, *counts[i + 1 :])


def multisets(kinds: int, length: int) -> Iterator[Counts]:
    """How many of each kind: every way to choose `length` layers of `kinds` kernel sizes."""
    for chosen in combinations_with_replacement(range(kinds), length):
        yield tuple(chosen.count(kind) for kind in range(kinds))


def half(extent: int) -> int:
    """Positions on the longer side of the centre of a field."""
    return -(-(extent - 1) // 2)
