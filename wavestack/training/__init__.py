"""Training and evaluation: run folders, checkpoints, budgets and the Lightning Trainer.

Nothing heavy is imported until one of the functions is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wavestack.training.evaluation import evaluate
    from wavestack.training.fit import train

__all__ = ["evaluate", "train"]

_HOME = {"evaluate": "evaluation", "train": "fit"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'wavestack.training' has no attribute '{name}'")
    return getattr(importlib.import_module(f"wavestack.training.{_HOME[name]}"), name)
