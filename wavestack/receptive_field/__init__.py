"""What can a model see? The one calculator of receptive fields, for any torch module."""

from __future__ import annotations

import importlib
from typing import Any

from wavestack.receptive_field.report import Area, Axis, LayerAxis, LayerRow, Phase, Report

__all__ = [
    "Area",
    "Axis",
    "LayerAxis",
    "LayerRow",
    "Phase",
    "Report",
    "analyze",
    "design",
    "effective",
]

# Functions whose files are read on first use: the designer and the effective field are rarely both wanted.
_LAZY = {
    "analyze": "wavestack.receptive_field.analyze",
    "design": "wavestack.receptive_field.design",
    "effective": "wavestack.receptive_field.effective",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'wavestack.receptive_field' has no attribute '{name}'")
