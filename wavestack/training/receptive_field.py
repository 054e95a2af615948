"""The receptive-field page of a run: what its model sees, from the one calculator."""

from __future__ import annotations

import copy
import inspect
import math
from typing import Any

import torch

from wavestack.errors import UserError
from wavestack.training.run import TrainingRun


def write_receptive_field(run: TrainingRun, console: Any) -> int | None:
    """Writes ``receptive_field.html`` and returns the receptive field in positions of the input.

    Args:
        run: a training; its model is looked at, not changed.
        console: where a model that cannot be analyzed is mentioned.

    Returns:
        Positions of the input (samples, frames) that one output depends on, or None where that is
        unlimited or unknown.
    """
    from wavestack.receptive_field import analyze

    model = copy.deepcopy(run.plain_model).cpu().eval()
    try:
        example = example_input(model, run.data)
        report = analyze(model, example, sample_rate=getattr(run.data, "step_rate", None))
        report.to_html(run.folder.receptive_field)
    except UserError as error:  # the run is complete without this page
        console.print(f"no receptive_field.html: {error}", markup=False, soft_wrap=True)
        return None
    return _size(report)


def fill_context(data: Any, model: Any) -> None:
    """Gives audio or text without a context all that an output of the model sees before itself.

    Raises:
        UserError: when that is unlimited, or more than an evaluation batch holds.
    """
    from wavestack.receptive_field import analyze

    keys = ("context_samples", "context")
    key = next((key for key in keys if getattr(data, key, 0) is None), None)
    if key is None:
        return
    model = copy.deepcopy(model).cpu().eval()
    size = _size(analyze(model, example_input(model)))
    if size is None:
        raise UserError(f"data.{key} must be a number: this model sees without limit")
    most = getattr(data, "eval_batch_samples", size)
    if size > most:
        raise UserError(
            f"data.eval_batch_samples must be at least {size}, which the model sees, got {most}"
        )
    setattr(data, key, size - 1)


def example_input(model: Any, data: Any = None, num_samples: int = 4096) -> Any:
    """What the model or its data say of it, or silence with the labels and features it wants."""
    for knows in (model, data):
        if hasattr(knows, "example_input"):
            makes = knows.example_input
            takes_length = "num_samples" in inspect.signature(makes).parameters
            return makes(num_samples) if takes_length else makes()
    hop_length = getattr(model, "hop_length", None) or 1
    frames = -(-num_samples // hop_length)
    silence = torch.zeros(1, frames * hop_length)
    example = {"x": model.distribution.encode(silence)}
    if getattr(model, "num_labels", ()):
        example["labels"] = torch.zeros(1, len(model.num_labels), dtype=torch.int64)
    if getattr(model, "condition_channels", None):
        example["features"] = torch.zeros(1, model.condition_channels, frames)
    return example


def _size(report: Any) -> int | None:
    """Positions of the input that one output depends on; None where unlimited or unknown."""
    size = next(iter(report.axes.values())).size
    return int(size) if size is not None and math.isfinite(size) else None
