"""Writes figures to ``metrics.csv`` and TensorBoard."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import torch

from wavestack.training.metrics_file import MetricsFile
from wavestack.training.run import TrainingRun, sum_over_ranks


class FigureLog(pl.Callback):
    """Every ``log_every_steps``: the mean loss since the last time, rate, norm, speed, time used.

    Args:
        run: the training.
        writer: a TensorBoard writer, or None on ranks other than zero.
    """

    def __init__(self, run: TrainingRun, writer: Any = None) -> None:
        self.run = run
        self.writer = writer
        self.file: MetricsFile | None = None
        self._loss_sum: torch.Tensor | None = None
        self._count = 0
        self._since = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Opens the file; rows that a resumed run will write again are dropped."""
        if trainer.is_global_zero:
            task = self.run.task
            self.file = MetricsFile(
                self.run.folder.metrics, task.metric, self.run.step, task.validated
            )
        self._since = self.run.meter.wall_seconds()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Adds the step to the running mean and writes it when due."""
        run = self.run
        loss_sum = outputs["loss_sum"].double()
        self._loss_sum = loss_sum if self._loss_sum is None else self._loss_sum + loss_sum
        self._count += batch["count"]
        if not (run.due(run.settings.log_every_steps) or run.stop_reason):
            return
        mean = float(sum_over_ranks(self._loss_sum, trainer)) / max(self._count, 1)
        now = run.meter.wall_seconds()
        figures = {
            f"train/{run.task.metric}": mean * run.task.unit_scale,
            "learning_rate": float(trainer.optimizers[0].param_groups[0]["lr"]),
            "samples_per_second": self._count / max(now - self._since, 1e-9),
            "core_seconds": run.core_seconds(trainer),
            "wall_seconds": now,
        }
        if run.task.gradient_norm is not None:
            figures["gradient_norm"] = float(run.task.gradient_norm)
        self._loss_sum, self._count, self._since = None, 0, now
        self.write(figures)

    def write(self, figures: dict[str, float]) -> None:
        """Adds a row of figures at the present step."""
        self.run.figures.update(figures)
        if self.file is not None:
            self.file.append(self.run.step, figures)
        if self.writer is not None:
            for name, value in figures.items():
                self.writer.add_scalar(name, value, self.run.step)
