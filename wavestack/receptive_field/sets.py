"""Finite sets of integers: ranges where they are regular, bit masks where they have holes.

A receptive field along one axis is such a set. Nearly all are plain ranges, and Python's ``range``
costs nothing however long it is; the rest are ``Bits``, one big integer whose i-th bit says whether
``low + i`` belongs to the set, so that union and shift are single machine-speed operations.
Indices may be negative: those lie in the padding.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


class Bits:
    """The set {low + i : bit i of mask is set}; bit 0 is always set."""

    __slots__ = ("low", "mask")

    def __init__(self, low: int, mask: int) -> None:
        self.low = low
        self.mask = mask

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bits) and self.low == other.low and self.mask == other.mask

    def __hash__(self) -> int:
        return hash((self.low, self.mask))

    def __repr__(self) -> str:
        return f"Bits({to_array(self).tolist()})"


IntSet = range | Bits
EMPTY = range(0)


def from_mask(low: int, mask: int) -> IntSet:
    """The set of a bit mask, as a range where it has no holes."""
    if mask == 0:
        return EMPTY
    trailing = (mask & -mask).bit_length() - 1
    if trailing:
        low += trailing
        mask >>= trailing
    if mask & (mask + 1) == 0:
        return range(low, low + mask.bit_length())
    return Bits(low, mask)


def from_array(values: np.ndarray) -> IntSet:
    """The set of the given integers, in any order and with repeats."""
    if values.size == 0:
        return EMPTY
    low, high = int(values.min()), int(values.max())
    if low == high:
        return range(low, low + 1)
    flags = np.zeros(high - low + 1, dtype=np.uint8)
    flags[values - low] = 1
    return from_mask(low, int.from_bytes(np.packbits(flags, bitorder="little").tobytes(), "little"))


def to_array(items: IntSet) -> np.ndarray:
    """The members in increasing order."""
    if isinstance(items, range):
        return np.arange(items.start, items.stop, items.step, dtype=np.int64)
    raw = np.frombuffer(
        items.mask.to_bytes((items.mask.bit_length() + 7) // 8, "little"), dtype=np.uint8
    )
    return np.flatnonzero(np.unpackbits(raw, bitorder="little")).astype(np.int64) + items.low


def normal(items: range) -> range:
    """A range in its one normal form: increasing, the stop one after the last member."""
    if not items:
        return EMPTY
    if items.step < 0:
        items = items[::-1]
    if len(items) == 1:
        return range(items.start, items.start + 1)
    return range(items.start, items[-1] + 1, items.step)


def _mask(items: IntSet) -> tuple[int, int]:
    if isinstance(items, Bits):
        return items.low, items.mask
    if items.step == 1:
        return items.start, (1 << len(items)) - 1
    flags = np.zeros(items[-1] - items.start + 1, dtype=np.uint8)
    flags[:: items.step] = 1
    return items.start, int.from_bytes(np.packbits(flags, bitorder="little").tobytes(), "little")


def first(items: IntSet) -> int:
    """The smallest member of a set that is not empty."""
    return items.start if isinstance(items, range) else items.low


def last(items: IntSet) -> int:
    """The largest member of a set that is not empty."""
    return items[-1] if isinstance(items, range) else items.low + items.mask.bit_length() - 1


def count(items: IntSet) -> int:
    """The number of members."""
    return len(items) if isinstance(items, range) else items.mask.bit_count()


def is_empty(items: IntSet) -> bool:
    """Whether there is no member."""
    return isinstance(items, range) and not items


def is_same(a: IntSet, b: IntSet) -> bool:
    """Whether two sets have the same members, whatever their form."""
    if type(a) is type(b):
        return a == b
    return count(a) == count(b) and _mask(a) == _mask(b)


def shift(items: IntSet, by: int) -> IntSet:
    """{x + by}."""
    if by == 0:
        return items
    if isinstance(items, range):
        return range(items.start + by, items.stop + by, items.step)
    return Bits(items.low + by, items.mask)


def affine(items: IntSet, factor: int, offset: int) -> IntSet:
    """{factor * x + offset}, for a factor other than 0."""
    if factor == 1:
        return shift(items, offset)
    if isinstance(items, range):
        if not items:
            return EMPTY
        a, b = items.start * factor + offset, items[-1] * factor + offset
        step = items.step * factor
        return normal(range(a, b + (1 if step > 0 else -1), step))
    return from_array(to_array(items) * factor + offset)


def divide(items: IntSet, divisor: int) -> IntSet:
    """{x / divisor : x in the set and divisible}, for a positive divisor."""
    if divisor == 1:
        return items
    if isinstance(items, range) and items.step == 1:
        return normal(range(-(-items.start // divisor), (items.stop - 1) // divisor + 1))
    values = to_array(items)
    return from_array(values[values % divisor == 0] // divisor)


def floor_divide(items: IntSet, divisor: int) -> IntSet:
    """{floor(x / divisor)}, for a positive divisor."""
    if divisor == 1 or is_empty(items):
        return items
    if isinstance(items, range) and items.step <= divisor:
        return range(items.start // divisor, items[-1] // divisor + 1)
    return from_array(to_array(items) // divisor)


def clip(items: IntSet, low: int, stop: int) -> IntSet:
    """The members in [low, stop)."""
    if is_empty(items):
        return EMPTY
    if first(items) >= low and last(items) < stop:
        return items
    if isinstance(items, range):
        start = items.start
        if start < low:
            start += -(-(low - start) // items.step) * items.step
        return normal(range(start, min(items.stop, stop), items.step))
    below = max(0, low - items.low)
    mask = items.mask >> below
    width = stop - items.low - below
    return from_mask(items.low + below, mask & ((1 << width) - 1)) if width > 0 else EMPTY


def outside(items: IntSet, low: int, stop: int) -> bool:
    """Whether any member lies outside [low, stop)."""
    return not is_empty(items) and (first(items) < low or last(items) >= stop)


def contains(a: IntSet, b: IntSet) -> bool:
    """Whether b is a subset of a."""
    if is_empty(b):
        return True
    if is_empty(a) or first(b) < first(a) or last(b) > last(a):
        return False
    if isinstance(a, range) and a.step == 1:
        return True
    low_a, mask_a = _mask(a)
    low_b, mask_b = _mask(b)
    mask_b <<= low_b - low_a
    return mask_a & mask_b == mask_b


def union(parts: Iterable[IntSet]) -> IntSet:
    """All members of all the sets."""
    merged: IntSet = EMPTY
    for part in parts:
        merged = _union(merged, part)
    return merged


def _union(a: IntSet, b: IntSet) -> IntSet:
    if is_empty(a) or a is b:
        return b
    if is_empty(b):
        return a
    if isinstance(a, range) and isinstance(b, range) and a.step == 1 and b.step == 1:
        if a.start <= b.stop and b.start <= a.stop:
            return range(min(a.start, b.start), max(a.stop, b.stop))
    elif contains(a, b):
        return a
    elif contains(b, a):
        return b
    low_a, mask_a = _mask(a)
    low_b, mask_b = _mask(b)
    low = min(low_a, low_b)
    return from_mask(low, (mask_a << (low_a - low)) | (mask_b << (low_b - low)))


def minus(a: IntSet, b: IntSet) -> IntSet:
    """The members of a that are not in b."""
    if is_empty(a) or is_empty(b):
        return a
    low_a, mask_a = _mask(a)
    low_b, mask_b = _mask(b)
    low = min(low_a, low_b)
    return from_mask(low, (mask_a << (low_a - low)) & ~(mask_b << (low_b - low)))


def taps(items: IntSet, number: int, spacing: int) -> IntSet:
    """{x + spacing * j : 0 <= j < number}: what a dilated kernel adds to every member."""
    if number == 1 or is_empty(items):
        return items
    reach = (number - 1) * spacing
    if isinstance(items, range):
        # The members and the taps together leave no holes when either fills the gaps of the other.
        if (spacing == 1 and items.step <= number) or (items.step == 1 and spacing <= len(items)):
            return range(items.start, items[-1] + reach + 1)
        if len(items) == 1:
            return range(items.start, items.start + reach + 1, spacing)
        if items.step == spacing:
            return range(items.start, items[-1] + reach + 1, spacing)
    low, mask = _mask(items)
    # Doubling: 2, 4, 8 ... taps at a time.
    done = 1
    result = mask
    while done < number:
        step = min(done, number - done)
        result |= result << (step * spacing)
        done += step
    return from_mask(low, result)


def plus(a: IntSet, b: IntSet) -> IntSet:
    """{x + y}: the Minkowski sum."""
    if is_empty(a) or is_empty(b):
        return EMPTY
    if count(a) < count(b):
        a, b = b, a
    if isinstance(b, range):
        return taps(shift(a, b.start), len(b), b.step)
    return union(shift(a, int(y)) for y in to_array(b))
