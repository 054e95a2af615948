"""Small kernels for few rows: one a layer and two for the head, made for a CUDA graph.

One row's step is a chain of small matrix-vector products, and its time is the number of links. So
each kernel begins with the second product of the layer before, which every program computes
for itself, and needs no other program until its own gates are written. The skip outputs of
all layers are one product at the end.
"""

# mypy: ignore-errors
from __future__ import annotations

import triton
import triton.language as tl

from wavestack.inference.engines.kernels.draws import (
    gaussian_value,
    gumbel,
    mixture_value,
    tanh,
    uniform_tile,
)

# Triton compiles integers that are 1 or multiples of 16 apart; here any value does.
_LAYER_INTEGERS = ["i", "layer", "num_layers", "batch", "bias_step", "bias_layer", "bias_row"]
_LAYER_INTEGERS += ["window"]
_HEAD_INTEGERS = ["i", "batch", "num_columns", "window"]


@triton.jit
def _product(x, pointer, ROWS: tl.constexpr, COLUMNS: tl.constexpr, STRIDE: tl.constexpr):
    """(ROWS,) times (ROWS, COLUMNS) in float32."""
    at = tl.arange(0, ROWS)[:, None] * STRIDE + tl.arange(0, COLUMNS)[None, :]
    return tl.sum(x[:, None] * tl.load(pointer + at).to(tl.float32), axis=0)


