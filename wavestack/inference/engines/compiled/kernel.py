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
from wavestack.inference.engines.compiled.cache import cache_folder, is_kept, keep
from wavestack.inference.engines.compiled.curves import copy_rows
from wavestack.inference.engines.compiled.memory import (
    field,
    give_way,
    load_flag,
    pause,
    prefetch,
    set_field,
    store_flag,
)
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

logger = logging.getLogger(__name__)

ALONE, FIRST, SECOND = range(3)  # a thread's share

_PATIENCE = 4000  # looks at a flag before the core is offered to others


@part
def wait_for(flag, value):
    """Until the number at ``flag`` is at least ``value``."""
    looks = 0
    while load_flag(flag) < value:
        looks += 1
        if looks < _PATIENCE:
            pause()
        else:
            give_way()


@part
def run_alone(net, num_steps, temperature, samples, kept):
    """Whole steps on one thread."""
    batch, out, layers = field(net, T.BATCH), field(net, T.OUT), field(net, T.LAYERS)
    for i in range(num_steps):
        step = field(net, T.STEP) + i
        enter(net)
        clear_skips(net)
        for index in range(field(net, T.NUM_LAYERS)):
            layer = layers + 8 * T.LAYER_SIZE * index
            look_ahead(net, layer, step)
            pass_layer(net, layer, step)
        finish(net)
        if kept:
            copy_rows(field(net, T.LOGITS), kept + 4 * batch * out * i, batch * out)
        make_noise(net, step, temperature)
        draw(net, temperature, samples + 4 * batch * i)


@part
def run_first(net, num_steps):
    """The share of the first of two threads."""
    layers, count = field(net, T.LAYERS), field(net, T.NUM_LAYERS)
    batch, gates = field(net, T.BATCH), 2 * field(net, T.GATE)
    for i in range(num_steps):
        step = field(net, T.STEP) + i
        wait_for(field(net, T.DRAWN), step)
        enter(net)
        for index in range(count):
            layer = layers + 8 * T.LAYER_SIZE * index
            # Looking at a flag that the other core has written takes long: only where need be.
            if field(layer, T.KNOWN_UNTIL) <= step:
                wait_for(field(layer, T.KNOWN), step + 1)
                set_field(layer, T.KNOWN_UNTIL, load_flag(field(layer, T.KNOWN)))
            if index + 1 < count:
                following = layer + 8 * T.LAYER_SIZE
                place = (step + field(following, T.PHASE)) & (field(net, T.CHUNK) - 1)
                known = field(following, T.GATES) + 4 * batch * gates * place
                prefetch(known, 4 * gates)
            pass_layer(net, layer, step)
            store_flag(field(net, T.PASSED), step * count + index + 1)


@part
def foresee(net, layer, step):
    """Compute a layer's share of ``step``, if it is not known yet, and say so."""
    until = look_ahead(net, layer, step)
    if until:
        store_flag(field(layer, T.KNOWN), until)


@part
def run_second(net, num_steps, temperature, samples, kept):
    """The share of the second of two threads."""
    batch, out, layers = field(net, T.BATCH), field(net, T.OUT), field(net, T.LAYERS)
    count, size = field(net, T.NUM_LAYERS), 8 * T.LAYER_SIZE
    if field(net, T.STEP) == 0:
        for index in range(count):
            foresee(net, layers + size * index, 0)
    for i in range(num_steps):
        step = field(net, T.STEP) + i
        clear_skips(net)
        make_noise(net, step, temperature)
        added, foreseen, looks = 0, 0, 0
        while added < count:
            passed = load_flag(field(net, T.PASSED)) - step * count
            if added < passed:
                add_skips(net, layers + size * added)
                added += 1
                looks = 0
            elif foreseen < passed and passed + 2 < count:
                foresee(net, layers + size * foreseen, step + 1)
                foreseen += 1
                looks = 0
            else:
                looks += 1
                if looks < _PATIENCE:
                    pause()
                else:
                    give_way()
        finish(net)
        if kept:
            copy_rows(field(net, T.LOGITS), kept + 4 * batch * out * i, batch * out)
        draw(net, temperature, samples + 4 * batch * i)
        store_flag(field(net, T.DRAWN), step + 1)
        while foreseen < count:
            foresee(net, layers + size * foreseen, step + 1)
            foreseen += 1


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
    if share == ALONE:
        run_alone(net, num_steps, temperature, samples, kept)
    elif share == FIRST:
        run_first(net, num_steps)
    else:
        run_second(net, num_steps, temperature, samples, kept)


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
