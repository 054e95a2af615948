"""Products of a few rows with a packed matrix: y = y0 + x W, the work of every convolution step.

A packed matrix is cut into panels of up to eight vectors of columns; a panel holds its rows one
after the other, so the product with one row reads the weights in one straight line. Tiles of
outputs stay in registers: one row by eight vectors, or up to six rows by four vectors, which are
as many independent sums as hide the latency of the adders. Sizes are known at run time alone: no
other shape of network compiles anything anew.

Each output is summed in the order of the matrix's rows, whatever the number of rows of x: a
row of a batch gives bit for bit what it gives alone.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from wavestack.inference.engines.compiled.weights import (
    BFLOAT16,
    FLOAT24,
    FLOAT32,
    PANEL,
    TILE,
)
from wavestack.inference.engines.vector.simd import (
    I64,
    WIDTH,
    Floats,
    Vectors,
    define,
    fetch,
    loop,
)

_FETCHED_AHEAD = 8192  # bytes


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
        # Of a vector of columns: bytes in each row (bfloat16 holds two rows in each word), and
        # bytes to the next vector of the row.
        self.row_bytes = width * {FLOAT32: 4, BFLOAT16: 2, FLOAT24: 3}[precision]
        self.vector_bytes = width * {FLOAT32: 4, BFLOAT16: 4, FLOAT24: 3}[precision]
        # Accumulators, one weight vector and the inputs must fit the registers: 16 in AVX2.
        self.most_rows = 6 if width in (4, 16) else 3

    def product(self, module: ir.Module) -> ir.Function:
        name = f"wavestack_product_{self.width}_{self.precision}"
        return define(module, name, [I64] * 10, self._write_product)

    def _write_product(self, builder: ir.IRBuilder, arguments: Any) -> None:
        w, x, y0, y, n, m, rows, x_stride, y0_stride, y_stride = arguments
        # Strides count bytes from here on.
        strides = [builder.mul(s, I64(4)) for s in (x_stride, y0_stride, y_stride)]
        vectors = builder.sdiv(m, I64(self.width))
        single = builder.icmp_signed("==", rows, I64(1))
        column_bytes = builder.mul(n, I64(self.row_bytes))

        def panel(first: Any, _: list[Any]) -> list[Any]:
            rest = builder.sub(vectors, first)
            whole = builder.icmp_signed(">=", rest, I64(PANEL))
            count = builder.select(whole, I64(PANEL), rest)
            column = builder.mul(first, I64(4 * self.width))
            place = (
                builder.add(w, builder.mul(first, column_bytes)),
                builder.mul(self._stored(builder, count), I64(self.row_bytes)),
                builder.add(y0, column),
                builder.add(y, column),
            )
            with builder.if_else(single) as (alone, several):
                with alone:
                    self._choose_tile(builder, 1, count, PANEL, place, x, n, strides)
                with several:
                    self._cut_panel(builder, rows, count, place, x, n, strides)
            return []

        loop(builder, I64(0), vectors, PANEL, [], panel)

    def _stored(self, builder: Any, count: Any) -> Any:
        """Vectors that so many take in memory."""
        if self.precision != FLOAT24:
            return count
        return builder.and_(builder.add(count, I64(TILE - 1)), I64(-TILE))

    def _cut_panel(
        self, builder: Any, rows: Any, count: Any, place: Any, x: Any, n: Any, strides: Any
    ) -> None:
        """All rows of x with one panel: tiles of columns, in each tile most_rows at a time."""
        w, pitch, y0, y = place

        def columns(first: Any, _: list[Any]) -> list[Any]:
            rest = builder.sub(count, first)
            whole = builder.icmp_signed(">=", rest, I64(TILE))
            vectors = builder.select(whole, I64(TILE), rest)
            moved = builder.mul(first, I64(4 * self.width))
            here = (
                builder.add(w, builder.mul(first, I64(self.vector_bytes))),
                pitch,
                builder.add(y0, moved),
                builder.add(y, moved),
            )
            self._cut_rows(builder, rows, vectors, here, x, n, strides)
            return []

        loop(builder, I64(0), count, TILE, [], columns)

    def _cut_rows(
        self, builder: Any, rows: Any, count: Any, place: Any, x: Any, n: Any, strides: Any
    ) -> None:
        w, pitch, y0, y = place

        def from_row(row: Any) -> tuple[Any, Any]:
            moved = [builder.mul(row, stride) for stride in strides]
            here = (w, pitch, builder.add(y0, moved[1]), builder.add(y, moved[2]))
            return here, builder.add(x, moved[0])

        whole = builder.mul(builder.sdiv(rows, I64(self.most_rows)), I64(self.most_rows))

        def tile(row: Any, _: list[Any]) -> list[Any]:
            here, from_x = from_row(row)
            self._choose_tile(builder, self.most_rows, count, TILE, here, from_x, n, strides)
            return []

        loop(builder, I64(0), whole, self.most_rows, [], tile)
        here, from_x = from_row(whole)
        rest = builder.sub(rows, whole)
        for number in range(1, self.most_rows):
            with builder.if_then(builder.icmp_signed("==", rest, I64(number))):
                self._choose_tile(builder, number, count, TILE, here, from_x, n, strides)

    def _choose_tile(
        self,
        builder: Any,
        rows: int,
        count: Any,
        most: int,
        place: Any,
        x: Any,
        n: Any,
        strides: Any,
    ) -> None:
        """Call the tile of ``rows`` rows and of ``count`` vectors, a number up to ``most``."""
        after = builder.append_basic_block("tiled")
        cases = builder.switch(count, after)
        for number in range(1, most + 1):
            block = builder.append_basic_block(f"tile_{rows}_{number}")
            cases.add_case(I64(number), block)
            builder.position_at_end(block)
            name = f"wavestack_tile_{self.width}_{self.precision}_{rows}_{number}"

            def write(inner: ir.IRBuilder, arguments: Any, number: int = number) -> None:
                self._write_tile(inner, arguments, rows, number)

            function = define(builder.module, name, [I64] * 9, write)
            builder.call(function, [*place, x, n, *strides])
            builder.branch(after)
        builder.position_at_end(after)

    def _write_tile(self, builder: ir.IRBuilder, arguments: Any, rows: int, count: int) -> None:
        """``rows`` rows of x with ``count`` vectors of a panel."""
        w, pitch, y0, y, x, n, x_stride, y0_stride, y_stride = arguments
        vectors = Vectors(builder, self.width)

        def places(base: Any, stride: Any) -> list[Any]:
            moved = [builder.add(base, builder.mul(stride, I64(r))) for r in range(rows)]
            return [vectors.pointer(address) for address in moved]

        xs, starts, ends = places(x, x_stride), places(y0, y0_stride), places(y, y_stride)
        offsets = [c * self.width for c in range(count)]
        sums = [vectors.load(start, o).value for start in starts for o in offsets]
        turn = self._turn_bfloat16 if self.precision == BFLOAT16 else self._turn_rows

        def body(index: Any, carried: list[Any]) -> list[Any]:
            row = builder.add(w, builder.mul(index, pitch))
            if rows == 1 and self.precision != FLOAT32:
                # Smaller weights come from the second cache as fast as they are multiplied if they
                # are asked for early: 1.15x. (From farther away there is nothing to gain.)
                for line in self._lines(count):
                    fetch(builder, builder.add(row, I64(_FETCHED_AHEAD + line)))
            return turn(vectors, row, pitch, xs, index, offsets, carried)

        sums = loop(builder, I64(0), n, 2, sums, body)  # n is even: see weights.padded
        for r, end in enumerate(ends):
            for c, o in enumerate(offsets):
                vectors.store(Floats(vectors, sums[r * count + c]), end, o)

    def _lines(self, count: int) -> range:
        """Where the vectors of two rows of weights begin, in bytes."""
        stored = -(-count // TILE) * TILE if self.precision == FLOAT24 else count
        return range(0, 2 * stored * self.row_bytes, 4 * self.width)

    def _turn_rows(
        self, vectors: Vectors, w: Any, pitch: Any, xs: Any, index: Any, offsets: Any, sums: Any
    ) -> list[Any]:
        """Add two rows of the weights at address w to the sums, which lie as (x row, vector)."""
        builder = vectors.builder
        for offset, row in enumerate((w, builder.add(w, pitch))):
            pointer = vectors.pointer(row)
            if self.precision == FLOAT24:
                columns = self._unpack(vectors, pointer, len(offsets))
            else:
                columns = [vectors.load(pointer, o) for o in offsets]
            sums = self._add(vectors, xs, builder.add(index, I64(offset)), columns, sums)
        return sums

    def _unpack(self, vectors: Vectors, pointer: Any, count: int) -> list[Floats]:
        """So many vectors of 24-bit weights, see ``to_float24``."""
        builder, width = vectors.builder, self.width
        columns = []
        upper, lower = vectors.integers(0xFFFF0000), vectors.integers(0x0000FFFF)
        eight, sixteen = vectors.integers(8), vectors.integers(16)
        for group in range(0, count, TILE):
            words = [vectors.load_ints(pointer, (group // TILE * 3 + k) * width) for k in range(3)]
            third = words[2]
            tops = [top for word in words[:2] for top in (builder.shl(word, sixteen), word)]
            bottoms = [builder.shl(third, eight), third]
            bottoms += [builder.lshr(third, eight), builder.lshr(third, sixteen)]
            for top, bottom in zip(tops, bottoms, strict=True):
                word = builder.or_(builder.and_(top, upper), builder.and_(bottom, lower))
                columns.append(vectors.from_bits(word))
        return columns[:count]

    def _turn_bfloat16(
        self, vectors: Vectors, w: Any, pitch: Any, xs: Any, index: Any, offsets: Any, sums: Any
    ) -> list[Any]:
        builder = vectors.builder
        words = [vectors.load_ints(vectors.pointer(w), o) for o in offsets]
        low = [vectors.from_bits(builder.shl(word, vectors.integers(16))) for word in words]
        high = [vectors.from_bits(word) for word in words]
        for offset, columns in enumerate((low, high)):
            sums = self._add(vectors, xs, builder.add(index, I64(offset)), columns, sums)
        return sums

    def _add(
        self, vectors: Vectors, xs: Any, index: Any, columns: list[Floats], sums: list[Any]
    ) -> list[Any]:
        """The sums after one row of weights."""
        inputs = [vectors.broadcast(x, index) for x in xs]
        return [
            column.times_plus(value, Floats(vectors, sums[r * len(columns) + c])).value
            for r, value in enumerate(inputs)
            for c, column in enumerate(columns)
        ]


product = make_product(WIDTH)
