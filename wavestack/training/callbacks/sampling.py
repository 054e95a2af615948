"""Lets one hear a run while it trains."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
from torch import nn

from wavestack.training.run import TrainingRun
from wavestack.training.samples import (
    Conditions,
    choose_conditions,
    generate_samples,
    write_audio,
)


class Sampling(pl.Callback):
    """Every ``sample_every_steps`` and at the end: wav, spectrogram and TensorBoard audio.

    The seed is the run's, so that successive samples differ by the training alone.

    Args:
        run: the training.
        writer: a TensorBoard writer, or None on ranks other than zero.
    """

    def __init__(self, run: TrainingRun, writer: Any = None) -> None:
        self.run = run
        self.writer = writer
        self._conditions: Conditions | None = None
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
        run, settings = self.run, self.run.settings
        self._done_at = run.step
        if settings.sample_count == 0:
            return
        with run.meter.paused():
            model = run.evaluated_model(trainer.strategy.root_device)
            if not trainer.is_global_zero:
                return
            rate = run.data.sample_rate
            length = max(round(settings.sample_seconds * rate), 1)
            conditions = self._choose(model, length)
            waveforms = generate_samples(model, conditions, length, run.seed)
            for i, (name, waveform) in enumerate(zip(conditions.names, waveforms, strict=True)):
                stem = "_".join(filter(None, (f"step{run.step:08d}", str(i), name)))
                write_audio(run.folder.samples, stem, waveform, rate)
                if self.writer is not None:
                    self.writer.add_audio(f"sample/{i}", waveform[None], run.step, rate)

    def _choose(self, model: nn.Module, length: int) -> Conditions:
        if self._conditions is None:
            run = self.run
            self._conditions = choose_conditions(model, run.data, run.settings.sample_count, length)
            names, recordings = self._conditions.names, self._conditions.recordings
            for i, (name, real) in enumerate(zip(names, recordings, strict=True)):
                stem = "_".join(filter(None, ("real", str(i), name)))
                write_audio(run.folder.samples, stem, real, run.data.sample_rate)
        return self._conditions
