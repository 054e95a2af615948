"""Spectrogram pictures of generated audio, drawn without a display."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from wavestack.files import atomic_write
from wavestack.signal import spectrogram_db


def write_spectrogram(path: Path, waveform: np.ndarray, sample_rate: int, title: str = "") -> None:
    """Draws a waveform above its spectrogram.

    Args:
        path: a ``.png`` file.
        waveform: (T,) float in [-1, 1].
        sample_rate: in Hz.
        title: a line above the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    frequencies, times, decibels = spectrogram_db(waveform, sample_rate)
    figure = Figure(figsize=(8, 4), layout="constrained")
    FigureCanvasAgg(figure)
    wave, picture = figure.subplots(2, 1, sharex=True, height_ratios=(1, 3))
    wave.plot(np.arange(len(waveform)) / sample_rate, waveform, linewidth=0.5, color="#334155")
    wave.set_ylim(-1, 1)
    wave.set_yticks([-1, 0, 1])
    wave.set_title(title, loc="left", fontsize=10)
    picture.pcolormesh(
        times, frequencies / 1000, decibels, vmin=-80, vmax=0, cmap="magma", shading="nearest"
    )
    picture.set_ylabel("kHz")
    picture.set_xlim(0, len(waveform) / sample_rate)
    picture.set_xlabel("seconds")
    atomic_write(path, lambda file: figure.savefig(file, format="png", dpi=100))
