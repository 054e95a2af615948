"""What this machine's core can do at most: python -m bench.limits

Read bandwidth from each level of memory and the rate of fused multiply-adds, on one core, by loops
written with the kernel's own vectors. Other benchmarks measure these in the same run and say what
fraction of them they reach.
"""

from __future__ import annotations

import os
import statistics
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from bench.common import ROOT, print_table, summarize, time_call, write_result
from wavestack.inference.engines.vector.memory import aligned_zeros
from wavestack.inference.engines.vector.simd import (
    F32,
    I32,
    I64,
    WIDTH,
    Floats,
    Vectors,
    fetch,
    instruction_set,
    loop,
)

_UNROLLED = 8
_AHEAD = 2048  # bytes
_CHAINS = 12  # independent sums: more than latency times adders
_MULTIPLY_ADDS = 100_000  # per chain and call


@intrinsic
def _sum_all(context, address, count, fetched):  # type: ignore[no-untyped-def]
    """The sum of so many floats, all of them loaded once; fetched: ask for lines beforehand."""

    def code(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        vectors = Vectors(builder, WIDTH)
        pointer = vectors.pointer(arguments[0])

        def read(ahead: bool) -> Any:
            def turn(index: Any, sums: list[Any]) -> list[Any]:
                places = [builder.add(index, I64(k * WIDTH)) for k in range(_UNROLLED)]
                if ahead:
                    for place in places:
                        moved = builder.add(builder.mul(place, I64(4)), I64(_AHEAD))
                        fetch(builder, builder.add(arguments[0], moved))
                loaded = [vectors.load(pointer, place) for place in places]
                return [(Floats(vectors, s) + x).value for s, x in zip(sums, loaded, strict=True)]

            starts = [vectors.constant(0.0).value] * _UNROLLED
            step = _UNROLLED * WIDTH
            return _first_lane(vectors, loop(builder, I64(0), arguments[1], step, starts, turn))

        total = cgutils.alloca_once(builder, F32)
        with builder.if_else(builder.trunc(arguments[2], ir.IntType(1))) as (yes, no):
            with yes:
                builder.store(read(True), total)
            with no:
                builder.store(read(False), total)
        return builder.load(total)

    return types.float32(types.int64, types.int64, types.int64), code


@intrinsic
def _multiply_add(context, factor, turns):  # type: ignore[no-untyped-def]
    """Fused multiply-adds that need no memory, ``_CHAINS`` of them side by side."""

    def code(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        vectors = Vectors(builder, WIDTH)
        factor = Floats(vectors, vectors.splat(arguments[0], vectors.type))

        def turn(_: Any, sums: list[Any]) -> list[Any]:
            return [Floats(vectors, s).times_plus(factor, factor).value for s in sums]

        starts = [vectors.constant(float(k)).value for k in range(_CHAINS)]
        return _first_lane(vectors, loop(builder, I64(0), arguments[1], 1, starts, turn))

    return types.float32(types.float32, types.int64), code


def _first_lane(vectors: Vectors, sums: list[Any]) -> ir.Value:
    builder = vectors.builder
    total = builder.extract_element(sums[0], I32(0))
    for value in sums[1:]:
        total = builder.fadd(total, builder.extract_element(value, I32(0)))
    assert total.type == F32
    return total


@njit(nogil=True)
def _read(data: Any, repeats: int, fetched: int) -> float:
    total = np.float32(0)
    for _ in range(repeats):
        total += _sum_all(data.ctypes.data, data.size, fetched)
    return total


@njit(nogil=True)
def _compute(turns: int) -> float:
    return _multiply_add(np.float32(0.5), turns)


def level_sizes() -> dict[str, int]:
    """Bytes to read so that they come from each level, by the machine's own cache sizes."""

    def cache(level: str, otherwise: int) -> int:
        try:
            return os.sysconf(f"SC_{level}_CACHE_SIZE") or otherwise
        except (ValueError, OSError):
            return otherwise

    first = cache("LEVEL1_DCACHE", 32 << 10)
    second = cache("LEVEL2", 1 << 20)
    third = cache("LEVEL3", 16 << 20)
    return {
        "l1": first // 2,
        "l2": second // 2,
        "l3": min(3 * second, third // 2),
        "dram": max(4 * third, 64 << 20),
    }


def measure(repeats: int = 7) -> dict[str, float]:
    """Gigabytes and billions of float32 operations a second, each with its spread."""
    figures: dict[str, float] = {}
    for level, size in level_sizes().items():
        unit = 4 * _UNROLLED * WIDTH
        data = aligned_zeros(size // unit * unit // 4)
        data += 1  # pages that nobody has written all lie on one page of zeros
        passes = max(1, (1 << 28) // data.nbytes)
        ways = []
        for fetched in (0, 1):  # beyond the second cache it pays to ask beforehand: the better way
            _read(data, passes, fetched)
            seconds = [
                time_call(lambda d=data, p=passes, f=fetched: _read(d, p, f))
                for _ in range(repeats)
            ]
            ways.append([passes * data.nbytes / s / 1e9 for s in seconds])
        best = max(ways, key=statistics.median)
        figures |= summarize(f"{level}_gigabytes_per_second", best)
    _compute(10)
    operations = 2 * _CHAINS * WIDTH * _MULTIPLY_ADDS
    calls = 20
    seconds = [
        time_call(lambda: [_compute(_MULTIPLY_ADDS) for _ in range(calls)]) for _ in range(repeats)
    ]
    return figures | summarize("gigaflops", [calls * operations / s / 1e9 for s in seconds])


def main() -> None:
    """Measure, print a table, write bench/results/limits.json."""
    figures = measure()
    names = [name for name in figures if not name.endswith(("_min", "_max"))]
    rows = [
        (name.replace("_", " "), *(f"{figures[name + end]:,.0f}" for end in ("", "_min", "_max")))
        for name in names
    ]
    print_table(("one core", "median", "least", "greatest"), rows)
    settings = {
        "instructions": instruction_set(),
        "bytes": level_sizes(),
        "repeats": 7,
    }
    path = write_result("limits", figures, settings, ("numpy", "numba"))
    print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
