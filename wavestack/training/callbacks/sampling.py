"""Lets one hear, read or look at what a model makes up while it trains."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl

from wavestack.training.run import TrainingRun
from wavestack.training.samples import Sampler


class Sampling(pl.Callback):
    """Every ``sample_every_steps`` and at the end: samples of the averaged weights.

    The seed is the run's, so that successive samples differ by the training alone.

    Args:
        run: the training.
        sampler: writes samples of the task's kind; None where there is nothing to make up.
    """

    def __init__(self, run: TrainingRun, sampler: Sampler | None) -> None:
        self.run = run
        self.sampler = sampler
        self._done_at: int | None = None

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Generates when due."""
        run = self.run
        if run.due(run.settings.sample_every_steps) and run.stop_reason != "nonfinite":
            self._sample(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Generates where a run stopped early."""
        if self._done_at != self.run.step and self.run.stop_reason != "nonfinite":
            self._sample(trainer)

    def _sample(self, trainer: pl.Trainer) -> None:
        run = self.run
        self._done_at = run.step
        if self.sampler is None or run.settings.sample_count == 0:
            return
        with run.meter.paused():
            model = run.evaluated_model(trainer.strategy.root_device)
            if trainer.is_global_zero:
                self.sampler.write(model)
