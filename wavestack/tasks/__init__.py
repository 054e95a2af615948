"""Training tasks: one thin LightningModule per kind of task.

The names below are found on first use, so that importing one task loads nothing of the others.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "AddingTask": "adding",
    "AutoregressiveAudioTask": "autoregressive",
    "CharacterTask": "tokens",
    "ClassificationTask": "classification",
    "CopyMemoryTask": "tokens",
    "Figure": "base",
    "ForecastingTask": "forecasting",
    "PianoRollTask": "piano_roll",
    "SegmentationTask": "segmentation",
    "SuperResolutionTask": "super_resolution",
    "Task": "base",
    "TokenTask": "tokens",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"wavestack.tasks.{_HOME[name]}"), name)
    raise AttributeError(f"module 'wavestack.tasks' has no attribute '{name}'")
