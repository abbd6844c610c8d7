"""Op sheet: numbers as the machine holds them: signs, powers of two, neighbours, infinity and NaN, bits, divisors."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minigrad.ops.elementwise import eq, isfinite, mul, power, sign, where
from minigrad.ops.op import cast, op
from minigrad.ops.promotion import FLOAT64

# --------------------------------------------------------------------------------------------------------------
# Signs


@op(promote="float")
def copysign(xp: Any, a: Any, b: Any, /) -> Any:
    """|a| with the sign of b, which 0 has too;   d = sign(a) sign(y) da, 0 at a = 0"""
    return xp.copysign(a, b)


@op(promote="exact")
def heaviside(xp: Any, x: Any, values: Any, /) -> Any:
    """0 for x < 0, values at 0, 1 for x > 0;   d = dvalues at 0, else 0"""
    return xp.where(x == 0, values, (x > 0).astype(x.dtype))


@op(promote=None)
def signbit(xp: Any, x: Any, /) -> Any:
    """whether x carries a minus sign, which 0 can do too"""
    return xp.signbit(x) if x.dtype.kind == "f" else x < 0


copysign.derivative(a=lambda g, y, a: g * (sign(a) * sign(y)), b=lambda g: g * 0)
heaviside.derivative(x=lambda g: g * 0, values=lambda g, x: where(eq(x, 0), g, 0.0))


def positive(input: Any) -> Any:
    """Return ``input`` itself, as ``+x`` does; booleans have no sign and are refused."""
    if input.dtype.kind == "b":
        raise RuntimeError("positive: expected numbers, got a tensor of bool; convert it with x.int()")
    return input


# --------------------------------------------------------------------------------------------------------------
# Powers of two, and the numbers in between


class MantissaExponent(NamedTuple):
    """What ``frexp`` returns: x = mantissa * 2^exponent, where the mantissa's size is from 1/2 to 1."""

    mantissa: Any
    exponent: Any


@op(promote=None)
def _mantissa(xp: Any, x: Any, exponent: Any, /) -> Any:
    """x / 2^exponent, brought between 1/2 and 1;   d = dx / 2^exponent"""
    return xp.frexp(x)[0]


@op(promote=None)
def _exponent(xp: Any, x: Any, /) -> Any:
    """the integer e for which x / 2^e lies between 1/2 and 1"""
    return xp.frexp(x)[1].astype(np.int32)


_mantissa.derivative(x=lambda g, exponent: g * power(2.0, cast(-exponent, g.dtype)))


def frexp(input: Any) -> MantissaExponent:
    """Split x into a mantissa from 1/2 to 1 and a power of two: x = mantissa * 2^exponent.

    >>> import minigrad
    >>> minigrad.frexp(minigrad.tensor([6.0])).mantissa  # 6 = 0.75 * 2^3
    tensor([0.7500])
    """
    if input.dtype.kind != "f":
        raise RuntimeError(f"frexp: expected a floating tensor, got {input.dtype}; call x.float()")
    exponent = _exponent(input)
    return MantissaExponent(_mantissa(input, exponent), exponent)


def ldexp(input: Any, other: Any) -> Any:
    """Return x * 2^other."""
    return mul(input, power(2.0, other))


def float_power(input: Any, exponent: Any) -> Any:
    """Return input^exponent, computed in float64 whatever the dtypes are."""
    return power(*(cast(x, FLOAT64) if hasattr(x, "dtype") and x.dtype != FLOAT64 else x for x in (input, exponent)))


@op
def nextafter(xp: Any, a: Any, b: Any, /) -> Any:
    """the next number of this dtype from a towards b;   d = da"""
    return xp.nextafter(a, b)


nextafter.derivative(a=lambda g: g, b=lambda g: g * 0)

# --------------------------------------------------------------------------------------------------------------
# Infinity and NaN


@op(promote=None)
def nan_to_num(xp: Any, x: Any, /, nan: float | None = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """numbers in place of NaN, inf and -inf, by default 0 and the largest there are;   d = dx where x is finite"""
    return xp.nan_to_num(x, nan=nan or 0.0, posinf=posinf, neginf=neginf)


nan_to_num.derivative(x=lambda g, x: where(isfinite(x), g, 0.0))


@op(promote=None)
def isposinf(xp: Any, x: Any, /) -> Any:
    """x is inf"""
    return x == xp.inf


@op(promote=None)
def isneginf(xp: Any, x: Any, /) -> Any:
    """x is -inf"""
    return x == -xp.inf


@op(promote=None)
def isreal(xp: Any, x: Any, /) -> Any:
    """true: there are no complex numbers here"""
    return xp.ones(x.shape, bool)


# --------------------------------------------------------------------------------------------------------------
# Integers


def _check_integers(a: Any, b: Any, kinds: str = "iu") -> None:
    for x in (a, b):
        dtype = getattr(x, "dtype", np.dtype(type(x)))
        if dtype.kind not in kinds:
            raise TypeError(f"expected integers, got {dtype}")


@op
def gcd(xp: Any, a: Any, b: Any, /) -> Any:
    """the greatest common divisor, of integers"""
    _check_integers(a, b)
    return xp.gcd(a, b)


@op
def lcm(xp: Any, a: Any, b: Any, /) -> Any:
    """the least common multiple, of integers"""
    _check_integers(a, b)
    return xp.lcm(a, b)


@op
def bitwise_left_shift(xp: Any, a: Any, b: Any, /) -> Any:
    """a << b: a 2^b, of integers"""
    _check_integers(a, b, "iub")
    return a << b


@op
def bitwise_right_shift(xp: Any, a: Any, b: Any, /) -> Any:
    """a >> b: a / 2^b rounded down, of integers"""
    _check_integers(a, b, "iub")
    return a >> b
