"""The loop that runs a program: tiles of rows through all operations, every tile in the cache.

Nothing here depends on the shape of a model, so it is compiled once for all.
"""

from __future__ import annotations

import logging

import numpy as np
from numba import njit, types

from wavestack.inference.engines.blocks.convolution import GRAIN, convolve
from wavestack.inference.engines.blocks.program import (
    ADD,
    ADD_RELU,
    BACK,
    BACK_RESIDUAL,
    BACK_SECOND,
    CONVOLVE,
    DELAY,
    FILM,
    GATE,
    GELU,
    GLU,
    LAYER_NORM,
    LEAKY_RELU,
    RELU,
    SIGMOID,
    SILU,
    TANH,
)
from wavestack.inference.engines.vector.cache import cache_folder, is_kept, keep
from wavestack.inference.engines.vector.curves import elementwise, exp, gate, sigmoid, tanh
from wavestack.inference.engines.vector.simd import WIDTH, Floats

logger = logging.getLogger(__name__)

# Columns of the table of signals.
OFFSET, ROW, HISTORY, CAPACITY = range(4)


def _gelu(x: Floats) -> Floats:
    """x Φ(x), with erf by formula 7.1.26 of Abramowitz and Stegun (error below 1.5e-7)."""
    vectors = x.vectors
    a = x * 0.70710678118654752
    size = a.at_least(0.0) - a.at_most(0.0)
    t = vectors.constant(1.0) / (size * 0.3275911 + 1.0)
    series = vectors.polynomial(
        t, (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592, 0.0)
    )
    tail = series * exp(-(size * size))  # 1 - erf(|a|)
    # Φ = 1 - tail / 2 right of zero and tail / 2 left of it: nothing cancels.
    right = x.at_least(0.0)
    return right - (right - x.at_most(0.0)) * tail * 0.5


def _relu(x: Floats) -> Floats:
    return x.at_least(0.0)


_tanh_rows = elementwise("tanh", tanh, 1)
_sigmoid_rows = elementwise("sigmoid", sigmoid, 1)
_relu_rows = elementwise("relu", _relu, 1)
_gelu_rows = elementwise("gelu", _gelu, 1)
_silu_rows = elementwise("silu", lambda x: x * sigmoid(x), 1)
_copy_rows = elementwise("copy", lambda x: x, 1)
_add_rows = elementwise("add", lambda a, b: a + b, 2)
_add_relu_rows = elementwise("add_relu", lambda a, b: _relu(a + b), 2)
_gate_rows = elementwise("gate", gate, 2)
_gate_grain = elementwise("gate", gate, 2, GRAIN)
_glu_rows = elementwise("glu", lambda f, g: f * sigmoid(g), 2)
_glu_grain = elementwise("glu", lambda f, g: f * sigmoid(g), 2, GRAIN)


@njit(nogil=True)
def _make_room(signals, places, memory, rows) -> None:  # type: ignore[no-untyped-def]
    """Where a signal's rows reach its end, its past goes back to the beginning."""
    for s in range(signals.shape[0]):
        past = signals[s, HISTORY]
        if past and places[s] + rows > signals[s, CAPACITY]:
            to = memory.ctypes.data + 4 * signals[s, OFFSET]
            source = to + 4 * (places[s] - past) * signals[s, ROW]
            count = (past * signals[s, ROW] + WIDTH - 1) // WIDTH * WIDTH
            _copy_rows(source, to, count)  # from low to high, since both may overlap
            places[s] = past


@njit(nogil=True)
def _enter(x, start, samples, signal, place, first, memory) -> None:  # type: ignore[no-untyped-def]
    """Columns of x as rows; a single column is repeated."""
    batch, channels, length = x.shape
    step = batch * signal[ROW]
    for b in range(batch):
        base = signal[OFFSET] + (place + b) * signal[ROW] + first
        for c in range(channels):
            for t in range(samples):
                memory[base + c + t * step] = x[b, c, 0 if length == 1 else start + t]


