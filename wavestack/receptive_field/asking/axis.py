"""Everything about one axis: its pattern, and the global operators that join it."""

from __future__ import annotations

import math

from wavestack.receptive_field import sets
from wavestack.receptive_field.asking.measure import Pattern, axis_dimension, needs
from wavestack.receptive_field.asking.question import Question
from wavestack.receptive_field.figures import Axis
from wavestack.receptive_field.recording.inputs import Input
from wavestack.receptive_field.relation import Global


def axis_of(question: Question, item: Input, name: str, dim: int, number: int) -> Axis:
    """Everything about one axis."""
    length = item.tensor.shape[dim]
    pattern, node, collapsed = question.measured(item, number)
    siblings = frozenset(n for _, _, n in item.axes)
    unknown = bool(question.full_need.unknown)
    if pattern is None or node is None or unknown:
        reached = (
            question.full_need.along(question.run.inputs[item.name], dim)
            if item.name in question.run.inputs
            else range(0)
        )
        nothing = sets.is_empty(reached) and not unknown
        return Axis(
            name, 0 if nothing else None, 0 if nothing else None, None, None, None, (), None,
            None,
            None, length, 0, True,
        )  # fmt: skip
    joined = joins(question, number)
    size: int | float = pattern.size
    lookahead: int | float | None = pattern.lookahead
    if joined:
        size = math.inf
        if any(side != "past" for _, _, side in joined) or _looks_back_to_front(
            question, item, dim, number, pattern
        ):
            lookahead = math.inf
            question.reversed.add(number)
    elif collapsed:
        lookahead = None  # after which position? The output has none along this axis
        need = needs(
            question.graph, question.target, {}, frozenset([number]), clipped=False, local=True
        )
        whole = need.along(question.run.inputs[item.name], dim)
        if not sets.is_empty(whole):
            size = max(pattern.size, sets.last(whole) - sets.first(whole) + 1)
    found = axis_dimension(node, number, siblings)
    assert found is not None
    return Axis(
        name,
        size,
        pattern.size,
        pattern.jump,
        pattern.start,
        pattern.period,
        pattern.phases,
        pattern.used,
        pattern.used / pattern.size if pattern.size else None,
        lookahead,
        length,
        node.shape[found[0]],
        collapsed,
    )


def _looks_back_to_front(
    question: Question, item: Input, dim: int, number: int, pattern: Pattern
) -> bool:
    """Whether a scan of the past runs on a reversed axis, so that it scans the future."""
    found = axis_dimension(question.target, number, frozenset(n for _, _, n in item.axes))
    if found is None or pattern.jump is None or pattern.lookahead is None:
        return found is not None
    middle = question.target.shape[found[0]] // 2
    need = needs(
        question.graph, question.target, {found[0]: middle}, frozenset(), clipped=True, local=False
    )
    reached = need.along(question.run.inputs[item.name], dim)
    limit = math.floor(middle * pattern.jump) + pattern.lookahead
    return not sets.is_empty(reached) and sets.last(reached) > limit


def joins(question: Question, number: int) -> list[tuple[str, str, str]]:
    """The global operators along an axis: (module, operator, side)."""
    found = []
    for index, edge, i in question.full_need.joins:
        node = question.graph[index]
        source = question.graph[edge.source]
        if number in source.outer[i] and not node.unknown:
            relation = edge.dims[i][1]
            assert isinstance(relation, Global)
            side = (
                "both" if number in question.reversed and relation.side == "past" else relation.side
            )
            entry = (node.module, _plain_name(node.operator), side)
            if entry not in found:
                found.append(entry)
    return found[::-1]


def _plain_name(operator: str) -> str:
    if "scaled_dot_product" in operator:
        return "scaled_dot_product_attention"
    for prefix in ("native_", "_native_", "_"):
        if operator.startswith(prefix):
            return operator[len(prefix) :]
    return operator
