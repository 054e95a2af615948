"""The receptive field in the image plane: unions of branches are no rectangles."""

from __future__ import annotations

import numpy as np

from wavestack.receptive_field import sets
from wavestack.receptive_field.asking.measure import axis_dimension, needs
from wavestack.receptive_field.asking.question import Question
from wavestack.receptive_field.asking.terms import Term
from wavestack.receptive_field.figures import Area


def plane_of(question: Question) -> Area | None:
    """The pixels that the output with the largest extent uses; None without two axes."""
    item = question.primary
    if len(item.axes) < 2:
        return None
    chosen = item.axes[-2:]
    siblings = frozenset(n for _, _, n in item.axes)
    active = frozenset(number for _, _, number in chosen)
    patterns = [question.measured(item, number) for _, _, number in chosen]
    if any(pattern is None or pattern.size == 0 for pattern, _, _ in patterns):
        return None
    node = min((node for _, node, _ in patterns if node is not None), key=lambda n: n.index)
    picked = {}
    for (_, _, number), (pattern, _, _) in zip(chosen, patterns, strict=True):
        found = axis_dimension(node, number, siblings)
        if found is None or pattern is None:
            return None
        d, _ = found
        middle = node.shape[d] // 2
        if pattern.period is None:
            picked[d] = pattern.largest
        else:
            picked[d] = middle // pattern.period * pattern.period + pattern.largest
    need = needs(question.graph, node, picked, active, clipped=False, local=True)
    terms = need.terms.get(question.run.inputs[item.name], [])
    if not terms or need.notes.widened:
        return None
    dims = tuple(d for _, d, _ in chosen)
    return _area(terms, (dims[0], dims[1]), (chosen[0][0], chosen[1][0]))


def _area(terms: list[Term], dims: tuple[int, int], names: tuple[str, str]) -> Area:
    rows = [sets.to_array(term[dims[0]]) for term in terms]
    columns = [sets.to_array(term[dims[1]]) for term in terms]
    top, left = min(int(r[0]) for r in rows), min(int(c[0]) for c in columns)
    height = max(int(r[-1]) for r in rows) - top + 1
    width = max(int(c[-1]) for c in columns) - left + 1
    mask = np.zeros((height, width), dtype=bool)
    for row, column in zip(rows, columns, strict=True):
        mask[np.ix_(row - top, column - left)] = True
    used = int(mask.sum())
    return Area(used, height * width, used / (height * width), mask, (top, left), names)
