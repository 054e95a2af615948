"""`wavestack generate`: audio, or text, that a trained model makes up."""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import Tensor

from wavestack.commands.generate_text import write_text, writes_text
from wavestack.commands.trained import Trained, check_autoregressive, write_audio
from wavestack.errors import UserError


def check(cfg: DictConfig) -> None:
    """Stop at values that make no sense, before the model is loaded.

    Raises:
        UserError: naming the key.
    """
    if cfg.seconds is not None and not 0 < cfg.seconds < math.inf:
        raise UserError(f"seconds must be > 0 and finite, got {cfg.seconds:g}")
    if cfg.batch_size < 1:
        raise UserError(f"batch_size must be >= 1, got {cfg.batch_size}")
    if not 0 <= cfg.seed < 2**64:  # before labels are drawn from it
        raise UserError(f"seed must be in [0, 2^64), got {cfg.seed}")
    if Path(cfg.out).suffix.lower() not in (".wav", ".flac", ".ogg", ".txt"):
        raise UserError(f"out={cfg.out}: must end in .wav, .flac or .ogg (text: .txt)")


def run(cfg: DictConfig) -> None:
    """Generate, write one file for each row, and say what was made and how fast."""
    from wavestack.inference import draw_labels, generate

    if writes_text(cfg.run):
        write_text(cfg)
        return
    if Path(cfg.out).suffix.lower() == ".txt":
        raise UserError(f"out={cfg.out}: this model makes audio; .wav, .flac or .ogg")
    trained = Trained(cfg.run, cfg.device)
    model = trained.model
    check_autoregressive(model, "generate")
    features = _features(trained, cfg.mel_from)
    primer = None
    if cfg.primer is not None:
        primer = torch.from_numpy(trained.read_audio(cfg.primer, "primer"))[None]
    num_samples = _length(trained, cfg.seconds, features, primer)
    labels = None
    if cfg.labels is not None:
        labels = trained.labels(cfg.labels).expand(cfg.batch_size, -1)
    elif getattr(model, "num_labels", ()):
        labels = draw_labels(model, cfg.batch_size, cfg.seed)
    options = {key: cfg[key] for key in ("threads", "precision") if cfg[key] is not None}
    began = time.perf_counter()
    try:
        waveforms = generate(
            model,
            num_samples,
            batch_size=cfg.batch_size,
            labels=labels,
            features=features,
            primer=primer,
            temperature=cfg.temperature,
            seed=cfg.seed,
            engine=cfg.engine,
            progress=bool(cfg.progress and sys.stderr.isatty()),
            **options,
        )
    except ValueError as error:  # the function names the argument, which is a key here
        raise UserError(str(error)) from error
    seconds = time.perf_counter() - began
    _write(trained, cfg, waveforms, labels)
    speed = waveforms.numel() / seconds
    print(f"{waveforms.numel():,} samples in {seconds:.1f} s: {speed:,.0f} samples/s")


def _features(trained: Trained, file: str | None) -> Tensor | None:
    if file is not None:
        return trained.mel_frames(file)
    if getattr(trained.model, "condition_channels", None):
        raise UserError("mel_from must be given: this model speaks a spectrogram (mel_from=FILE)")
    return None


def _length(
    trained: Trained, seconds: float | None, features: Tensor | None, primer: Tensor | None
) -> int:
    """Samples to generate: as asked for, bounded by the frames that there are."""
    before = 0 if primer is None else primer.shape[-1]
    if features is None:
        return max(1, round((2.0 if seconds is None else seconds) * trained.sample_rate))
    there = features.shape[-1] * trained.model.hop_length - before
    wanted = there if seconds is None else round(seconds * trained.sample_rate)
    if not 1 <= wanted <= there:
        raise UserError(
            f"seconds: mel_from has frames for {there / trained.sample_rate:.2f} s after the primer"
        )
    return wanted


def _write(trained: Trained, cfg: DictConfig, waveforms: Tensor, labels: Tensor | None) -> None:
    out = Path(cfg.out)
    for row, waveform in enumerate(waveforms.numpy()):
        single = len(waveforms) == 1
        file = out if single else out.with_name(f"{out.stem}_{row}{out.suffix}")
        said = "" if labels is None else trained.name_labels(labels[row])
        write_audio(file, waveform, trained.sample_rate)
        made = f"{len(waveform) / trained.sample_rate:.2f} s at {trained.sample_rate} Hz"
        print(f"{file}: {made}" + (f", {said}" if said else ""))
        if cfg.picture:
            from wavestack.training.pictures import write_spectrogram

            picture = file.with_suffix(".png")
            write_spectrogram(picture, waveform, trained.sample_rate, said or file.name)
            print(f"{picture}: its spectrogram")
