"""Products of a few rows with a packed matrix: y = y0 + x W, the work of every convolution step.

A packed matrix is cut into panels of up to four vectors of columns; a panel holds its rows one
after the other, so a product reads the weights in one straight line, keeps the panel's outputs
of up to six rows of x in registers, and loads nothing twice. Sizes are known at run time alone:
no other shape of network compiles anything anew.

Each output is summed in the order of the matrix's rows, whatever the number of rows of x: a
row of a batch gives bit for bit what it gives alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from wavestack.inference.engines.compiled.simd import I64, WIDTH, Floats, Vectors, define, loop

PANEL = 4  # vectors of columns

FLOAT32, BFLOAT16 = 0, 1


def padded(size: int, width: int = WIDTH) -> int:
    """The next multiple of the vector width; of 2 where the vectors are single floats."""
    grain = max(2, width)
    return -(-size // grain) * grain


def pack_matrix(weight: NDArray[np.float32], width: int = WIDTH) -> NDArray[np.float32]:
    """A matrix (n, m), rows of inputs, as panels one after the other, both sizes padded with zeros.

    n is padded to a multiple of the vector width as m is, so one layer's outputs are the next
    one's inputs as they lie in memory.

    Shape:
        (n, m) -> (padded(n) * padded(m),)
    """
    n, m = padded(weight.shape[0], width), padded(weight.shape[1], width)
    full = np.zeros((n, m), np.float32)
    full[: weight.shape[0], : weight.shape[1]] = weight
    step = PANEL * width
    return np.concatenate([full[:, i : i + step].ravel() for i in range(0, m, step)])


def to_bfloat16(
    packed: NDArray[np.float32], n: int, m: int, width: int = WIDTH
) -> NDArray[np.float32]:
    """Packed weights at half the size: two rows' weights of one column in each 32-bit word.

    The earlier row's weight is in the low half. The high half is rounded such that the whole word,
    read as one float32, is nearest to the later row's weight, so reading it needs no mask.

    Args:
        packed: from ``pack_matrix``.
        n: rows of the matrix, padded.
        m: columns of the matrix, padded.

    Shape:
        (n * m,) -> (n * m / 2,), to be read as words, not as floats
    """
    step = PANEL * width
    panels, start = [], 0
    for columns in [min(step, m - i) for i in range(0, m, step)]:
        rows = packed[start : start + n * columns].view(np.uint32).reshape(n // 2, 2, columns)
        start += n * columns
        rows = rows.astype(np.int64)
        early, late = rows[:, 0], rows[:, 1]
        # To the nearest, ties to even; then the later weight's half given those lower bits.
        low = (early + 0x7FFF + ((early >> 16) & 1)) >> 16
        sign, magnitude = late & 0x80000000, late & 0x7FFFFFFF
        high = np.maximum(magnitude - low + 0x8000, 0) >> 16
        panels.append((sign | (high << 16) | low).astype(np.uint32).ravel())
    return np.concatenate(panels).view(np.float32)


def make_product(width: int, precision: int = FLOAT32) -> Any:
    """The product for vectors of ``width`` floats, to be called from compiled code.

    Returns:
        ``product(w, x, y0, y, n, m, rows, x_stride, y0_stride, y_stride)``: addresses of packed
        weights, inputs, starting values and outputs; n and m are multiples of ``width``; strides
        are in floats from row to row, and y0_stride may be 0 (one offset for all rows). y0 may
        be y itself.
    """
    writer = _Writer(width, precision)

    @intrinsic
    def product(context, w, x, y0, y, n, m, rows, x_stride, y0_stride, y_stride):  # type: ignore[no-untyped-def]
        signature = types.void(*[types.int64] * 10)

        def code(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            builder.call(writer.product(builder.module), arguments)
            return context.get_dummy_value()

        return signature, code

    return product


class _Writer:
    """Writes the product and its tiles, one LLVM function for each number of rows and vectors."""

    def __init__(self, width: int, precision: int) -> None:
        self.width = width
        self.precision = precision
        # Accumulators, one weight vector and the inputs must fit the registers: 16 in AVX2.
        self.most_rows = 6 if width in (4, 16) else 3

    def product(self, module: ir.Module) -> ir.Function:
        name = f"wavestack_product_{self.width}_{self.precision}"
        return define(module, name, [I64] * 10, self._write_product)

    def _write_product(self, builder: ir.IRBuilder, arguments: Any) -> None:
        w, x, y0, y, n, m, rows, x_stride, y0_stride, y_stride = arguments
        step = PANEL * self.width
        # Strides count bytes from here on.
        strides = [builder.mul(s, I64(4)) for s in (x_stride, y0_stride, y_stride)]
        panel_bytes = builder.mul(n, I64(step * (2 if self.precision else 4)))
        panels = builder.sdiv(m, I64(step))
        tail = builder.srem(builder.sdiv(m, I64(self.width)), I64(PANEL))
        single = builder.icmp_signed("==", rows, I64(1))

        def panel(index: Any) -> tuple[Any, Any, Any]:
            column = builder.mul(index, I64(step * 4))
            return (
                builder.add(w, builder.mul(index, panel_bytes)),
                builder.add(y0, column),
                builder.add(y, column),
            )

        with builder.if_else(single) as (alone, several):
            with alone:
                paired = builder.and_(panels, I64(-2))

                def two(index: Any, _: list[Any]) -> list[Any]:
                    builder.call(self._pair(builder.module), [*panel(index), x, n])
                    return []

                loop(builder, I64(0), paired, 2, [], two)
                with builder.if_then(builder.icmp_signed("<", paired, panels)):
                    self._call_tile(builder, 1, PANEL, panel(paired), x, n, strides)
                self._tail(builder, 1, tail, panel(panels), x, n, strides)
            with several:

                def one(index: Any, _: list[Any]) -> list[Any]:
                    self._rows(builder, rows, panel(index), x, n, strides, PANEL)
                    return []

                loop(builder, I64(0), panels, 1, [], one)
                for count in range(1, PANEL):
                    with builder.if_then(builder.icmp_signed("==", tail, I64(count))):
                        self._rows(builder, rows, panel(panels), x, n, strides, count)

    def _rows(
        self, builder: Any, rows: Any, place: Any, x: Any, n: Any, strides: Any, count: int
    ) -> None:
        """All rows of x with one panel, most_rows at a time."""
        w, y0, y = place

        def from_row(row: Any) -> tuple[Any, Any]:
            moved = [builder.mul(row, stride) for stride in strides]
            here = (w, builder.add(y0, moved[1]), builder.add(y, moved[2]))
            return here, builder.add(x, moved[0])

        whole = builder.mul(builder.sdiv(rows, I64(self.most_rows)), I64(self.most_rows))

        def tile(row: Any, _: list[Any]) -> list[Any]:
            here, from_x = from_row(row)
            self._call_tile(builder, self.most_rows, count, here, from_x, n, strides)
            return []

        loop(builder, I64(0), whole, self.most_rows, [], tile)
        here, from_x = from_row(whole)
        rest = builder.sub(rows, whole)
        for number in range(1, self.most_rows):
            with builder.if_then(builder.icmp_signed("==", rest, I64(number))):
                self._call_tile(builder, number, count, here, from_x, n, strides)

    def _tail(
        self, builder: Any, rows: int, tail: Any, place: Any, x: Any, n: Any, strides: Any
    ) -> None:
        for count in range(1, PANEL):
            with builder.if_then(builder.icmp_signed("==", tail, I64(count))):
                self._call_tile(builder, rows, count, place, x, n, strides)

    def _call_tile(
        self, builder: Any, rows: int, count: int, place: Any, x: Any, n: Any, strides: Any
    ) -> None:
        name = f"wavestack_tile_{self.width}_{self.precision}_{rows}_{count}"

        def write(inner: ir.IRBuilder, arguments: Any) -> None:
            self._write_tile(inner, arguments, rows, count)

        function = define(builder.module, name, [I64] * 8, write)
        builder.call(function, [*place, x, n, *strides])

    def _write_tile(self, builder: ir.IRBuilder, arguments: Any, rows: int, count: int) -> None:
        """``rows`` rows of x with one panel of ``count`` vectors."""
        w, y0, y, x, n, x_stride, y0_stride, y_stride = arguments
        vectors = Vectors(builder, self.width)

        def places(base: Any, stride: Any) -> list[Any]:
            moved = [builder.add(base, builder.mul(stride, I64(r))) for r in range(rows)]
            return [vectors.pointer(address) for address in moved]

        xs, starts, ends = places(x, x_stride), places(y0, y0_stride), places(y, y_stride)
        offsets = [c * self.width for c in range(count)]
        sums = [vectors.load(start, o).value for start in starts for o in offsets]
        weights = [(vectors.pointer(w), offsets)]
        sums = self._accumulate(vectors, weights, xs, n, count * self.width, sums)
        for r, end in enumerate(ends):
            for c, o in enumerate(offsets):
                vectors.store(Floats(vectors, sums[r * count + c]), end, o)

    def _pair(self, module: ir.Module) -> ir.Function:
        name = f"wavestack_pair_{self.width}_{self.precision}"
        return define(module, name, [I64] * 5, self._write_pair)

    def _write_pair(self, builder: ir.IRBuilder, arguments: Any) -> None:
        """One row of x with two panels: as many independent sums as hide the adders' latency."""
        w, y0, y, x, n = arguments
        vectors = Vectors(builder, self.width)
        step = PANEL * self.width
        size = builder.mul(n, I64(step * (2 if self.precision else 4)))
        first, second = vectors.pointer(w), vectors.pointer(builder.add(w, size))
        start, end = vectors.pointer(y0), vectors.pointer(y)
        offsets = [c * self.width for c in range(PANEL)]
        sums = [vectors.load(start, c * self.width).value for c in range(2 * PANEL)]
        weights = [(first, offsets), (second, offsets)]
        sums = self._accumulate(vectors, weights, [vectors.pointer(x)], n, step, sums)
        for c in range(2 * PANEL):
            vectors.store(Floats(vectors, sums[c]), end, c * self.width)

    def _accumulate(
        self, vectors: Vectors, weights: Any, xs: Any, n: Any, row_floats: int, sums: list[Any]
    ) -> list[Any]:
        """Add x W over all n rows of the panels to the sums, which lie in order (x row, vector)."""
        turn: Callable[..., list[Any]]
        turn = self._turn_bfloat16 if self.precision == BFLOAT16 else self._turn_float32

        def body(index: Any, carried: list[Any]) -> list[Any]:
            return turn(vectors, weights, xs, index, row_floats, carried)

        return loop(vectors.builder, I64(0), n, 2, sums, body)  # n is even: see padded

    def _turn_float32(
        self, vectors: Vectors, weights: Any, xs: Any, index: Any, row_floats: int, sums: list[Any]
    ) -> list[Any]:
        builder = vectors.builder
        for offset in range(2):
            row = builder.add(index, I64(offset))
            base = builder.mul(row, I64(row_floats))
            inputs = [vectors.broadcast(x, row) for x in xs]
            columns = [
                vectors.load(pointer, builder.add(base, I64(o)))
                for pointer, offsets in weights
                for o in offsets
            ]
            sums = [
                column.times_plus(value, Floats(vectors, sums[r * len(columns) + c])).value
                for r, value in enumerate(inputs)
                for c, column in enumerate(columns)
            ]
        return sums

    def _turn_bfloat16(
        self, vectors: Vectors, weights: Any, xs: Any, index: Any, row_floats: int, sums: list[Any]
    ) -> list[Any]:
        builder = vectors.builder
        base = builder.mul(builder.sdiv(index, I64(2)), I64(row_floats))
        words = [
            vectors.load_ints(pointer, builder.add(base, I64(o)))
            for pointer, offsets in weights
            for o in offsets
        ]
        low = [vectors.from_bits(builder.shl(word, vectors.integers(16))) for word in words]
        high = [vectors.from_bits(word) for word in words]
        for offset, columns in enumerate((low, high)):
            row = builder.add(index, I64(offset))
            inputs = [vectors.broadcast(x, row) for x in xs]
            sums = [
                column.times_plus(value, Floats(vectors, sums[r * len(columns) + c])).value
                for r, value in enumerate(inputs)
                for c, column in enumerate(columns)
            ]
        return sums


product = make_product(WIDTH)

__all__ = ["BFLOAT16", "FLOAT32", "PANEL", "make_product", "pack_matrix", "padded", "product"]
