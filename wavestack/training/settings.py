"""Ranges of the ``trainer`` keys, which their types alone do not express."""

from __future__ import annotations

import math
from typing import Any

from wavestack.errors import UserError

_AT_LEAST_ONE = (
    "max_steps",
    "devices",
    "num_nodes",
    "val_every_steps",
    "sample_every_steps",
    "checkpoint_every_steps",
    "log_every_steps",
    "keep_checkpoints",
    "patience",
    "num_threads",
)
_POSITIVE = ("max_core_seconds", "gradient_clip_norm", "sample_seconds")


def check_settings(settings: Any) -> None:
    """Stops at a number out of its range.

    Args:
        settings: the ``trainer`` part of the configuration; null keys are left out.

    Raises:
        UserError: naming the key and the value.
    """
    for key in _AT_LEAST_ONE:
        if settings[key] is not None and settings[key] < 1:
            raise UserError(f"trainer.{key} must be >= 1, got {settings[key]}")
    for key in _POSITIVE:
        if settings[key] is not None and not settings[key] > 0:
            raise UserError(f"trainer.{key} must be > 0, got {settings[key]}")
    if not settings.sample_seconds < math.inf:
        raise UserError(f"trainer.sample_seconds must be finite, got {settings.sample_seconds}")
    if settings.sample_count < 0:
        raise UserError(f"trainer.sample_count must be >= 0, got {settings.sample_count}")
    if settings.ema_decay is not None and not 0 <= settings.ema_decay < 1:
        raise UserError(f"trainer.ema_decay must be in [0, 1), got {settings.ema_decay}")
