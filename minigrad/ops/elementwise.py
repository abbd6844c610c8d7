"""Op sheet: arithmetic, powers, exponentials, trigonometry, comparisons, and choosing between values.

Each entry is a forward on arrays and, beside it, the derivative. Kinks and ties follow PyTorch: ``abs`` has slope 0
at 0, ``maximum`` of equals gives half to each, ``clamp`` has slope 1 at its bounds.
"""

from __future__ import annotations

import math
from typing import Any

from minigrad.backend import is_array
from minigrad.ops.op import op
from minigrad.ops.promotion import result_type

# --------------------------------------------------------------------------------------------------------------
# Arithmetic


@op
def add(xp: Any, a: Any, b: Any, /) -> Any:
    """a + b;   d = da + db"""
    return a + b


@op
def sub(xp: Any, a: Any, b: Any, /) -> Any:
    """a - b;   d = da - db"""
    return a - b


@op
def mul(xp: Any, a: Any, b: Any, /) -> Any:
    """a b;   d = b da + a db"""
    return a * b


@op(promote="float")
def div(xp: Any, a: Any, b: Any, /) -> Any:
    """a / b;   d = da / b - (a / b^2) db"""
    return a / b


@op
def neg(xp: Any, x: Any, /) -> Any:
    """-x;   d = -dx"""
    return -x


add.derivative(a=lambda g: g, b=lambda g: g)
sub.derivative(a=lambda g: g, b=lambda g: -g)
mul.derivative(a=lambda g, b: g * b, b=lambda g, a: g * a)
div.derivative(a=lambda g, b: g / b, b=lambda g, y, b: -g * y / b)
neg.derivative(x=lambda g: -g)


@op
def lerp(xp: Any, a: Any, b: Any, weight: Any, /) -> Any:
    """a + w (b - a), from a at w = 0 to b at w = 1;   d = (1 - w) da + w db + (b - a) dw"""
    return a + weight * (b - a)


lerp.derivative(
    a=lambda g, weight: g * (1 - weight), b=lambda g, weight: g * weight, weight=lambda g, a, b: g * (b - a)
)

# --------------------------------------------------------------------------------------------------------------
# Powers and roots


@op(name="pow")
def power(xp: Any, a: Any, b: Any, /) -> Any:
    """a^b;   d = b a^(b-1) da + a^b log(a) db"""
    if type(b) in (int, float) and 2 < b <= 8 and b == int(b) and is_array(a) and a.dtype.kind == "f":
        return _whole_power(a, int(b))
    return a**b


def _whole_power(a: Any, n: int) -> Any:
    """Return a^n from a, a^2, a^4 ...: of negative numbers NumPy's own takes a hundred times as long."""
    y = a if n % 2 else None
    while n := n // 2:
        a = a * a
        if n % 2:
            y = a if y is None else y * a
    return y


def _power_base(g: Any, a: Any, b: Any) -> Any:
    if isinstance(b, (int, float)):
        return g * 0 if b == 0 else g * (2 * a) if b == 2 else g * (b * a ** (b - 1))
    # 0 * 0^(-1) would be 0 * inf: where the exponent is 0, the slope is 0, also at a = 0.
    zero = b == 0
    return where(zero, 0.0, g * (b * a ** (where(zero, 1.0, b) - 1)))


def _power_exponent(g: Any, y: Any, a: Any, b: Any) -> Any:
    if isinstance(a, (int, float)) and a > 0:
        return g * (y * math.log(a))
    # 0^b stays 0 for b >= 0, whatever log(0) says.
    zero = logical_and(eq(a, 0), ge(b, 0))
    return where(zero, 0.0, g * (y * log(where(zero, 1.0, a))))


power.derivative(a=_power_base, b=_power_exponent)


@op
def square(xp: Any, x: Any, /) -> Any:
    """x^2;   d = 2x dx"""
    return x * x


@op(promote="float")
def sqrt(xp: Any, x: Any, /) -> Any:
    """sqrt(x);   d = dx / (2 sqrt(x))"""
    return xp.sqrt(x)


