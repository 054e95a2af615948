"""Memory by its address: aligned buffers, tables of numbers, and flags between threads."""

from __future__ import annotations

import sys

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from wavestack.inference.engines.vector.simd import F32, I64, declare, fetch, loop

_LINE = 64  # bytes of a cache line: a vector across two of them costs two loads
_HUGE_PAGE = 1 << 21
_ADVISED = 1 << 22  # from this size on numpy asks Linux for huge pages


def aligned_zeros(count: int) -> NDArray[np.float32]:
    """Zeros that begin at a cache line; in huge pages where there is enough to fill a part of one.

    A core reads weights beyond its own caches up to a fifth faster from huge pages.
    """
    size = 4 * count
    alignment = _HUGE_PAGE if size >= _HUGE_PAGE // 4 else _LINE
    room = max(size, _ADVISED) if alignment == _HUGE_PAGE else size
    raw = np.zeros(room + alignment, np.uint8)
    start = -raw.ctypes.data % alignment
    return raw[start : start + size].view(np.float32)


@intrinsic
def field(context, table, index):  # type: ignore[no-untyped-def]
    """Entry ``index`` of a table of 64-bit numbers at an address."""

    def code(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        pointer = builder.inttoptr(arguments[0], ir.PointerType())
        return builder.load(builder.gep(pointer, [arguments[1]], source_etype=I64), typ=I64)

    return types.int64(types.int64, types.int64), code


@intrinsic
def set_field(context, table, index, value):  # type: ignore[no-untyped-def]
    """Change entry ``index`` of a table of 64-bit numbers at an address."""

    def code(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        pointer = builder.inttoptr(arguments[0], ir.PointerType())
        builder.store(arguments[2], builder.gep(pointer, [arguments[1]], source_etype=I64))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), code


@intrinsic
def load_float(context, address, index):  # type: ignore[no-untyped-def]
    """The float at ``index`` from ``address`` on, as a double."""

    def code(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        pointer = builder.inttoptr(arguments[0], ir.PointerType())
        place = builder.gep(pointer, [arguments[1]], source_etype=F32)
        return builder.fpext(builder.load(place, typ=F32), ir.DoubleType())

    return types.float64(types.int64, types.int64), code


@intrinsic
def store_float(context, address, index, value):  # type: ignore[no-untyped-def]
    """Put a double, rounded to float, at ``index`` from ``address`` on."""

    def code(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        pointer = builder.inttoptr(arguments[0], ir.PointerType())
        place = builder.gep(pointer, [arguments[1]], source_etype=F32)
        builder.store(builder.fptrunc(arguments[2], F32), place)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.float64), code


@intrinsic
def load_flag(context, address):  # type: ignore[no-untyped-def]
    """A number another thread wrote; everything it wrote before is seen from here on."""

    def code(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        pointer = builder.inttoptr(arguments[0], ir.PointerType())
        return builder.load_atomic(pointer, "acquire", 8, typ=I64)

    return types.int64(types.int64), code


@intrinsic
def store_flag(context, address, value):  # type: ignore[no-untyped-def]
    """Publish a number, and with it everything written before."""

    def code(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        pointer = builder.inttoptr(arguments[0], I64.as_pointer())
        builder.store_atomic(arguments[1], pointer, "release", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), code


@intrinsic
def give_way(context):  # type: ignore[no-untyped-def]
    """Offer this core to another thread: waiting must not keep the awaited from running."""

    def code(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        name = "SwitchToThread" if sys.platform == "win32" else "sched_yield"
        function = declare(builder.module, name, ir.FunctionType(ir.IntType(32), []))
        builder.call(function, [])
        return context.get_dummy_value()

    return types.void(), code


@intrinsic
def pause(context):  # type: ignore[no-untyped-def]
    """Tell the core that this is a waiting loop."""

    def code(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        if builder.module.triple.startswith(("x86_64", "i686")):
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(declare(builder.module, "llvm.x86.sse2.pause", kind), [])
        return context.get_dummy_value()

    return types.void(), code


@intrinsic
def prefetch(context, address, size):  # type: ignore[no-untyped-def]
    """Ask for so many bytes that will be read soon."""

    def code(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        def line(index, _):  # type: ignore[no-untyped-def]
            fetch(builder, builder.add(arguments[0], index))
            return []

        loop(builder, I64(0), arguments[1], _LINE, [], line)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), code
