"""What the page needs to draw a signal's field: a tree of layers, or bars where no tree exists."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from wavestack.receptive_field import sets
from wavestack.receptive_field.relation import Notes, Window
from wavestack.receptive_field.render.words import unit

if TYPE_CHECKING:
    from wavestack.receptive_field.effective import EffectiveField
    from wavestack.receptive_field.figures import Axis, LayerRow
    from wavestack.receptive_field.report import Report

MOST_POSITIONS = 20_000
MOST_BINS = 1200
MOST_PHASES = 64
MOST_DIRECT = 2000


def dilation_tree(report: Report, effective: EffectiveField | None = None) -> dict[str, Any] | None:
    """Layers of a 1D network as levels of a tree, or None when they are no plain chain.

    A layer's own start is what it adds to the cumulative start. The chain of these relations is
    drawn only if it gives exactly the field that the report states: extent, jump, start, number of
    positions used and, where the output still has the axis, the very positions.
    """
    if len(report.axes) != 1:
        return None
    (axis,) = report.axes.values()
    if axis.jump is None or not axis.local_size or axis.local_size > MOST_POSITIONS:
        return None
    chain = _chain(report.layers, axis)
    if not chain or not _agrees(chain, report, axis):
        return _tree(report, axis, _direct(report, axis), effective)
    causal = report.is_causal
    kernels = [window.kernel for _, window in chain]
    usual = max(set(kernels), key=kernels.count)
    levels: list[dict[str, Any]] = []
    size, start = 1, 0
    jump = Fraction(1)
    for row, window in chain:
        start += int(jump * -window.padding)
        size += int(jump * (window.kernel - 1) * window.dilation)
        jump *= window.stride
        first = -window.padding
        levels.append(
            {
                "name": row.name or row.operator,
                "label": _label(window, usual),
                "period": 1,
                "shift": window.stride,
                "offsets": [[first + window.dilation * tap for tap in range(window.kernel)]],
                "jump": str(jump),
                "anchor": start + size - 1 if causal else start + (size - 1) / 2,
            }
        )
    return _tree(report, axis, levels, effective)


def _tree(
    report: Report,
    axis: Axis,
    levels: list[dict[str, Any]],
    effective: EffectiveField | None,
) -> dict[str, Any] | None:
    if not levels:
        return None
    causal = report.is_causal
    focus = axis.output_size - 1 if causal else axis.output_size // 2
    if axis.period not in (None, 1):  # of unlike neighbours, the one that reads the most
        period = len(axis.phases)
        most = max(range(period), key=lambda phase: axis.phases[phase].size)
        focus = (focus - most) // period * period + most
    return {
        "axis": axis.name,
        "unit": unit(report, axis.name, 1),
        "rate": report.sample_rate if axis.name == "T" else None,
        "causal": causal,
        "focus": focus,
        "levels": levels,
        "profile": _profile(effective, axis, levels[-1]["anchor"]),
    }


def _direct(report: Report, axis: Axis) -> list[dict[str, Any]]:
    """One level from the input to the output, for networks with branches or transposed layers.

    Every phase of the repeating pattern is asked for once, in the middle of the output.
    """
    period, jump = axis.period, axis.jump
    if axis.collapsed or not period or jump is None or jump <= 0:
        return []
    first = axis.output_size // 2 // period * period
    if period > MOST_PHASES or (axis.local_size or 0) > MOST_DIRECT:
        return []
    if first + period > axis.output_size:
        return []
    shift = int(period * jump)
    offsets = [
        (report.depends_on(first + phase, clipped=False)[axis.name] - first // period * shift)
        for phase in range(period)
    ]
    return [
        {
            "name": report.model_name,
            "label": "output",
            "period": period,
            "shift": shift,
            "offsets": [phase.tolist() for phase in offsets],
            "jump": str(jump),
            "anchor": 0,
        }
    ]


def funnel(report: Report) -> dict[str, Any] | None:
    """Every layer that widens the field of a 1D network, as a bar over the input."""
    if len(report.axes) != 1:
        return None
    (axis,) = report.axes.values()
    if not axis.local_size or axis.start is None:
        return None
    bars: list[dict[str, Any]] = []
    for row in report.layers:
        seen = row.axes.get(axis.name)
        if seen is None or not seen.local_size or seen.start is None:
            continue
        if not bars or seen.local_size > max(bar["size"] for bar in bars):
            name = row.name or row.operator
            bars.append({"name": name, "size": seen.local_size, "start": seen.start})
    if len(bars) < 2:
        return None
    low = min(bar["start"] for bar in bars)
    high = max(bar["start"] + bar["size"] for bar in bars)
    return {"bars": bars, "low": low, "high": high}


def _chain(rows: list[LayerRow], axis: Axis) -> list[tuple[LayerRow, Window]] | None:
    """The layers that widen or stride one after another, each with its own relation.

    A layer that does not follow the one before stands in a side branch, such as the 1x1 convolution
    of a residual; whether the branch adds anything is for `_agrees` to find.
    """
    chain: list[tuple[LayerRow, Window]] = []
    size, jump, start = 1, Fraction(1), 0
    for row in rows:
        seen = row.axes.get(axis.name)
        if seen is None or not row.kernel or seen.jump is None or seen.start is None:
            continue
        k, s, d = (int((values or (1,))[-1]) for values in (row.kernel, row.stride, row.dilation))
        if (seen.local_size, seen.jump, seen.start) == (size, jump, start):
            continue  # a 1x1 convolution, or the twin of the layer before (filter and gate)
        own_start = (seen.start - start) / jump
        grown = size + (k - 1) * d * jump
        if own_start.denominator != 1 or (grown, jump * s) != (seen.local_size, seen.jump):
            continue
        chain.append((row, Window(k, s, -int(own_start), d)))
        size, jump, start = int(grown), seen.jump, seen.start
    if (size, jump, start) != (axis.local_size, axis.jump, axis.start):
        return None
    return chain


def _agrees(chain: list[tuple[LayerRow, Window]], report: Report, axis: Axis) -> bool:
    outputs = [axis.output_size - 1, axis.output_size // 2]
    for output in outputs:
        positions: sets.IntSet = range(output, output + 1)
        for _, window in reversed(chain):
            positions = window.pull(positions, clipped=False, notes=Notes())
        if sets.count(positions) != axis.used:
            return False
        if not axis.collapsed:
            stated = report.depends_on(output, clipped=False)[axis.name]
            if not np.array_equal(sets.to_array(positions), stated):
                return False
    return True


def _label(window: Window, usual_kernel: int) -> str:
    if window.stride > 1:
        return f"k {window.kernel}, stride {window.stride}"
    if window.kernel == usual_kernel:
        return f"dilation {window.dilation}"
    return f"k {window.kernel}, d {window.dilation}"


def _profile(effective: EffectiveField | None, axis: Axis, anchor: float) -> dict[str, Any] | None:
    """The effective field of one output, binned to what a screen can show."""
    if effective is None or axis.name not in effective.axes or not effective.output_index:
        return None
    if axis.jump is None:
        return None
    values = effective.profile(axis.name)
    position = float(effective.output_index[0] * axis.jump) + anchor
    used = np.flatnonzero(values)
    first, last = int(used[0]), int(used[-1])
    step = max(1, -(-(last - first + 1) // MOST_BINS))
    shown = values[first : last + 1]
    padded = np.pad(shown, (0, -len(shown) % step)).reshape(-1, step).mean(axis=1)
    widths = []
    for mass in (0.99, 0.95, 0.5):
        a, b = effective.interval(axis.name, mass)
        widths.append({"mass": mass, "first": a, "last": b})
    return {
        "values": [float(f"{v:.4g}") for v in padded / padded.max()],
        "first": first,
        "step": step,
        "position": position,
        "widths": widths,
    }
