"""Op sheet: special functions, those that NumPy does not have and their relatives.

Their values come from ``approximation.py`` on the CPU and from ``cupyx.scipy.special`` on a GPU. The derivatives close
upon themselves: erf leads to the exponential function, lgamma to digamma and that to polygamma, i0 to i1 and back, so
that all of them can be differentiated as often as one likes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.backend import cupy_special
from minigrad.ops import approximation
from minigrad.ops.elementwise import (
    absolute,
    clamp,
    cos,
    eq,
    exp,
    ge,
    gt,
    le,
    log,
    log1p,
    logical_and,
    lt,
    sign,
    sin,
    where,
)
from minigrad.ops.op import op


def _special(xp: Any) -> Any:
    """Return the module in which the special functions of an array module live."""
    return approximation if xp is np else cupy_special()


def _arrays(xp: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """Return an array and a number, either way round, as arrays of one dtype; ``where`` would make float64 of it."""
    dtype = (a if hasattr(a, "dtype") else b).dtype
    return xp.asarray(a, dtype), xp.asarray(b, dtype)


# --------------------------------------------------------------------------------------------------------------
# The error function and the normal distribution


@op(promote="float")
def erf(xp: Any, x: Any, /) -> Any:
    """2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x;   d = 2 / sqrt(pi) e^(-x^2) dx"""
    return _special(xp).erf(x)


@op(promote="float")
def erfc(xp: Any, x: Any, /) -> Any:
    """1 - erf(x), with all its digits where that is tiny;   d = -2 / sqrt(pi) e^(-x^2) dx"""
    return _special(xp).erfc(x)


@op(promote="float")
def erfcx(xp: Any, x: Any, /) -> Any:
    """e^(x^2) erfc(x);   d = (2 x y - 2 / sqrt(pi)) dx"""
    return _special(xp).erfcx(x)


@op(promote="float")
def erfinv(xp: Any, x: Any, /) -> Any:
    """the y with erf(y) = x;   d = sqrt(pi) / 2 e^(y^2) dx"""
    return _special(xp).erfinv(x)


@op(promote="float")
def ndtr(xp: Any, x: Any, /) -> Any:
    """P(X < x) for a normal X;   d = e^(-x^2 / 2) / sqrt(2 pi) dx"""
    return _special(xp).ndtr(x)


@op(promote="float")
def ndtri(xp: Any, x: Any, /) -> Any:
    """the y with P(X < y) = x;   d = sqrt(2 pi) e^(y^2 / 2) dx"""
    return _special(xp).ndtri(x)


@op(promote="float")
def log_ndtr(xp: Any, x: Any, /) -> Any:
    """log P(X < x), also where that is too small for a number;   d = e^(-x^2 / 2 - y) / sqrt(2 pi) dx"""
    return _special(xp).log_ndtr(x)


def _bell(x: Any, factor: float) -> Any:
    """Return e^(factor x^2), which is 0 long before x^2 overflows."""
    x = clamp(x, -60.0, 60.0)
    return exp(factor * (x * x))


_SLOPE = 2 / math.sqrt(math.pi)

erf.derivative(x=lambda g, x: g * (_SLOPE * _bell(x, -1.0)))
erfc.derivative(x=lambda g, x: g * (-_SLOPE * _bell(x, -1.0)))
erfcx.derivative(x=lambda g, x, y: g * (2 * x * y - _SLOPE))
erfinv.derivative(x=lambda g, y: g * (exp(y * y) / _SLOPE))
ndtr.derivative(x=lambda g, x: g * (math.sqrt(0.5 / math.pi) * _bell(x, -0.5)))
ndtri.derivative(x=lambda g, y: g * (math.sqrt(2 * math.pi) * exp(0.5 * (y * y))))


def _log_ndtr_rule(g: Any, x: Any) -> Any:
    # The density divided by ndtr; where that is tiny, the same after e^(-x^2 / 2) has been cancelled.
    right = gt(x, 0)
    z, x = where(right, x, 0.0), where(right, 0.0, x)
    high = math.sqrt(0.5 / math.pi) * _bell(z, -0.5) / ndtr(z)
    return g * where(right, high, math.sqrt(2 / math.pi) / erfcx(x * -math.sqrt(0.5)))


log_ndtr.derivative(x=_log_ndtr_rule)

# --------------------------------------------------------------------------------------------------------------
# The gamma function


@op(promote="float")
def lgamma(xp: Any, x: Any, /) -> Any:
    """log |gamma(x)|, where gamma(n + 1) = n!;   d = digamma(x) dx"""
    return _special(xp).gammaln(x)


@op(promote="float")
def digamma(xp: Any, x: Any, /) -> Any:
    """the slope of log gamma(x), also called psi;   d = polygamma(1, x) dx"""
    return _special(xp).psi(x)


@op(promote="float")
def _polygamma(xp: Any, x: Any, /, n: int) -> Any:
    """the n-th derivative of digamma(x);   d = polygamma(n + 1, x) dx"""
    if xp is np:
        return approximation.polygamma(n, x)
    if n == 0:
        return cupy_special().psi(x)
    return (-1.0) ** (n + 1) * math.gamma(n + 1) * cupy_special().zeta(xp.full_like(x, n + 1), x)


@op(promote="float")
def _zeta(xp: Any, q: Any, x: Any, /) -> Any:
    """the sum of (q + k)^(-x) over k = 0, 1, 2, ...;   d = -x zeta(x + 1, q) dq"""
    return _special(xp).zeta(*_arrays(xp, x, q))


lgamma.derivative(x=lambda g, x: g * digamma(x))
digamma.derivative(x=lambda g, x: g * _polygamma(x, 1))
_polygamma.derivative(x=lambda g, x, n: g * _polygamma(x, n + 1))
_zeta.derivative(q=lambda g, q, x: g * (-x * _zeta(q, x + 1)))


def zeta(input: Any, other: Any) -> Any:
    """Return Hurwitz' zeta function, the sum of (q + k)^(-x) over k = 0, 1, 2, ... for x = ``input``, q = ``other``.

    Numbers are there for x > 1 and q > 0; it is inf for x = 1 and at the poles q = 0, -1, -2, ..., and NaN elsewhere.
    The derivative is that with respect to q.

    >>> import minigrad
    >>> minigrad.special.zeta(2.0, minigrad.tensor([1.0]))  # pi^2 / 6
    tensor([1.6449])
    """
    return _zeta(other, input)


def polygamma(n: int, input: Any) -> Any:
    """Return the n-th derivative of :func:`digamma`, where n = 0 is that function itself.

    >>> import minigrad
    >>> minigrad.polygamma(1, minigrad.tensor([1.0]))  # pi^2 / 6
    tensor([1.6449])
    """
    if not isinstance(n, int) or isinstance(n, bool) or n < 0:
        raise RuntimeError(f"polygamma: expected an order n >= 0, got {n!r}; the tensor comes second: polygamma(1, x)")
    return _polygamma(input, n)


def mvlgamma(input: Any, p: int) -> Any:
    """Return the logarithm of the gamma function of p dimensions, p (p - 1) / 4 log(pi) + sum of lgamma(x - k / 2).

    k runs from 0 to p - 1. That function is defined for x > (p - 1) / 2.
    """
    if p < 1:
        raise RuntimeError(f"mvlgamma: expected p >= 1, got {p}")
    y = lgamma(input)
    for k in range(1, p):
        y = y + lgamma(input - 0.5 * k)
    return y + 0.25 * p * (p - 1) * math.log(math.pi)


# --------------------------------------------------------------------------------------------------------------
# Bessel functions


@op(promote="float")
def i0(xp: Any, x: Any, /) -> Any:
    """the modified Bessel function I_0(x);   d = I_1(x) dx"""
    return _special(xp).i0(x)


@op(promote="float")
def i1(xp: Any, x: Any, /) -> Any:
    """the modified Bessel function I_1(x);   d = (I_0(x) - I_1(x) / x) dx, dx / 2 at 0"""
    return _special(xp).i1(x)


@op(promote="float")
def i0e(xp: Any, x: Any, /) -> Any:
    """e^-|x| I_0(x);   d = (i1e(x) - sign(x) y) dx"""
    return _special(xp).i0e(x)


@op(promote="float")
def i1e(xp: Any, x: Any, /) -> Any:
    """e^-|x| I_1(x);   d = (i0e(x) - sign(x) y - y / x) dx, dx / 2 at 0"""
    return _special(xp).i1e(x)


def _over(y: Any, x: Any, limit: float) -> Any:
    """Return y / x, and its limit at x = 0."""
    origin = eq(x, 0)
    return where(origin, limit, y / where(origin, 1.0, x))


i0.derivative(x=lambda g, x: g * i1(x))
i1.derivative(x=lambda g, x, y: g * (i0(x) - _over(y, x, 0.5)))
i0e.derivative(x=lambda g, x, y: g * (i1e(x) - sign(x) * y))
i1e.derivative(x=lambda g, x, y: g * (i0e(x) - sign(x) * y - _over(y, x, 0.5)))

# --------------------------------------------------------------------------------------------------------------
# Logarithms with their limits


@op(promote="float")
def xlogy(xp: Any, a: Any, b: Any, /) -> Any:
    """a log(b), 0 where a is 0;   d = log(b) da + a / b db"""
    a, b = _arrays(xp, a, b)
    nothing = (a == 0) & (b == b)  # NaN is not equal to itself
    return xp.where(nothing, 0, a * xp.log(xp.where(nothing, 1, b)))


@op(promote="float")
def xlog1py(xp: Any, a: Any, b: Any, /) -> Any:
    """a log(1 + b), 0 where a is 0;   d = log(1 + b) da + a / (1 + b) db"""
    a, b = _arrays(xp, a, b)
    nothing = (a == 0) & (b == b)
    return xp.where(nothing, 0, a * xp.log1p(xp.where(nothing, 0, b)))


def _xlogy_a(g: Any, a: Any, b: Any) -> Any:
    nothing = logical_and(eq(a, 0), le(b, 0))
    return where(nothing, 0.0, g * log(where(nothing, 1.0, b)))


def _xlog1py_a(g: Any, a: Any, b: Any) -> Any:
    nothing = logical_and(eq(a, 0), le(b, -1))
    return where(nothing, 0.0, g * log1p(where(nothing, 0.0, b)))


xlogy.derivative(a=_xlogy_a, b=lambda g, a, b: g * (a / b))
xlog1py.derivative(a=_xlog1py_a, b=lambda g, a, b: g * (a / (1 + b)))


@op(promote="float")
def entr(xp: Any, x: Any, /) -> Any:
    """-x log(x), the entropy; 0 at 0, -inf below;   d = -(log(x) + 1) dx"""
    return xp.where(x < 0, -xp.inf, -x * xp.log(xp.where(x > 0, x, 1)))


@op(promote="float")
def logit(xp: Any, x: Any, /, eps: float | None = None) -> Any:
    """log(x / (1 - x)), the inverse of sigmoid; with eps, of x held between eps and 1 - eps;   d = dx / (x (1 - x))"""
    if eps is not None:
        x = xp.clip(x, eps, 1 - eps)
    return xp.log(x / (1 - x))


def _logit_rule(g: Any, x: Any, eps: float | None) -> Any:
    low = 0.0 if eps is None else eps
    inside = logical_and(ge(x, low), le(x, 1 - low))
    return where(inside, g / where(inside, x * (1 - x), 1.0), math.nan if eps is None else 0.0)


entr.derivative(x=lambda g, x: -g * (log(x) + 1))
logit.derivative(x=_logit_rule)

# --------------------------------------------------------------------------------------------------------------
# The cardinal sine


@op(promote="float")
def sinc(xp: Any, x: Any, /) -> Any:
    """sin(pi x) / (pi x), 1 at 0;   d = (cos(pi x) - y) / x dx, 0 at 0"""
    return xp.sinc(x)


_SINC_SLOPE = [(-1.0) ** (k + 1) * (2 * k + 2) / math.factorial(2 * k + 3) for k in range(9)]


def _sinc_rule(g: Any, x: Any) -> Any:
    # Near 0, cos(pi x) and sin(pi x) / pi x are the same to many digits, and the series takes over.
    near = lt(absolute(x), 0.2)
    t = math.pi * where(near, x, 0.0)
    series = _SINC_SLOPE[-1]
    for c in _SINC_SLOPE[-2::-1]:
        series = series * (t * t) + c
    x = where(near, 1.0, x)
    t_far = math.pi * x
    return g * where(near, math.pi * t * series, (cos(t_far) - sin(t_far) / t_far) / x)


sinc.derivative(x=_sinc_rule)
