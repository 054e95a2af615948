"""What can a model see? The one calculator of receptive fields, for any torch module."""

from __future__ import annotations

import importlib
from typing import Any

# Now, not on first use: the function shares its file's name, and the later binding wins.
from wavestack.receptive_field.design import Schedule, design
from wavestack.receptive_field.figures import Area, Axis, LayerAxis, LayerRow, Phase
from wavestack.receptive_field.report import Report

__all__ = [
    "Area",
    "Axis",
    "Crop",
    "Crops",
    "EffectiveField",
    "LayerAxis",
    "LayerRow",
    "Phase",
    "Report",
    "Schedule",
    "analyze",
    "design",
    "effective_receptive_field",
]

# Read on first use: all load torch.
_LAZY = {
    "analyze": "wavestack.receptive_field.analysis",
    "Crop": "wavestack.receptive_field.crop",
    "Crops": "wavestack.receptive_field.crop",
    "EffectiveField": "wavestack.receptive_field.effective",
    "effective_receptive_field": "wavestack.receptive_field.effective",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        globals()[name] = getattr(importlib.import_module(_LAZY[name]), name)
        return globals()[name]
    raise AttributeError(f"module 'wavestack.receptive_field' has no attribute '{name}'")
