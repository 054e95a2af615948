"""Which crop of the input gives a part of the output exactly as the whole input does?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from torch import nn

from wavestack.errors import UserError
from wavestack.receptive_field import sets
from wavestack.receptive_field.asking.axis import joins
from wavestack.receptive_field.asking.measure import axis_dimension
from wavestack.receptive_field.asking.question import Question
from wavestack.receptive_field.asking.terms import Term, unflatten
from wavestack.receptive_field.asking.walk import positions_along, walk
from wavestack.receptive_field.recording.graph import Edge, Graph, Node
from wavestack.receptive_field.recording.inputs import read_inputs
from wavestack.receptive_field.relation import Global, Map, Notes
from wavestack.receptive_field.resize import Resize

# The input is enlarged by the first of these lengths that all strides of the model divide.
_STEPS = (64, 64 * 3**4, 64 * 3**4 * 5 * 7)


@dataclass(frozen=True)
class Crop:
    """A part of the input along one axis, and where it stands.

    Attributes:
        start, stop: of the crop, in the input
        output_start: the position in the whole output of the first output that it gives
    """

    start: int
    stop: int
    output_start: int


@dataclass(frozen=True)
class ResizeSite:
    """One axis of one interpolation, as the whole input has it.

    Attributes:
        relation: its lengths and its mode
        density_in, density_out: positions per position of the input, before and after it
    """

    relation: Resize
    density_in: Fraction
    density_out: Fraction


class Crops:
    """The crops of one input from which a model makes its output piece by piece, exactly.

    A crop begins at a multiple of ``alignment``, so that every tensor inside the model holds whole
    positions of the one that the whole input gives, and what is left out behind its end is such a
    multiple too. It is large enough when every position that the asked outputs need, of every
    tensor on the way, lies inside the crop's own tensor: then each operator gives there what it
    gives in the whole, padding at the input's true borders included.

    Args:
        model: any module that turns axes of space or time into such axes.
        example_input: as of ``analyze``; its shape is that of the whole input.

    Attributes:
        alignment: positions per axis.
        density: outputs per input position, per axis.
        output_size: outputs of the whole input, per axis.
        global_ops: as of a Report: what joins all positions, and is cut here.
        resizes: per interpolation, in order of execution, its axes by name (those that count).

    Raises:
        UserError: when an operator has no rule, or does something else on a crop than on the whole
            (pooling to a fixed number of bins, a flip, a position that is picked out).

    Notes:
        Constants that differ from position to position (a learned position code, channels of
        coordinates) are no index relation, and are not seen.

    Example:
        >>> from torch import zeros
        >>> crops = Crops(nn.Conv2d(1, 1, 3, stride=2, padding=1), zeros(1, 1, 64, 64))
        >>> crops.crop("H", 8, 16)
        Crop(start=14, stop=32, output_start=7)
    """

    def __init__(self, model: nn.Module, example_input: Any) -> None:
        self._question = Question(model, read_inputs(model, example_input, None), None)
        question = self._question
        if question.full_need.unknown:
            node = question.graph[question.full_need.unknown[0]]
            raise UserError(f"{node.module or 'the model'}: no rule for {node.operator}")
        item = question.primary
        self._siblings = frozenset(number for _, _, number in item.axes)
        self._numbers = {name: number for name, _, number in item.axes}
        target = question.target
        self.output_size = {
            name: target.shape[self._dim(target, number)] for name, number in self._numbers.items()
        }
        full = walk(
            question.graph, target.index, [target.full()], active=self._siblings, local=True
        )
        self._visited = sorted(full.visited)
        self._enlarge(item.axes)
        self.global_ops = [
            (module, operator, name, side)
            for name, number in self._numbers.items()
            for module, operator, side in joins(question, number)
        ]
        self.density = {}
        self.alignment = {}
        for name, number in self._numbers.items():
            found = self._densities[number]
            self.density[name] = found[target.index]
            self.alignment[name] = math.lcm(*(d.denominator for d in found.values()))
        self.resizes = [
            self._resize(node) for node in question.graph.nodes if "upsample" in node.operator
        ]

    def crop(self, axis: str, start: int, stop: int) -> Crop:
        """The smallest crop that gives the outputs start to stop of an axis exactly."""
        number, graph = self._numbers[axis], self._question.graph
        target, densities = self._question.target, self._densities[self._numbers[axis]]
        d = self._dim(target, number)
        low, high = target.spans[d]
        parts = unflatten(range(start, stop), list(target.sizes[low:high]))
        full = target.full()
        trail: dict[int, list[Term]] = {}
        walk(
            graph,
            target.index,
            [(*full[:low], *part, *full[high:]) for part in parts],
            active=self._siblings,
            local=True,
            trail=trail,
        )
        length = self._question.primary.tensor.shape[self._input_dim(axis)]
        before, behind = Fraction(length), Fraction(length)
        for index, terms in trail.items():
            if index not in densities:
                continue
            node = graph[index]
            dim = self._dim(node, number)
            for term in terms:
                needed = positions_along(node, dim, term, Notes())
                room = node.shape[dim] - 1 - sets.last(needed)
                before = min(before, sets.first(needed) / densities[index])
                behind = min(behind, room / densities[index])
        step = self.alignment[axis]
        begin = math.floor(before / step) * step
        return Crop(
            begin,
            length - math.floor(behind / step) * step,
            int(begin * self.density[axis]),
        )

    def _input_dim(self, axis: str) -> int:
        return next(d for name, d, _ in self._question.primary.axes if name == axis)

    def _dim(self, node: Node, number: int) -> int:
        found = axis_dimension(node, number, self._siblings)
        if found is None:
            axis = next(name for name, n in self._numbers.items() if n == number)
            raise UserError(f"the output of {node.module or 'the model'} has no axis {axis}")
        return found[0]

    # ---- what stays the same on a crop ----------------------------------------------------------

    def _enlarge(self, axes: list[tuple[str, int, int]]) -> None:
        """Record the model on a longer input, of which the whole one is the end."""
        question = self._question
        complaint = ""
        for step in _STEPS[:1] if question.real else _STEPS:
            sizes = {}
            for item in question.inputs.items:
                shape = list(item.tensor.shape)
                for _, d, _ in item.axes:
                    shape[d] += step
                sizes[item.name] = tuple(shape)
            larger = question.record(question.inputs.resized(sizes)).graph
            self._densities: dict[int, dict[int, Fraction]] = {}
            complaint = self._compare(larger, step)
            if not complaint:
                return
        raise UserError(complaint)

    def _compare(self, larger: Graph, step: int) -> str:
        """Whether every operator does the same, moved, on the longer input; else what does not."""
        graph = self._question.graph
        operators = [node.operator for node in graph.nodes]
        if operators != [node.operator for node in larger.nodes]:
            return "the model runs other operators on an input of another size"
        for number in self._numbers.values():
            found: dict[int, Fraction] = {}
            for index in self._visited:
                node = graph[index]
                place = axis_dimension(node, number, self._siblings)
                if place is None:
                    continue
                gained = larger[index].shape[place[0]] - node.shape[place[0]]
                if gained <= 0:
                    return f"{_name(node)} gives the same size whatever the size of its input"
                found[index] = Fraction(gained, step)
            self._densities[number] = found
            for index in self._visited:
                for one, other in zip(graph[index].edges, larger[index].edges, strict=True):
                    if not self._moves(graph, graph[index], one, other, number, step):
                        return f"{_name(graph[index])} does something else on a part of its input"
        return ""

    def _moves(
        self, graph: Graph, node: Node, one: Edge, other: Edge, number: int, step: int
    ) -> bool:
        """Whether an edge of the whole input is that of the longer one, moved."""
        source = graph[one.source]
        carried = [i for i, axes in enumerate(source.outer) if number in axes]
        densities = self._densities[number]
        if not carried:
            return True
        if one.groups is not None:
            return True
        for i in carried:
            (reach, small), (_, large) = one.dims[i], other.dims[i]
            if isinstance(small, Global) and isinstance(large, Global):
                if small.local is None or large.local is None:
                    continue
                reach, small, large = small.local, small.local_map, large.local_map
            if type(small) is Map:
                continue
            if isinstance(small, Resize):
                if small.antialias and not small.is_regular:
                    return False
                continue
            if node.index not in densities or one.source not in densities or one.only:
                return False
            if small == large and isinstance(reach, tuple):
                continue
            if not isinstance(reach, int) or reach < 0:
                return False
            ratio = small.ratio
            if ratio is not None and densities[node.index] * ratio != densities[one.source]:
                return False
            by = (int(densities[node.index] * step), int(densities[one.source] * step))
            if not _is_moved(small, large, node.shape[reach], source.shape[i], by):
                return False
        return True

    def _resize(self, node: Node) -> dict[str, ResizeSite]:
        """The interpolation that made a tensor, along the axes that the output needs of it."""
        sites = {}
        for edge in node.edges:
            for name, number in self._numbers.items():
                place = axis_dimension(self._question.graph[edge.source], number, self._siblings)
                if place is None or place[0] >= len(edge.dims):
                    continue
                relation = edge.dims[place[0]][1]
                if isinstance(relation, Resize) and node.index in self._densities[number]:
                    densities = self._densities[number]
                    sites[name] = ResizeSite(
                        relation, densities[edge.source], densities[node.index]
                    )
        return sites


def _is_moved(small: Map, large: Map, length: int, source_length: int, by: tuple[int, int]) -> bool:
    """Whether a map gives on the end of a longer tensor what it gives there on its own."""
    asked = sorted({length * k // 12 for k in range(12)} | {max(0, length - 2), length - 1})
    for o in asked:
        there = large.pull(range(o + by[0], o + by[0] + 1), True, Notes())
        there = sets.shift(sets.clip(there, 0, source_length + by[1]), -by[1])
        if not sets.is_empty(there) and sets.first(there) < 0:
            continue  # it needs what the whole input does not have
        here = sets.clip(small.pull(range(o, o + 1), True, Notes()), 0, source_length)
        if not sets.is_same(here, there):
            return False
    return True


def _name(node: Node) -> str:
    return f"{node.module} ({node.operator})" if node.module else node.operator
