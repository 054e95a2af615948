"""The compiled step of a WaveNet: everything between one sample and the next.

Old taps are computed ahead. The tap of a layer with dilation d is known d steps before it is
needed, so for up to CHUNK steps its products become one product of a matrix with many rows: the
weights are read once for all of them.
"""

from __future__ import annotations

from numba import njit

from wavestack.inference.engines.compiled import tables as T
from wavestack.inference.engines.compiled.curves import copy_rows, half_gate_rows, relu_rows
from wavestack.inference.engines.compiled.memory import field, load_float, set_field, store_float
from wavestack.inference.engines.compiled.products import BFLOAT16, make_product, product
from wavestack.inference.engines.compiled.sampling import (
    choose_code,
    choose_logistic,
    choose_normal,
    uniform,
)
from wavestack.inference.engines.compiled.simd import WIDTH

_product_bfloat16 = make_product(WIDTH, BFLOAT16)


@njit(nogil=True)
def multiply(net, w, x, y0, y, n, m, rows, y0_stride):  # type: ignore[no-untyped-def]
    """y = y0 + x W for rows that lie close together, with weights of the network's precision."""
    if field(net, T.PRECISION) == BFLOAT16:
        _product_bfloat16(w, x, y0, y, n, m, rows, n, y0_stride, m)
    else:
        product(w, x, y0, y, n, m, rows, n, y0_stride, m)


@njit(nogil=True)
def enter(net):  # type: ignore[no-untyped-def]
    """x: the current input after embedding and first convolution."""
    residual, amplitudes = field(net, T.RESIDUAL), field(net, T.NUM_AMPLITUDES)
    table, window_size = field(net, T.TABLE), field(net, T.WINDOW_SIZE)
    used = field(net, T.WINDOW_USED)
    for row in range(field(net, T.BATCH)):
        x = field(net, T.X) + 4 * residual * row
        code = field(field(net, T.CODES), row)
        if table:
            copy_rows(table + 4 * residual * code, x, residual)
        if field(net, T.FIRST):
            window = field(net, T.WINDOW) + 4 * window_size * row
            for i in range(used - amplitudes):
                store_float(window, i, load_float(window, i + amplitudes))
            for i in range(amplitudes):
                if table:
                    value = load_float(field(net, T.AMPLITUDES), code * amplitudes + i)
                else:
                    value = load_float(field(net, T.VALUES), row)
                store_float(window, used - amplitudes + i, value)
            start = x if table else field(net, T.FIRST_BIAS)
            multiply(net, field(net, T.FIRST), window, start, x, window_size, residual, 1, 0)


@njit(nogil=True)
def look_ahead(net, layer, step, first_step):  # type: ignore[no-untyped-def]
    """The share of the gates' inputs that is known now, where a chunk of steps begins."""
    chunk, ahead = field(net, T.CHUNK), field(layer, T.LOOK_AHEAD)
    place = (step + field(layer, T.PHASE)) & (chunk - 1)
    begins = step == first_step
    batch, conv, gates = field(net, T.BATCH), field(net, T.CONV), 2 * field(net, T.GATE)
    bias, channels = field(layer, T.GATE_BIAS), field(net, T.CONDITION)
    known = field(layer, T.GATES) + 4 * batch * gates * place
    if channels and (place == 0 or begins):
        skipped = step - field(net, T.CONDITIONS_FROM)
        columns = field(net, T.CONDITIONS) + 4 * batch * channels * skipped
        weight, rows = field(layer, T.CONDITION_WEIGHT), (chunk - place) * batch
        multiply(net, weight, columns, bias, known, channels, gates, rows, 0)
    place &= ahead - 1
    if field(layer, T.KERNEL) == 1 or not (place == 0 or begins):
        return
    steps = ahead - place
    start, stride = bias, 0
    if channels:
        start, stride = known, gates
    elif field(net, T.GLOBAL):
        for i in range(steps):
            copy_rows(bias, known + 4 * batch * gates * i, batch * gates)
        start, stride = known, gates
    length = field(layer, T.RING_ROWS)
    for tap in range(1, field(layer, T.KERNEL)):
        weight = field(layer, T.OLD) + (tap - 1) * field(layer, T.OLD_BYTES)
        position = field(layer, T.POSITION) - tap * field(layer, T.DILATION)
        if position < 0:
            position += length
        whole = min(steps, length - position)
        old = field(layer, T.RING) + 4 * batch * conv * position
        multiply(net, weight, old, start, known, conv, gates, whole * batch, stride)
        if whole < steps:  # the rest begins the ring anew
            moved = 4 * batch * gates * whole
            rest = start + moved if stride else start
            rows = (steps - whole) * batch
            ring = field(layer, T.RING)
            multiply(net, weight, ring, rest, known + moved, conv, gates, rows, stride)
        start, stride = known, gates


