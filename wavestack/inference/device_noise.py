"""The numbers of ``wavestack.inference.noise`` computed where the model is, in torch integers.

Bit for bit the same: a CUDA graph draws them inside, without a word from the CPU.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wavestack.inference.noise import SAMPLES, check_seed

_M0, _M1 = 0xD2511F53, 0xCD9E8D57
_W0, _W1 = 0x9E3779B9, 0xBB67AE85
_LOW = 0xFFFFFFFF

Words = tuple[Tensor, Tensor, Tensor, Tensor]


def device_philox(counter: Words, key: tuple[int, int], rounds: int = 10) -> Words:
    """``noise.philox4x32`` on int64 tensors that hold 32-bit words.

    A product of two words may pass 2^63; it wraps around, and its bits are still those of the
    unsigned product, so the mask behind the arithmetic shift gives the high word.

    Example:
        >>> zero = torch.zeros(1, dtype=torch.int64)
        >>> [f"{word.item():08x}" for word in device_philox((zero, zero, zero, zero), (0, 0))]
        ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(rounds):
        p0, p1 = c0 * _M0, c2 * _M1
        c0, c1, c2, c3 = (
            ((p1 >> 32) & _LOW) ^ c1 ^ k0,
            p1 & _LOW,
            ((p0 >> 32) & _LOW) ^ c3 ^ k1,
            p0 & _LOW,
        )
        k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    return c0, c1, c2, c3


def device_uniform(
    seed: int, rows: Tensor, steps: Tensor, num_lanes: int, purpose: int = SAMPLES
) -> Tensor:
    """``noise.uniform`` for rows and steps that lie on a device.

    Args:
        seed: 0 to 2^64 - 1.
        rows: int64 indices of the batch's rows.
        steps: int64 indices of samples.
        num_lanes: numbers for each row and step.
        purpose: SAMPLES or LABELS.

    Shape:
        -> (len(steps), len(rows), num_lanes) float32 in (0, 1)

    Raises:
        ValueError: when the seed is not a 64-bit number.

    Example:
        >>> from wavestack.inference.noise import uniform
        >>> there = device_uniform(7, torch.arange(2), torch.arange(3), 5)
        >>> bool((there.numpy() == uniform(7, range(2), range(3), 5)).all())
        True
    """
    check_seed(seed)
    blocks = torch.arange(-(-num_lanes // 4), device=steps.device)
    counter = (
        blocks[None, None, :],
        (steps & _LOW)[:, None, None],
        (rows & _LOW)[None, :, None],
        torch.full((1, 1, 1), purpose, dtype=torch.int64, device=steps.device),
    )
    words = device_philox(counter, (seed & _LOW, seed >> 32))
    shape = (len(steps), len(rows), len(blocks))
    bits = torch.stack([word.expand(shape) for word in words], dim=-1) >> 9
    numbers = (bits.to(torch.float32) + 0.5) * 2.0**-23
    return numbers.flatten(2)[..., :num_lanes]
