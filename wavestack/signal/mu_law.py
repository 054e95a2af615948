"""Mu-law companding: a waveform in [-1, 1] as a few hundred codes, finer near silence."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def mu_law_encode(x: Tensor, quantization_channels: int = 256) -> Tensor:
    """Quantise a waveform to mu-law codes.

    ``y = sign(x) * log(1 + mu |x|) / log(1 + mu)`` with ``mu = Q - 1`` is rounded to Q levels. The
    arithmetic is done in double precision, so that every device finds the same code for the same
    sample.

    Args:
        x: waveform, any shape; values outside [-1, 1] get the outermost codes.
        quantization_channels: Q, the number of codes, at least 2.

    Shape:
        x: (...) -> (...) int64 in [0, Q - 1]. A zero sample becomes code Q // 2 (128 of 256).

    Raises:
        ValueError: when Q is below 2.

    References:
        ITU-T Recommendation G.711; van den Oord et al. (2016), "WaveNet", section 2.2.

    Example:
        >>> mu_law_encode(torch.tensor([-1.0, 0.0, 1.0])).tolist()
        [0, 128, 255]
    """
    mu = _mu(quantization_channels)
    # Apple's GPU has no double precision.
    x = x.float() if x.device.type == "mps" else x.double()
    y = torch.sign(x) * torch.log1p(mu * x.abs()) / math.log1p(mu)
    return ((y + 1) / 2 * mu + 0.5).floor().clamp(0, mu).long()


def mu_law_decode(codes: Tensor, quantization_channels: int = 256) -> Tensor:
    """Turn mu-law codes back into a waveform, each code into the middle of its companded interval.

    Args:
        codes: integer codes in [0, Q - 1]; fractions are allowed and give points between two codes.
        quantization_channels: Q, the number of codes, at least 2.

    Shape:
        codes: (...) -> (...) float32 in [-1, 1].

    Raises:
        ValueError: when Q is below 2.

    Example:
        >>> mu_law_decode(torch.tensor([0, 255])).tolist()
        [-1.0, 1.0]
    """
    return _expand(codes, quantization_channels).float()


def mu_law_edges(quantization_channels: int = 256) -> Tensor:
    """Return the borders between codes: code c holds the samples in [edges[c], edges[c + 1]).

    Shape:
        -> (Q + 1,) float64, rising, the outermost -inf and inf.
    """
    codes = torch.arange(quantization_channels + 1, dtype=torch.float64) - 0.5
    edges = _expand(codes, quantization_channels)
    edges[0], edges[-1] = -math.inf, math.inf
    return edges


def _expand(codes: Tensor, quantization_channels: int) -> Tensor:
    mu = _mu(quantization_channels)
    y = 2 * (codes.float() if codes.device.type == "mps" else codes.double()) / mu - 1
    return torch.sign(y) * torch.expm1(y.abs() * math.log1p(mu)) / mu


def _mu(quantization_channels: int) -> int:
    if quantization_channels < 2:
        raise ValueError(f"quantization_channels must be >= 2, got {quantization_channels}")
    return quantization_channels - 1