@njit(nogil=True)
def pass_layer(net, layer, step):  # type: ignore[no-untyped-def]
    """x through one layer: gate, then residual; z is left for the skips."""
    batch, residual = field(net, T.BATCH), field(net, T.RESIDUAL)
    conv, gate = field(net, T.CONV), field(net, T.GATE)
    x, y, z = field(net, T.X), field(net, T.Y), field(layer, T.Z)
    entered = x
    if field(net, T.NARROWED):
        entered = field(net, T.ENTERED)
        weight, bias = field(layer, T.NARROW), field(net, T.ZEROS)
        multiply(net, weight, x, bias, entered, residual, conv, batch, 0)
    place = (step + field(layer, T.PHASE)) & (field(net, T.CHUNK) - 1)
    known = field(layer, T.GATES) + 4 * batch * 2 * gate * place
    multiply(net, field(layer, T.PRESENT), entered, known, y, conv, 2 * gate, batch, 2 * gate)
    if field(layer, T.RING_ROWS):
        position = field(layer, T.POSITION)
        copy_rows(entered, field(layer, T.RING) + 4 * batch * conv * position, batch * conv)
        position += 1
        set_field(layer, T.POSITION, 0 if position == field(layer, T.RING_ROWS) else position)
    for row in range(batch):
        both = y + 8 * gate * row
        half_gate_rows(both, both + 4 * gate, z + 4 * gate * row, gate)
    if field(layer, T.RESIDUAL_WEIGHT):
        multiply(net, field(layer, T.RESIDUAL_WEIGHT), z, x, x, gate, residual, batch, residual)


@njit(nogil=True)
def add_skips(net, layer, first):  # type: ignore[no-untyped-def]
    """A layer's skip signal onto the sum."""
    batch, gate, skip = field(net, T.BATCH), field(net, T.GATE), field(net, T.SKIP)
    skips, z = field(net, T.SKIPS), field(layer, T.Z)
    if first:
        bias = field(net, T.SKIP_BIAS)
        multiply(net, field(layer, T.SKIP_WEIGHT), z, bias, skips, gate, skip, batch, 0)
    else:
        multiply(net, field(layer, T.SKIP_WEIGHT), z, skips, skips, gate, skip, batch, skip)


@njit(nogil=True)
def finish(net):  # type: ignore[no-untyped-def]
    """From the sum of the skips to the distributions' parameters."""
    batch, skip = field(net, T.BATCH), field(net, T.SKIP)
    end, out = field(net, T.END), field(net, T.OUT)
    skips, h = field(net, T.SKIPS), field(net, T.H)
    relu_rows(skips, skips, batch * skip)
    multiply(net, field(net, T.END_WEIGHT), skips, field(net, T.END_BIAS), h, skip, end, batch, 0)
    relu_rows(h, h, batch * end)
    logits, bias = field(net, T.LOGITS), field(net, T.OUT_BIAS)
    multiply(net, field(net, T.OUT_WEIGHT), h, bias, logits, end, out, batch, 0)


@njit(nogil=True)
def draw(net, step, temperature, samples):  # type: ignore[no-untyped-def]
    """Choose every row's sample: the next input, and the floats at ``samples``."""
    out, noise = field(net, T.OUT), field(net, T.NOISE)
    family = field(net, T.FAMILY)
    for row in range(field(net, T.BATCH)):
        parameters = field(net, T.LOGITS) + 4 * out * row
        if temperature > 0:
            uniform(field(net, T.SEED), row, step, noise, field(net, T.NUM_NOISE))
        if family == T.SOFTMAX:
            code = choose_code(parameters, noise, out, temperature)
            set_field(field(net, T.CODES), row, code)
            value = float(code)
        elif family == T.LOGISTIC:
            value = choose_logistic(parameters, noise, field(net, T.MIXTURES), temperature)
        else:
            value = choose_normal(parameters, noise, temperature)
        if family != T.SOFTMAX:
            store_float(field(net, T.VALUES), row, value)
        store_float(samples, row, value)


@njit(nogil=True)
def run(net, num_steps, temperature, samples, kept):  # type: ignore[no-untyped-def]
    """The next steps of all rows on one thread.

    Args:
        net: address of the network's table.
        num_steps: how many.
        temperature: float32, of the sampling.
        samples: address of (num_steps, BATCH) floats for codes or values.
        kept: address of (num_steps, BATCH, OUT) floats for the parameters, 0 to keep none.
    """
    batch, out = field(net, T.BATCH), field(net, T.OUT)
    layers = field(net, T.LAYERS)
    for i in range(num_steps):
        step = field(net, T.STEP)
        enter(net)
        for index in range(field(net, T.NUM_LAYERS)):
            layer = layers + 8 * T.LAYER_SIZE * index
            look_ahead(net, layer, step, 0)
            pass_layer(net, layer, step)
            add_skips(net, layer, index == 0)
        finish(net)
        if kept:
            copy_rows(field(net, T.LOGITS), kept + 4 * batch * out * i, batch * out)
        draw(net, step, temperature, samples + 4 * batch * i)
        set_field(net, T.STEP, step + 1)
