"""Pre-emphasis: the first difference that lifts high frequencies, and its inverse."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def pre_emphasis(x: Tensor, coefficient: float = 0.95) -> Tensor:
    """Filter by ``y[t] = x[t] - coefficient * x[t - 1]``, with ``x[-1] = 0``.

    Args:
        x: waveform.
        coefficient: in [0, 1); 0 changes nothing.

    Shape:
        x: (..., T) -> (..., T).

    Raises:
        ValueError: when the coefficient is outside [0, 1).
    """
    _check(coefficient)
    y = x.clone()
    y[..., 1:] -= coefficient * x[..., :-1]
    return y


def de_emphasis(x: Tensor, coefficient: float = 0.95) -> Tensor:
    """Undo `pre_emphasis`: ``y[t] = x[t] + coefficient * y[t - 1]``. Not differentiable.

    Shape:
        x: (..., T) -> (..., T).

    Raises:
        ValueError: when the coefficient is outside [0, 1).
    """
    _check(coefficient)
    # The recursion's impulse response coefficient^t, by doubling: after step i every sample has
    # gathered its 2^i predecessors, so log2(T) vector operations replace T scalar ones.
    y = x.detach().cpu().numpy().astype(np.float64)
    shift, weight = 1, float(coefficient)
    while shift < y.shape[-1] and weight > 1e-20:
        gathered = y.copy()
        gathered[..., shift:] += weight * y[..., :-shift]
        y, shift, weight = gathered, 2 * shift, weight * weight
    return torch.from_numpy(y).to(x)


def _check(coefficient: float) -> None:
    if not 0 <= coefficient < 1:
        raise ValueError(f"coefficient must be in [0, 1), got {coefficient}")