@op(promote="float")
def rsqrt(xp: Any, x: Any, /) -> Any:
    """1 / sqrt(x);   d = -1/2 x^(-3/2) dx"""
    return 1 / xp.sqrt(x)


@op(promote="float")
def reciprocal(xp: Any, x: Any, /) -> Any:
    """1 / x;   d = -dx / x^2"""
    return 1 / x


square.derivative(x=lambda g, x: g * (2 * x))
sqrt.derivative(x=lambda g, y: g / (2 * y))
rsqrt.derivative(x=lambda g, y: -0.5 * g * (y * y * y))
reciprocal.derivative(x=lambda g, y: -g * (y * y))


@op(promote="float")
def hypot(xp: Any, a: Any, b: Any, /) -> Any:
    """sqrt(a^2 + b^2), without overflow;   d = (a da + b db) / y"""
    return xp.hypot(a, b)


hypot.derivative(a=lambda g, y, a: g * (a / y), b=lambda g, y, b: g * (b / y))

# --------------------------------------------------------------------------------------------------------------
# Exponentials and logarithms


@op(promote="float")
def exp(xp: Any, x: Any, /) -> Any:
    """e^x;   d = e^x dx"""
    return xp.exp(x)


@op(promote="float")
def exp2(xp: Any, x: Any, /) -> Any:
    """2^x;   d = log(2) 2^x dx"""
    return xp.exp2(x)


@op(promote="float")
def expm1(xp: Any, x: Any, /) -> Any:
    """e^x - 1, exact near 0;   d = e^x dx"""
    return xp.expm1(x)


@op(promote="float")
def log(xp: Any, x: Any, /) -> Any:
    """log(x), natural;   d = dx / x"""
    return xp.log(x)


@op(promote="float")
def log2(xp: Any, x: Any, /) -> Any:
    """log2(x);   d = dx / (x log(2))"""
    return xp.log2(x)


@op(promote="float")
def log10(xp: Any, x: Any, /) -> Any:
    """log10(x);   d = dx / (x log(10))"""
    return xp.log10(x)


@op(promote="float")
def log1p(xp: Any, x: Any, /) -> Any:
    """log(1 + x), exact near 0;   d = dx / (1 + x)"""
    return xp.log1p(x)


@op(promote="float")
def logaddexp(xp: Any, a: Any, b: Any, /) -> Any:
    """log(e^a + e^b), without overflow;   d = e^(a-y) da + e^(b-y) db"""
    return xp.logaddexp(a, b)


@op(promote="float")
def logaddexp2(xp: Any, a: Any, b: Any, /) -> Any:
    """log2(2^a + 2^b), without overflow;   d = 2^(a-y) da + 2^(b-y) db"""
    return xp.logaddexp2(a, b)


exp.derivative(x=lambda g, y: g * y)
exp2.derivative(x=lambda g, y: g * (y * math.log(2)))
expm1.derivative(x=lambda g, y: g * (y + 1))
log.derivative(x=lambda g, x: g / x)
log2.derivative(x=lambda g, x: g / (x * math.log(2)))
log10.derivative(x=lambda g, x: g / (x * math.log(10)))
log1p.derivative(x=lambda g, x: g / (1 + x))
logaddexp.derivative(a=lambda g, y, a: g * exp(a - y), b=lambda g, y, b: g * exp(b - y))
logaddexp2.derivative(a=lambda g, y, a: g * exp2(a - y), b=lambda g, y, b: g * exp2(b - y))

# --------------------------------------------------------------------------------------------------------------
# Trigonometric and hyperbolic functions


@op(promote="float")
def deg2rad(xp: Any, x: Any, /) -> Any:
    """x pi / 180: degrees as radians;   d = pi / 180 dx"""
    return x * (math.pi / 180)


@op(promote="float")
def rad2deg(xp: Any, x: Any, /) -> Any:
    """x 180 / pi: radians as degrees;   d = 180 / pi dx"""
    return x * (180 / math.pi)


deg2rad.derivative(x=lambda g: deg2rad(g))
rad2deg.derivative(x=lambda g: rad2deg(g))