@triton.jit(do_not_specialize=_LAYER_INTEGERS)
def layer_kernel(
    # the past, what the layers hand on (x and z, a row of each per layer), and the weights
    rings, inputs, codes, x_rows, z_rows, counter,
    geometry, table, first, narrow, taps, gate_bias, residual,
    i, layer, num_layers, batch, bias_step, bias_layer, bias_row, window,
    C: tl.constexpr, R: tl.constexpr, D: tl.constexpr, W: tl.constexpr, TAPS: tl.constexpr,
    AMPLITUDES: tl.constexpr, WINDOW: tl.constexpr, NARROW: tl.constexpr, FIRST: tl.constexpr,
    B: tl.constexpr,
):  # fmt: skip
    """Program (row, block): the signal entering a layer, and B channels of the layer's gates."""
    row, block = tl.program_id(0), tl.program_id(1)
    t = tl.load(counter).to(tl.int32) + i
    r, c = tl.arange(0, R), tl.arange(0, C)
    if FIRST:
        x = tl.load(table + tl.load(codes + row) * R + r)
        if WINDOW:
            wide = tl.arange(0, W)
            slot = (t - (window - 1) + wide // AMPLITUDES + window + 1) % (window + 1)
            past = tl.load(inputs + (slot * AMPLITUDES + wide % AMPLITUDES) * batch + row,
                           mask=wide < window * AMPLITUDES, other=0.0)  # fmt: skip
            x += _product(past, first, W, R, R)
    else:
        before = layer - 1
        z = tl.load(z_rows + (row * num_layers + before) * D + tl.arange(0, D))
        x = tl.load(x_rows + (row * num_layers + before) * R + r)
        x += _product(z, residual + before * D * R, D, R, R)
    entered = x
    if NARROW:
        entered = _product(x, narrow + layer * R * C, R, C, C)

    start = tl.load(geometry + layer)
    length = tl.load(geometry + num_layers + layer)
    dilation = tl.load(geometry + 2 * num_layers + layer)
    taps_here = tl.load(geometry + 3 * num_layers + layer)
    ring_size = batch.to(tl.int64) * C
    bias = gate_bias + bias_step.to(tl.int64) * i + layer * bias_layer + row * bias_row
    gates = tl.load(bias + block * 2 * B + tl.arange(0, 2 * B))
    for tap in tl.static_range(1, TAPS):
        # A tap that this layer does not have reads what its zero weights drop.
        back = tl.minimum(tap, taps_here - 1) * dilation
        slot = start + (t + length - back) % length
        old = tl.load(rings + slot * ring_size + row * C + c).to(tl.float32)
        weight = taps + (tap * num_layers + layer) * (2 * C * D) + block * 2 * B
        gates += _product(old, weight, C, 2 * B, 2 * D)
    gates += _product(entered, taps + layer * (2 * C * D) + block * 2 * B, C, 2 * B, 2 * D)
    f, g = tl.split(gates.reshape(B, 2))
    z = tanh(f) * (1.0 + tanh(g))
    tl.store(z_rows + (row * num_layers + layer) * D + block * B + tl.arange(0, B), z)
    if block == 0:
        tl.store(x_rows + (row * num_layers + layer) * R + r, x)
        slot = start + t % length
        tl.store(rings + slot * ring_size + row * C + c, entered.to(rings.dtype.element_ty))


@triton.jit(do_not_specialize=["num_rows"])
def skip_kernel(
    z_rows, skip, skip_bias, skips, num_rows,
    S: tl.constexpr, SB: tl.constexpr, KB: tl.constexpr,
):  # fmt: skip
    """Program (row, block): SB of the summed skip channels, rectified; num_rows is layers x D."""
    row = tl.program_id(0)
    s = tl.program_id(1) * SB + tl.arange(0, SB)
    k = tl.arange(0, KB)
    total = tl.zeros((KB, SB), dtype=tl.float32)
    for begin in range(0, num_rows, KB):
        inside = begin + k < num_rows
        z = tl.load(z_rows + row * num_rows + begin + k, mask=inside, other=0.0)
        weight = tl.load(skip + (begin + k)[:, None] * S + s[None, :], mask=inside[:, None],
                         other=0.0)  # fmt: skip
        total += z[:, None] * weight.to(tl.float32)
    summed = tl.sum(total, axis=0) + tl.load(skip_bias + s)
    tl.store(skips + row * S + s, tl.maximum(summed, 0.0))


@triton.jit(do_not_specialize=_HEAD_INTEGERS)
def head_kernel(
    skips, inputs, codes, samples, params, forced, counter, amplitudes,
    end, end_bias, out, out_bias, seed, temperature, low, high,
    i, batch, num_columns, window,
    S: tl.constexpr, E: tl.constexpr, Q: tl.constexpr, QB: tl.constexpr, KINDS: tl.constexpr,
    AMPLITUDES: tl.constexpr, HEAD: tl.constexpr, WINDOW: tl.constexpr, FORCED: tl.constexpr,
):  # fmt: skip
    """Program (row): the distribution, a draw from it, and what the next step reads.

    FORCED is as in ``generate_kernel``.
    """
    row = tl.program_id(0)
    rows = row + tl.arange(0, 1)
    t = tl.load(counter).to(tl.int32) + i
    seed = tl.load(seed)
    hidden = _product(tl.load(skips + row * S + tl.arange(0, S)), end, S, E, E)
    h = tl.maximum(hidden + tl.load(end_bias + tl.arange(0, E)), 0.0)
    kept = params + (i * batch + row) * (KINDS * num_columns)
    columns = tl.arange(0, QB)
    if HEAD == 0:
        best = tl.full((1,), float("-inf"), dtype=tl.float32)
        chosen = tl.zeros((1,), dtype=tl.int32)
        for column in range(0, Q, QB):
            here = column + columns
            logits = _product(h, out + column, E, QB, Q) + tl.load(out_bias + here)
            if FORCED:
                tl.store(kept + here, logits, mask=here < num_columns)
            noise = uniform_tile(seed, rows, t, column, QB)
            scores = logits[None, :] + temperature * gumbel(noise)
            scores = tl.where((here < num_columns)[None, :], scores, float("-inf"))
            score, index = tl.max(scores, axis=1, return_indices=True)
            chosen = tl.where(score > best, column + index, chosen)
            best = tl.maximum(score, best)
    else:
        a = _product(h, out, E, Q, KINDS * Q) + tl.load(out_bias + columns)
        b = _product(h, out + Q, E, Q, KINDS * Q) + tl.load(out_bias + Q + columns)
        if FORCED:
            tl.store(kept + columns, a, mask=columns < num_columns)
            tl.store(kept + num_columns + columns, b, mask=columns < num_columns)
        noise = uniform_tile(seed, rows, t, 0, Q)
        if HEAD == 1:
            c = _product(h, out + 2 * Q, E, Q, KINDS * Q) + tl.load(out_bias + 2 * Q + columns)
            if FORCED:
                tl.store(kept + 2 * num_columns + columns, c, mask=columns < num_columns)
            chosen = mixture_value(a[None, :], b[None, :], c[None, :], noise, num_columns,
                                   temperature, low, high)  # fmt: skip
        else:
            chosen = gaussian_value(a[None, :], b[None, :], noise, temperature, low, high)
    tl.store(samples + i * batch + rows, chosen)
    if FORCED:
        chosen = tl.load(forced + i * batch + rows)
    if HEAD == 0:
        tl.store(codes + rows, chosen)
    if WINDOW:
        slot = (t + 1) % (window + 1)
        for a in tl.static_range(AMPLITUDES):
            value = chosen
            if HEAD == 0:
                value = tl.load(amplitudes + chosen * AMPLITUDES + a)
            tl.store(inputs + (slot * AMPLITUDES + a) * batch + rows, value)
