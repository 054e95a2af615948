"""The standard normal distribution where float32 runs out of digits: narrow bins, far tails."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def log_bin_mass(z: Tensor, half: Tensor) -> Tensor:
    """Log probability of the interval z ± half, with a gradient that stays finite.

    Example:
        >>> log_bin_mass(torch.tensor(0.0), torch.tensor(1.96)).exp().round(decimals=3)
        tensor(0.9500)
    """
    return torch.where(half < 0.25, _narrow_bin(z, half), _wide_bin(z, half))


def log_cdf(z: Tensor) -> Tensor:
    """As torch.special.log_ndtr, whose gradient is wrong by 6 % at -10,000 and 0 at -1e7."""
    tail = z.clamp(max=-8.0)
    inverse = tail**-2
    series = torch.log1p(-inverse * (1 - 3 * inverse * (1 - 5 * inverse)))
    asymptotic = -0.5 * tail**2 - torch.log(-tail) - 0.5 * math.log(2 * math.pi) + series
    return torch.where(z < -8.0, asymptotic, torch.special.log_ndtr(z.clamp(min=-8.0)))


def _narrow_bin(z: Tensor, half: Tensor) -> Tensor:
    """Log mass of the normal distribution in z ± half by 3-point Gauss quadrature.

    The difference of two distribution functions would lose all digits here.
    """
    half = half.clamp(max=0.25)  # where the bin is wide the other formula is taken
    offset = math.sqrt(0.6) * half
    nodes = torch.stack([z - offset, z, z + offset])
    log_weights = torch.log(torch.tensor([5.0, 8.0, 5.0]) / 18).to(z)
    log_density = -0.5 * nodes**2 + log_weights.view(3, *([1] * z.dim()))
    return torch.logsumexp(log_density, dim=0) + torch.log(2 * half) - 0.5 * math.log(2 * math.pi)


def _wide_bin(z: Tensor, half: Tensor) -> Tensor:
    """The same by the difference of distribution functions, in the tail that keeps digits."""
    half = half.clamp(min=0.25)
    z = -z.abs()
    upper = log_cdf(z + half)
    lower = log_cdf(z - half)
    # Far out both are huge and nearly equal; their slope there is at least |z| (Mills' ratio).
    drop = torch.minimum(lower - upper, -2 * half * (-z - half).clamp(min=0.1))
    return upper + torch.log(-torch.expm1(drop))
