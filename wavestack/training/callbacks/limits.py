"""Stops a run whose time is used up."""

from __future__ import annotations

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
        if limit is None or run.stop_reason or run.finished:
            return
        if run.core_seconds(trainer) >= limit:
            run.stop_reason = "budget"
            trainer.should_stop = True
