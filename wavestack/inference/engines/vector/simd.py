"""Vectors of float32 in LLVM's language, as wide as the machine's registers.

Numba leaves it to LLVM whether a loop becomes vector code. The few loops that decide the speed
are written here as vector code instead, for any width: 16 floats on AVX-512, 8 on AVX2, 4 on NEON,
and 1 (plain loops) elsewhere. ``Vectors`` writes single operations; ``Floats`` lets formulas
be read as formulas. The matrix products are in ``products``, the curves in ``curves``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import llvmlite.binding
from llvmlite import ir

I32, I64, F32 = ir.IntType(32), ir.IntType(64), ir.FloatType()

WIDTHS = {"avx512": 16, "avx2": 8, "neon": 4, "plain": 1}


def instruction_set() -> str:
    """The best set of vector instructions here: avx512, avx2, neon or plain.

    The environment variable WAVESTACK_SIMD names another one, to compare or to test.

    Raises:
        ValueError: when WAVESTACK_SIMD names no known set.
    """
    wanted = os.environ.get("WAVESTACK_SIMD")
    if wanted:
        if wanted not in WIDTHS:
            raise ValueError(f"WAVESTACK_SIMD must be one of {tuple(WIDTHS)}, got {wanted!r}")
        return wanted
    features = llvmlite.binding.get_host_cpu_features()
    if features.get("avx512f"):
        return "avx512"
    if features.get("avx2") and features.get("fma"):
        return "avx2"
    if features.get("neon") or llvmlite.binding.get_process_triple().startswith(
        ("aarch64", "arm64")
    ):
        return "neon"
    return "plain"


WIDTH = WIDTHS[instruction_set()]


class Vectors:
    """Writes operations on vectors of ``width`` floats at the builder's place.

    Args:
        builder: where the instructions go.
        width: floats in a vector.
    """

    def __init__(self, builder: ir.IRBuilder, width: int) -> None:
        self.builder = builder
        self.width = width
        self.type = ir.VectorType(F32, width)
        self.ints = ir.VectorType(I32, width)

    def pointer(self, address: Any) -> Any:
        """An integer address as a pointer."""
        return self.builder.inttoptr(address, ir.PointerType())

    def at(self, pointer: Any, index: Any, kind: Any = F32) -> Any:
        """The pointer to element ``index`` (an i64 value or a number) of float or int arrays."""
        if isinstance(index, int):
            index = I64(index)
        return self.builder.gep(pointer, [index], source_etype=kind)

    def load(self, pointer: Any, index: Any = 0) -> Floats:
        """A vector that begins at element ``index``."""
        value = self.builder.load(self.at(pointer, index), typ=self.type, align=4)
        return Floats(self, value)

    def load_ints(self, pointer: Any, index: Any = 0) -> Any:
        """Like ``load``, as 32-bit integers."""
        return self.builder.load(self.at(pointer, index), typ=self.ints, align=4)

    def store(self, value: Floats, pointer: Any, index: Any = 0) -> None:
        self.builder.store(value.value, self.at(pointer, index), align=4)

    def broadcast(self, pointer: Any, index: Any = 0) -> Floats:
        """The float at element ``index`` in every lane."""
        scalar = self.builder.load(self.at(pointer, index), typ=F32, align=4)
        return Floats(self, self.splat(scalar, self.type))

    def splat(self, scalar: Any, kind: Any) -> Any:
        """A scalar in every lane of a vector type."""
        undefined = ir.Constant(kind, ir.Undefined)
        one = self.builder.insert_element(undefined, scalar, I32(0))
        lanes = ir.Constant(ir.VectorType(I32, self.width), [0] * self.width)
        return self.builder.shuffle_vector(one, undefined, lanes)

    def constant(self, number: float) -> Floats:
        return Floats(self, ir.Constant(self.type, [number] * self.width))

    def integers(self, number: int) -> Any:
        return ir.Constant(self.ints, [number] * self.width)

    def call(self, name: str, *operands: Any) -> Any:
        """An LLVM intrinsic on vectors of one type, such as "fmuladd"."""
        kind = operands[0].type
        letter = "f" if kind == self.type else "i"
        function = declare(
            self.builder.module,
            f"llvm.{name}.v{self.width}{letter}32",
            ir.FunctionType(kind, [kind] * len(operands)),
        )
        return self.builder.call(function, operands)

    def from_bits(self, ints: Any) -> Floats:
        return Floats(self, self.builder.bitcast(ints, self.type))

    def from_ints(self, ints: Any) -> Floats:
        return Floats(self, self.builder.sitofp(ints, self.type))

    def polynomial(self, x: Floats, coefficients: Sequence[float]) -> Floats:
        """Highest power first, by Horner's rule."""
        result = self.constant(coefficients[0])
        for coefficient in coefficients[1:]:
            result = result.times_plus(x, self.constant(coefficient))
        return result


