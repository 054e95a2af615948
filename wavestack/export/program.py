"""Functions of a model as ``torch.export`` programs: graphs that torch runs without our code."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch.export import Dim, ExportedProgram

from wavestack.errors import UserError
from wavestack.export.functions import BATCH, FRAMES, HEIGHT, WIDTH, Function
from wavestack.files import write_with_hash

ABOUT = "wavestack.json"
MIN_PIXELS = 64  # of an exported image's height and width: torch takes features of one row apart


def export_program(function: Function) -> ExportedProgram:
    """Trace a function, its batch and time free; of images the batch, height and width.

    The program is called with the inputs by name: ``program.module()(x=x, state=state)``.

    Where the model takes one length alone, ``function.axes`` is narrowed to the batch.

    Raises:
        UserError: when torch cannot trace it, with torch's first line.

    Example:
        >>> from wavestack.export.functions import functions_of
        >>> from wavestack.layers import CausalConv1d
        >>> step = functions_of(CausalConv1d(1, 1, 3)).found[1]
        >>> y, state = export_program(step).module()(
        ...     x=torch.ones(1, 1, 5), state={"0": torch.zeros(1, 1, 2)}
        ... )
        >>> y.shape, list(state)
        (torch.Size([1, 1, 5]), ['0'])
    """
    try:
        return _trace(function)
    except Exception as error:  # of many kinds, for whatever tracing cannot follow
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
    # A model of one length (a forecaster's window) still takes any batch.
    function.axes = _without_time(function.axes)
    try:
        return _trace(function)
    except Exception as error:
        raise UserError(f"the {function.name} function cannot be exported: {first}") from error


def write_program(function: Function, path: Path, about: Mapping[str, Any]) -> str:
    """Write a function as a ``.pt2`` file, whole or not at all, its SHA-256 beside.

    Args:
        function: what to export.
        path: the file.
        about: plain values, kept inside as JSON.

    Returns:
        The SHA-256 of the file.
    """
    content = io.BytesIO()
    program = export_program(function)
    about = {**about, "inputs": function.describe_inputs()}  # with fewer free axes, it may be
    torch.export.save(program, content, extra_files={ABOUT: json.dumps(about)})
    return write_with_hash(path, lambda file: file.write(content.getvalue()) and None)


def read_program(path: Path) -> tuple[Any, dict[str, Any]]:
    """The module of a file, called with inputs by name, and what it says about itself.

    Read only files of your own making: unlike safetensors, the format can hold code.
    """
    extra = {ABOUT: ""}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, of memory that it may not write to
        program = torch.export.load(path, extra_files=extra)
    return program.module(), json.loads(extra[ABOUT])


def _trace(function: Function) -> ExportedProgram:
    dims: dict[str, Any] = {}

    def dim(name: str) -> Any:
        if name.startswith(FRAMES):
            frames = dims.setdefault(FRAMES, Dim(FRAMES, min=1))
            return frames if name == FRAMES else function.hop_length * frames
        return dims.setdefault(name, Dim(name, min=MIN_PIXELS if name in (HEIGHT, WIDTH) else 1))

    def shape(axes: Mapping[Any, Any]) -> dict[Any, Any]:
        return {k: shape(v) if isinstance(v, Mapping) else dim(v) for k, v in axes.items()}

    images = any(HEIGHT in axes.values() for axes in function.flat_axes.values())
    program = torch.export.export(
        function.module,
        (),
        function.inputs,
        dynamic_shapes=shape(function.axes),
        prefer_deferred_runtime_asserts_over_guards=images,
    )
    if images:
        _forget_asserts(program)
    return program


def _forget_asserts(program: ExportedProgram) -> None:
    """Takes out what torch concluded of all sizes from the example's.

    Its rule for max pooling asks whether a division leaves a rest, though the answer changes
    nothing where sizes are positive; kept as an assertion, odd sizes would be refused.
    """
    graph = program.graph_module.graph
    for node in reversed(list(graph.nodes)):
        if node.target is torch.ops.aten._assert_scalar.default:
            graph.erase_node(node)
    graph.eliminate_dead_code()
    program.graph_module.recompile()


def _without_time(axes: Mapping[Any, Any]) -> dict[Any, Any]:
    return {
        key: _without_time(value) if isinstance(value, Mapping) else value
        for key, value in axes.items()
        if isinstance(value, Mapping) or value == BATCH
    }
