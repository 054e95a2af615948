"""``analyze``: run a module once on shapes alone, then ask the recorded graph."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import nn

from wavestack.errors import UserError
from wavestack.receptive_field.asking.advice import warnings_of
from wavestack.receptive_field.asking.axis import axis_of, joins
from wavestack.receptive_field.asking.dependence import depends_on
from wavestack.receptive_field.asking.plane import plane_of
from wavestack.receptive_field.asking.question import Question
from wavestack.receptive_field.asking.table import layer_rows
from wavestack.receptive_field.figures import Axis
from wavestack.receptive_field.recording.inputs import read_inputs
from wavestack.receptive_field.report import Report
from wavestack.receptive_field.verify import verify


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
    return _report(Question(model, inputs, layer), sample_rate)


def _report(question: Question, sample_rate: float | None) -> Report:
    """All axes of all inputs, and what is computed when it is asked for."""
    by_input: dict[str, dict[str, Axis]] = {}
    global_ops: list[tuple[str, str, str, str]] = []
    for item in question.inputs.items:
        if item.axes:
            by_input[item.name] = {
                name: axis_of(question, item, name, dim, number) for name, dim, number in item.axes
            }
            for name, _, number in item.axes:
                label = name if item is question.primary else f"{item.name}.{name}"
                for module, operator, side in joins(question, number):
                    global_ops.append((module, operator, label, side))
    unknown = []
    for index in sorted(question.full_need.unknown):
        node = question.graph[index]
        if (node.module, node.operator) not in unknown:
            unknown.append((node.module, node.operator))
    return Report(
        model_name=type(question.model).__name__,
        layer=question.layer,
        axes=by_input[question.primary.name],
        inputs=by_input,
        global_ops=global_ops,
        unknown=unknown,
        warnings=warnings_of(question, by_input),
        sample_rate=sample_rate,
        input_shapes={item.name: tuple(item.tensor.shape) for item in question.inputs.items},
        output_shape=question.target.shape,
        params=sum(p.numel() for p in question.model.parameters()),
        macs=sum(node.macs for node in question.graph.nodes),
        _depends=partial(depends_on, question),
        _layers=partial(layer_rows, question),
        _area=partial(plane_of, question),
        _verify=partial(verify, question),
    )