@njit(nogil=True)
def _leave(y, start, samples, signal, place, memory) -> None:  # type: ignore[no-untyped-def]
    """Rows as columns of y from start on; those before its first are not due."""
    batch, channels, _ = y.shape
    step = batch * signal[ROW]
    for b in range(batch):
        base = signal[OFFSET] + (place + b) * signal[ROW]
        for c in range(channels):
            for t in range(max(0, -start), samples):
                y[b, c, start + t] = memory[base + c + t * step]


@njit(nogil=True)
def _hide(o, signals, places, memory, rows, batch, step, end) -> None:  # type: ignore[no-untyped-def]
    """Zeros where a delayed signal has not begun or has ended: what ``forward`` pads with."""
    first = min(rows, max(0, (o[DELAY] - step) * batch))
    last = rows if end < 0 else min(rows, max(first, (end + o[DELAY] - step) * batch))
    row = signals[o[1], ROW]
    at = signals[o[1], OFFSET] + places[o[1]] * row
    memory[at : at + first * row] = 0
    memory[at + last * row : at + rows * row] = 0


@njit(nogil=True)
def _run(o, signals, places, weights, memory, rows, batch) -> None:  # type: ignore[no-untyped-def]
    """One operation; its numbers are in the order in which ``Program`` appends them."""
    kind, target, source = o[0], o[1], o[2]
    y_row, x_row = signals[target, ROW], signals[source, ROW]
    y_at = signals[target, OFFSET] + places[target] * y_row
    x_at = signals[source, OFFSET] + (places[source] - o[BACK] * batch) * x_row
    y, x = memory.ctypes.data + 4 * y_at, memory.ctypes.data + 4 * x_at
    # Whole vectors: what lies behind the rows is not yet written, or spare.
    count = (rows * y_row + WIDTH - 1) // WIDTH * WIDTH
    if kind == CONVOLVE:
        taps, tap = o[8], o[9] * batch * x_row
        u, u_row, r, r_row = x, x_row, weights.ctypes.data, 0
        if o[3] >= 0:
            u_row = signals[o[3], ROW]
            u_place = places[o[3]] - o[BACK_SECOND] * batch
            u = memory.ctypes.data + 4 * (signals[o[3], OFFSET] + u_place * u_row)
        if o[4] >= 0:
            r_row = signals[o[4], ROW]
            r_place = places[o[4]] - o[BACK_RESIDUAL] * batch
            r = memory.ctypes.data + 4 * (signals[o[4], OFFSET] + r_place * r_row)
        else:
            r += 4 * (weights.shape[0] - o[11])
        w, b = weights.ctypes.data + 4 * o[5], weights.ctypes.data + 4 * o[6]
        oldest = x - 4 * (taps - 1) * tap
        convolve(  # type: ignore[call-arg]
            *(w, b, oldest, x_row, tap, taps, o[7], u, u_row, o[10]),
            *(r, r_row, y, y_row, o[12], rows, o[11]),
        )
    elif kind == TANH:
        _tanh_rows(x, y, count)
    elif kind in (ADD, ADD_RELU):
        other_place = places[o[3]] - o[BACK_SECOND] * batch
        other = memory.ctypes.data + 4 * (signals[o[3], OFFSET] + other_place * y_row)
        if kind == ADD:
            _add_rows(x, other, y, count)
        else:
            _add_relu_rows(x, other, y, count)
    elif kind == RELU:
        _relu_rows(x, y, count)
    elif kind in (GATE, GLU):
        for row in range(rows):
            f, z = x + 4 * row * x_row, y + 4 * row * y_row
            if kind == GATE:
                if y_row % WIDTH:
                    _gate_grain(f, f + 4 * y_row, z, y_row)
                else:
                    _gate_rows(f, f + 4 * y_row, z, y_row)
            elif y_row % WIDTH:
                _glu_grain(f, f + 4 * y_row, z, y_row)
            else:
                _glu_rows(f, f + 4 * y_row, z, y_row)
    elif kind == SIGMOID:
        _sigmoid_rows(x, y, count)
    elif kind == GELU:
        _gelu_rows(x, y, count)
    elif kind == SILU:
        _silu_rows(x, y, count)
    elif kind == LEAKY_RELU:
        slope = weights[o[3]]
        for i in range(count):
            value = memory[x_at + i]
            memory[y_at + i] = value * slope if value < 0 else value
    elif kind == FILM:
        for row in range(rows):
            y_i, h_i = y_at + row * y_row, x_at + row * x_row
            for i in range(y_row):
                value = memory[y_i + i]
                memory[y_i + i] = value + memory[h_i + y_row + i] + value * memory[h_i + i]
    elif kind == LAYER_NORM:
        _layer_norm(memory, y_at, y_row, rows, (o[6], o[2]), weights, o[3], o[4], weights[o[5]])


