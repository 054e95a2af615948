"""From a wanted receptive field to dilation schedules: how few layers, how few weights, no holes.

The search space is every schedule of at most `max_layers` layers whose kernel sizes come from a
given set and whose dilations are any positive integers. It is small because of one fact: a cycle of
dilated convolutions leaves no holes exactly when every dilation is at most the extent that the
smaller ones have already filled. So kernels k1..kn reach at most k1·k2·…·kn positions without a
hole, in any order, and a cycle that is repeated s times behaves like one cycle of kernels
s·(k-1) + 1.

The extents and coverages that a schedule states are the calculator's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import combinations_with_replacement

Counts = tuple[int, ...]
"""How many layers of a cycle have each of the allowed kernel sizes."""

_UNITS = {"ms": Fraction(1, 1000), "s": Fraction(1)}
_BASES_WITH_HOLES = range(2, 9)


@dataclass(frozen=True)
class Schedule:
    """One way to build the wanted receptive field.

    Attributes:
        kernel_sizes: of one cycle's layers, first layer first.
        dilations: of one cycle's layers.
        num_stacks: how often the cycle is repeated.
        dimensions: 1 for time, 2 for images (square kernels).
        receptive_field: extent in samples (or pixels, per axis).
        coverage: share of the extent that is really used; 1 means no holes.
        layers: convolutions in all.
        parameters: weights and biases of these convolutions at `channels` in and out.
        macs: multiply-accumulates per output position.
        latency: samples after the present one that an output waits for; 0 when causal.
        target: what was asked for, in samples (or pixels).
        sample_rate: in Hz, or None.
    """

    kernel_sizes: tuple[int, ...]
    dilations: tuple[int, ...]
    num_stacks: int
    dimensions: int
    receptive_field: int
    coverage: Fraction
    layers: int
    parameters: int
    macs: int
    latency: int
    target: int
    sample_rate: float | None = None

    @property
    def dilation_base(self) -> int | None:
        """Base of a geometric cycle with one kernel size; None when the lists are needed."""
        if len(set(self.kernel_sizes)) > 1:
            return None
        base = self.dilations[1] if len(self.dilations) > 1 else 2
        regular = tuple(base**i for i in range(len(self.dilations)))
        return base if self.dilations == regular else None

    @property
    def objectives(self) -> tuple[int, int, int, int]:
        """(layers, parameters, MACs, latency): what the Pareto list is over; smaller is better."""
        return self.layers, self.parameters, self.macs, self.latency

    @property
    def settings(self) -> dict[str, int | list[int]]:
        """Keys and values of the `model:` group."""
        base = self.dilation_base
        if base is not None:
            return {
                "kernel_size": self.kernel_sizes[0],
                "num_layers": len(self.dilations),
                "num_stacks": self.num_stacks,
                "dilation_base": base,
            }
        dilations = list(self.dilations * self.num_stacks)
        if len(set(self.kernel_sizes)) == 1:
            return {"kernel_size": self.kernel_sizes[0], "dilations": dilations}
        return {
            "kernel_sizes": list(self.kernel_sizes * self.num_stacks),
            "dilations": dilations,
        }

    def to_hydra(self) -> str:
        """The `model:` fragment of a recipe or of a file for `--config-dir`."""
        lines = [f"  {key}: {_flow(value)}" for key, value in self.settings.items()]
        return "\n".join(["model:", *lines]) + "\n"

    def to_overrides(self) -> list[str]:
        """The same as command-line values, quoted for a shell."""
        words = [f"model.{key}={_flow(value)}" for key, value in self.settings.items()]
        return [f"'{word}'" if "[" in word else word for word in words]

    def __str__(self) -> str:
        unit = "pixels" if self.dimensions == 2 else "samples"
        field = f"{self.receptive_field:,} {unit}"
        if self.sample_rate and self.dimensions == 1:
            field += f" = {self.receptive_field / self.sample_rate * 1000:,.1f} ms"
        head = (
            f"# {field}; {self.layers} layers, {self.parameters:,} parameters, "
            f"{self.macs:,} MACs per {unit[:-1]}, latency {self.latency}"
        )
        if self.coverage != 1:
            head += f", {float(self.coverage):.1%} of the extent used"
        return f"{head}\n{self.to_hydra()}"


def design(
    target: int | str,
    *,
    sample_rate: float | None = None,
    causal: bool = True,
    kernel_sizes: Sequence[int] = (2, 3),
    max_layers: int = 64,
    no_holes: bool = True,
    num_stacks: int | Sequence[int] = 1,
    max_dilation: int | None = None,
    channels: int = 64,
) -> list[Schedule]:
    """List the schedules that nobody beats on layers, parameters, MACs and latency at once.

    Every schedule reaches at least the target. Where several share the four figures, the regular
    one (one kernel size, geometric dilations) and the one that lands closest are given.

    Args:
        target: wanted receptive field: samples (1024), a duration ("300ms", "0.3s", with
            `sample_rate`) or pixels ("64px": two dimensions, per axis).
        sample_rate: in Hz.
        causal: every kernel looks back only. Otherwise kernels are centred, which needs odd sizes,
            and the latency is half the field. Images are always centred.
        kernel_sizes: sizes a layer may have; in two dimensions the odd ones of them.
        max_layers: most convolutions, all stacks together.
        no_holes: every position of the extent is used. In two dimensions the cycle also obeys the
            hybrid dilated convolution rule (`hdc_distance` at most the first kernel size). False:
            geometric cycles of bases 2 to 8, with coverage as a fifth figure to compare.
        num_stacks: repeats of the cycle. Several numbers give one Pareto list each, in turn:
            repeats buy depth, which these figures do not reward.
        max_dilation: largest dilation, or None.
        channels: width at which parameters and MACs are counted.

    Raises:
        ValueError: when an argument makes no sense or no schedule reaches the target.

    References:
        Oord et al. (2016), WaveNet, section 2.1; Wang et al. (2018), Understanding Convolution for
        Semantic Segmentation, section 3.2.

    Example:
        >>> print(design("64ms", sample_rate=16000, kernel_sizes=(2,))[0].to_hydra(), end="")
        model:
          kernel_size: 2
          num_layers: 10
          num_stacks: 1
          dilation_base: 2
    """
    size, dimensions = parse_target(target, sample_rate)
    kernels = tuple(sorted({int(k) for k in kernel_sizes}))
    if not kernels or kernels[0] < 2:
        raise ValueError(f"kernel_sizes must be at least 2 each, got {tuple(kernel_sizes)}")
    centred = dimensions == 2 or not causal
    if centred:
        odd = tuple(k for k in kernels if k % 2)
        if not odd or (dimensions == 1 and odd != kernels):
            what = "two dimensions" if dimensions == 2 else "causal=False"
            raise ValueError(f"kernel_sizes must be odd for {what}, got {tuple(kernel_sizes)}")
        kernels = odd
    if max_layers < 1:
        raise ValueError(f"max_layers must be >= 1, got {max_layers}")
    if max_dilation is not None and max_dilation < 1:
        raise ValueError(f"max_dilation must be >= 1, got {max_dilation}")
    results: list[Schedule] = []
    for stacks in [num_stacks] if isinstance(num_stacks, int) else num_stacks:
        if stacks < 1:
            raise ValueError(f"num_stacks must be >= 1, got {stacks}")
        if stacks > max_layers:
            raise ValueError(f"max_layers={max_layers} is less than num_stacks={stacks}")
        search = _Search(
            size, kernels, stacks, dimensions, centred, max_layers // stacks, max_dilation
        )
        found = search.hole_free() if no_holes else search.geometric()
        measured = [_schedule(k, d, search, channels, size, sample_rate) for k, d in found]
        results += _pareto(measured, with_coverage=not no_holes)
    return results


def parse_target(target: int | str, sample_rate: float | None) -> tuple[int, int]:
    """Read a target: (extent in samples or pixels, number of dimensions).

    Raises:
        ValueError: when it is not a positive number with a known unit, or a duration lacks a rate.
    """
    text = str(target).strip().lower().replace(" ", "").replace("_", "")
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = text[len(number) :]
    try:
        value = Fraction(number)
    except ValueError:
        raise ValueError(f"target must be like 1024, 300ms, 0.3s or 64px, got {target!r}") from None
    if value <= 0:
        raise ValueError(f"target must be positive, got {target!r}")
    if unit in _UNITS:
        if not sample_rate:
            raise ValueError(f"target {target!r} is a duration: give sample_rate, in Hz")
        return math.ceil(value * _UNITS[unit] * Fraction(str(sample_rate))), 1
    if unit not in ("", "samples", "px", "pixels"):
        raise ValueError(f"target must be like 1024, 300ms, 0.3s or 64px, got {target!r}")
    return math.ceil(value), 2 if unit in ("px", "pixels") else 1


def hdc_distance(kernel_sizes: Sequence[int], dilations: Sequence[int]) -> int:
    """Largest distance between two used positions as the HDC rule counts it (M2 in the paper).

    The rule asks for at most the first kernel size. With 3x3 kernels this is the published
    recursion M_i = max(M_{i+1} - 2 r_i, 2 r_i - M_{i+1}, r_i); other sizes put k_i - 1 for its
    first 2.

    References:
        Wang et al. (2018), Understanding Convolution for Semantic Segmentation, equation 2.
    """
    distance = dilations[-1]
    for k, r in reversed(list(zip(kernel_sizes, dilations, strict=True))[1:-1]):
        distance = max(distance - (k - 1) * r, 2 * r - distance, r)
    return distance


@dataclass(frozen=True)
class _Search:
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
        reach = _Reach(steps, self.max_dilation or goal)
        best: list[tuple[int, int, int]] = []
        for length in range(1, self.max_length + 1):
            cheapest = length * self.kernels[0] ** self.dimensions
            if any(cost <= cheapest and late <= _half(goal) for _, cost, late in best):
                break  # a longer cycle can win neither on weights nor on latency
            for counts in _multisets(len(steps), length):
                if reach.most(counts) < goal:
                    continue
                cost = sum(
                    n * k**self.dimensions for n, k in zip(counts, self.kernels, strict=True)
                )
                if any(b[1] <= cost and b[2] <= _half(goal) for b in best):
                    continue
                for kernel_sizes, dilations, extent in self._cycles(reach, counts, goal):
                    figures = (length, cost, _half(extent) if self.centred else 0)
                    if not any(all(a <= b for a, b in zip(x, figures, strict=True)) for x in best):
                        best.append(figures)
                    yield kernel_sizes, dilations
        if not best:
            most = max((reach.most(c) for c in _multisets(len(steps), self.max_length)), default=0)
            total = most if merge else 1 + self.stacks * (most - 1)
            unit = "pixels" if self.dimensions == 2 else "samples"
            raise ValueError(
                f"no schedule of at most {self.max_length * self.stacks} layers with kernel sizes "
                f"{self.kernels} reaches {self.target:,} {unit} without holes, only {total:,}"
            )

    def _cycles(
        self, reach: _Reach, counts: Counts, goal: int
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
            for base in _BASES_WITH_HOLES:
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


class _Reach:
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


def _schedule(
    kernel_sizes: tuple[int, ...],
    dilations: tuple[int, ...],
    search: _Search,
    channels: int,
    target: int,
    sample_rate: float | None,
) -> Schedule:
    """Let the calculator measure a cycle, and count its layers."""
    extent, used = _measure(kernel_sizes * search.stacks, dilations * search.stacks)
    weights = search.stacks * sum(k**search.dimensions for k in kernel_sizes) * channels**2
    layers = search.stacks * len(kernel_sizes)
    return Schedule(
        kernel_sizes=kernel_sizes,
        dilations=dilations,
        num_stacks=search.stacks,
        dimensions=search.dimensions,
        receptive_field=extent,
        coverage=Fraction(used, extent) ** search.dimensions,
        layers=layers,
        parameters=weights + layers * channels,
        macs=weights,
        latency=_half(extent) if search.centred and search.dimensions == 1 else 0,
        target=target,
        sample_rate=sample_rate,
    )


def _measure(kernel_sizes: Sequence[int], dilations: Sequence[int]) -> tuple[int, int]:
    """(extent, positions used) of a stack of dilated convolutions."""
    positions = 1
    for k, d in zip(kernel_sizes, dilations, strict=True):
        layer = positions
        for tap in range(1, k):
            layer |= positions << (tap * d)
        positions = layer
    return positions.bit_length(), positions.bit_count()


def _pareto(schedules: list[Schedule], *, with_coverage: bool) -> list[Schedule]:
    """Drop what another schedule beats; keep ties once per (figures, extent)."""

    def figures(s: Schedule) -> tuple:
        return (*s.objectives, -s.coverage) if with_coverage else s.objectives

    def beaten(s: Schedule) -> bool:
        return any(
            figures(o) != figures(s)
            and all(a <= b for a, b in zip(figures(o), figures(s), strict=True))
            for o in schedules
        )

    kept: dict[tuple, Schedule] = {}
    for schedule in schedules:
        if not beaten(schedule):
            kept.setdefault((figures(schedule), schedule.receptive_field), schedule)
    return sorted(kept.values(), key=lambda s: (*figures(s), s.receptive_field))


def _multisets(kinds: int, length: int) -> Iterator[Counts]:
    for chosen in combinations_with_replacement(range(kinds), length):
        yield tuple(chosen.count(kind) for kind in range(kinds))


def _half(extent: int) -> int:
    return -(-(extent - 1) // 2)


def _flow(value: int | list[int]) -> str:
    return str(value).replace(" ", "") if isinstance(value, list) else str(value)
