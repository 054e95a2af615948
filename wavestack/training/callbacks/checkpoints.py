"""Writes checkpoints: regularly, at every best validation, and at the end."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl

from wavestack.training.callbacks.validation import Validation
from wavestack.training.run import TrainingRun


class Checkpoints(pl.Callback):
    """Keeps the newest checkpoints and the best; never one with values that are not finite.

    Args:
        run: the training.
        validation: tells when the figure improved.
    """

    def __init__(self, run: TrainingRun, validation: Validation) -> None:
        self.run = run
        self.validation = validation
        self._saved_at: int | None = None

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Saves when due or when the validation has just improved."""
        run = self.run
        if run.stop_reason != "nonfinite" and (
            run.due(run.settings.checkpoint_every_steps) or self.validation.improved_at == run.step
        ):
            self._save(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Saves where a run stopped early."""
        if self._saved_at != self.run.step and self.run.stop_reason != "nonfinite":
            self._save(trainer)
        # Here every rank is still there to gather what is sharded.
        self.run.final_state = self.run.evaluated_state()

    def _save(self, trainer: pl.Trainer) -> None:
        run = self.run
        self._saved_at = run.step
        with run.meter.paused():
            state = run.checkpoint_state(trainer)
            if trainer.is_global_zero:
                improved = self.validation.improved_at == run.step
                run.folder.checkpoints.save(run.step, state, run.best if improved else None)
