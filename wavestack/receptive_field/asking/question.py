"""One question to one model: which tensor is asked about, and the runs that answer it."""

from __future__ import annotations

import math

from torch import nn

from wavestack.errors import UserError
from wavestack.receptive_field.asking.failures import explain_failure
from wavestack.receptive_field.asking.measure import Pattern, Ruler, axis_dimension, needs
from wavestack.receptive_field.asking.subject import subject_of
from wavestack.receptive_field.asking.walk import Need
from wavestack.receptive_field.recording.graph import Graph, Node
from wavestack.receptive_field.recording.inputs import Input, Inputs
from wavestack.receptive_field.recording.trace import NeedsValuesError, Traced, trace

# A field that is still cut off at this many times the input's length is given up on.
_LARGEST_FACTOR = 4096

# The pattern, the tensor that has the axis, and whether the asked one no longer has it.
Measured = tuple[Pattern | None, Node | None, bool]


class Question:
    """What is asked of a model, recorded: every figure of a report is read off it.

    Attributes:
        run, graph: the model on the example input, and its operators
        target: the tensor asked about
        full_need: all that the target needs, borders clipped
        reversed: axes along which a scan of the past runs from back to front
    """

    def __init__(self, model: nn.Module, inputs: Inputs, layer: str | None) -> None:
        self.model = model
        self.inputs = inputs
        self.layer = layer
        self.runs: dict[int, Traced | None] = {}
        self.run: Traced
        self.real = False
        self.reversed: set[int] = set()
        self.patterns: dict[int, Measured] = {}
        try:
            self.run = self.record(inputs)
        except UserError:
            raise
        except Exception as problem:
            raise explain_failure(model, inputs, problem) from problem
        self.runs[1] = self.run
        self.graph: Graph = self.run.graph
        self.target: Node = self.graph[self.subject(self.run)]
        self.full_need = needs(self.graph, self.target, {}, frozenset(), clipped=True, local=False)

    def record(self, inputs: Inputs) -> Traced:
        """One run: on shapes alone, or for real where the model's control flow needs values."""
        if not self.real:
            try:
                return trace(
                    self.model,
                    inputs.args,
                    inputs.kwargs,
                    inputs.names,
                    inputs.axis_dims,
                    fake=True,
                )
            except NeedsValuesError:
                self.real = True
        return trace(
            self.model, inputs.args, inputs.kwargs, inputs.names, inputs.axis_dims, fake=False
        )

    def enlarged(self, factor: int) -> Traced | None:
        """The run with every axis ``factor`` times as long; None where the model refuses."""
        if factor not in self.runs:
            try:
                if self.real and math.prod(self.inputs.items[0].tensor.shape) * factor > 1 << 22:
                    raise ValueError("too large to compute")
                self.runs[factor] = self.record(self.inputs.scaled(factor))
            except Exception:
                self.runs[factor] = None
        return self.runs[factor]

    def subject(self, run: Traced) -> int:
        """The node asked about in a run."""
        return subject_of(self.model, run, self.layer)

    @property
    def primary(self) -> Input:
        """The input whose axes are the report's own."""
        return next(item for item in self.inputs.items if item.axes)

    def output_dims(self, item: Input) -> dict[str, int]:
        """The dimension of the output that is each axis, for those that it still has."""
        siblings = frozenset(n for _, _, n in item.axes)
        found = {}
        for label, _, number in item.axes:
            place = axis_dimension(self.target, number, siblings)
            if place is not None:
                found[label] = place[0]
        return found

    def ruler(self, run: Traced, item: Input, number: int) -> Ruler:
        """What measures one axis in one run."""
        dim = next(d for _, d, n in item.axes if n == number)
        siblings = frozenset(n for _, _, n in item.axes)
        return Ruler(run.graph, run.inputs[item.name], dim, number, siblings)

    def measured(self, item: Input, number: int) -> Measured:
        """The pattern of an axis at a tensor, in an enlarged run where borders cannot be continued.

        Returns:
            the pattern, the tensor that has the axis, and whether the asked one no longer has it
        """
        if number not in self.patterns:
            self.patterns[number] = _measure(self, item, number)
        return self.patterns[number]


def _measure(question: Question, item: Input, number: int) -> Measured:
    """See Question.measured."""
    first: Measured | None = None
    for factor in _factors(question):
        run = question.run if factor == 1 else question.enlarged(factor)
        if run is None:
            break
        target = run.graph[question.subject(run)]
        ruler = question.ruler(run, item, number)
        siblings = frozenset(n for _, _, n in item.axes)
        node: Node | None = target
        collapsed = axis_dimension(target, number, siblings) is None
        if collapsed:
            need = (
                question.full_need
                if run is question.run and target is question.target
                else needs(run.graph, target, {}, frozenset(), clipped=True, local=False)
            )
            node = _last_with(number, item, run, need)
        if node is None:
            return None, None, True
        pattern = ruler.measure(node)
        if first is None:
            first = (pattern, node, collapsed)
        if pattern is None or not pattern.aliased:
            if pattern is not None and factor > 1 and pattern.jump is None:
                break
            return pattern, first[1], collapsed
    assert first is not None
    return first


def _factors(question: Question) -> list[int]:
    """1, and then larger and larger multiples that keep the sizes modulo the strides."""
    graph = question.run.graph
    strides = {1}
    for node in graph.nodes:
        for factors in node.factors:
            for factor in factors:
                for _, step in factor.traces:
                    if step.jump is not None:
                        strides.add(abs(step.jump.numerator * step.period))
    total = 1
    for stride in strides:
        total = math.lcm(total, stride)
    unit = 1
    for other in question.inputs.items:
        for _, d, _ in other.axes:
            length = other.tensor.shape[d]
            unit = math.lcm(unit, total // math.gcd(total, length))
    larger = (1 + unit * 4**k for k in range(5))
    return [1, *(times for times in larger if times <= _LARGEST_FACTOR)]


def _last_with(number: int, item: Input, run: Traced, need: Need) -> Node | None:
    """The last tensor on the way that still had an axis."""
    siblings = frozenset(n for _, _, n in item.axes)
    for index in sorted(need.visited, reverse=True):
        node = run.graph[index]
        if axis_dimension(node, number, siblings) is not None:
            return node
    return None
