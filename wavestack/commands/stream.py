"""`wavestack stream`: audio through a trained model, block by block."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from omegaconf import DictConfig

from wavestack.commands.pcm import FORMATS, Writer, read_blocks
from wavestack.commands.trained import Trained, write_audio
from wavestack.errors import UserError

_LONGEST_BLOCK = 2**31 - 1  # for much longer ones no number of bytes fits one call for input


def check(cfg: DictConfig) -> None:
    """Stop at values that make no sense, before the model is loaded.

    Raises:
        UserError: naming the key.
    """
    if cfg.block < 1:
        raise UserError(f"block must be >= 1 sample, got {cfg.block}")
    if cfg.block > _LONGEST_BLOCK:
        raise UserError(f"block must be <= {_LONGEST_BLOCK:,} samples, got {cfg.block:,}")
    if cfg.pcm not in FORMATS:
        raise UserError(f"pcm={cfg.pcm}: must be one of {', '.join(FORMATS)}")
    if cfg.out != "-" and Path(cfg.out).suffix.lower() not in (".wav", ".flac", ".ogg"):
        raise UserError(f"out={cfg.out}: must end in .wav, .flac or .ogg, or be - for raw PCM")


def run(cfg: DictConfig) -> None:
    """Push the audio through in blocks, write what comes out, and say how well and how fast."""
    from wavestack.commands.audio_models import Effect, Predictor

    trained = Trained(cfg.run, cfg.device)
    model: Any
    if hasattr(trained.model, "distribution"):
        _refuse(cfg, "condition", trained)
        model = Predictor(trained, cfg.labels, cfg.engine)
    else:
        _refuse(cfg, "labels", trained)
        model = Effect(trained, cfg.condition, cfg.engine)
    blocks = _blocks(cfg, trained)
    write = Writer(cfg.pcm).write if cfg.out == "-" else None
    kept: list[np.ndarray] = []
    clock = _Clock(cfg.block, trained.sample_rate, model.stream)
    try:
        for samples in blocks:
            y = clock.time(model.push, samples)
            write(y) if write else kept.append(y)
        rest = model.finish()
        write(rest) if write else kept.append(rest)
    except BaseException:  # a pipe may end by an interrupt, or because its reader has seen enough
        if write:
            _report("standard output", model, clock, sys.stderr)
        raise
    if not write:
        write_audio(Path(cfg.out), np.concatenate(kept), trained.sample_rate)
    _report(
        cfg.out if not write else "standard output",
        model,
        clock,
        sys.stderr if write else sys.stdout,
    )


def _refuse(cfg: DictConfig, key: str, trained: Trained) -> None:
    if cfg[key] is not None:
        raise UserError(f"{key} must be null: this {type(trained.model).__name__} takes none here")


def _report(name: str, model: Any, clock: _Clock, to: TextIO) -> None:
    print(f"{name}: {clock.samples / clock.sample_rate:.2f} s, {model.about}", file=to)
    for line in [*model.figures(), *clock.figures()]:
        print(line, file=to)


class _Clock:
    """How long the blocks took: in all, and the worst of them."""

    def __init__(self, block: int, sample_rate: int, stream: Any) -> None:
        self.block, self.sample_rate = block, sample_rate
        self.about = f"engine {stream.engine}, latency {stream.latency} samples"
        self.samples, self.seconds, self.worst = 0, 0.0, 0.0

    def time(self, push: Any, samples: np.ndarray) -> np.ndarray:
        began = time.perf_counter()
        y = push(samples)
        spent = time.perf_counter() - began
        self.samples += len(samples)
        self.seconds += spent
        self.worst = max(self.worst, spent)
        return y

    def figures(self) -> Iterator[str]:
        if not self.samples:
            return
        factor = self.seconds * self.sample_rate / self.samples
        yield f"real-time factor {factor:.4f} ({1 / factor:.2f} times real time)"
        yield (
            f"worst block {1000 * self.worst:.3f} ms, where a block of {self.block} lasts "
            f"{1000 * self.block / self.sample_rate:.3f} ms; {self.about}"
        )


def _blocks(cfg: DictConfig, trained: Trained) -> Iterator[np.ndarray]:
    if cfg.input == "-":
        print(
            f"input=-: raw PCM, {cfg.pcm}, one channel at {trained.sample_rate} Hz",
            file=sys.stderr,
        )
        return read_blocks(cfg.block, cfg.pcm)
    waveform = trained.read_audio(cfg.input, "input")
    return (waveform[i : i + cfg.block] for i in range(0, len(waveform), cfg.block))
