"""One kernel for many steps: each program takes a tile of rows through the whole network.

Rows are independent, so programs never wait for each other. A program's only barrier, one a
step, makes what it wrote to its rings visible to all of its own threads. Weights stream from the L2
cache, where the whole network lies; the loop over layers is software-pipelined, so the next
layer's weights and old taps arrive during the present layer's products.

Registers are what is short. So there are no masks: channels are padded, rows beyond the batch
repeat its last row, and gates come in blocks of a few channels.
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
_PLAIN_INTEGERS = ["first_step", "num_steps", "num_layers", "batch", "num_columns"]
_PLAIN_INTEGERS += ["bias_step", "bias_layer", "bias_row", "window"]


@triton.jit
def _matrix(pointer, ROWS: tl.constexpr, COLUMNS: tl.constexpr, STRIDE: tl.constexpr):
    at = tl.arange(0, ROWS)[:, None] * STRIDE + tl.arange(0, COLUMNS)[None, :]
    return tl.load(pointer + at)


@triton.jit
def _times(x, weight, total, PRECISION: tl.constexpr):
    return tl.dot(x.to(weight.dtype), weight, acc=total, input_precision=PRECISION)


@triton.jit
def _kind(
    h, out, out_bias, kind, E: tl.constexpr, Q: tl.constexpr, KINDS: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """One kind of parameters of a continuous head: each has Q columns of its own."""
    bias = tl.zeros((h.shape[0], Q), dtype=tl.float32)
    bias += tl.load(out_bias + kind * Q + tl.arange(0, Q))[None, :]
    return _times(h, _matrix(out + kind * Q, E, Q, KINDS * Q), bias, PRECISION)


@triton.jit(do_not_specialize=_PLAIN_INTEGERS)
def generate_kernel(
    # what changes: the past, and the results
    rings, inputs, codes, hidden, samples, params, forced,
    # weights, see PaddedPlan
    geometry, table, amplitudes, first, narrow, taps, gate_bias, residual, skip, skip_bias,
    end, end_bias, out, out_bias,
    seed, first_step, num_steps, temperature, low, high,
    num_layers, batch, num_columns, bias_step, bias_layer, bias_row, window,
    C: tl.constexpr, R: tl.constexpr, D: tl.constexpr, S: tl.constexpr, E: tl.constexpr,
    W: tl.constexpr, Q: tl.constexpr, KINDS: tl.constexpr,
    TAPS: tl.constexpr, AMPLITUDES: tl.constexpr, HEAD: tl.constexpr, WINDOW: tl.constexpr,
    NARROW: tl.constexpr, FORCED: tl.constexpr, PRECISION: tl.constexpr, B: tl.constexpr,
    EB: tl.constexpr, QB: tl.constexpr, STAGES: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """``num_steps`` steps of a tile of ROWS rows.

    With FORCED the input after each step comes from ``forced`` (num_steps, B) instead of the
    sample, and the distributions' parameters go to ``params`` (num_steps, B, P).
    """
    BLOCKS: tl.constexpr = D // B
    # Rows beyond the last repeat it: they write the same numbers to the same places.
    rows = tl.minimum(tl.program_id(0) * ROWS + tl.arange(0, ROWS), batch - 1)
    ring_cell = rows[:, None] * C + tl.arange(0, C)[None, :]
    ring_size = batch.to(tl.int64) * C
    bias_cell = rows[:, None] * bias_row + tl.arange(0, 2 * B)[None, :]
    wide = tl.arange(0, W)
    code = tl.load(codes + rows)
    seed = tl.load(seed)

    for i in range(num_steps):
        t = first_step + i
        # The row of the table is the code's embedding, or the first convolution's offset.
        x = tl.load(table + code[:, None] * R + tl.arange(0, R)[None, :])
        if WINDOW:
            slot = (t - (window - 1) + wide // AMPLITUDES + window + 1) % (window + 1)
            past = (slot * AMPLITUDES + wide % AMPLITUDES)[None, :] * batch + rows[:, None]
            inside = (wide < window * AMPLITUDES)[None, :]
            x = _times(tl.load(inputs + past, mask=inside, other=0.0), _matrix(first, W, R, R), x,
                       PRECISION)  # fmt: skip
        skips = tl.zeros((ROWS, S), dtype=tl.float32)
        skips += tl.load(skip_bias + tl.arange(0, S))[None, :]

        # A layer's gate in blocks of B channels; its residual output counts once all are there.
        onward = x
        for j in tl.range(num_layers * BLOCKS, num_stages=STAGES):
            layer, block = j // BLOCKS, j % BLOCKS
            start = tl.load(geometry + layer)
            length = tl.load(geometry + num_layers + layer)
            dilation = tl.load(geometry + 2 * num_layers + layer)
            taps_here = tl.load(geometry + 3 * num_layers + layer)
            entered = x
            if NARROW:
                nothing = tl.zeros((ROWS, C), dtype=tl.float32)
                entered = _times(x, _matrix(narrow + layer * R * C, R, C, C), nothing, PRECISION)
            bias = gate_bias + bias_step.to(tl.int64) * i + layer * bias_layer + block * 2 * B
            gates = tl.load(bias + bias_cell)
            for tap in tl.static_range(1, TAPS):
                # A tap that this layer does not have reads what its zero weights drop.
                back = tl.minimum(tap, taps_here - 1) * dilation
                old = tl.load(
                    rings + (start + (t + length - back) % length) * ring_size + ring_cell
                )
                weight = taps + (tap * num_layers + layer) * (2 * C * D) + block * 2 * B
                gates = _times(old, _matrix(weight, C, 2 * B, 2 * D), gates, PRECISION)
            weight = taps + layer * (2 * C * D) + block * 2 * B
            gates = _times(entered, _matrix(weight, C, 2 * B, 2 * D), gates, PRECISION)
            place = start + t % length
            tl.store(rings + place * ring_size + ring_cell, entered.to(rings.dtype.element_ty))
            f, g = tl.split(gates.reshape(ROWS, B, 2))
            z = tanh(f) * (1.0 + tanh(g))
            row = layer * D + block * B
            onward = _times(z, _matrix(residual + row * R, B, R, R), onward, PRECISION)
            skips = _times(z, _matrix(skip + row * S, B, S, S), skips, PRECISION)
            x = onward if BLOCKS == 1 else tl.where(block == BLOCKS - 1, onward, x)

        # The head's hidden channels in blocks, put together in memory.
        skips = tl.maximum(skips, 0.0)
        for column in range(0, E, EB):
            part = tl.zeros((ROWS, EB), dtype=tl.float32)
            part += tl.load(end_bias + column + tl.arange(0, EB))[None, :]
            part = _times(skips, _matrix(end + column, S, EB, E), part, PRECISION)
            at = rows[:, None] * E + column + tl.arange(0, EB)[None, :]
            tl.store(hidden + at, tl.maximum(part, 0.0))
        tl.debug_barrier()
        at = rows[:, None] * E + tl.arange(0, E)[None, :]
        h = tl.load(hidden + at).to(out.dtype.element_ty)
        kept = params + (batch.to(tl.int64) * i + rows)[:, None] * (KINDS * num_columns)
        value = tl.zeros((ROWS,), dtype=tl.float32)
        if HEAD == 0:
            best = tl.full((ROWS,), float("-inf"), dtype=tl.float32)
            for column in range(0, Q, QB):
                codes_here = column + tl.arange(0, QB)
                logits = tl.zeros((ROWS, QB), dtype=tl.float32)
                logits += tl.load(out_bias + codes_here)[None, :]
                logits = _times(h, _matrix(out + column, E, QB, Q), logits, PRECISION)
                real = (codes_here < num_columns)[None, :]
                if FORCED:
                    tl.store(kept + codes_here[None, :], logits, mask=real)
                noise = uniform_tile(seed, rows, t, column, QB)
                scores = tl.where(real, logits + temperature * gumbel(noise), float("-inf"))
                score, index = tl.max(scores, axis=1, return_indices=True)
                code = tl.where(score > best, column + index, code)
                best = tl.maximum(score, best)
        else:
            columns = tl.arange(0, Q)
            real = (columns < num_columns)[None, :]
            noise = uniform_tile(seed, rows, t, 0, Q)
            a = _kind(h, out, out_bias, 0, E, Q, KINDS, PRECISION)
            b = _kind(h, out, out_bias, 1, E, Q, KINDS, PRECISION)
            if FORCED:
                tl.store(kept + columns[None, :], a, mask=real)
                tl.store(kept + num_columns + columns[None, :], b, mask=real)
            if HEAD == 1:
                c = _kind(h, out, out_bias, 2, E, Q, KINDS, PRECISION)
                if FORCED:
                    tl.store(kept + 2 * num_columns + columns[None, :], c, mask=real)
                value = mixture_value(a, b, c, noise, num_columns, temperature, low, high)
            else:
                value = gaussian_value(a, b, noise, temperature, low, high)

        at = batch.to(tl.int64) * i + rows
        if HEAD == 0:
            tl.store(samples + at, code)
        else:
            tl.store(samples + at, value)
        if FORCED:
            if HEAD == 0:
                code = tl.load(forced + at)
            else:
                value = tl.load(forced + at)
        if WINDOW:
            slot = (t + 1) % (window + 1)
            for a in tl.static_range(AMPLITUDES):
                if HEAD == 0:
                    value = tl.load(amplitudes + code * AMPLITUDES + a)
                tl.store(inputs + (slot * AMPLITUDES + a) * batch + rows, value)
        tl.debug_barrier()
    tl.store(codes + rows, code)
