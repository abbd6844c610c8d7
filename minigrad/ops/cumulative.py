"""Op sheet: sums, products and extremes of all entries up to each one.

A rule looks the other way: an entry has a part in everything behind it. Where that part is a product, nobody divides
to undo a factor (it may be 0): S_k = g_k + a_k S_(k+1), worked out in log2(n) steps by ``recurrence``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.ops.elementwise import eq, exp, ne, sub, where
from minigrad.ops.indexing import gather
from minigrad.ops.op import op
from minigrad.ops.promotion import INT64
from minigrad.ops.reduction import ValuesIndices, sum_
from minigrad.ops.shape import cat, flip, narrow, numpy_names, reshape, shift, wrap_dim


def running(xp: Any, combine: Any, x: Any, dim: int) -> Any:
    """Return x_0, x_0 o x_1, x_0 o x_1 o x_2, ... for a ufunc; on a GPU each step takes in the 1, 2, 4, ... before."""
    if xp is np:
        return combine.accumulate(x, axis=dim)
    y = xp.moveaxis(xp.array(x), dim, 0)
    by = 1
    while by < y.shape[0]:
        y[by:] = combine(y[by:], y[:-by])
        by *= 2
    return xp.moveaxis(y, 0, dim)


def recurrence(g: Any, a: Any, dim: int) -> Any:
    """Return S with S_k = g_k + a_k S_(k+1), counted from the last: S_n = g_n.

    Two steps in one, S_k = (g_k + a_k g_(k+1)) + a_k a_(k+1) S_(k+2), have the same form, so each round doubles the
    length of the step.
    """
    by, n = 1, g.shape[dim] if len(g.shape) else 1
    while by < n:
        g = g + a * shift(g, dim, -by, 0)
        a = a * shift(a, dim, -by, 0)
        by *= 2
    return g


# --------------------------------------------------------------------------------------------------------------
# Sums and products


def _whole(x: Any, dtype: Any) -> Any:
    return INT64 if dtype is None and x.dtype.kind in "bui" else dtype


@op(promote=None)
def cumsum(xp: Any, x: Any, /, dim: int, dtype: Any = None) -> Any:
    """y_k = x_0 + ... + x_k along dim;   dx_k = d_k + d_(k+1) + ..."""
    return x.cumsum(axis=wrap_dim(dim, x.ndim), dtype=_whole(x, dtype)).reshape(x.shape)


@op(promote=None)
def cumprod(xp: Any, x: Any, /, dim: int, dtype: Any = None) -> Any:
    """y_k = x_0 ... x_k along dim;   dx_k = x_0 ... x_(k-1) S_k,  S_k = d_k + x_(k+1) S_(k+1)"""
    return x.cumprod(axis=wrap_dim(dim, x.ndim), dtype=_whole(x, dtype)).reshape(x.shape)


def _cumprod_rule(g: Any, x: Any, dim: int) -> Any:
    if not x.shape:
        return g
    dim = wrap_dim(dim, len(x.shape))
    return cumprod(shift(x, dim, 1), dim) * recurrence(g, shift(x, dim, -1, 0), dim)


cumsum.derivative(x=lambda g, dim: flip(cumsum(flip(g, dim), dim), dim))
cumprod.derivative(x=_cumprod_rule)


@op(promote=None)
def logcumsumexp(xp: Any, x: Any, /, dim: int) -> Any:
    """y_k = log(e^x_0 + ... + e^x_k) along dim, without overflow;   dx_k = sum of e^(x_k - y_i) d_i over i >= k"""
    if x.dtype.kind != "f":
        raise TypeError("expected a floating tensor; call x.float()")
    return running(xp, xp.logaddexp, x.reshape(x.shape or (1,)), wrap_dim(dim, x.ndim)).reshape(x.shape)


def _logcumsumexp_rule(g: Any, y: Any, x: Any, dim: int) -> Any:
    if not x.shape:
        return g
    dim = wrap_dim(dim, len(x.shape))
    # y never falls, so no power is above 1. Where nothing but e^(-inf) came so far, -inf - (-inf) would be NaN.
    bound = where(eq(y, -math.inf), math.inf, y)
    return exp(x - bound) * recurrence(g, exp(y - shift(bound, dim, -1, math.inf)), dim)


logcumsumexp.derivative(x=_logcumsumexp_rule)

# --------------------------------------------------------------------------------------------------------------
# Largest and smallest so far


def _last_extreme(xp: Any, extreme: Any, x: Any, dim: int) -> Any:
    x = x.reshape(x.shape or (1,))
    dim = wrap_dim(dim, x.ndim)
    at = xp.arange(x.shape[dim]).reshape((-1,) + (1,) * (x.ndim - dim - 1))
    reached = (x == running(xp, extreme, x, dim)) | (x != x)  # NaN counts as larger and as smaller than anything
    return running(xp, xp.maximum, xp.where(reached, at, 0), dim)


@op(promote=None)
def _cumargmax(xp: Any, x: Any, /, dim: int) -> Any:
    """where along dim the largest entry so far is, the last if there are several"""
    return _last_extreme(xp, xp.maximum, x, dim).reshape(x.shape)


@op(promote=None)
def _cumargmin(xp: Any, x: Any, /, dim: int) -> Any:
    """where along dim the smallest entry so far is, the last if there are several"""
    return _last_extreme(xp, xp.minimum, x, dim).reshape(x.shape)


@numpy_names
def cummax(input: Any, dim: int) -> ValuesIndices:
    """Return (values, indices) of the largest entries so far along ``dim``; of equals the last one counts."""
    indices = _cumargmax(input, dim)
    return ValuesIndices(gather(input, dim, indices), indices)


@numpy_names
def cummin(input: Any, dim: int) -> ValuesIndices:
    """Return (values, indices) of the smallest entries so far along ``dim``; of equals the last one counts."""
    indices = _cumargmin(input, dim)
    return ValuesIndices(gather(input, dim, indices), indices)


# --------------------------------------------------------------------------------------------------------------
# Differences, which undo sums, and areas


@numpy_names
def diff(input: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Return x_(k+1) - x_k along ``dim``, ``n`` times over; of booleans, whether they differ."""
    parts = [x for x in (prepend, input, append) if x is not None]
    x = cat(parts, dim) if len(parts) > 1 else input
    if not x.shape or n < 0:
        raise RuntimeError(f"diff: expected at least one dimension and n >= 0, got {tuple(x.shape)} and n={n}")
    dim = wrap_dim(dim, len(x.shape))
    for _ in range(min(n, x.shape[dim])):
        m = max(x.shape[dim] - 1, 0)
        x = (ne if x.dtype == bool else sub)(narrow(x, dim, x.shape[dim] - m, m), narrow(x, dim, 0, m))
    return x


def _areas(y: Any, x: Any, dx: Any, dim: int) -> Any:
    dim = wrap_dim(dim, len(y.shape))
    n = max(y.shape[dim] - 1, 0)
    heights = (narrow(y, dim, y.shape[dim] - n, n) + narrow(y, dim, 0, n)) * 0.5
    if x is None:
        return heights * (1 if dx is None else dx)
    if dx is not None:
        raise RuntimeError("trapezoid: expected the points x or their distance dx, got both")
    widths = diff(x, dim=dim if len(x.shape) > 1 else 0)
    return heights * (widths if len(x.shape) > 1 else reshape(widths, (-1,) + (1,) * (len(y.shape) - dim - 1)))


@numpy_names
def trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Any:
    """Return the area below the polygon through the points (x, y): sum of (x_(k+1) - x_k) (y_k + y_(k+1)) / 2.

    Without ``x`` the points lie ``dx``, or 1, apart.
    """
    return sum_(_areas(y, x, dx, dim), dim)


@numpy_names
def cumulative_trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Any:
    """Return the areas below the polygon up to each point but the first; all as in :func:`trapezoid`."""
    return cumsum(_areas(y, x, dx, dim), dim)
