"""From a wanted receptive field to dilation schedules: how few layers, how few weights, no holes.

The search space is every schedule of at most `max_layers` layers whose kernel sizes come from a
given set and whose dilations are any positive integers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from wavestack.receptive_field import sets
from wavestack.receptive_field.relation import Notes, Window
from wavestack.receptive_field.schedule_search import Search, half

# Convolutions in one step of a cycle: WaveNet's gated layer has one, a TCN's block two alike.
CONVOLUTIONS = {"wavenet": 1, "tcn": 2}

_UNITS = {"ms": Fraction(1, 1000), "s": Fraction(1)}


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
        architecture: "wavenet" or "tcn": the model that the fragment is for. A TCN's block has two
            convolutions of the same kernel size and dilation.
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
    architecture: str = "wavenet"

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
    def settings(self) -> dict[str, int | str | list[int]]:
        """Keys and values of the `model:` group."""
        tcn = self.architecture == "tcn"
        base = self.dilation_base
        settings: dict[str, int | str | list[int]] = {"kernel_size": self.kernel_sizes[0]}
        if len(set(self.kernel_sizes)) > 1:
            settings = {"kernel_sizes": list(self.kernel_sizes * self.num_stacks)}
        if base is None or (tcn and self.num_stacks > 1):
            settings["dilations"] = list(self.dilations * self.num_stacks)
        else:
            stacks = {} if tcn else {"num_stacks": self.num_stacks}
            settings |= {"num_layers": len(self.dilations), **stacks, "dilation_base": base}
        if tcn and self.latency:
            settings["lookahead"] = "centred"
        return settings

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
    architecture: str = "wavenet",
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
        architecture: "wavenet", or "tcn", whose blocks have two convolutions alike.

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
    if architecture not in CONVOLUTIONS or (architecture == "tcn" and dimensions == 2):
        known = "wavenet" if dimensions == 2 else " or ".join(CONVOLUTIONS)
        raise ValueError(f"architecture must be {known} for {target!r}, got {architecture!r}")
    convolutions = CONVOLUTIONS[architecture]
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
        repeats = stacks * convolutions
        if repeats > max_layers:
            least = f"num_stacks={stacks}" + f" of {convolutions} each" * (convolutions > 1)
            raise ValueError(f"max_layers={max_layers} is less than {least}")
        search = Search(
            size, kernels, repeats, dimensions, centred, max_layers // repeats, max_dilation
        )
        found = search.hole_free() if no_holes else search.geometric()
        measured = [
            _schedule(k, d, search, channels, size, sample_rate, architecture) for k, d in found
        ]
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


def _schedule(
    kernel_sizes: tuple[int, ...],
    dilations: tuple[int, ...],
    search: Search,
    channels: int,
    target: int,
    sample_rate: float | None,
    architecture: str,
) -> Schedule:
    """Let the calculator measure a cycle, and count its layers."""
    extent, used = _measure(kernel_sizes * search.stacks, dilations * search.stacks)
    weights = search.stacks * sum(k**search.dimensions for k in kernel_sizes) * channels**2
    layers = search.stacks * len(kernel_sizes)
    return Schedule(
        kernel_sizes=kernel_sizes,
        dilations=dilations,
        num_stacks=search.stacks // CONVOLUTIONS[architecture],
        dimensions=search.dimensions,
        receptive_field=extent,
        coverage=Fraction(used, extent) ** search.dimensions,
        layers=layers,
        parameters=weights + layers * channels,
        macs=weights,
        latency=half(extent) if search.centred and search.dimensions == 1 else 0,
        target=target,
        sample_rate=sample_rate,
        architecture=architecture,
    )


def _measure(kernel_sizes: Sequence[int], dilations: Sequence[int]) -> tuple[int, int]:
    """(extent, positions used) of a stack of dilated convolutions."""
    positions: sets.IntSet = range(1)
    for k, d in reversed(list(zip(kernel_sizes, dilations, strict=True))):
        positions = Window(k, dilation=d).pull(positions, clipped=False, notes=Notes())
    return sets.last(positions) - sets.first(positions) + 1, sets.count(positions)


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


def _flow(value: int | str | list[int]) -> str:
    return str(value).replace(" ", "") if isinstance(value, list) else str(value)
