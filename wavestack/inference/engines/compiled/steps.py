"""The parts of a WaveNet's step: everything between one sample and the next.

Old taps are computed ahead. The tap of a layer with dilation d is known d steps before it is
needed, so for up to CHUNK steps its products become one product of a matrix with many rows: the
weights are read once for all of them.
"""

# mypy: disable-error-code="call-arg, var-annotated"
from __future__ import annotations

from numba import njit

from wavestack.inference.engines.compiled import tables as T
from wavestack.inference.engines.compiled.products import make_product, product
from wavestack.inference.engines.compiled.sampling import (
    choose_code,
    choose_logistic,
    choose_normal,
    uniform,
)
from wavestack.inference.engines.compiled.weights import BFLOAT16, FLOAT24
from wavestack.inference.engines.vector.curves import copy_rows, half_gate_rows, relu_rows
from wavestack.inference.engines.vector.memory import field, load_float, set_field, store_float
from wavestack.inference.engines.vector.simd import WIDTH

# Each function compiled by itself would carry all products through LLVM once more.
part = njit(nogil=True, inline="always")

_product_bfloat16 = make_product(WIDTH, BFLOAT16)
_product_float24 = make_product(WIDTH, FLOAT24)


@part
def multiply(net, w, x, y0, y, n, m, rows, x_stride, y0_stride, y_stride):
    """y = y0 + x W with weights of the network's precision; see ``make_product``."""
    precision = field(net, T.PRECISION)
    if precision == BFLOAT16:
        _product_bfloat16(w, x, y0, y, n, m, rows, x_stride, y0_stride, y_stride)
    elif precision == FLOAT24:
        _product_float24(w, x, y0, y, n, m, rows, x_stride, y0_stride, y_stride)
    else:
        product(w, x, y0, y, n, m, rows, x_stride, y0_stride, y_stride)


@part
def enter(net):
    """x: the current input after embedding and first convolution."""
    residual, skip = field(net, T.RESIDUAL), field(net, T.SKIP)
    amplitudes = field(net, T.NUM_AMPLITUDES)
    table, window_size = field(net, T.TABLE), field(net, T.WINDOW_SIZE)
    used = field(net, T.WINDOW_USED)
    for row in range(field(net, T.BATCH)):
        x = field(net, T.ROWS) + 4 * (residual + skip) * row
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
            weight = field(net, T.FIRST)
            multiply(net, weight, window, start, x, window_size, residual, 1, 0, 0, 0)


@part
def clear_skips(net):
    """Begin the sums of the skips with their offsets."""
    residual, skip = field(net, T.RESIDUAL), field(net, T.SKIP)
    for row in range(field(net, T.BATCH)):
        skips = field(net, T.ROWS) + 4 * ((residual + skip) * row + residual)
        copy_rows(field(net, T.SKIP_BIAS), skips, skip)


@part
def look_ahead(net, layer, step):
    """The share of the gates' inputs that is known now, where a chunk of steps begins.

    Returns:
        the step before which all is known from now on, 0 where nothing was computed.
    """
    chunk, ahead = field(net, T.CHUNK), field(layer, T.LOOK_AHEAD)
    place = (step + field(layer, T.PHASE)) & (chunk - 1)
    begins = step == 0
    batch, conv, gates = field(net, T.BATCH), field(net, T.CONV), 2 * field(net, T.GATE)
    bias, channels = field(layer, T.GATE_BIAS), field(net, T.CONDITION)
    known = field(layer, T.GATES) + 4 * batch * gates * place
    if channels and (place == 0 or begins):
        skipped = step - field(net, T.CONDITIONS_FROM)
        columns = field(net, T.CONDITIONS) + 4 * batch * channels * skipped
        weight, rows = field(layer, T.CONDITION_WEIGHT), (chunk - place) * batch
        multiply(net, weight, columns, bias, known, channels, gates, rows, channels, 0, gates)
    place &= ahead - 1
    if not (place == 0 or begins):
        return 0
    steps = ahead - place
    if field(layer, T.KERNEL) == 1:
        return step + steps
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
        rows = whole * batch
        multiply(net, weight, old, start, known, conv, gates, rows, conv, stride, gates)
        if whole < steps:  # the rest begins the ring anew
            moved = 4 * batch * gates * whole
            rest = start + moved if stride else start
            rows = (steps - whole) * batch
            ring = field(layer, T.RING)
            known_rest = known + moved
            multiply(net, weight, ring, rest, known_rest, conv, gates, rows, conv, stride, gates)
        start, stride = known, gates
    return step + steps


