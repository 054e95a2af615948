"""wavestack: dilated convolution in one house.

Nothing heavy is imported here: ``wavestack.load`` and the subpackages are found on first use.
"""

from __future__ import annotations

import importlib
from typing import Any

from wavestack.version import __version__

__all__ = ["__version__", "load"]

_SUBPACKAGES = {
    "data",
    "export",
    "inference",
    "layers",
    "metrics",
    "models",
    "receptive_field",
    "signal",
    "tasks",
    "training",
}


def __getattr__(name: str) -> Any:
    if name == "load":
        from wavestack.training.load import load

        return load
    if name in _SUBPACKAGES:
        return importlib.import_module(f"wavestack.{name}")
    raise AttributeError(f"module 'wavestack' has no attribute '{name}'")
