"""A report as plain data: exact, and the same in ten years."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wavestack.receptive_field.render.words import headline

if TYPE_CHECKING:
    from wavestack.receptive_field.effective import EffectiveField
    from wavestack.receptive_field.figures import Axis, LayerRow
    from wavestack.receptive_field.report import Report

SCHEMA = "wavestack.receptive_field/1"


def to_json(
    report: Report, path: str | Path | None = None, effective: EffectiveField | None = None
) -> dict[str, Any]:
    """Turn a report into numbers, strings, lists and dicts.

    Fractions are strings ("1/16", "2"), infinity is "inf", unknown is null.

    Args:
        report: the report.
        path: file to write, or None.
        effective: the effective receptive field of the same model, or None.
    """
    area = report.area
    data = {
        "schema": SCHEMA,
        "model": report.model_name,
        "layer": report.layer,
        "headline": headline(report),
        "sample_rate": report.sample_rate,
        "input_shapes": {name: list(shape) for name, shape in report.input_shapes.items()},
        "output_shape": list(report.output_shape),
        "params": report.params,
        "macs": report.macs,
        "is_causal": report.is_causal,
        "latency": exact(report.latency),
        "axes": {name: _axis(axis) for name, axis in report.axes.items()},
        "inputs": {
            key: {name: _axis(axis) for name, axis in axes.items()}
            for key, axes in report.inputs.items()
        },
        "area": None
        if area is None
        else {
            "axes": list(area.axes),
            "used": area.used,
            "box": area.box,
            "coverage": area.coverage,
            "shape": list(area.mask.shape),
            "start": list(area.start),
        },
        "global_ops": [
            dict(zip(("module", "operator", "axis", "side"), entry, strict=True))
            for entry in report.global_ops
        ],
        "unknown": [
            dict(zip(("module", "operator"), entry, strict=True)) for entry in report.unknown
        ],
        "warnings": list(report.warnings),
        "layers": [_row(row) for row in report.layers],
        "effective": None
        if effective is None
        else {
            "output_index": list(effective.output_index),
            "num_examples": effective.num_examples,
            "axes": effective.summary(),
        },
    }
    if path is not None:
        text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
        Path(path).write_text(text + "\n", encoding="utf-8")
    return data


def exact(value: Any) -> Any:
    """A number that JSON cannot hold as one: fractions and infinity become strings."""
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, float) and math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return value


def _axis(axis: Axis) -> dict[str, Any]:
    return {
        "size": exact(axis.size),
        "local_size": axis.local_size,
        "jump": exact(axis.jump),
        "start": axis.start,
        "end": axis.end,
        "period": axis.period,
        "phases": [{"start": p.start, "size": p.size, "used": p.used} for p in axis.phases],
        "used": axis.used,
        "coverage": axis.coverage,
        "lookahead": exact(axis.lookahead),
        "input_size": axis.input_size,
        "output_size": axis.output_size,
        "collapsed": axis.collapsed,
    }


def _row(row: LayerRow) -> dict[str, Any]:
    def listed(values: tuple[int, ...] | None) -> list[int] | None:
        return None if values is None else list(values)

    return {
        "name": row.name,
        "operator": row.operator,
        "kernel": listed(row.kernel),
        "effective_kernel": listed(row.effective_kernel),
        "stride": listed(row.stride),
        "dilation": listed(row.dilation),
        "axes": {
            name: {
                "size": exact(axis.size),
                "local_size": axis.local_size,
                "jump": exact(axis.jump),
                "start": axis.start,
                "coverage": axis.coverage,
            }
            for name, axis in row.axes.items()
        },
        "output_shape": list(row.output_shape),
        "params": row.params,
        "macs": row.macs,
    }
