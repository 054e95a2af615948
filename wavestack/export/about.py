"""What an exported function says about itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from wavestack.errors import UserError
from wavestack.export.functions import Function, example_inputs, takes_images
from wavestack.models.segmentation.base import SegmentationModel
from wavestack.signal.image import IMAGE_MEAN, IMAGE_STD
from wavestack.version import __version__


def about_function(function: Function, model: Any, config: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values: model, rate, inputs and outputs, receptive field and latency.

    Args:
        function: what is exported.
        model: the model it came from.
        config: what the model was trained with.

    Returns:
        ``receptive_field`` and ``latency`` are in input samples, from the calculator; null where
        they are unlimited or unknown. Of images ``receptive_field`` is [rows, columns], and what a
        segmentation model reads are values from 0 to 1, normalized by ``mean`` and ``std``.
        ``inputs`` gives each shape, free axes by name; the state of a stream begins with zeros.
    """
    return {
        "version": __version__,
        "model": type(model).__name__,
        "function": function.name,
        **_scale(function, model, config),
        **_field(function, model),
        "inputs": function.describe_inputs(),
        "outputs": function.outputs,
    }


def _scale(function: Function, model: Any, config: Mapping[str, Any]) -> dict[str, Any]:
    """What a number of the input stands for."""
    if isinstance(model, SegmentationModel):
        return {"mean": IMAGE_MEAN, "std": IMAGE_STD}
    if takes_images(function.inputs):
        return {}
    rate = getattr(model, "sample_rate", None) or _sample_rate(config)
    return {"sample_rate": rate, "hop_length": function.hop_length}


def _field(function: Function, model: Any) -> dict[str, Any]:
    """What an output sees, in samples or pixels of the input."""
    from wavestack.receptive_field import analyze

    if function.name == "condition":
        return {}
    subject = function.module if function.name == "offline" else model
    try:
        example = {name: value[:1] for name, value in example_inputs(model, 64).items()}
        report = analyze(subject, example)
    except UserError:  # the file serves without these figures
        return {"receptive_field": None, "latency": None}
    sizes = [_whole(axis.size) for axis in report.axes.values()]
    if takes_images(example):
        return {"receptive_field": sizes}
    return {"receptive_field": sizes[0], "latency": _whole(report.latency)}


def _whole(number: float | None) -> int | None:
    return int(number) if number is not None and math.isfinite(number) else None


def _sample_rate(config: Mapping[str, Any]) -> int | None:
    data = config.get("data") or {}
    source = data.get("source") or {}
    return source.get("sample_rate") if isinstance(source, Mapping) else None
