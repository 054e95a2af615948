"""The state of a running training that its callbacks share."""

from __future__ import annotations

import copy
import math
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from wavestack.tasks.base import Task
from wavestack.training.budget import Meter
from wavestack.training.ema import WeightAverage
from wavestack.training.run_folder import RunFolder
from wavestack.training.weights import (
    checkpoint_weights,
    load_optimizer_state,
    model_state,
    optimizer_state,
)


class TrainingRun:
    """One training from its first to its last step, over kills and resumes.

    Args:
        folder: where everything is written (by rank zero alone).
        settings: the ``trainer`` part of the configuration.
        data: the run's data, a `wavestack.data.TaskData`.
        task: model, loss and optimizer.
        seed: the run's seed.
        checkpoint: a checkpoint to continue from, or None.
        meter: training time used; a new one by default.

    Attributes:
        step: optimizer steps done.
        best: best validation figure so far; infinity before the first.
        stale: validations since the best one.
        stop_reason: why the run ended before ``max_steps``: "budget", "patience", "nonfinite".
        figures: newest value of everything logged.
        meter: training time used.
        final_state: the weights that count when the training is over.
        plain_model: a copy of the model, neither sharded nor compiled: it validates and generates.
    """

    def __init__(
        self,
        folder: RunFolder,
        settings: Any,
        data: Any,
        task: Task,
        *,
        seed: int,
        checkpoint: dict[str, Any] | None = None,
        meter: Meter | None = None,
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.data = data
        self.task = task
        self.seed = seed
        self.max_steps: int = settings.max_steps
        self.step = 0
        self.best = math.inf
        self.stale = 0
        self.stop_reason: str | None = None
        self.figures: dict[str, float] = {}
        self.average: WeightAverage | None = None
        self.final_state: dict[str, Tensor] = {}
        self._checkpoint = checkpoint
        self.plain_model = copy.deepcopy(task.model)
        self.meter = meter or Meter()
        if checkpoint is not None:
            self.step = checkpoint["step"]
            self.best = checkpoint["best"]
            self.stale = checkpoint["stale"]
            task.model.load_state_dict(checkpoint["model"])
            self.final_state = checkpoint_weights(checkpoint)

    @property
    def finished(self) -> bool:
        """Whether the last step was done."""
        return self.step >= self.max_steps

    def due(self, every: int | None) -> bool:
        """Whether something that happens every so many steps (and at the end) is due now."""
        return self.finished or (every is not None and self.step % every == 0)

    def start(self, trainer: pl.Trainer) -> None:
        """Puts the optimizer, its schedule, the average and the loss scale where they were."""
        self.average = WeightAverage(self.task.model, self.settings.ema_decay or 0.0)
        saved, self._checkpoint = self._checkpoint, None
        if saved is None:
            return
        load_optimizer_state(self.task.model, trainer.optimizers[0], saved["optimizer"])
        for configured in trainer.lr_scheduler_configs:
            configured.scheduler.load_state_dict(saved["scheduler"])
        self.average.load(saved["average"])
        if saved["scaler"]:
            trainer.precision_plugin.load_state_dict(saved["scaler"])

    def checkpoint_state(self, trainer: pl.Trainer) -> dict[str, Any]:
        """Everything a resumed run needs, as plain tensors and numbers (every rank must call it).

        Batches and dropout are pure functions of (seed, step), so the step stands for the loader
        and the random states.
        """
        schedulers = trainer.lr_scheduler_configs
        return {
            "step": self.step,
            "seed": self.seed,
            "best": self.best,
            "stale": self.stale,
            "core_seconds": self.core_seconds(trainer),
            "wall_seconds": self.meter.wall_seconds(),
            "model": model_state(self.task.model),
            "average": self.average.state() if self.average else {},
            "optimizer": optimizer_state(self.task.model, trainer.optimizers[0]),
            "scheduler": schedulers[0].scheduler.state_dict() if schedulers else {},
            "scaler": trainer.precision_plugin.state_dict(),
        }

    def evaluated_state(self) -> dict[str, Tensor]:
        """The weights that count: averaged when there is an average (every rank must call it)."""
        if self.average is None:
            return model_state(self.task.model)
        return self.average.model_state()

    def evaluated_model(self, device: torch.device) -> nn.Module:
        """A plain model in eval mode holding :meth:`evaluated_state` (every rank must call it)."""
        self.plain_model.load_state_dict(self.evaluated_state())
        return self.plain_model.to(device).eval()

    def core_seconds(self, trainer: pl.Trainer) -> float:
        """Core-seconds of all ranks together (every rank must call it)."""
        used = self.meter.core_seconds()
        if trainer.world_size == 1:
            return used
        total = torch.tensor(used, dtype=torch.float64, device=trainer.strategy.root_device)
        return float(sum_over_ranks(total, trainer))


def sum_over_ranks(value: Tensor, trainer: pl.Trainer) -> Tensor:
    """The sum of a tensor over all ranks."""
    if trainer.world_size == 1:
        return value
    value = value.clone()
    torch.distributed.all_reduce(value)
    return value
