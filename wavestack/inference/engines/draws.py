"""Sampling noise for a chunk of steps, in the form the model's distribution takes it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from wavestack.inference.noise import uniform

_CHUNK_NUMBERS = 1 << 17  # about what stays in a core's cache while it is being made


def chunk_steps(batch_size: int, num_lanes: int) -> int:
    """How many steps to prepare at once."""
    return max(8, min(512, _CHUNK_NUMBERS // (batch_size * num_lanes)))


def prepare_draws(
    distribution: Any, seed: int, batch_size: int, first_step: int, num_steps: int, like: Tensor
) -> Tensor:
    """Draws for the steps from first_step on, with the dtype and device of like.

    Shape:
        -> (num_steps, batch_size, number of draws)
    """
    steps = np.arange(first_step, first_step + num_steps)
    noise = uniform(seed, np.arange(batch_size), steps, distribution.num_noise)
    return distribution.draws(torch.from_numpy(noise)).to(like)
