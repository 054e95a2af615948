"""tanh, sigmoid, exp and log on whole vectors, to about the last bit of a float32.

tanh is the quotient of two polynomials, so a gate tanh(f) * sigmoid(g) costs one division.

References:
    The polynomials of exp and log: Moshier, Cephes Mathematical Library (expf, logf). The quotient
    for tanh: minimax over |x| < 7.9, beyond which float32 holds nothing but ±1, as in Eigen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from wavestack.inference.engines.vector.simd import I64, WIDTH, Floats, Vectors, define, loop

_TANH_LIMIT = 7.90531110763549805
_TANH_ODD = (
    -2.76076847742355e-16,
    2.00018790482477e-13,
    -8.60467152213735e-11,
    5.12229709037114e-08,
    1.48572235717979e-05,
    6.37261928875436e-04,
    4.89352455891786e-03,
)
_TANH_EVEN = (
    1.19825839466702e-06,
    1.18534705686654e-04,
    2.26843463243900e-03,
    4.89352518554385e-03,
)
_EXP = (
    1.9875691500e-4,
    1.3981999507e-3,
    8.3334519073e-3,
    4.1665795894e-2,
    1.6666665459e-1,
    5.0000001201e-1,
)
_LOG = (
    7.0376836292e-2,
    -1.1514610310e-1,
    1.1676998740e-1,
    -1.2420140846e-1,
    1.4249322787e-1,
    -1.6668057665e-1,
    2.0000714765e-1,
    -2.4999993993e-1,
    3.3333331174e-1,
)


def tanh_quotient(x: Floats) -> tuple[Floats, Floats]:
    """tanh(x) as numerator and denominator, the latter > 0."""
    x = x.clamp(-_TANH_LIMIT, _TANH_LIMIT)
    square = x * x
    return x * x.vectors.polynomial(square, _TANH_ODD), x.vectors.polynomial(square, _TANH_EVEN)


def tanh(x: Floats) -> Floats:
    p, q = tanh_quotient(x)
    return p / q


def sigmoid(x: Floats) -> Floats:
    """sigmoid(x) = (1 + tanh(x / 2)) / 2."""
    p, q = tanh_quotient(x * 0.5)
    return (p + q) / (q + q)


def gate(f: Floats, g: Floats) -> Floats:
    """tanh(f) * sigmoid(g)."""
    p, q = tanh_quotient(f)
    r, s = tanh_quotient(g * 0.5)
    return (p * (r + s)) / (q * (s + s))


def half_gate(f: Floats, h: Floats) -> Floats:
    """tanh(f) * (1 + tanh(h)): twice the gate whose g is 2 h, as ``Plan`` lays the weights out."""
    p, q = tanh_quotient(f)
    r, s = tanh_quotient(h)
    return (p * (r + s)) / (q * s)


def exp(x: Floats) -> Floats:
    """e^x = 2^k e^r with |r| <= log(2) / 2; arguments beyond ±87 are taken as ±87."""
    vectors = x.vectors
    x = x.clamp(-87.0, 87.0)
    k, whole = (x * 1.44269504088896341).round()
    r = k.times_plus(vectors.constant(-0.693359375), x)
    r = k.times_plus(vectors.constant(2.12194440e-4), r)
    series = vectors.polynomial(r, _EXP).times_plus(r * r, r) + 1.0
    power = vectors.builder.add(whole, vectors.integers(127))
    return series * vectors.from_bits(vectors.builder.shl(power, vectors.integers(23)))


def log(x: Floats) -> Floats:
    """The natural logarithm of normal numbers > 0, exact in its relative error near 1 too."""
    vectors, builder = x.vectors, x.vectors.builder
    # x = 2^k m with sqrt(1/2) <= m < sqrt(2).
    shifted = builder.sub(x.bits(), vectors.integers(0x3F3504F3))
    k = vectors.from_ints(builder.ashr(shifted, vectors.integers(23)))
    low = builder.and_(shifted, vectors.integers(0x007FFFFF))
    r = vectors.from_bits(builder.add(low, vectors.integers(0x3F3504F3))) - 1.0
    square = r * r
    y = vectors.polynomial(r, _LOG) * (r * square)
    y = k.times_plus(vectors.constant(-2.12194440e-4), y)
    y = square.times_plus(vectors.constant(-0.5), y)
    return k.times_plus(vectors.constant(0.693359375), r + y)


def elementwise(
    name: str, write: Callable[..., Floats], num_inputs: int, width: int = WIDTH
) -> Any:
    """A function of vectors as a loop over arrays, to be called from compiled code.

    Args:
        name: tells this function from all others.
        write: ``num_inputs`` vectors to one.

    Returns:
        ``function(input, ..., output, count)``: addresses, then the number of floats, a multiple of
        ``width``. The output may be one of the inputs.
    """
    name = f"wavestack_{name}_{width}"

    def body(builder: ir.IRBuilder, arguments: Any) -> None:
        vectors = Vectors(builder, width)
        *inputs, output = [vectors.pointer(a) for a in arguments[:-1]]

        def turn(index: Any, _: list[Any]) -> list[Any]:
            value = write(*(vectors.load(pointer, index) for pointer in inputs))
            vectors.store(value, output, index)
            return []

        loop(builder, I64(0), arguments[-1], width, [], turn)

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        function = define(builder.module, name, [I64] * (num_inputs + 2), body)
        builder.call(function, arguments)
        return context.get_dummy_value()

    signature = types.void(*[types.int64] * (num_inputs + 2))
    if num_inputs == 1:

        @intrinsic
        def of_one(context, x, y, count):  # type: ignore[no-untyped-def]
            return signature, code

        return of_one

    @intrinsic
    def of_two(context, a, b, y, count):  # type: ignore[no-untyped-def]
        return signature, code

    return of_two


half_gate_rows = elementwise("half_gate", half_gate, 2)
relu_rows = elementwise("relu", lambda x: x.at_least(0.0), 1)
copy_rows = elementwise("copy", lambda x: x, 1)
