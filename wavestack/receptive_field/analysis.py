"""``analyze``: run a module once on shapes alone, then ask the recorded graph."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import nn

from wavestack.errors import UserError
from wavestack.receptive_field import advice, sets
from wavestack.receptive_field.failures import explain_failure
from wavestack.receptive_field.graph import Graph, Node
from wavestack.receptive_field.inputs import Input, Inputs, read_inputs
from wavestack.receptive_field.measure import Pattern, Ruler, axis_dimension, needs
from wavestack.receptive_field.plane import plane_of
from wavestack.receptive_field.relation import Global
from wavestack.receptive_field.report import Area, Axis, Index, LayerRow, Report
from wavestack.receptive_field.table import layer_rows
from wavestack.receptive_field.trace import NeedsValuesError, Traced, trace
from wavestack.receptive_field.walk import Need

# A field that is still cut off at this many times the input's length is given up on.
_LARGEST_FACTOR = 4096


def analyze(
    model: nn.Module,
    example_input: Any,
    *,
    layer: str | None = None,
    sample_rate: float | None = None,
    axes: Sequence[str] | None = None,
) -> Report:
    """The receptive field of a module, exact, for any torch module as it is.

    The module runs once on shapes alone (no arithmetic, no memory for activations); its operators
    are recorded as index relations, and output positions are followed back to the input.

    Args:
        model: any module; neither its weights nor its buffers are changed
        example_input: a tensor, a tuple of arguments or a dict of keyword arguments
        layer: a submodule whose output is asked about (its last call counts) instead of the model's
        sample_rate: in Hz, when the input is a signal in time
        axes: names of the input's dimensions, "B" and "C" for those that are no axes; by default
            (B, T), (B, C, T), (B, C, H, W) or (B, C, T, H, W)

    Returns:
        a Report

    Raises:
        UserError: if the input does not fit the model, the layer is unknown, or the model returns
            several
            tensors and ``layer`` does not say which

    Example:
        >>> from torch import nn, zeros
        >>> report = analyze(nn.Conv1d(1, 1, 3, dilation=4), zeros(1, 1, 100))
        >>> report.axes["T"].size
        9
    """
    if not isinstance(model, nn.Module):
        raise UserError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    inputs = read_inputs(model, example_input, axes)
    return Analysis(model, inputs, layer, sample_rate).report()


class Analysis:
    """One question to one model; keeps the runs that answer it."""

    def __init__(
        self, model: nn.Module, inputs: Inputs, layer: str | None, sample_rate: float | None
    ) -> None:
        self.model = model
        self.inputs = inputs
        self.layer = layer
        self.sample_rate = sample_rate
        self.runs: dict[int, Traced | None] = {}
        self.run: Traced
        self.real = False
        self.rows: list[LayerRow] | None = None
        self.reversed: set[int] = set()
        self.patterns: dict[int, tuple[Pattern | None, Node | None, bool]] = {}
        try:
            self.run = self._run(inputs)
        except UserError:
            raise
        except Exception as problem:
            raise explain_failure(self, problem) from problem
        self.runs[1] = self.run
        self.graph: Graph = self.run.graph
        self.target: Node = self.graph[self.subject(self.run)]
        self.full_need = needs(self.graph, self.target, {}, frozenset(), clipped=True, local=False)

    def _run(self, inputs: Inputs) -> Traced:
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
                self.runs[factor] = self._run(self.inputs.scaled(factor))
            except Exception:
                self.runs[factor] = None
        return self.runs[factor]

    def subject(self, run: Traced, layer: str | None = None) -> int:
        """The node asked about in a run."""
        layer = self.layer if layer is None else layer
        if layer is None or layer == "":
            return _only_tensor(run.outputs, run, self.model)
        for call in reversed(run.calls):
            if call.name == layer:
                return _first_tensor(call.outputs, layer)
        found = _pick(run.outputs, layer)
        if isinstance(found, int):
            return found
        names = [name for name, _ in self.model.named_modules() if name]
        if layer in names:
            raise UserError(
                f"layer {layer!r} is part of the model but was not called on this input"
            )
        close = difflib.get_close_matches(layer, names, n=3, cutoff=0.0)
        raise UserError(
            f"no layer {layer!r} in {type(self.model).__name__}; nearest: {', '.join(close)}"
        )

    def subject_path(self) -> tuple[str | None, list[str]]:
        """The module whose output is asked about (None: the model), and the way into it."""
        if not self.layer:
            found = _nodes(self.run.outputs)
            path = next(path for path, index in found if index == self.target.index)
            return None, path.split(".") if path else []
        for call in reversed(self.run.calls):
            if call.name == self.layer:
                path = _nodes(call.outputs)[0][0]
                return self.layer, path.split(".") if path else []
        return None, self.layer.split(".")

    def output_dims(self, item: Input) -> dict[str, int]:
        """The dimension of the output that is each axis, for those that it still has."""
        siblings = frozenset(n for _, _, n in item.axes)
        found = {}
        for label, _, number in item.axes:
            place = axis_dimension(self.target, number, siblings)
            if place is not None:
                found[label] = place[0]
        return found

    # ---- one axis -------------------------------------------------------------------------------

    def ruler(self, run: Traced, item: Input, number: int) -> Ruler:
        """What measures one axis in one run."""
        dim = next(d for _, d, n in item.axes if n == number)
        siblings = frozenset(n for _, _, n in item.axes)
        return Ruler(run.graph, run.inputs[item.name], dim, number, siblings)

    def last_with(
        self, number: int, item: Input, run: Traced, need: Need, target: Node
    ) -> Node | None:
        """The last tensor on the way that still had an axis."""
        siblings = frozenset(n for _, _, n in item.axes)
        for index in sorted(need.visited, reverse=True):
            node = run.graph[index]
            if axis_dimension(node, number, siblings) is not None:
                return node
        return None

    def measured(self, item: Input, number: int) -> tuple[Pattern | None, Node | None, bool]:
        """The pattern of an axis at a tensor, in an enlarged run where borders cannot be continued.

        Returns:
            the pattern, the tensor that has the axis, and whether the asked one no longer has it
        """
        if number not in self.patterns:
            self.patterns[number] = self._measure(item, number)
        return self.patterns[number]

    def _measure(self, item: Input, number: int) -> tuple[Pattern | None, Node | None, bool]:
        first: tuple[Pattern | None, Node | None, bool] | None = None
        for factor in self._factors():
            run = self.run if factor == 1 else self.enlarged(factor)
            if run is None:
                break
            target = run.graph[self.subject(run)]
            ruler = self.ruler(run, item, number)
            siblings = frozenset(n for _, _, n in item.axes)
            node: Node | None = target
            collapsed = axis_dimension(target, number, siblings) is None
            if collapsed:
                need = (
                    self.full_need
                    if run is self.run and target is self.target
                    else needs(run.graph, target, {}, frozenset(), clipped=True, local=False)
                )
                node = self.last_with(number, item, run, need, target)
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

    def _factors(self) -> list[int]:
        """1, and then larger and larger multiples that keep the sizes modulo the strides."""
        graph = self.run.graph
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
        for other in self.inputs.items:
            for _, d, _ in other.axes:
                length = other.tensor.shape[d]
                unit = math.lcm(unit, total // math.gcd(total, length))
        larger = (1 + unit * 4**k for k in range(5))
        return [1, *(times for times in larger if times <= _LARGEST_FACTOR)]

    def axis(self, item: Input, name: str, dim: int, number: int) -> Axis:
        """Everything about one axis."""
        length = item.tensor.shape[dim]
        pattern, node, collapsed = self.measured(item, number)
        siblings = frozenset(n for _, _, n in item.axes)
        unknown = bool(self.full_need.unknown)
        if pattern is None or node is None or unknown:
            reached = (
                self.full_need.along(self.run.inputs[item.name], dim)
                if item.name in self.run.inputs
                else range(0)
            )
            nothing = sets.is_empty(reached) and not unknown
            return Axis(
                name, 0 if nothing else None, 0 if nothing else None, None, None, None, (), None,
                None,
                None, length, 0, True,
            )  # fmt: skip
        joins = self.joins(number)
        size: int | float = pattern.size
        lookahead: int | float | None = pattern.lookahead
        if joins:
            size = math.inf
            if any(side != "past" for _, _, side in joins) or self.looks_back_to_front(
                item, dim, number, pattern
            ):
                lookahead = math.inf
                self.reversed.add(number)
        elif collapsed:
            need = needs(
                self.graph, self.target, {}, frozenset([number]), clipped=False, local=True
            )
            whole = need.along(self.run.inputs[item.name], dim)
            if not sets.is_empty(whole):
                size = max(pattern.size, sets.last(whole) - sets.first(whole) + 1)
        found = axis_dimension(node, number, siblings)
        assert found is not None
        advice.note_pattern(self, name, pattern, length)
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

    def looks_back_to_front(self, item: Input, dim: int, number: int, pattern: Pattern) -> bool:
        """Whether a scan of the past runs on a reversed axis, so that it scans the future."""
        found = axis_dimension(self.target, number, frozenset(n for _, _, n in item.axes))
        if found is None or pattern.jump is None or pattern.lookahead is None:
            return found is not None
        middle = self.target.shape[found[0]] // 2
        need = needs(
            self.graph, self.target, {found[0]: middle}, frozenset(), clipped=True, local=False
        )
        reached = need.along(self.run.inputs[item.name], dim)
        limit = math.floor(middle * pattern.jump) + pattern.lookahead
        return not sets.is_empty(reached) and sets.last(reached) > limit

    def joins(self, number: int) -> list[tuple[str, str, str]]:
        """The global operators along an axis: (module, operator, side)."""
        found = []
        for index, edge, i in self.full_need.joins:
            node = self.graph[index]
            source = self.graph[edge.source]
            if number in source.outer[i] and not node.unknown:
                relation = edge.dims[i][1]
                assert isinstance(relation, Global)
                side = (
                    "both" if number in self.reversed and relation.side == "past" else relation.side
                )
                entry = (node.module, _plain_name(node.operator), side)
                if entry not in found:
                    found.append(entry)
        return found[::-1]

    # ---- the report -----------------------------------------------------------------------------

    def report(self) -> Report:
        """All axes of all inputs."""
        self.warnings: list[str] = []
        by_input: dict[str, dict[str, Axis]] = {}
        global_ops: list[tuple[str, str, str, str]] = []
        for item in self.inputs.items:
            if item.axes:
                by_input[item.name] = {
                    name: self.axis(item, name, dim, number) for name, dim, number in item.axes
                }
                for name, _, number in item.axes:
                    label = name if item is self.primary else f"{item.name}.{name}"
                    for module, operator, side in self.joins(number):
                        global_ops.append((module, operator, label, side))
        unknown = []
        for index in sorted(self.full_need.unknown):
            node = self.graph[index]
            if (node.module, node.operator) not in unknown:
                unknown.append((node.module, node.operator))
        self.by_input = by_input
        self.warnings += advice.warnings_of(self, by_input)
        return Report(
            model_name=type(self.model).__name__,
            layer=self.layer,
            axes=by_input[self.primary.name],
            inputs=by_input,
            global_ops=global_ops,
            unknown=unknown,
            warnings=self.warnings,
            sample_rate=self.sample_rate,
            input_shapes={item.name: tuple(item.tensor.shape) for item in self.inputs.items},
            output_shape=self.target.shape,
            params=sum(p.numel() for p in self.model.parameters()),
            macs=sum(node.macs for node in self.graph.nodes),
            _depends=self.depends_on,
            _layers=self.layers,
            _area=self.area,
            _verify=self.verify,
        )

    @property
    def primary(self) -> Input:
        """The input whose axes are the report's own."""
        return next(item for item in self.inputs.items if item.axes)

    def layers(self) -> list[LayerRow]:
        """The table."""
        if self.rows is None:
            self.rows = layer_rows(self)
        return self.rows

    def area(self) -> Area | None:
        """The plane of the last two axes."""
        return plane_of(self)

    def verify(self, **options: Any) -> Any:
        """Probes on the model itself."""
        from wavestack.receptive_field.verify import verify

        return verify(self, **options)

    def depends_on(
        self, output_index: Index, clipped: bool, name: str | None
    ) -> dict[str, np.ndarray]:
        """See Report.depends_on."""
        item = self.primary if name is None else self._input(name)
        picked = self.picked(item, output_index, clipped)
        if self.full_need.unknown:
            modules = ", ".join(sorted({self.graph[k].operator for k in self.full_need.unknown}))
            raise UserError(f"no rule for the operator {modules}: what it depends on is not known")
        active = frozenset(number for _, _, number in item.axes)
        need = needs(self.graph, self.target, picked, active, clipped=clipped, local=not clipped)
        source = self.run.inputs.get(item.name)
        result = {}
        for label, dim, _ in item.axes:
            found = need.along(source, dim) if source is not None else range(0)
            result[label] = sets.to_array(found)
        return result

    def _input(self, name: str) -> Input:
        for item in self.inputs.items:
            if item.name == name and item.axes:
                return item
        known = ", ".join(item.name for item in self.inputs.items if item.axes)
        raise UserError(f"no input {name!r} with axes; there are {known}")

    def picked(self, item: Input, index: Index, clipped: bool) -> dict[int, int]:
        """The output dimensions that an index fixes."""
        present = self.output_dims(item)
        if index is None:
            index = {}
        elif isinstance(index, int | np.integer):
            index = {label: int(index) for label in present} if len(present) <= 1 else (int(index),)
        if isinstance(index, tuple | list):
            labels = (
                list(present)
                if len(index) == len(present)
                else [label for label, _, _ in item.axes]
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
            o, n = int(index[label]), self.target.shape[d]
            if clipped and not -n <= o < n:
                raise UserError(
                    f"output_index {o} is outside the output: {label} has {n} positions"
                )
            picked[d] = o + n if clipped and o < 0 else o
        return picked


def _plain_name(operator: str) -> str:
    if "scaled_dot_product" in operator:
        return "scaled_dot_product_attention"
    for prefix in ("native_", "_native_", "_"):
        if operator.startswith(prefix):
            return operator[len(prefix) :]
    return operator


def _nodes(outputs: Any, path: str = "") -> list[tuple[str, int]]:
    if isinstance(outputs, int):
        return [(path, outputs)]
    if isinstance(outputs, dict):
        pairs: list[tuple[Any, Any]] = list(outputs.items())
    elif isinstance(outputs, list):
        pairs = list(enumerate(outputs))
    else:
        return []
    return [
        entry
        for key, item in pairs
        for entry in _nodes(item, f"{path}.{key}" if path else str(key))
    ]


def _pick(outputs: Any, layer: str) -> int | None:
    return dict(_nodes(outputs)).get(layer)


def _only_tensor(outputs: Any, run: Traced, model: nn.Module) -> int:
    found = _nodes(outputs)
    if len({index for _, index in found}) == 1:
        return found[0][1]
    kind = type(model).__name__
    if not found:
        raise UserError(f"the output of {kind} does not depend on its input")
    keys = ", ".join(path for path, _ in found[:8])
    made = []
    for _, index in found[:8]:
        owner = next(
            (c.name for c in run.calls if c.name and any(i == index for _, i in _nodes(c.outputs))),
            None,
        )
        if owner and owner not in made:
            made.append(owner)
    choices = [repr(name) for name in made] or [repr(path) for path, _ in found[:8]]
    raise UserError(
        f"{kind} returns several tensors ({keys}): "
        f"choose one with layer=, for example {', '.join(choices)}"
    )


def _first_tensor(outputs: Any, layer: str) -> int:
    found = _nodes(outputs)
    if not found:
        raise UserError(f"layer {layer!r} returns no tensor that depends on the input")
    return found[0][1]
