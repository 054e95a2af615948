"""Products and noise of the kernel against numpy, for every width of vectors."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from numba import njit

from wavestack.inference.engines.compiled.products import make_product
from wavestack.inference.engines.compiled.sampling import choose_code, noise_lanes, uniform
from wavestack.inference.engines.compiled.weights import (
    BFLOAT16,
    FLOAT24,
    FLOAT32,
    pack_matrix,
    padded,
    to_bfloat16,
    to_float24,
)
from wavestack.inference.engines.vector.simd import WIDTH
from wavestack.inference.noise import uniform as reference_uniform

SHAPES = [(64, 128, 1), (5, 7, 1), (33, 100, 5), (17, 200, 13), (1, 1, 6), (40, 290, 2)]


def multiply(width, precision, weight, x, start):
    """start + x weight by the kernel's product, with x's rows apart and padded."""
    product = make_product(width, precision)

    @njit
    def run(w, x, y, n, m, rows, x_stride, y_stride):
        place, out = x.ctypes.data, y.ctypes.data
        product(w.ctypes.data, place, out, out, n, m, rows, x_stride, y_stride, y_stride)

    results = []
    for w, inputs, first in zip(weight, x, start, strict=True):
        n, m = padded(w.shape[0], width), padded(w.shape[1], width)
        packed = pack_matrix(w, width)
        if precision == BFLOAT16:
            packed = to_bfloat16(packed, n, m, width)
            assert packed.nbytes == 2 * n * m
        elif precision == FLOAT24:
            packed = to_float24(packed, n, m, width)
            assert packed.nbytes == 3 * n * (m + -m % (4 * width))
        rows = np.zeros((len(inputs), n + 3), np.float32)
        rows[:, : w.shape[0]] = inputs
        y = np.zeros((len(inputs), m + 5), np.float32)
        y[:, : w.shape[1]] = first
        run(packed, rows, y, n, m, len(inputs), n + 3, m + 5)
        assert not y[:, m:].any()
        results.append(y[:, : w.shape[1]])
    return results


def cases():
    rng = np.random.default_rng(0)
    draws = [
        [rng.standard_normal(size).astype(np.float32) for size in ((n, m), (rows, n), (rows, m))]
        for n, m, rows in SHAPES
    ]
    return [list(part) for part in zip(*draws, strict=True)]


@pytest.mark.parametrize("width", [1, 4, 8, 16])
def test_products_of_any_shape_and_width(width):
    weights, inputs, starts = cases()
    found = multiply(width, FLOAT32, weights, inputs, starts)
    for w, x, start, y in zip(weights, inputs, starts, found, strict=True):
        np.testing.assert_allclose(y, start + x.astype(float) @ w, atol=3e-5, rtol=0)


@pytest.mark.parametrize(
    ("width", "precision", "step"),
    [
        (1, BFLOAT16, 2.0**-7),
        (16, BFLOAT16, 2.0**-7),
        (1, FLOAT24, 2.0**-15),
        (8, FLOAT24, 2.0**-15),
    ],
)
def test_smaller_weights_are_rounded_to_the_nearest(width, precision, step):
    weights, inputs, starts = cases()
    found = multiply(width, precision, weights, inputs, starts)
    for w, x, start, y in zip(weights, inputs, starts, found, strict=True):
        # A weight is off by half a step, and by as much again where a neighbour's bits lie below.
        bound = np.abs(x).astype(float) @ np.abs(w) * step / 2 * 1.01 + 2e-5
        error = np.abs(y - (start + x.astype(float) @ w))
        assert (error / bound).max() <= 1


def test_a_row_of_a_product_is_the_same_alone():
    weights, inputs, starts = cases()
    together = multiply(WIDTH, FLOAT32, weights, inputs, starts)
    rows = [(i, row) for i, (_, _, count) in enumerate(SHAPES) for row in range(count)]
    alone = multiply(
        WIDTH,
        FLOAT32,
        [weights[i] for i, _ in rows],
        [inputs[i][row : row + 1] for i, row in rows],
        [starts[i][row : row + 1] for i, row in rows],
    )
    for (i, row), y in zip(rows, alone, strict=True):
        np.testing.assert_array_equal(y[0], together[i][row])


def test_noise_is_that_of_every_engine():
    lanes = 300

    @njit
    def run(seed, row, step, out):
        uniform(seed, row, step, out.ctypes.data, out.size)

    out = np.zeros(noise_lanes(lanes), np.float32)
    for seed, row, step in [(0, 0, 0), (2**63 + 12345, 63, 100_000), (2**64 - 1, 1, 7)]:
        run(np.uint64(seed).astype(np.int64), row, step, out)
        expected = reference_uniform(seed, [row], [step], lanes)[0, 0]
        np.testing.assert_array_equal(out[:lanes], expected)


def test_the_first_of_equal_codes_is_chosen():
    @njit
    def run(logits, noise, temperature):
        place, numbers = logits.ctypes.data, noise.ctypes.data
        return choose_code(place, numbers, logits.size, temperature)

    logits = np.full(4 * WIDTH, -1.0, np.float32)
    noise = np.full(4 * WIDTH, 0.5, np.float32)
    for first in (0, WIDTH - 1, WIDTH, 3 * WIDTH + WIDTH // 2):
        logits[:] = -1.0
        logits[first:] = 2.0
        assert run(logits, noise, np.float32(0.0)) == first
        assert run(logits, noise, np.float32(0.5)) == first
    noise[1] = 0.9999
    assert run(logits, noise, np.float32(1.0)) == 1
