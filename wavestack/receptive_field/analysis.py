"""``analyze``: run a module once on shapes alone, then ask the recorded graph."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import nn

from wavestack.errors import UserError
from wavestack.receptive_field import advice
from wavestack.receptive_field.axis import Measured, axis_of, joins, measure
from wavestack.receptive_field.dependence import depends_on
from wavestack.receptive_field.failures import explain_failure
from wavestack.receptive_field.graph import Graph, Node
from wavestack.receptive_field.inputs import Input, Inputs, read_inputs
from wavestack.receptive_field.measure import Ruler, axis_dimension, needs
from wavestack.receptive_field.plane import plane_of
from wavestack.receptive_field.report import Area, Axis, Index, LayerRow, Report
from wavestack.receptive_field.subject import subject_of
from wavestack.receptive_field.table import layer_rows
from wavestack.receptive_field.trace import NeedsValuesError, Traced, trace


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
        UserError: if the input does not fit the model, ``axes`` do not fit the input, the layer is
            unknown, or the model returns several tensors and ``layer`` does not say which

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
        self.patterns: dict[int, Measured] = {}
        try:
            self.run = self.record(inputs)
        except UserError:
            raise
        except Exception as problem:
            raise explain_failure(self, problem) from problem
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

    def measured(self, item: Input, number: int) -> Measured:
        """The pattern of an axis at a tensor, in an enlarged run where borders cannot be continued.

        Returns:
            the pattern, the tensor that has the axis, and whether the asked one no longer has it
        """
        if number not in self.patterns:
            self.patterns[number] = measure(self, item, number)
        return self.patterns[number]

    # ---- the report -----------------------------------------------------------------------------

    def report(self) -> Report:
        """All axes of all inputs."""
        self.warnings: list[str] = []
        by_input: dict[str, dict[str, Axis]] = {}
        global_ops: list[tuple[str, str, str, str]] = []
        for item in self.inputs.items:
            if item.axes:
                by_input[item.name] = {
                    name: axis_of(self, item, name, dim, number) for name, dim, number in item.axes
                }
                for name, _, number in item.axes:
                    label = name if item is self.primary else f"{item.name}.{name}"
                    for module, operator, side in joins(self, number):
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
        return depends_on(self, output_index, clipped, name)
