"""Counts the steps, averages the weights, and stops at the first loss that is not finite."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import torch

from wavestack.training.run import TrainingRun, sum_over_ranks
from wavestack.training.weights import local


class StepAndHealth(pl.Callback):
    """Must be the first callback: the others read the step that it sets.

    The test for finite values costs a synchronization on a GPU, so there it is made only on steps
    where something is logged, validated, sampled or saved: no poisoned weights are ever saved.

    Args:
        run: the training.
    """

    def __init__(self, run: TrainingRun) -> None:
        self.run = run
        self._bad: torch.Tensor | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Restores what belongs to a checkpoint once optimizer and shards exist."""
        self.run.start(trainer)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Counts the step and looks for infinities and NaN in the loss and the gradients."""
        run = self.run
        run.step = batch["index"] + 1
        bad = ~torch.isfinite(outputs["loss_sum"])
        norm = run.task.gradient_norm
        if norm is not None and run.settings.precision != "fp16":
            # Under fp16 infinite gradients are ordinary: the scaler skips such steps.
            bad = bad | ~torch.isfinite(norm.to(bad.device))
        if self._due("val_every_steps", "checkpoint_every_steps"):
            # The last update may have overflowed though its loss and gradients were finite.
            finite = [local(p.detach()).isfinite().all() for p in run.task.model.parameters()]
            bad = bad | ~torch.stack(finite).all()
        self._bad = bad if self._bad is None else self._bad | bad
        if self._look_now(trainer) and float(sum_over_ranks(self._bad.float(), trainer)) > 0:
            run.stop_reason = "nonfinite"
            trainer.should_stop = True
            return
        if run.average is not None:
            run.average.update(run.step)

    def _look_now(self, trainer: pl.Trainer) -> bool:
        return (trainer.strategy.root_device.type == "cpu" and trainer.world_size == 1) or (
            self._due(
                *("log_every_steps", "val_every_steps", "sample_every_steps"),
                "checkpoint_every_steps",
            )
        )

    def _due(self, *keys: str) -> bool:
        return any(self.run.due(self.run.settings[key]) for key in keys)
