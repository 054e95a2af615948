"""The compiled step of a WaveNet: everything between one sample and the next.

Old taps are computed ahead. The tap of a layer with dilation d is known d steps before it is
needed, so for up to CHUNK steps its products become one product of a matrix with many rows: the
weights are read once for all of them.
"""

# mypy: disable-error-code="call-arg, var-annotated"
from __future__ import annotations

import logging

from numba import njit, types

from wavestack.inference.engines.compiled import tables as T
from wavestack.inference.engines.compiled.cache import cache_folder, is_kept, keep
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

logger = logging.getLogger(__name__)

# Each function compiled by itself would carry all products through LLVM once more.
part = njit(nogil=True, inline="always")

_product_bfloat16 = make_product(WIDTH, BFLOAT16)


@part
def multiply(net, w, x, y0, y, n, m, rows, x_stride, y0_stride, y_stride):
    """y = y0 + x W with weights of the network's precision; see ``make_product``."""
    if field(net, T.PRECISION) == BFLOAT16:
        _product_bfloat16(w, x, y0, y, n, m, rows, x_stride, y0_stride, y_stride)
    else:
        product(w, x, y0, y, n, m, rows, x_stride, y0_stride, y_stride)


@part
def enter(net):
    """The rows' beginnings: the embedded current input, and no skips yet."""
    residual, skip = field(net, T.RESIDUAL), field(net, T.SKIP)
    amplitudes = field(net, T.NUM_AMPLITUDES)
    table, window_size = field(net, T.TABLE), field(net, T.WINDOW_SIZE)
    used = field(net, T.WINDOW_USED)
    for row in range(field(net, T.BATCH)):
        x = field(net, T.ROWS) + 4 * (residual + skip) * row
        copy_rows(field(net, T.SKIP_BIAS), x + 4 * residual, skip)
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
def look_ahead(net, layer, step, first_step):
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
        multiply(net, weight, columns, bias, known, channels, gates, rows, channels, 0, gates)
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


@part
def pass_layer(net, layer, step):
    """The rows [x | sum of skips] through one layer: gate, then both ways out."""
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
def draw(net, step, temperature, samples):
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


@keep
@njit(nogil=True)
def run(net, num_steps, temperature, samples, kept):
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
        finish(net)
        if kept:
            copy_rows(field(net, T.LOGITS), kept + 4 * batch * out * i, batch * out)
        draw(net, step, temperature, samples + 4 * batch * i)
        set_field(net, T.STEP, step + 1)


_SIGNATURE = types.void(types.int64, types.int64, types.float32, types.int64, types.int64)


def prepare() -> None:
    """Compile the kernel, or fetch it from the cache; a second call does nothing."""
    if run.signatures:
        return
    if not is_kept(run):
        where = f"kept in {cache_folder()}" if cache_folder() else "no folder to keep it in"
        logger.warning("compiling the generation kernel for this processor: %s", where)
    run.compile(_SIGNATURE)