class Floats:
    """A vector of floats in a formula."""

    def __init__(self, vectors: Vectors, value: Any) -> None:
        self.vectors = vectors
        self.value = value

    def _with(self, operation: Callable[..., Any], other: Floats | float) -> Floats:
        if not isinstance(other, Floats):
            other = self.vectors.constant(other)
        return Floats(self.vectors, operation(self.value, other.value))

    def __add__(self, other: Floats | float) -> Floats:
        return self._with(self.vectors.builder.fadd, other)

    def __sub__(self, other: Floats | float) -> Floats:
        return self._with(self.vectors.builder.fsub, other)

    def __mul__(self, other: Floats | float) -> Floats:
        return self._with(self.vectors.builder.fmul, other)

    def __truediv__(self, other: Floats | float) -> Floats:
        return self._with(self.vectors.builder.fdiv, other)

    def __neg__(self) -> Floats:
        return Floats(self.vectors, self.vectors.builder.fneg(self.value))

    def times_plus(self, factor: Floats, addend: Floats) -> Floats:
        """self * factor + addend, rounded once where the machine can."""
        return Floats(
            self.vectors,
            self.vectors.call("fmuladd", self.value, factor.value, addend.value),
        )

    def clamp(self, low: float, high: float) -> Floats:
        return self.at_least(low).at_most(high)

    def at_least(self, low: float) -> Floats:
        """The greater one; NaN stays NaN."""
        bound = self.vectors.constant(low)
        below = self.vectors.builder.fcmp_ordered("<", self.value, bound.value)
        return Floats(self.vectors, self.vectors.builder.select(below, bound.value, self.value))

    def at_most(self, high: float) -> Floats:
        """The lesser one; NaN stays NaN."""
        bound = self.vectors.constant(high)
        above = self.vectors.builder.fcmp_ordered(">", self.value, bound.value)
        return Floats(self.vectors, self.vectors.builder.select(above, bound.value, self.value))

    def round(self) -> tuple[Floats, Any]:
        """The nearest whole number (below 2^22), as floats and as integers."""
        # Adding 1.5 * 2^23 leaves no bits behind the point, and the number in the lowest ones.
        magic = self + 12582912.0
        ints = self.vectors.builder.sub(magic.bits(), self.vectors.integers(0x4B400000))
        return magic - 12582912.0, ints

    def bits(self) -> Any:
        return self.vectors.builder.bitcast(self.value, self.vectors.ints)


def declare(module: ir.Module, name: str, kind: ir.FunctionType) -> ir.Function:
    """The module's function of that name, declared once."""
    found = module.globals.get(name)
    return found if found is not None else ir.Function(module, kind, name)


def fetch(builder: ir.IRBuilder, address: Any) -> None:
    """Ask for the cache line at an address, which will be read soon."""
    kind = ir.FunctionType(ir.VoidType(), [ir.PointerType(), I32, I32, I32])
    function = declare(builder.module, "llvm.prefetch.p0", kind)
    pointer = builder.inttoptr(address, ir.PointerType())
    read, keep_near, data = I32(0), I32(3), I32(1)
    builder.call(function, [pointer, read, keep_near, data])


def define(
    module: ir.Module,
    name: str,
    argument_types: Sequence[Any],
    write: Callable[[ir.IRBuilder, Sequence[Any]], None],
    *,
    inline: bool = False,
) -> ir.Function:
    """The module's own void function of that name, written on first use."""
    found = module.globals.get(name)
    if found is not None:
        return found
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), argument_types), name)
    function.linkage = "internal"
    function.attributes.add("alwaysinline" if inline else "noinline")
    function.attributes.add("nounwind")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    write(builder, function.args)
    builder.ret_void()
    return function


def loop(
    builder: ir.IRBuilder,
    start: Any,
    stop: Any,
    step: int,
    carried: Sequence[Any],
    body: Callable[[Any, list[Any]], list[Any]],
) -> list[Any]:
    """for i in range(start, stop, step), with values carried in registers from turn to turn.

    The test comes first, so there may be no turn at all.

    Args:
        carried: the values before the first turn.
        body: writes a turn, given i and the carried values; returns their next values.

    Returns:
        the carried values after the last turn.
    """
    before = builder.block
    head = builder.append_basic_block("head")
    turn = builder.append_basic_block("turn")
    after = builder.append_basic_block("after")
    builder.branch(head)
    builder.position_at_end(head)
    index = builder.phi(I64)
    index.add_incoming(start, before)
    values = []
    for value in carried:
        phi = builder.phi(value.type)
        phi.add_incoming(value, before)
        values.append(phi)
    builder.cbranch(builder.icmp_signed("<", index, stop), turn, after)
    builder.position_at_end(turn)
    following = body(index, values)
    index.add_incoming(builder.add(index, I64(step)), builder.block)
    for phi, value in zip(values, following, strict=True):
        phi.add_incoming(value, builder.block)
    builder.branch(head)
    builder.position_at_end(after)
    return values
