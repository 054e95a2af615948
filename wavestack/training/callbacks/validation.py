"""Validates the averaged weights on whole held-out recordings."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl

from wavestack.training.callbacks.log import FigureLog
from wavestack.training.run import TrainingRun
from wavestack.training.totals import totals


class Validation(pl.Callback):
    """Every ``val_every_steps`` and at the end; notes the best and loses patience when asked.

    The ranks share the batches among them. Time spent here is not training time.

    Args:
        run: the training.
        journal: where the figure is written.
    """

    def __init__(self, run: TrainingRun, journal: FigureLog) -> None:
        self.run = run
        self.journal = journal
        self.improved_at: int | None = None
        self._done_at: int | None = None

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Validates when due."""
        if self.run.due(self.run.settings.val_every_steps) and not self.run.stop_reason:
            self._validate(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Validates what a run stopped early has reached."""
        if self._done_at != self.run.step and self.run.stop_reason != "nonfinite":
            self._validate(trainer)

    def _validate(self, trainer: pl.Trainer) -> None:
        run = self.run
        self._done_at = run.step
        with run.meter.paused():
            device = trainer.strategy.root_device
            model = run.evaluated_model(device)
            task, metric = run.task, run.task.metric
            batches = run.data.eval_batches("val")[trainer.global_rank :: trainer.world_size]
            with trainer.precision_plugin.forward_context():
                found = totals(task, task.validation_sums, model, batches, device)
            found = found.of_all_ranks(trainer.world_size)
        count = found.counts.get(metric, 0)
        if count == 0:
            return
        value = float(found.sums[metric]) / count * task.unit_scale
        figures = task.figure_values(found.sums, found.counts)
        shown = {f"val/{name}": figures[name] for name in task.validated}
        self.journal.write({f"val/{metric}": value, **shown})
        if value < run.best:
            run.best, run.stale, self.improved_at = value, 0, run.step
            return
        run.stale += 1
        patience = run.settings.patience
        if patience is not None and run.stale >= patience and not run.finished:
            run.stop_reason = run.stop_reason or "patience"
            trainer.should_stop = True
