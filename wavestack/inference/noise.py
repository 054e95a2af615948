"""Random numbers that are a function of (seed, row, step, lane), the same on every machine.

A generator with a state would make row 3 depend on how many rows there are and step 7 on the
engine's order of work. A counter-based one does not: each number is the encryption of its own
place, so any engine computes just those it needs, in any order.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Words: TypeAlias = NDArray[np.uint32]

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = 0x9E3779B9, 0xBB67AE85
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)

SAMPLES, LABELS = 0, 1  # what the numbers are for: streams that never meet


def philox4x32(
    counter: tuple[Words, Words, Words, Words], key: tuple[int, int], rounds: int = 10
) -> tuple[Words, Words, Words, Words]:
    """The Philox block function: four 32-bit counters to four random 32-bit words.

    Args:
        counter: four arrays of 32-bit words that broadcast against one another.
        key: two 32-bit words.
        rounds: 10 in the published generator.

    References:
        Salmon et al. (2011), Parallel Random Numbers: As Easy as 1, 2, 3, section 3.3.

    Example:
        >>> zero = np.zeros(1, np.uint32)
        >>> [f"{word[0]:08x}" for word in philox4x32((zero, zero, zero, zero), (0, 0))]
        ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    c0, c1, c2, c3 = (np.asarray(word, dtype=np.uint64) for word in counter)
    k0, k1 = key
    for _ in range(rounds):
        p0, p1 = c0 * _M0, c2 * _M1
        c0, c1, c2, c3 = (
            (p1 >> _SHIFT) ^ c1 ^ np.uint64(k0),
            p1 & _LOW,
            (p0 >> _SHIFT) ^ c3 ^ np.uint64(k1),
            p0 & _LOW,
        )
        k0, k1 = (k0 + _W0) & 0xFFFFFFFF, (k1 + _W1) & 0xFFFFFFFF
    w0, w1, w2, w3 = (c.astype(np.uint32) for c in (c0, c1, c2, c3))
    return w0, w1, w2, w3


def check_seed(seed: int) -> None:
    """Raise ValueError when the seed is not a 64-bit number, TypeError when it is no whole one."""
    if not 0 <= operator.index(seed) < 2**64:
        raise ValueError(f"seed must be in [0, 2^64), got {seed}")


def uniform(
    seed: int,
    rows: Sequence[int] | NDArray[np.integer],
    steps: Sequence[int] | NDArray[np.integer],
    num_lanes: int,
    purpose: int = SAMPLES,
) -> NDArray[np.float32]:
    """Uniform numbers in the open interval (0, 1), each a function of its place alone.

    Lane l of (row, step) is word l % 4 of the block with counter (l // 4, step, row, purpose) and
    key (low, high word of the seed); its 23 high bits n give (n + 1/2) / 2^23, which float32
    holds exactly and which is never 0 or 1.

    Args:
        seed: 0 to 2^64 - 1.
        rows: indices of the batch's rows.
        steps: indices of samples.
        num_lanes: numbers for each row and step.
        purpose: SAMPLES or LABELS.

    Shape:
        -> (len(steps), len(rows), num_lanes)

    Raises:
        ValueError: when the seed is not a 64-bit number.

    Example:
        >>> both = uniform(7, rows=[0, 1], steps=[5], num_lanes=3)
        >>> bool((uniform(7, rows=[1], steps=[5], num_lanes=2) == both[:, 1:, :2]).all())
        True
    """
    check_seed(seed)
    blocks = np.arange(-(-num_lanes // 4), dtype=np.uint32)
    counter = (
        blocks[None, None, :],
        np.asarray(steps, dtype=np.uint32)[:, None, None],
        np.asarray(rows, dtype=np.uint32)[None, :, None],
        np.full((1, 1, 1), purpose, dtype=np.uint32),
    )
    words = philox4x32(counter, (seed & 0xFFFFFFFF, seed >> 32))
    shape = (len(steps), len(rows), len(blocks))
    bits = np.stack([np.broadcast_to(word, shape) for word in words], axis=-1) >> np.uint32(9)
    numbers = (bits.astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-23)
    return numbers.reshape(shape[0], shape[1], -1)[..., :num_lanes]
