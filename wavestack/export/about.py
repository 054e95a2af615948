"""What an exported function says about itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import wavestack
from wavestack.errors import UserError
from wavestack.export.functions import Function, example_inputs


def about_function(function: Function, model: Any, config: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values: model, rate, inputs and outputs, receptive field and latency.

    Args:
        function: what is exported.
        model: the model it came from.
        config: what the model was trained with.

    Returns:
        ``receptive_field`` and ``latency`` are in input samples, from the calculator; null where
        they are unlimited or unknown. ``inputs`` gives each shape, free axes by name; the state
        of a stream begins with zeros.
    """
    axes = function.flat_axes
    inputs = {
        name: {
            "shape": [axes.get(name, {}).get(k, size) for k, size in enumerate(tensor.shape)],
            "dtype": str(tensor.dtype).removeprefix("torch."),
        }
        for name, tensor in function.flat_inputs.items()
    }
    return {
        "version": wavestack.__version__,
        "model": type(model).__name__,
        "function": function.name,
        "sample_rate": getattr(model, "sample_rate", None) or _sample_rate(config),
        "hop_length": function.hop_length,
        **_field(function, model),
        "inputs": inputs,
        "outputs": function.outputs,
    }


def _field(function: Function, model: Any) -> dict[str, int | None]:
    """What an output sees, in samples of the input."""
    from wavestack.receptive_field import analyze

    if function.name == "condition":
        return {}
    try:
        example = {name: value[:1] for name, value in example_inputs(model, 64).items()}
        report = analyze(model, example)
    except UserError:  # the file serves without these figures
        return {"receptive_field": None, "latency": None}
    size = next(iter(report.axes.values())).size
    finite = size is not None and math.isfinite(size)
    latency = report.latency
    return {
        "receptive_field": int(size) if size is not None and finite else None,
        "latency": int(latency) if latency is not None and math.isfinite(latency) else None,
    }


def _sample_rate(config: Mapping[str, Any]) -> int | None:
    data = config.get("data") or {}
    source = data.get("source") or {}
    return source.get("sample_rate") if isinstance(source, Mapping) else None