@op(promote="float")
def sin(xp: Any, x: Any, /) -> Any:
    """sin(x);   d = cos(x) dx"""
    return xp.sin(x)


@op(promote="float")
def cos(xp: Any, x: Any, /) -> Any:
    """cos(x);   d = -sin(x) dx"""
    return xp.cos(x)


@op(promote="float")
def tan(xp: Any, x: Any, /) -> Any:
    """tan(x);   d = (1 + tan(x)^2) dx"""
    return xp.tan(x)


@op(promote="float")
def asin(xp: Any, x: Any, /) -> Any:
    """arcsin(x);   d = dx / sqrt(1 - x^2)"""
    return xp.arcsin(x)


@op(promote="float")
def acos(xp: Any, x: Any, /) -> Any:
    """arccos(x);   d = -dx / sqrt(1 - x^2)"""
    return xp.arccos(x)


@op(promote="float")
def atan(xp: Any, x: Any, /) -> Any:
    """arctan(x);   d = dx / (1 + x^2)"""
    return xp.arctan(x)


@op(promote="float")
def atan2(xp: Any, a: Any, b: Any, /) -> Any:
    """the angle of the point (b, a);   d = (b da - a db) / (a^2 + b^2)"""
    return xp.arctan2(a, b)


sin.derivative(x=lambda g, x: g * cos(x))
cos.derivative(x=lambda g, x: -g * sin(x))
tan.derivative(x=lambda g, y: g * (1 + y * y))
asin.derivative(x=lambda g, x: g * rsqrt(1 - x * x))
acos.derivative(x=lambda g, x: -g * rsqrt(1 - x * x))
atan.derivative(x=lambda g, x: g / (1 + x * x))
atan2.derivative(a=lambda g, a, b: g * (b / (a * a + b * b)), b=lambda g, a, b: -g * (a / (a * a + b * b)))


@op(promote="float")
def sinh(xp: Any, x: Any, /) -> Any:
    """sinh(x) = (e^x - e^-x) / 2;   d = cosh(x) dx"""
    return xp.sinh(x)


@op(promote="float")
def cosh(xp: Any, x: Any, /) -> Any:
    """cosh(x) = (e^x + e^-x) / 2;   d = sinh(x) dx"""
    return xp.cosh(x)


@op(promote="float")
def tanh(xp: Any, x: Any, /) -> Any:
    """tanh(x) = sinh(x) / cosh(x);   d = (1 - tanh(x)^2) dx"""
    return xp.tanh(x)


@op(promote="float")
def asinh(xp: Any, x: Any, /) -> Any:
    """arsinh(x);   d = dx / sqrt(x^2 + 1)"""
    return xp.arcsinh(x)


@op(promote="float")
def acosh(xp: Any, x: Any, /) -> Any:
    """arcosh(x), for x >= 1;   d = dx / sqrt(x^2 - 1)"""
    return xp.arccosh(x)


@op(promote="float")
def atanh(xp: Any, x: Any, /) -> Any:
    """artanh(x), for |x| < 1;   d = dx / (1 - x^2)"""
    return xp.arctanh(x)


sinh.derivative(x=lambda g, x: g * cosh(x))
cosh.derivative(x=lambda g, x: g * sinh(x))
tanh.derivative(x=lambda g, y: g * (1 - y * y))
asinh.derivative(x=lambda g, x: g * rsqrt(x * x + 1))
acosh.derivative(x=lambda g, x: g * rsqrt(x * x - 1))
atanh.derivative(x=lambda g, x: g / (1 - x * x))

# --------------------------------------------------------------------------------------------------------------
# Absolute value, sign, rounding: flat pieces and kinks


@op(name="abs")
def absolute(xp: Any, x: Any, /) -> Any:
    """|x|;   d = sign(x) dx, 0 at the kink"""
    return xp.abs(x)


@op
def sign(xp: Any, x: Any, /) -> Any:
    """-1, 0 or 1;   d = 0"""
    return xp.sign(x)


