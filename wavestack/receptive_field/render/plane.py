"""What the faces need to draw an image's field: used pixels, and their weights, to one scale."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from wavestack.receptive_field.effective import EffectiveField
    from wavestack.receptive_field.figures import Axis
    from wavestack.receptive_field.report import Report

MOST_CELLS = 400


def planes(report: Report, effective: EffectiveField | None = None) -> dict[str, Any] | None:
    """The coverage map and, where given, the effective field; None for signals."""
    names = list(report.axes)[-2:]
    if len(names) < 2:
        return None
    frame = {"start": [0, 0], "size": [report.axes[name].input_size for name in names]}
    coverage = _coverage(report)
    heat = _heat(report, effective, coverage or frame, names)
    if coverage is None and heat is None:
        return None
    return {"frame": frame, "coverage": coverage, "effective": heat}


def _coverage(report: Report) -> dict[str, Any] | None:
    area = report.area
    if area is None or any(report.axes[name].local_size is None for name in area.axes):
        return None
    cells, factor = pooled(area.mask.astype(np.float64), MOST_CELLS)
    # Full and empty stay what they are; everything between is visible as such.
    shades = np.where(cells >= 1, 255, np.where(cells <= 0, 0, np.clip(cells * 255, 1, 254)))
    start, size = list(area.start), list(area.mask.shape)
    return {
        "start": start,
        "size": size,
        "shape": list(cells.shape),
        "factor": factor,
        "used": area.used,
        "box": area.box,
        "local": any(report.axes[name].is_global for name in area.axes),
        "centre": _own_position(report, area.axes, start, size),
        "data": packed(shades),
    }


def field_of(axis: Axis, output: int) -> tuple[int, int] | None:
    """(first input index, extent) of one output's field, unclipped; None without a pattern."""
    if axis.jump is None or not axis.period or not axis.phases:
        return None
    phase = axis.phases[output % axis.period]
    if phase.start is None:
        return None
    cycle = (output // axis.period) * axis.period
    return phase.start + int(cycle * axis.jump), phase.size


def _own_position(
    report: Report, names: tuple[str, str], start: list[int], size: list[int]
) -> list[int]:
    """Where the output that the plane belongs to lies in the image.

    With padding that is its index times the jump; without, the middle of its field.
    """
    centre = _centre(start, size)
    for dim, name in enumerate(names):
        axis = report.axes[name]
        if axis.jump is None or not axis.period or axis.start is None or axis.start >= 0:
            continue
        largest = max(range(axis.period), key=lambda phase: axis.phases[phase].size)
        output = axis.output_size // 2 // axis.period * axis.period + largest
        field = field_of(axis, output)
        if field is not None and field[0] == start[dim]:
            centre[dim] = int(output * axis.jump)
    return centre


def _centre(start: list[int], size: list[int]) -> list[int]:
    return [a + (s - 1) // 2 for a, s in zip(start, size, strict=True)]


def pooled(values: np.ndarray, most: int) -> tuple[np.ndarray, int]:
    """Mean over square tiles that leave at most `most` cells a side; and the tile's side."""
    factor = max(1, -(-max(values.shape) // most))
    if factor == 1:
        return values, 1
    rows, cols = (-(-n // factor) for n in values.shape)
    total = np.zeros((rows * factor, cols * factor))
    total[: values.shape[0], : values.shape[1]] = values
    weight = np.zeros_like(total)
    weight[: values.shape[0], : values.shape[1]] = 1
    tiles = (rows, factor, cols, factor)
    return total.reshape(tiles).sum(axis=(1, 3)) / weight.reshape(tiles).sum(axis=(1, 3)), factor


def packed(values: np.ndarray) -> str:
    """Bytes as text that a page can hold."""
    return base64.b64encode(values.astype(np.uint8).tobytes()).decode("ascii")


def _heat(
    report: Report,
    effective: EffectiveField | None,
    window: dict[str, Any],
    names: list[str],
) -> dict[str, Any] | None:
    if effective is None or effective.magnitude.ndim < 2:
        return None
    plane = effective.magnitude.sum(axis=tuple(range(effective.magnitude.ndim - 2)))
    cells, factor = pooled(plane, MOST_CELLS)
    widths = []
    for name in effective.axes[-2:]:
        row = {}
        for mass in (0.5, 0.95):
            first, last = effective.interval(name, mass)
            row[str(mass)] = {"first": first, "width": last - first + 1}
        widths.append(row)
    field = None
    if len(effective.output_index) >= 2:
        fields = [
            field_of(report.axes[name], output)
            for name, output in zip(names, effective.output_index[-2:], strict=True)
        ]
        known = [found for found in fields if found is not None]
        if len(known) == 2:
            field = {"start": [f[0] for f in known], "size": [f[1] for f in known]}
    return {
        "start": [0, 0],
        "shape": list(cells.shape),
        "factor": factor,
        "centre": _centre(**(field or {"start": [0, 0], "size": list(plane.shape)})),
        "window": {"start": window["start"], "size": window["size"]},
        "field": field,
        "widths": widths,
        "examples": effective.num_examples,
        "data": packed(np.round(np.sqrt(cells / cells.max()) * 255)),
    }
