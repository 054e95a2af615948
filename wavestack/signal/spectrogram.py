"""A spectrogram for pictures: linear frequency, decibels, plain NumPy."""

from __future__ import annotations

import numpy as np


def spectrogram_db(
    waveform: np.ndarray,
    sample_rate: int,
    *,
    window_seconds: float = 0.025,
    hop_seconds: float = 0.005,
    range_db: float = 80.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Power spectrogram in decibels below the loudest point.

    Args:
        waveform: mono samples, shape (T,); a shorter one than a window is padded with silence.
        sample_rate: in Hz.
        window_seconds: length of the Hann window.
        hop_seconds: distance between two frames.
        range_db: what is further below the maximum is shown as -range_db.

    Returns:
        freqs: (F,) in Hz. times: (N,) of the frame centres, in seconds. db: (F, N), at most 0.

    Raises:
        ValueError: when the waveform is not one-dimensional.
    """
    x = np.asarray(waveform, dtype=np.float64)
    if x.ndim != 1:
        raise ValueError(f"waveform must have shape (T,), got {x.shape}")
    window = max(16, round(window_seconds * sample_rate))
    hop = max(1, round(hop_seconds * sample_rate))
    n_fft = 1 << (window - 1).bit_length()
    if len(x) < window:
        x = np.pad(x, (0, window - len(x)))
    frames = np.lib.stride_tricks.sliding_window_view(x, window)[::hop] * np.hanning(window)
    power = np.abs(np.fft.rfft(frames, n_fft, axis=1)).T ** 2
    # A silent waveform has no loudest point: the floor keeps it at -range_db everywhere.
    reference = max(float(power.max()), 1e-12)
    db = 10 * np.log10(np.maximum(power / reference, 10 ** (-range_db / 10)))
    freqs = np.fft.rfftfreq(n_fft, 1 / sample_rate)
    times = (np.arange(frames.shape[0]) * hop + window / 2) / sample_rate
    return freqs, times, db