@op
def floor(xp: Any, x: Any, /) -> Any:
    """the largest integer <= x;   d = 0"""
    return xp.floor(x)


@op
def ceil(xp: Any, x: Any, /) -> Any:
    """the smallest integer >= x;   d = 0"""
    return xp.ceil(x)


@op(name="round")
def round_(xp: Any, x: Any, /, decimals: int = 0) -> Any:
    """the nearest integer, halves to the even one;   d = 0"""
    return xp.round(x, decimals)


@op
def trunc(xp: Any, x: Any, /) -> Any:
    """x without its fraction, towards 0;   d = 0"""
    return xp.trunc(x)


@op
def frac(xp: Any, x: Any, /) -> Any:
    """x - trunc(x);   d = dx"""
    return x - xp.trunc(x)


absolute.derivative(x=lambda g, x: g * sign(x))
frac.derivative(x=lambda g: g)
for staircase in (sign, floor, ceil, round_, trunc):
    staircase.derivative(x=lambda g: g * 0)


@op
def floor_divide(xp: Any, a: Any, b: Any, /) -> Any:
    """floor(a / b), a staircase;   d = 0"""
    return a // b


@op
def remainder(xp: Any, a: Any, b: Any, /) -> Any:
    """a - b floor(a / b), with the sign of b;   d = da - floor(a / b) db"""
    return a % b


@op
def fmod(xp: Any, a: Any, b: Any, /) -> Any:
    """a - b trunc(a / b), with the sign of a;   d = da - trunc(a / b) db"""
    return xp.fmod(a, b)


floor_divide.derivative(a=lambda g: g * 0, b=lambda g: g * 0)
remainder.derivative(a=lambda g: g, b=lambda g, a, b: -g * floor_divide(a, b))
fmod.derivative(a=lambda g: g, b=lambda g, a, b: -g * trunc(a / b))

# --------------------------------------------------------------------------------------------------------------
# Comparisons and logic: no derivative, the results are true or false


@op
def eq(xp: Any, a: Any, b: Any, /) -> Any:
    """a == b"""
    return xp.equal(a, b)


@op
def ne(xp: Any, a: Any, b: Any, /) -> Any:
    """a != b"""
    return xp.not_equal(a, b)


@op
def lt(xp: Any, a: Any, b: Any, /) -> Any:
    """a < b"""
    return xp.less(a, b)


@op
def le(xp: Any, a: Any, b: Any, /) -> Any:
    """a <= b"""
    return xp.less_equal(a, b)


@op
def gt(xp: Any, a: Any, b: Any, /) -> Any:
    """a > b"""
    return xp.greater(a, b)


@op
def ge(xp: Any, a: Any, b: Any, /) -> Any:
    """a >= b"""
    return xp.greater_equal(a, b)


@op
def isnan(xp: Any, x: Any, /) -> Any:
    """x is not a number"""
    return xp.isnan(x)


@op
def isinf(xp: Any, x: Any, /) -> Any:
    """x is inf or -inf"""
    return xp.isinf(x)


@op
def isfinite(xp: Any, x: Any, /) -> Any:
    """x is neither infinite nor NaN"""
    return xp.isfinite(x)


@op
def isclose(xp: Any, a: Any, b: Any, /, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """|a - b| <= atol + rtol |b|"""
    return xp.isclose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan)


@op(promote=None)
def logical_and(xp: Any, a: Any, b: Any, /) -> Any:
    """a and b, where everything but 0 is true"""
    return xp.logical_and(a, b)


@op(promote=None)
def logical_or(xp: Any, a: Any, b: Any, /) -> Any:
    """a or b, where everything but 0 is true"""
    return xp.logical_or(a, b)


@op(promote=None)
def logical_xor(xp: Any, a: Any, b: Any, /) -> Any:
    """either a or b, where everything but 0 is true"""
    return xp.logical_xor(a, b)


@op(promote=None)
def logical_not(xp: Any, x: Any, /) -> Any:
    """x is 0"""
    return xp.logical_not(x)


