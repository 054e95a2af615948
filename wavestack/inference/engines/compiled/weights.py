"""How a matrix lies in memory for ``products``: panels of columns, in one of three precisions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wavestack.inference.engines.vector.simd import WIDTH

PANEL = 8  # vectors of columns
TILE = 4  # vectors of columns that several rows of x share

FLOAT32, BFLOAT16, FLOAT24 = range(3)


def padded(size: int, width: int = WIDTH) -> int:
    """The next multiple of the vector width; of 2 where the vectors are single floats."""
    grain = max(2, width)
    return -(-size // grain) * grain


def pack_matrix(weight: NDArray[np.float32], width: int = WIDTH) -> NDArray[np.float32]:
    """A matrix (n, m), rows of inputs, as panels one after the other, both sizes padded with zeros.

    n is padded to a multiple of the vector width as m is, so one layer's outputs are the next
    one's inputs as they lie in memory.

    Shape:
        (n, m) -> (padded(n) * padded(m),)
    """
    n, m = padded(weight.shape[0], width), padded(weight.shape[1], width)
    full = np.zeros((n, m), np.float32)
    full[: weight.shape[0], : weight.shape[1]] = weight
    step = PANEL * width
    return np.concatenate([full[:, i : i + step].ravel() for i in range(0, m, step)])


def to_bfloat16(
    packed: NDArray[np.float32], n: int, m: int, width: int = WIDTH
) -> NDArray[np.float32]:
    """Packed weights at half the size: two rows' weights of one column in each 32-bit word.

    The earlier row's weight is in the low half. The high half is rounded such that the whole word,
    read as one float32, is nearest to the later row's weight, so reading it needs no mask.

    Args:
        packed: from ``pack_matrix``.
        n: rows of the matrix, padded.
        m: columns of the matrix, padded.

    Shape:
        (n * m,) -> (n * m / 2,), to be read as words, not as floats
    """
    step = PANEL * width
    panels, start = [], 0
    for columns in [min(step, m - i) for i in range(0, m, step)]:
        rows = packed[start : start + n * columns].view(np.uint32).reshape(n // 2, 2, columns)
        start += n * columns
        rows = rows.astype(np.int64)
        early, late = rows[:, 0], rows[:, 1]
        # To the nearest, ties to even; then the later weight's half given those lower bits.
        low = (early + 0x7FFF + ((early >> 16) & 1)) >> 16
        sign, magnitude = late & 0x80000000, late & 0x7FFFFFFF
        high = np.maximum(magnitude - low + 0x8000, 0) >> 16
        panels.append((sign | (high << 16) | low).astype(np.uint32).ravel())
    return np.concatenate(panels).view(np.float32)


def to_float24(
    packed: NDArray[np.float32], n: int, m: int, width: int = WIDTH
) -> NDArray[np.float32]:
    """Packed weights at three quarters of the size: the upper 24 bits of each.

    Four vectors a, b, c, d of a row become three vectors of 32-bit words: the upper halves of a and
    b (b in the upper half of the word), those of c and d, and the third bytes of all four, a's
    lowest. A vector is read with its third byte in place and the one before it below: each
    weight is rounded such that the word with that byte is nearest to it.

    Args:
        packed: from ``pack_matrix``.
        n: rows of the matrix, padded.
        m: columns of the matrix, padded.

    Shape:
        (n * m,) -> three quarters as many, tails of a panel filled to four vectors, to be read as
        words, not as floats
    """
    step, group = PANEL * width, TILE * width
    panels, start = [], 0
    for columns in [min(step, m - i) for i in range(0, m, step)]:
        words = packed[start : start + n * columns].view(np.uint32).reshape(n, columns)
        start += n * columns
        filled = np.pad(words, ((0, 0), (0, -columns % group)))
        rows = filled.reshape(n, -1, TILE, width)
        below = np.zeros(rows[:, :, 0].shape, np.int64)
        halves, third = [], np.zeros_like(below)
        for k in range(TILE):
            bits = rows[:, :, k].astype(np.int64)
            kept = np.maximum((bits & 0x7FFFFFFF) - below + 0x80, 0) >> 8
            below = kept & 0xFF
            halves.append((bits & 0x80000000) >> 16 | kept >> 8)
            third |= below << 8 * k
        stored = [halves[0] | halves[1] << 16, halves[2] | halves[3] << 16, third]
        panels.append(np.stack(stored, axis=2).astype(np.uint32).ravel())
    return np.concatenate(panels).view(np.float32)
