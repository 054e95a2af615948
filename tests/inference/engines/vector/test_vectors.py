"""Curves against numpy, memory by its address, and the machine's set of instructions."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from numba import njit

from wavestack.inference.engines.vector import curves
from wavestack.inference.engines.vector.memory import aligned_zeros
from wavestack.inference.engines.vector.simd import instruction_set


@pytest.mark.parametrize(
    ("curve", "exact", "low", "high"),
    [
        (curves.tanh, np.tanh, -12, 12),
        (curves.sigmoid, lambda x: 1 / (1 + np.exp(-x)), -20, 20),
        (curves.exp, np.exp, -80, 10),
        (curves.log, np.log, 1e-7, 30),
    ],
)
def test_curves_are_exact_to_a_few_last_bits(curve, exact, low, high):
    function = curves.elementwise(f"test_{curve.__name__}", curve, 1)

    @njit
    def run(x, y):
        function(x.ctypes.data, y.ctypes.data, x.size)

    x = np.linspace(low, high, 1 << 16).astype(np.float32)
    y = np.empty_like(x)
    run(x, y)
    truth = exact(x.astype(float))
    assert (np.abs(y - truth) / np.maximum(np.abs(truth), 1)).max() < 5e-7


def test_memory_begins_at_a_cache_line():
    for count in (1, 1000, 1 << 18):
        zeros = aligned_zeros(count)
        assert zeros.shape == (count,)
        assert zeros.ctypes.data % 64 == 0
        assert not zeros.any()


def test_an_unknown_set_of_instructions_is_named(monkeypatch):
    monkeypatch.setenv("WAVESTACK_SIMD", "mmx")
    with pytest.raises(ValueError, match=r"WAVESTACK_SIMD must be one of .* got 'mmx'"):
        instruction_set()
    monkeypatch.setenv("WAVESTACK_SIMD", "plain")
    assert instruction_set() == "plain"
