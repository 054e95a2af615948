"""A dilated convolution over rows of channels: sums of several vectors of outputs in registers.

A row is one time step of one stream; its channels lie side by side. The weights are packed in
panels of four vectors of outputs and then of two, one and a half, so that a tile of some rows and
one panel runs through taps and inputs in one straight line. Every output is summed in the same
order in every tile: bias, residual, taps from the oldest, mix-in. So the cut of a signal into
blocks changes no bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from wavestack.inference.engines.vector.simd import F32, I64, WIDTH, Floats, Vectors, define, loop

GRAIN = max(1, WIDTH // 2)  # outputs are padded to a multiple of it

# Vectors of a panel, their width, and the rows of its largest tile: the sums, a panel's weights
# and an input must fit the registers, of which AVX2 has 16 and the others 32.
_MOST_ROWS = {4: 3, 2: 4, 1: 8} if WIDTH == 8 else {4: 6, 2: 8, 1: 8}
PANELS = [(count, WIDTH, _MOST_ROWS[count]) for count in (4, 2, 1)]
if GRAIN < WIDTH:
    PANELS.append((1, GRAIN, _MOST_ROWS[1]))

_FIELDS = (
    *("w", "b", "x", "x_row", "x_tap", "taps", "n", "u", "u_row", "n_u"),
    *("r", "r_row", "y", "y_row", "relu", "rows"),
)


def padded(channels: int) -> int:
    """The floats that a row of so many channels takes."""
    return -(-channels // GRAIN) * GRAIN


def pack(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """A matrix (inputs, outputs) as panels one after the other, padded with zeros.

    Shape:
        (n, m) -> (n * padded(m),)
    """
    n, m = matrix.shape
    full = np.zeros((n, padded(m)), np.float32)
    full[:, :m] = matrix
    parts, start = [], 0
    for count, width, _ in PANELS:
        size = count * width
        while full.shape[1] - start >= size:
            parts.append(full[:, start : start + size].ravel())
            start += size
    return np.concatenate(parts)


@intrinsic
def convolve(  # type: ignore[no-untyped-def]
    context, w, b, x, x_row, x_tap, taps, n, u, u_row, n_u, r, r_row, y, y_row, relu, rows, m
):
    """y = r + b + sum over taps of x W + u V for some rows, cut at 0 where relu is 1.

    All are int64: addresses (w packed weights, b bias, x oldest input of the first row, u mix-in,
    r residual, y outputs), distances in floats (x_row, u_row, r_row and y_row from row to row,
    x_tap from tap to tap; 0 repeats a row), and counts (n and n_u inputs, m padded outputs).
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        name = f"wavestack_convolve_{WIDTH}"
        function = define(builder.module, name, [I64] * (len(_FIELDS) + 1), _write_convolution)
        builder.call(function, arguments)
        return context.get_dummy_value()

    return types.void(*[types.int64] * (len(_FIELDS) + 1)), code


def _write_convolution(builder: ir.IRBuilder, arguments: Any) -> None:
    """All panels, from left to right."""
    given = dict(zip(_FIELDS, arguments, strict=False))
    for name in ("x_row", "x_tap", "u_row", "r_row", "y_row"):
        given[name] = builder.mul(given[name], I64(4))  # distances in bytes from here on
    depth = builder.add(builder.mul(given["taps"], given["n"]), given["n_u"])
    rest, w, column = arguments[-1], given["w"], I64(0)
    for count, width, most_rows in PANELS:
        size = count * width
        panels = builder.sdiv(rest, I64(size))
        rest = builder.srem(rest, I64(size))

        def panel(_: Any, carried: list[Any], kind: Any = (count, width, most_rows)) -> list[Any]:
            w, column = carried
            size = kind[0] * kind[1] * 4
            here = {name: builder.add(given[name], column) for name in ("b", "r", "y")}
            call = {**given, "w": w, **here}
            name = f"wavestack_panel_{kind[0]}x{kind[1]}"
            function = define(builder.module, name, [I64] * len(_FIELDS), _panel_writer(*kind))
            builder.call(function, [call[field] for field in _FIELDS])
            return [builder.add(w, builder.mul(depth, I64(size))), builder.add(column, I64(size))]

        w, column = loop(builder, I64(0), panels, 1, [w, column], panel)


