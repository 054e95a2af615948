"""Functions of a model as ONNX files, for runtimes without torch."""

from __future__ import annotations

import contextlib
import io
import json
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wavestack.errors import UserError
from wavestack.export.functions import Function, flat
from wavestack.export.program import export_program
from wavestack.files import write_with_hash

KEY = "wavestack"


def require_onnx() -> None:
    """Check that the packages which write ONNX are there.

    Raises:
        UserError: naming the missing one and how to install it.
    """
    for package in ("onnx", "onnxscript"):
        try:
            __import__(package)
        except ImportError:
            raise UserError(
                f"format=onnx needs the package {package}: pip install 'wavestack[onnx]'"
            ) from None


def write_onnx(function: Function, path: Path, about: Mapping[str, Any]) -> str:
    """Write a function as an ONNX file, whole or not at all, its SHA-256 beside.

    Inputs and outputs have the function's names, free axes are called batch, time and frames.

    Args:
        function: what to export.
        path: the file.
        about: plain values, kept in the metadata under "wavestack" as JSON.

    Returns:
        The SHA-256 of the file.

    Raises:
        UserError: when a package is missing, or torch cannot translate the function.
    """
    require_onnx()
    program = export_program(function)
    about = {**about, "inputs": function.describe_inputs()}  # with fewer free axes, it may be
    names = list(function.flat_inputs)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # deprecations within the exporter
        try:
            found = torch.onnx.export(
                program, dynamo=True, input_names=names, output_names=function.outputs
            )
        except Exception as error:
            first = str(error).strip().splitlines()[0]
            raise UserError(
                f"the {function.name} function cannot be written as ONNX: {first}"
            ) from error
    assert found is not None
    proto = found.model_proto
    _name_axes(proto, function.flat_axes)
    entry = proto.metadata_props.add()
    entry.key, entry.value = KEY, json.dumps(about)
    content = proto.SerializeToString()
    return write_with_hash(path, lambda file: file.write(content) and None)


class OnnxModule:
    """An ONNX file in onnxruntime, called with tensors by name as the exported module is.

    Attributes:
        about: what the file says about itself.

    Raises:
        ImportError: without onnxruntime.
    """

    def __init__(self, path: Path) -> None:
        import onnxruntime

        self.session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        self.about: dict[str, Any] = json.loads(
            self.session.get_modelmeta().custom_metadata_map[KEY]
        )

    def __call__(self, **inputs: Any) -> Any:
        given = {name: tensor.numpy() for name, tensor in flat(inputs).items()}
        y, *state = (torch.from_numpy(found) for found in self.session.run(None, given))
        if not state:
            return y
        names = [output.name for output in self.session.get_outputs()][1:]
        after: dict[str, Tensor] = {
            name.removeprefix("next_state."): tensor
            for name, tensor in zip(names, state, strict=True)
        }
        return y, after


def _name_axes(proto: Any, axes: Mapping[str, Any]) -> None:
    """Call the free axes by their names instead of the tracer's symbols."""
    symbols: dict[str, str] = {}
    for value in proto.graph.input:
        for k, name in axes.get(value.name, {}).items():
            symbol = value.type.tensor_type.shape.dim[k].dim_param
            if symbol.isidentifier():  # and not a formula, which holds the symbol of frames
                symbols[symbol] = name
    for value in [*proto.graph.input, *proto.graph.output, *proto.graph.value_info]:
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param:
                words = re.split(r"(\w+)", dim.dim_param)
                dim.dim_param = "".join(symbols.get(word, word) for word in words)
