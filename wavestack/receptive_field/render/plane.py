"""What the faces need to draw an image's field: used pixels, and their weights, to one scale."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from wavestack.receptive_field.effective import EffectiveField
    from wavestack.receptive_field.report import Axis, Report

MOST_CELLS = 400


def planes(report: Report, effective: EffectiveField | None = None) -> dict[str, Any] | None:
    """The coverage map and, where given, the effective field; None for signals."""
    area = report.area
    if area is None:
        return None
    axes = [report.axes[name] for name in area.axes]
    output = [axis.output_size // 2 for axis in axes]
    if effective is not None and len(effective.output_index) >= 2:
        output = list(effective.output_index[-2:])
    size = list(area.mask.shape)
    start = [
        field_start(axis, o, fallback)
        for axis, o, fallback in zip(axes, output, area.start, strict=True)
    ]
    cells, factor = pooled(area.mask.astype(np.float64), MOST_CELLS)
    # Full and empty stay what they are; everything between is visible as such.
    shades = np.where(cells >= 1, 255, np.where(cells <= 0, 0, np.clip(cells * 255, 1, 254)))
    coverage = {
        "start": start,
        "size": size,
        "shape": list(cells.shape),
        "factor": factor,
        "used": area.used,
        "box": area.box,
        "centre": [a + (s - 1) // 2 for a, s in zip(start, size, strict=True)],
        "data": packed(shades),
    }
    frame = {"start": [0, 0], "size": [axis.input_size for axis in axes]}
    return {"frame": frame, "coverage": coverage, "effective": _heat(effective, coverage)}


def field_start(axis: Axis, output: int, fallback: int) -> int:
    """First input index of an output's field, unclipped."""
    if axis.jump is None or not axis.period or not axis.phases:
        return fallback
    phase = axis.phases[output % axis.period]
    if phase.start is None:
        return fallback
    return phase.start + int((output // axis.period) * axis.period * axis.jump)


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


def _heat(effective: EffectiveField | None, coverage: dict[str, Any]) -> dict[str, Any] | None:
    if effective is None or effective.magnitude.ndim < 2:
        return None
    names = effective.axes[-2:]
    plane = effective.magnitude.sum(axis=tuple(range(effective.magnitude.ndim - 2)))
    cells, factor = pooled(plane, MOST_CELLS)
    widths = []
    for name in names:
        row = {}
        for mass in (0.5, 0.95):
            first, last = effective.interval(name, mass)
            row[str(mass)] = {"first": first, "width": last - first + 1}
        widths.append(row)
    return {
        "start": [0, 0],
        "shape": list(cells.shape),
        "factor": factor,
        "centre": coverage["centre"],
        "window": {"start": coverage["start"], "size": coverage["size"]},
        "field": {"start": coverage["start"], "size": coverage["size"]},
        "widths": widths,
        "examples": effective.num_examples,
        "data": packed(np.round(np.sqrt(cells / cells.max()) * 255)),
    }
