"""Training tasks: one thin LightningModule per kind of task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wavestack.tasks.autoregressive import AutoregressiveAudioTask
    from wavestack.tasks.base import Task

__all__ = ["AutoregressiveAudioTask", "Task"]


def __getattr__(name: str) -> Any:
    if name == "AutoregressiveAudioTask":
        from wavestack.tasks.autoregressive import AutoregressiveAudioTask

        return AutoregressiveAudioTask
    if name == "Task":
        from wavestack.tasks.base import Task

        return Task
    raise AttributeError(f"module 'wavestack.tasks' has no attribute '{name}'")
