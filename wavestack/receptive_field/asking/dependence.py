"""Which input positions one output position depends on, asked by the names of the axes."""

from __future__ import annotations

import numpy as np

from wavestack.errors import UserError
from wavestack.receptive_field import sets
from wavestack.receptive_field.asking.measure import needs
from wavestack.receptive_field.asking.question import Question
from wavestack.receptive_field.figures import Index
from wavestack.receptive_field.recording.inputs import Input


def depends_on(
    question: Question, output_index: Index, clipped: bool, name: str | None
) -> dict[str, np.ndarray]:
    """See Report.depends_on."""
    item = question.primary if name is None else _input(question, name)
    picked = _picked(question, item, output_index, clipped)
    if question.full_need.unknown:
        modules = ", ".join(
            sorted({question.graph[k].operator for k in question.full_need.unknown})
        )
        raise UserError(f"no rule for the operator {modules}: what it depends on is not known")
    active = frozenset(number for _, _, number in item.axes)
    need = needs(
        question.graph, question.target, picked, active, clipped=clipped, local=not clipped
    )
    source = question.run.inputs.get(item.name)
    result = {}
    for label, dim, _ in item.axes:
        found = need.along(source, dim) if source is not None else range(0)
        result[label] = sets.to_array(found)
    return result


def _input(question: Question, name: str) -> Input:
    for item in question.inputs.items:
        if item.name == name and item.axes:
            return item
    known = ", ".join(item.name for item in question.inputs.items if item.axes)
    raise UserError(f"no input {name!r} with axes; there are {known}")


def _picked(question: Question, item: Input, index: Index, clipped: bool) -> dict[int, int]:
    """The output dimensions that an index fixes."""
    present = question.output_dims(item)
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
        o, n = int(index[label]), question.target.shape[d]
        if clipped and not -n <= o < n:
            raise UserError(f"output_index {o} is outside the output: {label} has {n} positions")
        picked[d] = o + n if clipped and o < 0 else o
    return picked
