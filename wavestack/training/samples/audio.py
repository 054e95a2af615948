"""Generates a few recordings, and puts the real ones with the same conditions beside them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wavestack.files import atomic_write
from wavestack.training.pictures import write_spectrogram
from wavestack.training.run import TrainingRun


class AudioSampler:
    """Writes wav, spectrogram and TensorBoard audio, and once the real recordings beside them.

    Args:
        run: the training.
        writer: a TensorBoard writer, or None on ranks other than zero.
    """

    def __init__(self, run: TrainingRun, writer: Any = None) -> None:
        self.run = run
        self.writer = writer
        self._conditions: Conditions | None = None

    def write(self, model: nn.Module) -> None:
        """Generates with the model, a plain one in eval mode, and writes what comes out."""
        run = self.run
        rate = run.data.sample_rate
        length = max(round(run.settings.sample_seconds * rate), 1)
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


@dataclass(frozen=True)
class Conditions:
    """What the samples are generated from, taken from held-out recordings.

    Attributes:
        names: one for each sample, of its labels ("theo-7"); "" without labels.
        labels: (N, L) int64 or None.
        features: (N, C, frames) or None.
        recordings: the real waveforms with these labels and features, each (T,).
    """

    names: list[str]
    labels: Tensor | None
    features: Tensor | None
    recordings: list[np.ndarray]


def choose_conditions(model: nn.Module, data: Any, count: int, num_samples: int) -> Conditions:
    """Takes ``count`` validation recordings, spread evenly over the split.

    Args:
        model: labels and features that it does not listen to are left out.
        data: gives ``eval_batches`` and ``label_names``.
        count: number of samples wanted; fewer when the split is smaller.
        num_samples: length to be generated; features are cut or repeated at the end to fit it.
    """
    rows = [
        {k: v[i] for k, v in batch.items() if isinstance(v, Tensor)}
        for batch in data.eval_batches("val")
        for i in range(len(batch["waveform"]))
        if batch["mask"][i, 0]  # not a later piece of a long recording
    ]
    picks = np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)
    rows = [rows[i] for i in picks]
    labels = features = None
    if getattr(model, "num_labels", ()):
        labels = torch.stack([row["labels"] for row in rows])
    if getattr(model, "condition_channels", None):
        hop_length = len(rows[0]["waveform"]) // rows[0]["features"].shape[-1]
        frames = -(-num_samples // hop_length)
        features = torch.stack([_fit(row["features"], frames) for row in rows])
    return Conditions(
        names=[_name(data, row.get("labels")) for row in rows],
        labels=labels,
        features=features,
        recordings=[row["waveform"][row["mask"]][:num_samples].numpy() for row in rows],
    )


def generate_samples(
    model: nn.Module, conditions: Conditions, num_samples: int, seed: int
) -> np.ndarray:
    """Generates one sample for each condition: (N, num_samples) float in [-1, 1]."""
    from wavestack.inference import generate

    device = next(model.parameters()).device
    waveforms = generate(
        model,
        num_samples,
        batch_size=len(conditions.names),
        labels=None if conditions.labels is None else conditions.labels.to(device),
        features=None if conditions.features is None else conditions.features.to(device),
        seed=seed,
    )
    return waveforms.float().cpu().numpy()


def write_audio(folder: Path, stem: str, waveform: np.ndarray, sample_rate: int) -> Path:
    """Writes ``stem.wav`` (16 bit) and its picture ``stem.png`` into ``folder``."""
    import soundfile

    path = folder / f"{stem}.wav"
    atomic_write(
        path,
        lambda file: soundfile.write(
            file, np.clip(waveform, -1, 1), sample_rate, format="WAV", subtype="PCM_16"
        ),
    )
    write_spectrogram(path.with_suffix(".png"), waveform, sample_rate, stem)
    return path


def _fit(features: Tensor, frames: int) -> Tensor:
    missing = max(frames - features.shape[-1], 0)
    return torch.cat([features, features[..., -1:].expand(-1, missing)], dim=-1)[..., :frames]


def _name(data: Any, labels: Tensor | None) -> str:
    if labels is None:
        return ""
    names = zip(data.label_names, labels.tolist(), strict=True)
    return "-".join(str(classes[index]) for classes, index in names)
