"""The levels that a figure in bits counts: mu-law codes, or the 65,536 levels of 16-bit audio.

``quantization_channels`` is the number of mu-law codes, or None for linear 16-bit levels, those of
the real-valued outputs of WaveNet.
"""

from __future__ import annotations

import numpy as np
import torch

from wavestack.signal import mu_law_decode, mu_law_edges, mu_law_encode

_HALF = 32768  # 16-bit levels per unit of amplitude


def num_levels(quantization_channels: int | None) -> int:
    """How many levels there are."""
    return 2 * _HALF if quantization_channels is None else quantization_channels


def to_levels(waveform: np.ndarray, quantization_channels: int | None) -> np.ndarray:
    """Waveform in [-1, 1] to level numbers from 0: (T,) -> (T,) int64.

    Example:
        >>> to_levels(np.array([-1.0, 0.0, 1.0]), None).tolist()
        [0, 32768, 65535]
    """
    if quantization_channels is None:
        levels = np.rint(np.asarray(waveform, dtype=np.float64) * _HALF).astype(np.int64)
        return np.clip(levels + _HALF, 0, 2 * _HALF - 1)
    return mu_law_encode(torch.from_numpy(waveform), quantization_channels).numpy()


def from_levels(levels: np.ndarray, quantization_channels: int | None) -> np.ndarray:
    """Level numbers to the waveform that they stand for: (T,) -> (T,)."""
    if quantization_channels is None:
        return (levels - _HALF) / _HALF
    return mu_law_decode(torch.from_numpy(levels), quantization_channels).numpy()


def level_edges(quantization_channels: int | None) -> np.ndarray:
    """Where each level begins and the last one ends; the outermost reach to infinity."""
    if quantization_channels is None:
        edges = (np.arange(2 * _HALF + 1) - _HALF - 0.5) / _HALF
        edges[0], edges[-1] = -np.inf, np.inf
        return edges
    return mu_law_edges(quantization_channels).numpy()
