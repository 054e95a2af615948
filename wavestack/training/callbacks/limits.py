"""Stops a run whose time is used up."""

from __future__ import annotations

import time
from typing import Any

import lightning.pytorch as pl

from wavestack.training.run import TrainingRun


class CoreSecondLimit(pl.Callback):
    """Ends the training after ``max_core_seconds``; schedules follow ``max_steps`` regardless.

    Args:
        run: the training.
    """

    def __init__(self, run: TrainingRun) -> None:
        self.run = run
        self._next_look = 0.0

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Compares the time used by all ranks with the limit."""
        run, limit = self.run, self.run.settings.max_core_seconds
        if limit is None or run.stop_reason or run.finished or not self._look_now(trainer):
            return
        used = run.core_seconds(trainer)
        if used >= limit:
            run.figures["core_seconds"] = used  # the step is rarely one that is logged
            run.stop_reason = "budget"
            trainer.should_stop = True

    def _look_now(self, trainer: pl.Trainer) -> bool:
        # Reading the time of all children costs about a millisecond, and ranks must agree when.
        if trainer.world_size > 1:
            return self.run.step % 10 == 0
        now = time.monotonic()
        if now < self._next_look:
            return False
        self._next_look = now + 0.1
        return True
