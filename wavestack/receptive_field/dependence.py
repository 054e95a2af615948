"""Which input positions one output position depends on, asked by the names of the axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wavestack.errors import UserError
from wavestack.receptive_field import sets
from wavestack.receptive_field.inputs import Input
from wavestack.receptive_field.measure import needs
from wavestack.receptive_field.report import Index

if TYPE_CHECKING:
    from wavestack.receptive_field.analysis import Analysis


def depends_on(
    analysis: Analysis, output_index: Index, clipped: bool, name: str | None
) -> dict[str, np.ndarray]:
    """See Report.depends_on."""
    item = analysis.primary if name is None else _input(analysis, name)
    picked = _picked(analysis, item, output_index, clipped)
    if analysis.full_need.unknown:
        modules = ", ".join(
            sorted({analysis.graph[k].operator for k in analysis.full_need.unknown})
        )
        raise UserError(f"no rule for the operator {modules}: what it depends on is not known")
    active = frozenset(number for _, _, number in item.axes)
    need = needs(
        analysis.graph, analysis.target, picked, active, clipped=clipped, local=not clipped
    )
    source = analysis.run.inputs.get(item.name)
    result = {}
    for label, dim, _ in item.axes:
        found = need.along(source, dim) if source is not None else range(0)
        result[label] = sets.to_array(found)
    return result


def _input(analysis: Analysis, name: str) -> Input:
    for item in analysis.inputs.items:
        if item.name == name and item.axes:
            return item
    known = ", ".join(item.name for item in analysis.inputs.items if item.axes)
    raise UserError(f"no input {name!r} with axes; there are {known}")


def _picked(analysis: Analysis, item: Input, index: Index, clipped: bool) -> dict[int, int]:
    """The output dimensions that an index fixes."""
    present = analysis.output_dims(item)
    if index is None:
        index = {}
    elif isinstance(index, int | np.integer):
        index = {label: int(index) for label in present} if len(present) <= 1 else (int(index),)
    if isinstance(index, tuple | list):
        labels = (
            list(present) if len(index) == len(present) else [label for label, _, _ in item.axes]
        )
        if len(index) != len(labels):
            raise UserError(
                f"output_index needs one position per axis {tuple(present)}, got {tuple(index)}"
            )
        index = dict(zip(labels, index, strict=True))
    picked = {}
    for label, d in present.items():
        if label not in index:
            raise UserError(f"output_index names no position along {label}, got {index}")
        o, n = int(index[label]), analysis.target.shape[d]
        if clipped and not -n <= o < n:
            raise UserError(f"output_index {o} is outside the output: {label} has {n} positions")
        picked[d] = o + n if clipped and o < 0 else o
    return picked