@part
def pass_layer(net, layer, step):
    """The rows [x | sum of skips] through one layer: gate, then one or both ways out."""
    batch, conv, gate = field(net, T.BATCH), field(net, T.CONV), field(net, T.GATE)
    rows, pitch = field(net, T.ROWS), field(net, T.RESIDUAL) + field(net, T.SKIP)
    y, z = field(net, T.Y), field(layer, T.Z)
    entered, entered_pitch = rows, pitch
    if field(net, T.NARROWED):
        entered, entered_pitch = field(net, T.ENTERED), conv
        weight, start, size = field(layer, T.NARROW), field(net, T.ZEROS), field(net, T.RESIDUAL)
        multiply(net, weight, rows, start, entered, size, conv, batch, pitch, 0, conv)
    place = (step + field(layer, T.PHASE)) & (field(net, T.CHUNK) - 1)
    known = field(layer, T.GATES) + 4 * batch * 2 * gate * place
    weight, gates = field(layer, T.PRESENT), 2 * gate
    multiply(net, weight, entered, known, y, conv, gates, batch, entered_pitch, gates, gates)
    position, ring = field(layer, T.POSITION), field(layer, T.RING)
    for row in range(batch):
        if field(layer, T.RING_ROWS):
            old = ring + 4 * conv * (batch * position + row)
            copy_rows(entered + 4 * entered_pitch * row, old, conv)
        both = y + 8 * gate * row
        half_gate_rows(both, both + 4 * gate, z + 4 * gate * row, gate)
    position += 1
    set_field(layer, T.POSITION, 0 if position >= field(layer, T.RING_ROWS) else position)
    columns = field(layer, T.PROJECT_COLUMNS)
    if columns:
        outputs = rows + 4 * field(layer, T.PROJECT_FROM)
        weight = field(layer, T.PROJECT)
        multiply(net, weight, z, outputs, outputs, gate, columns, batch, gate, pitch, pitch)


@part
def add_skips(net, layer):
    """A layer's skips onto their sums, where ``pass_layer`` has left that to another thread."""
    batch, gate, skip = field(net, T.BATCH), field(net, T.GATE), field(net, T.SKIP)
    residual = field(net, T.RESIDUAL)
    skips, z, pitch = field(net, T.ROWS) + 4 * residual, field(layer, T.Z), residual + skip
    weight = field(layer, T.SKIP_WEIGHT)
    multiply(net, weight, z, skips, skips, gate, skip, batch, gate, pitch, pitch)


@part
def finish(net):
    """From the sums of the skips to the distributions' parameters."""
    batch, skip = field(net, T.BATCH), field(net, T.SKIP)
    residual, end, out = field(net, T.RESIDUAL), field(net, T.END), field(net, T.OUT)
    skips, h, pitch = field(net, T.ROWS) + 4 * residual, field(net, T.H), residual + skip
    for row in range(batch):
        relu_rows(skips + 4 * pitch * row, skips + 4 * pitch * row, skip)
    weight, bias = field(net, T.END_WEIGHT), field(net, T.END_BIAS)
    multiply(net, weight, skips, bias, h, skip, end, batch, pitch, 0, end)
    relu_rows(h, h, batch * end)
    weight, bias = field(net, T.OUT_WEIGHT), field(net, T.OUT_BIAS)
    multiply(net, weight, h, bias, field(net, T.LOGITS), end, out, batch, end, 0, out)


@part
def make_noise(net, step, temperature):
    """Every row's uniform numbers for one step."""
    if temperature > 0:
        for row in range(field(net, T.BATCH)):
            noise = field(net, T.NOISE) + 4 * field(net, T.NUM_NOISE) * row
            uniform(field(net, T.SEED), row, step, noise, field(net, T.NUM_NOISE))


@part
def draw(net, temperature, samples):
    """Choose every row's sample: the next input, and the floats at ``samples``."""
    out, family = field(net, T.OUT), field(net, T.FAMILY)
    for row in range(field(net, T.BATCH)):
        parameters = field(net, T.LOGITS) + 4 * out * row
        noise = field(net, T.NOISE) + 4 * field(net, T.NUM_NOISE) * row
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
