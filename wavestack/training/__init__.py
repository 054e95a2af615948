"""Training and evaluation: run folders, checkpoints, budgets and the Lightning Trainer.

Nothing heavy is imported until one of the functions is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wavestack.training.evaluate import evaluate
    from wavestack.training.fit import train
    from wavestack.training.load import load

__all__ = ["evaluate", "load", "train"]


def __getattr__(name: str) -> Any:
    # Functions share their module's name, so the value is kept: the import system would put the
    # submodule there instead.
    if name == "train":
        from wavestack.training.fit import train as value
    elif name == "evaluate":
        from wavestack.training.evaluate import evaluate as value
    elif name == "load":
        from wavestack.training.load import load as value
    else:
        raise AttributeError(f"module 'wavestack.training' has no attribute '{name}'")
    globals()[name] = value
    return value
