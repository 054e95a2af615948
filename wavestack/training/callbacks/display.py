"""Shows the progress: a bar on a terminal, a line now and then in a pipe."""

from __future__ import annotations

import time
from typing import Any

import lightning.pytorch as pl
import torch

from wavestack.training.figures import written
from wavestack.training.run import TrainingRun

SECONDS_BETWEEN_LINES = 10.0


class Display(pl.Callback):
    """Steps, the newest training and validation figures, samples per second and time used.

    Args:
        run: the training.
        console: a rich console; decides by itself whether it is a terminal.
    """

    def __init__(self, run: TrainingRun, console: Any) -> None:
        self.run = run
        self.console = console
        self._bar: Any = None
        self._task: Any = None
        self._last_line = time.monotonic()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Puts the bar up."""
        if not self.console.is_terminal:
            return
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("step {task.completed}/{task.total}"),
            BarColumn(bar_width=24),
            TextColumn("{task.description}"),
            TimeRemainingColumn(),
            console=self.console,
        )
        self._task = self._bar.add_task("", total=self.run.max_steps, completed=self.run.step)
        self._bar.start()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Brings the bar up to date, or prints a line when some seconds have passed."""
        if self._bar is not None:
            self._bar.update(self._task, completed=self.run.step, description=self._figures())
        elif time.monotonic() - self._last_line > SECONDS_BETWEEN_LINES:
            self._print_line()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Takes the bar down and leaves one line."""
        self._close()
        self._print_line()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Takes the bar down."""
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _print_line(self) -> None:
        self._last_line = time.monotonic()
        line = f"step {self.run.step}/{self.run.max_steps}  {self._figures()}"
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _figures(self) -> str:
        figures, metric = self.run.figures, self.run.task.metric
        unit = metric.replace("_per_", "/").replace("_", " ")
        parts = [
            f"{split} {written(figures[f'{split}/{metric}'], 3)}"
            for split in ("train", "val")
            if f"{split}/{metric}" in figures
        ]
        if parts:
            parts[-1] += f" {unit}"
        if "samples_per_second" in figures:
            parts.append(f"{figures['samples_per_second']:,.0f} {self.run.task.element}/s")
            parts.append(f"{figures['core_seconds']:,.0f} core-s")
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            parts.append(f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")
        return "  ".join(parts)
