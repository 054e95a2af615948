"""Sets of positions of a whole tensor: unions of products.

What is needed of a tensor is a list of terms, each one set of indices per dimension.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from wavestack.receptive_field import sets
from wavestack.receptive_field.relation import Notes
from wavestack.receptive_field.sets import IntSet

Term = tuple[IntSet, ...]

# More terms than this at one tensor are joined into their enclosing product, and that is said.
MAX_TERMS = 192


def is_full(items: IntSet, length: int) -> bool:
    """Whether a set holds every position of a length."""
    return isinstance(items, range) and items == range(length)


def flatten(parts: list[IntSet], lengths: list[int], notes: Notes) -> IntSet:
    """The set of flat positions that a product over several dimensions becomes."""
    flat = parts[0]
    for items, length in zip(parts[1:], lengths[1:], strict=True):
        if sets.outside(items, 0, length):
            notes.aliased = True
            items = sets.clip(items, 0, length)
        flat = sets.plus(sets.affine(flat, length, 0), items)
    return flat


def unflatten(flat: IntSet, lengths: list[int]) -> list[list[IntSet]]:
    """The union of products that a flat set becomes; only the outermost may leave its borders."""
    if sets.is_empty(flat):
        return []
    if len(lengths) == 1:
        return [[flat]]
    inner = lengths[-1]
    aligned = isinstance(flat, range) and flat.step == 1
    if aligned and not sets.first(flat) % inner and not sets.count(flat) % inner:
        start, stop = sets.first(flat) // inner, (sets.last(flat) + 1) // inner
        rows: list[tuple[IntSet, IntSet]] = [(range(start, stop), range(inner))]
    else:
        rows = _rows(sets.to_array(flat), inner)
    return [
        [*outer, items] for numbers, items in rows for outer in unflatten(numbers, lengths[:-1])
    ]


def _rows(values: np.ndarray, inner: int) -> list[tuple[IntSet, IntSet]]:
    """Rows with the same pattern, together."""
    number, place = np.divmod(values, inner)
    starts = np.flatnonzero(np.diff(number, prepend=number[0] - 1))
    patterns: dict[bytes, tuple[list[int], np.ndarray]] = {}
    for a, b in pairwise([*starts.tolist(), len(values)]):
        pattern = place[a:b]
        patterns.setdefault(pattern.tobytes(), ([], pattern))[0].append(int(number[a]))
    return [
        (sets.from_array(np.array(numbers)), sets.from_array(pattern))
        for numbers, pattern in patterns.values()
    ]


def merge(known: list[Term], found: list[Term], notes: Notes) -> list[Term]:
    """Add terms to a union: absorbed where contained, joined where they differ in one dimension."""
    result = list(known)
    pending = list(found)
    while pending:
        term = pending.pop()
        for k, other in enumerate(result):
            differ = [d for d, (a, b) in enumerate(zip(term, other, strict=True)) if a != b]
            if not differ:
                break
            if len(differ) == 1:
                d = differ[0]
                joined = sets.union([other[d], term[d]])
                if joined == other[d]:
                    break
                del result[k]
                pending.append((*other[:d], joined, *other[d + 1 :]))
                break
            if all(sets.contains(other[d], term[d]) for d in differ):
                break
            if all(sets.contains(term[d], other[d]) for d in differ):
                del result[k]
                pending.append(term)
                break
        else:
            result.append(term)
    if len(result) > MAX_TERMS:
        notes.widened = True
        return [tuple(sets.union(parts) for parts in zip(*result, strict=True))]
    return result