def _panel_writer(count: int, width: int, most_rows: int) -> Any:
    """All rows with one panel: tiles of most_rows, then of 4, then single rows."""

    def write(builder: ir.IRBuilder, arguments: Any) -> None:
        given = dict(zip(_FIELDS, arguments, strict=True))
        moving = {"x": "x_row", "u": "u_row", "r": "r_row", "y": "y_row"}
        done: Any = I64(0)
        for tile_rows in sorted({most_rows, min(4, most_rows), 1}, reverse=True):
            left = builder.sub(given["rows"], done)
            stop = builder.add(
                done, builder.mul(builder.sdiv(left, I64(tile_rows)), I64(tile_rows))
            )

            def tile(row: Any, _: list[Any], tile_rows: int = tile_rows) -> list[Any]:
                moved = {
                    name: builder.add(given[name], builder.mul(row, given[by]))
                    for name, by in moving.items()
                }
                call = {**given, **moved}
                name = f"wavestack_tile_{count}x{width}_{tile_rows}"
                writer = _tile_writer(count, width, tile_rows)
                function = define(builder.module, name, [I64] * len(_FIELDS), writer)
                builder.call(function, [call[field] for field in _FIELDS])
                return []

            loop(builder, done, stop, tile_rows, [], tile)
            done = stop

    return write


def _tile_writer(count: int, width: int, rows: int) -> Any:
    """Some rows with one panel of ``count`` vectors."""

    def write(builder: ir.IRBuilder, arguments: Any) -> None:
        given = dict(zip(_FIELDS, arguments, strict=True))
        vectors = Vectors(builder, width)
        row_floats = count * width

        def places(name: str, by: str, base: Any = None) -> list[Any]:
            base = given[name] if base is None else base
            moved = [builder.add(base, builder.mul(given[by], I64(i))) for i in range(rows)]
            return [vectors.pointer(address) for address in moved]

        def products(xs: list[Any], n: Any, first: Any, sums: list[Any]) -> list[Any]:
            """Add n inputs of every row times the weights that begin at row ``first``."""
            w = vectors.pointer(builder.add(given["w"], builder.mul(first, I64(4 * row_floats))))

            def turn(i: Any, sums: list[Any]) -> list[Any]:
                at = builder.mul(i, I64(row_floats))
                columns = [vectors.load(w, builder.add(at, I64(c * width))) for c in range(count)]
                inputs = [vectors.broadcast(x, i) for x in xs]
                return [
                    column.times_plus(value, Floats(vectors, sums[r * count + c])).value
                    for r, value in enumerate(inputs)
                    for c, column in enumerate(columns)
                ]

            return loop(builder, I64(0), n, 1, sums, turn)

        biases = [vectors.load(vectors.pointer(given["b"]), c * width) for c in range(count)]
        sums = [
            (vectors.load(r, c * width) + biases[c]).value
            for r in places("r", "r_row")
            for c in range(count)
        ]

        def tap(j: Any, sums: list[Any]) -> list[Any]:
            base = builder.add(given["x"], builder.mul(j, given["x_tap"]))
            first = builder.mul(j, given["n"])
            return products(places("x", "x_row", base), given["n"], first, sums)

        sums = loop(builder, I64(0), given["taps"], 1, sums, tap)
        mixed = builder.mul(given["taps"], given["n"])
        sums = products(places("u", "u_row"), given["n_u"], mixed, sums)
        lowest = builder.select(
            builder.icmp_signed("!=", given["relu"], I64(0)),
            ir.Constant(F32, 0.0),
            ir.Constant(F32, float("-inf")),
        )
        low = vectors.splat(lowest, vectors.type)
        for r, end in enumerate(places("y", "y_row")):
            for c in range(count):
                value = sums[r * count + c]
                # NaN is below nothing and stays.
                below = builder.fcmp_ordered("<", value, low)
                cut = builder.select(below, low, value)
                vectors.store(Floats(vectors, cut), end, c * width)

    return write


__all__ = ["GRAIN", "convolve", "pack", "padded"]