@op
def bitwise_and(xp: Any, a: Any, b: Any, /) -> Any:
    """a & b, on the bits of integers or on booleans"""
    return a & b


@op
def bitwise_or(xp: Any, a: Any, b: Any, /) -> Any:
    """a | b, on the bits of integers or on booleans"""
    return a | b


@op
def bitwise_xor(xp: Any, a: Any, b: Any, /) -> Any:
    """a ^ b, on the bits of integers or on booleans"""
    return a ^ b


@op
def bitwise_not(xp: Any, x: Any, /) -> Any:
    """~x, on the bits of integers or on booleans"""
    return ~x


# --------------------------------------------------------------------------------------------------------------
# Choosing between values


@op
def maximum(xp: Any, a: Any, b: Any, /) -> Any:
    """the larger of a and b;   d = da where a > db, db where a < b, half of each where they are equal"""
    return xp.maximum(a, b)


@op
def minimum(xp: Any, a: Any, b: Any, /) -> Any:
    """the smaller of a and b;   d = da where a < b, db where a > b, half of each where they are equal"""
    return xp.minimum(a, b)


maximum.derivative(
    a=lambda g, a, b: g * (a > b) + 0.5 * g * (a == b), b=lambda g, a, b: g * (a < b) + 0.5 * g * (a == b)
)
minimum.derivative(
    a=lambda g, a, b: g * (a < b) + 0.5 * g * (a == b), b=lambda g, a, b: g * (a > b) + 0.5 * g * (a == b)
)


@op(apart=("condition",))
def where(xp: Any, condition: Any, a: Any, b: Any, /) -> Any:
    """a where condition holds, else b;   d = da where it holds, else db"""
    y = xp.where(condition, a, b)
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):  # of two numbers NumPy makes float64
        y = y.astype(result_type(a, b))
    return y


# Not g * condition: an infinite g times False would be NaN.
where.derivative(a=lambda g, condition: where(condition, g, 0.0), b=lambda g, condition: where(condition, 0.0, g))


@op
def fmax(xp: Any, a: Any, b: Any, /) -> Any:
    """the larger of a and b, where one is NaN the other;   d = da where a is taken or equal, else db"""
    return xp.fmax(a, b)


@op
def fmin(xp: Any, a: Any, b: Any, /) -> Any:
    """the smaller of a and b, where one is NaN the other;   d = da where a is taken or equal, else db"""
    return xp.fmin(a, b)


# b != b is true of NaN alone.
fmax.derivative(
    a=lambda g, a, b: where(logical_or(a >= b, b != b), g, 0.0),
    b=lambda g, a, b: where(logical_or(a >= b, b != b), 0.0, g),
)
fmin.derivative(
    a=lambda g, a, b: where(logical_or(a <= b, b != b), g, 0.0),
    b=lambda g, a, b: where(logical_or(a <= b, b != b), 0.0, g),
)


@op
def clamp(xp: Any, x: Any, min: Any = None, max: Any = None, /) -> Any:
    """x held between min and max;   d = dx inside and at the bounds, dmin below, dmax above"""
    if min is None and max is None:
        raise ValueError("expected min, max or both")
    if min is not None:
        x = xp.maximum(x, min)
    return x if max is None else xp.minimum(x, max)


def _clamp_x(g: Any, x: Any, min: Any, max: Any) -> Any:
    inside = ge(x, min) if min is not None else le(x, max)
    return where(logical_and(inside, le(x, max)) if min is not None and max is not None else inside, g, 0.0)


clamp.derivative(
    x=_clamp_x,
    min=lambda g, x, min, max: where(lt(x, min) if max is None else logical_and(lt(x, min), lt(min, max)), g, 0.0),
    max=lambda g, x, min, max: where(gt(x, max) if min is None else logical_or(gt(x, max), gt(min, max)), g, 0.0),
)


def clamp_min(input: Any, min: Any) -> Any:
    """Return the entries, those below ``min`` raised to it."""
    return clamp(input, min)


def clamp_max(input: Any, max: Any) -> Any:
    """Return the entries, those above ``max`` lowered to it."""
    return clamp(input, None, max)
