"""The compiled function: steps of a WaveNet on one thread, or one of two threads' share of them.

Two threads share a step by what waits for what. The first carries x from layer to layer: present
taps, gates, residual products. The second has all that nobody waits for: the old taps of steps to
come, and the skips; and then the head and the draw, for which it has the skips' sum. Either waits
for the other at flags in memory; each keeps its half of the weights in its own core's cache.
"""

# mypy: disable-error-code="call-arg, var-annotated"
from __future__ import annotations

import logging

from numba import njit, types

from wavestack.inference.engines.compiled import tables as T
from wavestack.inference.engines.compiled.steps import (
    add_skips,
    clear_skips,
    draw,
    enter,
    finish,
    look_ahead,
    make_noise,
    part,
    pass_layer,
)
from wavestack.inference.engines.vector.cache import cache_folder, is_kept, keep
from wavestack.inference.engines.vector.curves import copy_rows
from wavestack.inference.engines.vector.memory import (
    field,
    give_way,
    load_flag,
    pause,
    prefetch,
    set_field,
    store_flag,
)

logger = logging.getLogger(__name__)

ALONE, FIRST, SECOND = range(3)  # a thread's share

_PATIENCE = 50  # looks at a flag before the core is offered to others: 1 or 2 µs


@part
def rest(looks):
    """Between two looks at a flag; returns how many there have been."""
    if looks < _PATIENCE:
        pause()
    else:
        give_way()
    return looks + 1


@part
def wait_for(flag, value):
    """Until the number at ``flag`` is at least ``value``."""
    looks = 0
    while load_flag(flag) < value:
        looks = rest(looks)


@part
def run_layers(net, step, share):
    """x through all layers of a step; alone, with all that the second thread has done otherwise."""
    layers, count = field(net, T.LAYERS), field(net, T.NUM_LAYERS)
    batch, gates = field(net, T.BATCH), 2 * field(net, T.GATE)
    enter(net)
    for index in range(count):
        layer = layers + 8 * T.LAYER_SIZE * index
        if share == ALONE:
            look_ahead(net, layer, step)
        # Looking at a flag that the other core has written takes long: only where need be.
        elif field(layer, T.KNOWN_UNTIL) <= step:
            wait_for(field(layer, T.KNOWN), step + 1)
            set_field(layer, T.KNOWN_UNTIL, load_flag(field(layer, T.KNOWN)))
        if share == FIRST and index + 1 < count:
            following = layer + 8 * T.LAYER_SIZE
            place = (step + field(following, T.PHASE)) & (field(net, T.CHUNK) - 1)
            prefetch(field(following, T.GATES) + 4 * batch * gates * place, 4 * gates)
        pass_layer(net, layer, step)
        if share == FIRST:
            store_flag(field(net, T.PASSED), step * count + index + 1)


@part
def run_rest(net, step, temperature, samples, kept):
    """The second thread's share of a step, once x is on its way; -1 is before the first step.

    What the first thread waits for comes first: the skips and the draw, then the old taps of the
    next step, whose time is otherwise while x goes through the layers.
    """
    layers, count, size = field(net, T.LAYERS), field(net, T.NUM_LAYERS), 8 * T.LAYER_SIZE
    added, foreseen, looks = 0, 0, 0
    drawn = step < 0
    if not drawn:
        clear_skips(net)
        make_noise(net, step, temperature)
    while not drawn or foreseen < count:
        passed = load_flag(field(net, T.PASSED)) - step * count
        if not drawn and added < passed:
            add_skips(net, layers + size * added)
            added += 1
        elif not drawn and added == count:
            end(net, temperature, samples, kept)
            store_flag(field(net, T.DRAWN), step + 1)
            drawn = True
        elif foreseen < count and (drawn or (foreseen < passed and passed + 2 < count)):
            layer = layers + size * foreseen
            until = look_ahead(net, layer, step + 1)
            if until:
                store_flag(field(layer, T.KNOWN), until)
            foreseen += 1
        else:
            looks = rest(looks)


@part
def end(net, temperature, samples, kept):
    """The end of a step: parameters, kept where wanted, and the draw."""
    finish(net)
    if kept:
        copy_rows(field(net, T.LOGITS), kept, field(net, T.BATCH) * field(net, T.OUT))
    draw(net, temperature, samples)


@keep
@njit(nogil=True)
def run(net, num_steps, temperature, samples, kept, share):
    """The next steps of all rows.

    Args:
        net: address of the network's table.
        num_steps: how many.
        temperature: float32, of the sampling.
        samples: address of (num_steps, BATCH) floats for codes or values.
        kept: address of (num_steps, BATCH, OUT) floats for the parameters, 0 to keep none.
        share: ALONE, or FIRST and SECOND on two threads at the same time.
    """
    batch, out, first = field(net, T.BATCH), field(net, T.OUT), field(net, T.STEP)
    begin = 0
    if share == SECOND and first == 0:
        begin = -1
    for i in range(begin, num_steps):
        step = first + i
        drawn, parameters = samples + 4 * batch * i, 0
        if kept:
            parameters = kept + 4 * batch * out * i
        if share == SECOND:
            run_rest(net, step, temperature, drawn, parameters)
        else:
            if share == FIRST:
                wait_for(field(net, T.DRAWN), step)
            else:
                clear_skips(net)
            run_layers(net, step, share)
            if share == ALONE:
                make_noise(net, step, temperature)
                end(net, temperature, drawn, parameters)


_SIGNATURE = types.void(
    types.int64, types.int64, types.float32, types.int64, types.int64, types.int64
)


def prepare() -> None:
    """Compile the kernel, or fetch it from the cache; a second call does nothing."""
    if run.signatures:
        return
    if not is_kept(run):
        where = f"kept in {cache_folder()}" if cache_folder() else "no folder to keep it in"
        logger.warning("compiling the generation kernel for this processor: %s", where)
    run.compile(_SIGNATURE)