@njit(nogil=True)
def _layer_norm(memory, at, row_floats, rows, parts, weights, w, b, epsilon) -> None:  # type: ignore[no-untyped-def]
    """Each row less its mean over its deviation; a row has one part, or two ``halves``."""
    count, size = parts
    step = row_floats // count
    for row in range(rows):
        first = at + row * row_floats
        mean = np.float32(0)
        for part in range(count):
            for i in range(part * step, part * step + size):
                mean += memory[first + i]
        mean /= np.float32(count * size)
        variance = np.float32(0)
        for part in range(count):
            for i in range(part * step, part * step + size):
                variance += (memory[first + i] - mean) ** 2
        scale = np.float32(1) / np.sqrt(variance / np.float32(count * size) + epsilon)
        for part in range(count):
            for i in range(part * step, part * step + size):
                value = (memory[first + i] - mean) * scale
                memory[first + i] = value * weights[w + i] + weights[b + i]


@keep
@njit(nogil=True)
def advance(  # type: ignore[no-untyped-def]
    x, condition, y, operations, signals, places, weights, memory, ends, clock, tile_samples
) -> None:
    """Run the next block.

    Args:
        x: (B, C, T) input.
        condition: (B, C', T or 1), or of no channels.
        y: (B, C'', outputs due), written.
        operations: from ``Program.tables``.
        signals: offset in the memory, floats per row, past rows and capacity in rows of each.
        places: the present row of each; moves on.
        weights: from ``Program.tables``; ends in zeros.
        memory: all signals.
        ends: input signal, condition signal and its first channel, output signal and its delay.
        clock: samples so far, which moves on, and at how many the input ended, or -1.
        tile_samples: time steps of a tile.
    """
    batch, _, total = x.shape
    not_due = max(0, ends[4] - clock[0])
    for start in range(0, total, tile_samples):
        samples = min(tile_samples, total - start)
        rows = samples * batch
        _make_room(signals, places, memory, rows)
        _enter(x, start, samples, signals[ends[0]], places[ends[0]], 0, memory)
        if condition.shape[1]:
            s = ends[1]
            _enter(condition, start, samples, signals[s], places[s], ends[2], memory)
        partial = clock[0] < ends[4] or clock[1] >= 0
        for o in range(operations.shape[0]):
            _run(operations[o], signals, places, weights, memory, rows, batch)
            if partial:
                _hide(operations[o], signals, places, memory, rows, batch, clock[0], clock[1])
        _leave(y, start - not_due, samples, signals[ends[3]], places[ends[3]], memory)
        clock[0] += samples
        for s in range(signals.shape[0]):
            if signals[s, HISTORY]:
                places[s] += rows


_BLOCK = types.float32[:, :, ::1]
_TABLE, _NUMBERS, _FLOATS = types.int64[:, ::1], types.int64[::1], types.float32[::1]
_SIGNATURE = types.void(
    *(_BLOCK, _BLOCK, _BLOCK, _TABLE, _TABLE, _NUMBERS, _FLOATS, _FLOATS),
    *(_NUMBERS, _NUMBERS, types.int64),
)


def prepare() -> None:
    """Compile the loop, or fetch it from the disk; a second call does nothing."""
    if advance.signatures:
        return
    if not is_kept(advance):
        where = f"kept in {cache_folder()}" if cache_folder() else "no folder to keep it in"
        logger.warning("compiling the streaming loop for this processor: %s", where)
    advance.compile(_SIGNATURE)
