"""One draw per step inside the kernel: Philox noise, Gumbel-max, and the two continuous families.

The numbers are those of ``wavestack.inference.noise`` and the rules those of
``wavestack.models.output``, step by step, so that the engines draw the same samples.
"""

# mypy: disable-error-code="call-arg, var-annotated"
from __future__ import annotations

import math
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from wavestack.inference.engines.vector.curves import log
from wavestack.inference.engines.vector.memory import load_float
from wavestack.inference.engines.vector.simd import (
    F32,
    I32,
    I64,
    WIDTH,
    Floats,
    Vectors,
    define,
    loop,
)
from wavestack.models.output import LOG_SCALE_RANGE

_MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
_KEY_STEPS = 0x9E3779B9, 0xBB67AE85
_ROUNDS = 10
_LOWEST, _HIGHEST = LOG_SCALE_RANGE


def noise_lanes(num_lanes: int) -> int:
    """Room that ``uniform`` needs for so many numbers: it writes whole vectors of four words."""
    return -(-num_lanes // (4 * WIDTH)) * 4 * WIDTH


@intrinsic
def uniform(context, seed, row, step, out, count):
    """Uniform numbers of purpose SAMPLES for one row and step, at the address ``out``.

    count: lanes, rounded up by ``noise_lanes``.
    """
    signature = types.void(*[types.int64] * 5)

    def code(context, builder, signature, arguments):
        name = f"wavestack_uniform_{WIDTH}"
        builder.call(define(builder.module, name, [I64] * 5, _write_uniform), arguments)
        return context.get_dummy_value()

    return signature, code


def _write_uniform(builder: ir.IRBuilder, arguments: Any) -> None:
    seed, row, step, out, count = arguments
    vectors = Vectors(builder, WIDTH)
    pointer = vectors.pointer(out)
    low, high = builder.trunc(seed, I32), builder.trunc(builder.lshr(seed, I64(32)), I32)
    keys = []
    for turn in range(_ROUNDS):
        pair = [
            builder.add(key, I32(turn * step & 0xFFFFFFFF))
            for key, step in zip((low, high), _KEY_STEPS, strict=True)
        ]
        keys.append([vectors.splat(key, vectors.ints) for key in pair])
    rows = vectors.splat(builder.trunc(row, I32), vectors.ints)
    steps = vectors.splat(builder.trunc(step, I32), vectors.ints)
    first = ir.Constant(vectors.ints, list(range(WIDTH)))

    def blocks(index: Any, _: list[Any]) -> list[Any]:
        block = vectors.splat(builder.trunc(builder.sdiv(index, I64(4)), I32), vectors.ints)
        words = _philox(
            vectors, [builder.add(block, first), steps, rows, vectors.integers(0)], keys
        )
        for k, word in enumerate(_in_order(vectors, words)):
            # The 23 high bits n give (n + 1/2) / 2^23.
            bits = vectors.from_ints(builder.lshr(word, vectors.integers(9)))
            vectors.store((bits + 0.5) * 2.0**-23, pointer, builder.add(index, I64(k * WIDTH)))
        return []

    loop(builder, I64(0), count, 4 * WIDTH, [], blocks)


def _philox(vectors: Vectors, counter: list[Any], keys: list[list[Any]]) -> list[Any]:
    builder = vectors.builder
    long = ir.VectorType(I64, vectors.width)
    half = ir.Constant(long, [32] * vectors.width)

    def product(word: Any, factor: int) -> tuple[Any, Any]:
        whole = builder.mul(builder.zext(word, long), ir.Constant(long, [factor] * vectors.width))
        high = builder.trunc(builder.lshr(whole, half), vectors.ints)
        return high, builder.trunc(whole, vectors.ints)

    c0, c1, c2, c3 = counter
    for k0, k1 in keys:
        high0, low0 = product(c0, _MULTIPLIERS[0])
        high1, low1 = product(c2, _MULTIPLIERS[1])
        c0, c1, c2, c3 = (
            builder.xor(builder.xor(high1, c1), k0),
            low1,
            builder.xor(builder.xor(high0, c3), k1),
            low0,
        )
    return [c0, c1, c2, c3]


def _in_order(vectors: Vectors, words: list[Any]) -> list[Any]:
    """Word w of block b to place 4 b + w: two rounds of taking turns between two vectors."""
    width = vectors.width
    turns = [i // 2 + (i % 2) * width for i in range(2 * width)]

    def zipped(a: Any, b: Any) -> list[Any]:
        masks = (turns[:width], turns[width:])
        kind = ir.VectorType(I32, width)
        return [vectors.builder.shuffle_vector(a, b, ir.Constant(kind, mask)) for mask in masks]

    even, odd = zipped(words[0], words[2]), zipped(words[1], words[3])
    return [vector for pair in zip(even, odd, strict=True) for vector in zipped(*pair)]


@intrinsic
def choose_code(context, logits, noise, count, temperature):
    """The first index of the greatest logit + temperature * Gumbel noise.

    logits, noise: addresses; noise holds uniform numbers. count: a multiple of the vector width.
    """
    signature = types.int64(types.int64, types.int64, types.int64, types.float32)

    def code(context, builder, signature, arguments):
        return _write_choice(builder, *arguments)

    return signature, code


def _write_choice(builder: Any, logits: Any, noise: Any, count: Any, temperature: Any) -> Any:
    vectors = Vectors(builder, WIDTH)
    values, numbers = vectors.pointer(logits), vectors.pointer(noise)
    scale = Floats(vectors, vectors.splat(temperature, vectors.type))
    lanes = ir.Constant(vectors.ints, list(range(WIDTH)))
    sharp = builder.fcmp_ordered("==", temperature, F32(0.0))

    def best(read: Any) -> list[Any]:
        def turn(index: Any, carried: list[Any]) -> list[Any]:
            value = read(index).value
            places = vectors.splat(builder.trunc(index, I32), vectors.ints)
            better = builder.fcmp_ordered(">", value, carried[0])
            return [
                builder.select(better, value, carried[0]),
                builder.select(better, builder.add(places, lanes), carried[1]),
            ]

        start = [vectors.constant(-math.inf).value, lanes]
        return loop(builder, I64(0), count, WIDTH, start, turn)

    def with_noise(index: Any) -> Floats:
        gumbel = -log(-log(vectors.load(numbers, index)))
        return gumbel.times_plus(scale, vectors.load(values, index))

    with builder.if_else(sharp) as (mode, draw):
        with mode:
            mode_best = best(lambda index: vectors.load(values, index))
            mode_block = builder.block
        with draw:
            draw_best = best(with_noise)
            draw_block = builder.block
    found = []
    for a, b in zip(mode_best, draw_best, strict=True):
        phi = builder.phi(a.type)
        phi.add_incoming(a, mode_block)
        phi.add_incoming(b, draw_block)
        found.append(phi)
    value, place = (builder.extract_element(vector, I32(0)) for vector in found)
    for lane in range(1, WIDTH):
        other, there = (builder.extract_element(vector, I32(lane)) for vector in found)
        greater = builder.fcmp_ordered(">", other, value)
        equal = builder.fcmp_ordered("==", other, value)
        earlier = builder.and_(equal, builder.icmp_signed("<", there, place))
        better = builder.or_(greater, earlier)
        value, place = builder.select(better, other, value), builder.select(better, there, place)
    return builder.zext(place, I64)


@njit(nogil=True, inline="always")
def choose_logistic(parameters, noise, num_mixtures, temperature):
    """A component by Gumbel-max, then a logistic value of it; see ``LogisticMixture.choose``."""
    chosen = 0
    best = -math.inf
    for m in range(num_mixtures):
        gumbel = -math.log(-math.log(load_float(noise, m)))
        value = load_float(parameters, m) + temperature * gumbel
        if value > best:
            best, chosen = value, m
    mean = load_float(parameters, num_mixtures + chosen)
    log_scale = load_float(parameters, 2 * num_mixtures + chosen)
    scale = math.exp(min(max(log_scale, _LOWEST), _HIGHEST))
    u = load_float(noise, num_mixtures)
    value = mean + temperature * scale * (math.log(u) - math.log1p(-u))
    return min(max(value, -1.0), 1.0)


@njit(nogil=True, inline="always")
def choose_normal(parameters, noise, temperature):
    """A normal value by Box and Muller; see ``Gaussian.choose``."""
    radius = math.sqrt(-2.0 * math.log(load_float(noise, 0)))
    draw = radius * math.cos(2.0 * math.pi * load_float(noise, 1))
    scale = math.exp(min(max(load_float(parameters, 1), _LOWEST), _HIGHEST))
    value = load_float(parameters, 0) + temperature * scale * draw
    return min(max(value, -1.0), 1.0)
