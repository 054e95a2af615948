"""Integer sets against Python's own."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from wavestack.receptive_field import sets

ranges = st.builds(
    lambda start, number, step: sets.normal(range(start, start + number * step, step)),
    st.integers(-12, 12),
    st.integers(0, 12),
    st.integers(1, 4),
)
scattered = st.lists(st.integers(-12, 12), max_size=8).map(
    lambda values: sets.from_array(np.array(values, dtype=np.int64))
)
any_set = st.one_of(ranges, scattered)


def members(items: sets.IntSet) -> set[int]:
    return set(sets.to_array(items).tolist())


@settings(deadline=None)
@given(any_set, any_set)
def test_union_difference_and_containment(a: sets.IntSet, b: sets.IntSet) -> None:
    assert members(sets.union([a, b])) == members(a) | members(b)
    assert members(sets.minus(a, b)) == members(a) - members(b)
    assert sets.contains(a, b) == (members(b) <= members(a))
    assert sets.is_same(a, b) == (members(a) == members(b))
    assert members(sets.plus(a, b)) == {x + y for x in members(a) for y in members(b)}


@settings(deadline=None)
@given(any_set, st.sampled_from([-3, -1, 1, 2, 3]), st.integers(-5, 5), st.integers(1, 5))
def test_affine_maps_and_divisions(a: sets.IntSet, factor: int, offset: int, divisor: int) -> None:
    values = members(a)
    assert members(sets.affine(a, factor, offset)) == {factor * x + offset for x in values}
    assert members(sets.divide(a, divisor)) == {x // divisor for x in values if x % divisor == 0}
    assert members(sets.floor_divide(a, divisor)) == {x // divisor for x in values}
    assert members(sets.taps(a, divisor, abs(factor))) == {
        x + abs(factor) * j for x in values for j in range(divisor)
    }


@settings(deadline=None)
@given(any_set, st.integers(-14, 14), st.integers(0, 16))
def test_clip(a: sets.IntSet, low: int, width: int) -> None:
    kept = {x for x in members(a) if low <= x < low + width}
    assert members(sets.clip(a, low, low + width)) == kept
    if members(a):
        assert (sets.first(a), sets.last(a), sets.count(a)) == (
            min(members(a)),
            max(members(a)),
            len(members(a)),
        )
