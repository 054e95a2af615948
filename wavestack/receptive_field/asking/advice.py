"""What a user should be told beside the numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

from wavestack.receptive_field import sets
from wavestack.receptive_field.asking.measure import Pattern, axis_dimension
from wavestack.receptive_field.asking.question import Question
from wavestack.receptive_field.figures import Axis
from wavestack.receptive_field.recording.graph import Edge, Node
from wavestack.receptive_field.recording.inputs import Input
from wavestack.receptive_field.relation import Global, Map, Notes

# At most this many places are named; a network with more has one design, repeated.
_MOST_ADVICE = 4
_PHASES = 16
_MEETING = ("add", "sub", "mul", "cat", "maximum", "minimum")


def warnings_of(question: Question, by_input: dict[str, dict[str, Axis]]) -> list[str]:
    """Plain sentences about the whole report."""
    found: list[str] = []
    for item in question.inputs.items:
        for name, dim, number in item.axes:
            pattern, node, _ = question.measured(item, number)
            if pattern is not None and node is not None and not question.full_need.unknown:
                found += _of_pattern(name, pattern, item.tensor.shape[dim])
    for axes in by_input.values():
        for axis in axes.values():
            found += _of_axis(axis)
    found += meetings(question)
    for module in dict.fromkeys(question.run.read_values):
        where = module or type(question.model).__name__
        found.append(
            f"{where}: Python reads values that depend on the input; what it does with them "
            "is followed for "
            "this example alone"
        )
    return found


@dataclass(frozen=True)
class Hull:
    """First and last position behind output 0 of a tensor, for advice alone.

    Attributes:
        dim: the dimension that is the axis
        low, high: bounds over all phases
        jump: input positions per step
    """

    dim: int
    low: Fraction
    high: Fraction
    jump: Fraction

    @property
    def extent(self) -> int:
        return math.floor(self.high - self.low) + 1

    @property
    def centre(self) -> Fraction:
        return (self.low + self.high) / 2


class Hulls:
    """Bounds of what every tensor sees, forwards in one sweep: cheap, and good enough to warn."""

    def __init__(self, question: Question, item: Input, number: int, dim: int) -> None:
        self.graph = question.run.graph
        self.number = number
        self.siblings = frozenset(n for _, _, n in item.axes)
        self.known: dict[int, Hull] = {}
        source = question.run.inputs.get(item.name)
        if source is None:
            return
        self.known[source] = Hull(dim, Fraction(0), Fraction(0), Fraction(1))
        for node in self.graph.nodes[source + 1 :]:
            found = self.branches(node)
            if found and len({hull.jump for hull in found}) == 1:
                low, high = min(h.low for h in found), max(h.high for h in found)
                self.known[node.index] = Hull(found[0].dim, low, high, found[0].jump)

    def branches(self, node: Node) -> list[Hull]:
        """What each input of an operator brings to output 0."""
        place = axis_dimension(node, self.number, self.siblings)
        if place is None:
            return []
        moved = [self._moved(node, edge, place[0]) for edge in node.edges]
        return [hull for hull in moved if hull is not None]

    def _moved(self, node: Node, edge: Edge, d: int) -> Hull | None:
        known = self.known.get(edge.source)
        if known is None:
            return None
        if edge.groups is not None:
            return replace(known, dim=d) if ((d,), (known.dim,)) in edge.groups else None
        reach, relation = edge.dims[known.dim]
        if isinstance(relation, Global):
            return replace(known, dim=d) if relation.local == d else None
        if reach != d or relation.ratio is None:
            return None
        jump = known.jump * relation.ratio
        if type(relation) is Map:
            return replace(known, dim=d)
        lows, highs = [], []
        for o in range(min(relation.period, _PHASES)):
            found = relation.pull(range(o, o + 1), False, Notes())
            if not sets.is_empty(found):
                lows.append(known.low + known.jump * sets.first(found) - jump * o)
                highs.append(known.high + known.jump * sets.last(found) - jump * o)
        return Hull(d, min(lows), max(highs), jump) if lows else None


def meetings(question: Question) -> list[str]:
    """Branches that meet with different centres or strides, and layers with nothing left to see."""
    item = question.primary
    hulls = {name: Hulls(question, item, number, dim) for name, dim, number in item.axes}
    lengths = {name: item.tensor.shape[dim] for name, dim, _ in item.axes}
    seen = sorted(question.full_need.visited)
    found: dict[tuple[str, str], str] = {}
    idle: list[str] = []
    for index in seen:
        node = question.run.graph[index]
        where = node.module or type(question.model).__name__
        if node.operator in _MEETING and len(node.edges) > 1 and len(found) < _MOST_ADVICE:
            for name, known in hulls.items():
                text = _meeting(known.branches(node), where, name)
                if text is not None:
                    found.setdefault((where, name), text)
        if node.geometry is not None and node.edges and where not in idle:
            kernel, _, dilation = node.geometry
            wide = any((k - 1) * d > 0 for k, d in zip(kernel, dilation, strict=True))
            before = [known.known.get(node.edges[0].source) for known in hulls.values()]
            sizes = list(lengths.values())
            if wide and all(
                h is not None and h.extent >= n for h, n in zip(before, sizes, strict=True)
            ):
                idle.append(where)
    result = list(found.values())
    if idle:
        more = f" and {len(idle) - 3} more" if len(idle) > 3 else ""
        result.append(
            f"{', '.join(idle[:3])}{more}: their input already sees the whole input of the model; "
            "they can no longer use their context"
        )
    return result


def _meeting(branches: list[Hull], where: str, name: str) -> str | None:
    if len(branches) < 2:
        return None
    extents = ", ".join(str(hull.extent) for hull in branches)
    jumps = {hull.jump for hull in branches}
    if len(jumps) > 1:
        told = ", ".join(str(hull.jump) for hull in branches)
        return (
            f"{name}: branches of unequal stride meet in {where} (jumps {told}, "
            f"extents {extents}): "
            "the field grows along the axis"
        )
    centres = [hull.centre for hull in branches]
    apart = max(centres) - min(centres)
    inside = any(
        all(hull.low <= other.low and other.high <= hull.high for other in branches)
        for hull in branches
    )
    windows = any(hull.extent > 1 for hull in branches)  # slices alone are a convolution by hand
    if windows and apart > 1 and apart > abs(branches[0].jump) and not inside:
        return (
            f"{name}: misaligned branches meet in {where}, their centres lie "
            f"{float(apart):g} apart "
            f"(extents {extents})"
        )
    return None


def _of_axis(axis: Axis) -> list[str]:
    found = []
    if axis.local_size and axis.local_size > axis.input_size:
        found.append(
            f"{axis.name}: the receptive field ({axis.local_size}) is larger than the input "
            f"({axis.input_size}): "
            "every output sees padding"
        )
    if axis.coverage is not None and axis.coverage < 1 and not math.isclose(axis.coverage, 1):
        found.append(
            f"{axis.name}: gridding, {axis.used} of {axis.local_size} positions are used "
            f"({100 * axis.coverage:.1f} %)"
        )
    return found


def _of_pattern(name: str, pattern: Pattern, length: int) -> list[str]:
    found = []
    if pattern.jump is None:
        found.append(
            f"{name}: no repeating pattern (branches of unequal stride, or a resize whose "
            f"ratio does not "
            f"repeat); the size is the largest for an input of {length}"
        )
    if pattern.aliased:
        found.append(
            f"{name}: an operator joins positions across the border and the model takes no "
            "larger input; "
            "the figures are those of this input's border and may be too small"
        )
    if pattern.widened:
        found.append(f"{name}: too many unlike branches to tell apart; an upper bound")
    return found
