"""Op sheet: many values into one, along some dimensions or all.

A rule puts the reduced dimensions back with size 1, so that the gradient broadcasts over what was reduced.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from minigrad.autograd.node import TensorBase
from minigrad.backend import constant_row, is_array
from minigrad.ops.elementwise import absolute as abs
from minigrad.ops.elementwise import (
    eq,
    exp,
    gt,
    isnan,
    logical_not,
    logical_or,
    maximum,
    minimum,
    power,
    sign,
    sqrt,
    square,
    where,
)
from minigrad.ops.indexing import gather
from minigrad.ops.op import broadcast_to, cast, op
from minigrad.ops.promotion import INT64
from minigrad.ops.shape import Dims, movedim, numpy_names, reshape, squeeze, unsqueeze, wrap_dim, wrap_dims


def keep_dims(reduced: Any, shape: tuple[int, ...], dim: Dims) -> Any:
    """Return a reduced array with the reduced dimensions back, of size 1."""
    if len(reduced.shape) == len(shape):
        return reduced
    gone = wrap_dims(axes(dim), len(shape))
    return reshape(reduced, tuple(1 if d in gone else n for d, n in enumerate(shape)))


def axes(dim: Dims, keepdim: bool = False, empty: Any = None) -> Any:
    """Return ``dim`` as NumPy takes it, which refuses lists, and reduces nothing for () where PyTorch reduces all."""
    if not isinstance(keepdim, bool):
        raise TypeError(f"keepdim: expected True or False, got {keepdim!r}; several dims go into a tuple: dim=(0, 1)")
    return dim if dim is None or isinstance(dim, int) else tuple(dim) or empty


def count(shape: tuple[int, ...], dim: Dims) -> int:
    """Return how many entries of ``shape`` become one when ``dim`` is reduced."""
    return math.prod(shape[d] for d in wrap_dims(axes(dim), len(shape)))


# --------------------------------------------------------------------------------------------------------------
# Along rows, the last dimension, NumPy's sum and max take several times as long as these


def row_sums(xp: Any, x: Any, dim: int) -> Any:
    """Return the sums along ``dim``, kept; of rows as a product with ones."""
    if x.ndim > 1 and dim in (-1, x.ndim - 1):
        return x.dot(constant_row(xp, 1, x.shape[-1], x.dtype))[..., None]
    return x.sum(axis=dim, keepdims=True)


def row_tops(xp: Any, x: Any, dim: int) -> Any:
    """Return the largest entries along ``dim``, kept; of rows by looking where argmax finds them."""
    if x.ndim > 1 and dim in (-1, x.ndim - 1) and x.size and x.flags.c_contiguous:
        at = x.argmax(axis=-1)
        starts = xp.arange(0, x.size, x.shape[-1]).reshape(at.shape)
        return x.take(starts + at)[..., None]
    return x.max(axis=dim, keepdims=True)


# --------------------------------------------------------------------------------------------------------------
# Sums and means


@op(promote=None, name="sum")
def sum_(xp: Any, x: Any, /, dim: Dims = None, keepdim: bool = False, dtype: Any = None) -> Any:
    """sum of x along dim;   d = sum of dx: every entry gets the whole g"""
    if dtype is None and x.dtype.kind == "u":  # NumPy's choice would be uint64
        dtype = INT64
    return x.sum(axis=axes(dim, keepdim), keepdims=keepdim, dtype=dtype)


@op(promote=None)
def mean(xp: Any, x: Any, /, dim: Dims = None, keepdim: bool = False, dtype: Any = None) -> Any:
    """sum of x along dim / n;   d = sum of dx / n"""
    if dtype is not None:
        x = x.astype(dtype)
    if x.dtype.kind != "f":
        raise RuntimeError(f"mean: expected a floating tensor, got {x.dtype}; call x.float().mean()")
    return x.sum(axis=axes(dim, keepdim), keepdims=keepdim) / x.dtype.type(count(x.shape, dim))


sum_.derivative(x=lambda g, x_shape, dim: broadcast_to(keep_dims(g, x_shape, dim), x_shape))
mean.derivative(x=lambda g, x_shape, dim: broadcast_to(keep_dims(g / count(x_shape, dim), x_shape, dim), x_shape))


@numpy_names
def var(
    input: Any,
    dim: Dims | bool = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: Any = None,
) -> Any:
    """Variance along ``dim``: sum (x - mean)^2 / (n - correction).

    ``correction`` is 1 (Bessel's, the default) or 0; ``unbiased=False`` is another way to say 0.
    """
    if isinstance(dim, bool):  # PyTorch's var(x, False)
        return var(input, None, dim, keepdim)
    less = correction if correction is not None else int(unbiased)
    spread = sum_(square(input - mean(input, dim, True)), dim, keepdim)
    return spread / max(count(input.shape, dim) - less, 0)


@numpy_names
def std(
    input: Any,
    dim: Dims | bool = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: Any = None,
) -> Any:
    """Standard deviation along ``dim``, the square root of :func:`var`."""
    return sqrt(var(input, dim, unbiased, keepdim, correction=correction))


@numpy_names
def var_mean(
    input: Any,
    dim: Dims | bool = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: Any = None,
) -> tuple[Any, Any]:
    """Return variance and mean along ``dim``; the options are those of :func:`var`."""
    over = None if isinstance(dim, bool) else dim
    return var(input, dim, unbiased, keepdim, correction=correction), mean(input, over, keepdim)


@numpy_names
def std_mean(
    input: Any,
    dim: Dims | bool = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: Any = None,
) -> tuple[Any, Any]:
    """Return standard deviation and mean along ``dim``; the options are those of :func:`var`."""
    over = None if isinstance(dim, bool) else dim
    return std(input, dim, unbiased, keepdim, correction=correction), mean(input, over, keepdim)


@numpy_names
def nansum(input: Any, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Sum of the entries along ``dim`` that are not NaN."""
    return sum_(where(isnan(input), 0, input), dim, keepdim, dtype)


@numpy_names
def nanmean(input: Any, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Mean of the entries along ``dim`` that are not NaN."""
    if dtype is None and input.dtype.kind != "f":
        raise RuntimeError(f"nanmean: expected a floating tensor, got {input.dtype}; call x.float().nanmean()")
    return nansum(input, dim, keepdim, dtype=dtype) / sum_(logical_not(isnan(input)), dim, keepdim)


# --------------------------------------------------------------------------------------------------------------
# Products


@op(promote=None)
def prod(xp: Any, x: Any, /, dim: int | None = None, keepdim: bool = False, dtype: Any = None) -> Any:
    """product of x along dim;   d = sum of dx times the product of all the others"""
    if dtype is None and x.dtype.kind == "u":
        dtype = INT64
    return x.prod(axis=axes(dim, keepdim), keepdims=keepdim, dtype=dtype)


def _prod_rule(g: Any, x: Any, dim: int | None) -> Any:
    # Not g * y / x: that is 0 / 0 where x is 0. For n entries, write them n times, with entry k replaced by 1 in
    # copy k: the product of copy k is the product of all but k.
    dim = dim if x.shape else None  # of a 0-d x, dim 0 is all there is
    flat = reshape(x, (-1,)) if dim is None else movedim(x, dim, -1)
    n = flat.shape[-1]
    copies = broadcast_to(unsqueeze(flat, -2), (*flat.shape[:-1], n, n))
    others = prod(where(_diagonal_mask(flat, n), 1.0, copies), -1)
    others = reshape(others, x.shape) if dim is None else movedim(others, -1, dim)
    return keep_dims(g, x.shape, dim) * others


@op(promote=None)
def _diagonal_mask(xp: Any, like: Any, /, n: int) -> Any:
    return xp.eye(n, dtype=bool)


prod.derivative(x=_prod_rule)


@prod.raw_derivative
def _prod_raw(xp: Any, wanted: Any, g: Any, x: Any, dim: int | None) -> Any:
    # The product of all before times the product of all behind: n steps instead of n^2.
    dim = dim if x.shape else None
    flat = x.reshape(-1, 1) if dim is None else xp.moveaxis(x, dim, 0)
    before, behind = xp.ones_like(flat), xp.ones_like(flat)
    xp.cumprod(flat[:-1], axis=0, out=before[1:])
    xp.cumprod(flat[:0:-1], axis=0, out=behind[-2::-1])
    others = before * behind
    others = others.reshape(x.shape) if dim is None else xp.moveaxis(others, 0, dim)
    return [keep_dims(xp.asarray(g), x.shape, dim) * others]


# --------------------------------------------------------------------------------------------------------------
# Largest and smallest


@op(promote=None)
def amax(xp: Any, x: Any, /, dim: Dims = None, keepdim: bool = False) -> Any:
    """largest x along dim;   d = dx of the largest, in equal parts where several are"""
    dim = axes(dim, keepdim)
    if not isinstance(dim, int):
        return x.max(axis=dim, keepdims=keepdim)
    y = row_tops(xp, x, dim)
    return y if keepdim else y.squeeze(dim)


@op(promote=None)
def amin(xp: Any, x: Any, /, dim: Dims = None, keepdim: bool = False) -> Any:
    """smallest x along dim;   d = dx of the smallest, in equal parts where several are"""
    return x.min(axis=axes(dim, keepdim), keepdims=keepdim)


def _extreme_rule(g: Any, y: Any, x: Any, dim: Dims) -> Any:
    chosen = cast(eq(x, keep_dims(y, x.shape, dim)), g.dtype)
    return keep_dims(g, x.shape, dim) * chosen / sum_(chosen, dim, True)


amax.derivative(x=_extreme_rule)
amin.derivative(x=_extreme_rule)


@op(promote=None)
def argmax(xp: Any, x: Any, /, dim: int | None = None, keepdim: bool = False) -> Any:
    """where the largest x along dim is, the first if there are several"""
    return x.argmax(axis=axes(dim, keepdim), keepdims=keepdim)


@op(promote=None)
def argmin(xp: Any, x: Any, /, dim: int | None = None, keepdim: bool = False) -> Any:
    """where the smallest x along dim is, the first if there are several"""
    return x.argmin(axis=axes(dim, keepdim), keepdims=keepdim)


class ValuesIndices(NamedTuple):
    """What ``max(dim=)`` returns: the values, and where along the dimension they were found."""

    values: Any
    indices: Any


def _extreme(x: Any, dim: int, keepdim: bool, find: Any) -> ValuesIndices:
    dim = wrap_dim(dim, len(x.shape))
    if not x.shape:
        return ValuesIndices(x, find(x))
    indices = find(x, dim, True)
    values = gather(x, dim, indices)
    axes(dim, keepdim)
    return ValuesIndices(values, indices) if keepdim else ValuesIndices(squeeze(values, dim), squeeze(indices, dim))


@numpy_names
def max_(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """Return the largest entry, or (values, indices) of the largest along ``dim``.

    Over all entries the gradient is split evenly between equals; along ``dim`` the entry at ``indices`` gets it.
    ``other``, or a tensor in place of ``dim``, is compared with entry by entry, as :func:`maximum` does.
    """
    dim = dim if other is None else other
    if isinstance(dim, TensorBase) or is_array(dim):
        return maximum(input, dim)
    return amax(input) if dim is None else _extreme(input, dim, keepdim, argmax)


@numpy_names
def min_(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """Return the smallest entry, or (values, indices) of the smallest along ``dim``; all as in :func:`max`."""
    dim = dim if other is None else other
    if isinstance(dim, TensorBase) or is_array(dim):
        return minimum(input, dim)
    return amin(input) if dim is None else _extreme(input, dim, keepdim, argmin)


class MinMax(NamedTuple):
    """What ``aminmax`` returns."""

    min: Any
    max: Any


@numpy_names
def aminmax(input: Any, *, dim: int | None = None, keepdim: bool = False) -> MinMax:
    """Return the smallest and the largest entry, of all or along ``dim``; equals share the gradient."""
    return MinMax(amin(input, dim, keepdim), amax(input, dim, keepdim))


# --------------------------------------------------------------------------------------------------------------
# Norms and log-sum-exp


@op(promote=None)
def vector_norm(xp: Any, x: Any, /, dim: Dims = None, keepdim: bool = False) -> Any:
    """sqrt(sum of x^2) along dim;   d = sum of x dx / y, 0 at the origin"""
    return xp.sqrt((x * x).sum(axis=axes(dim, keepdim), keepdims=keepdim))


def _norm_rule(g: Any, y: Any, x: Any, dim: Dims) -> Any:
    y = keep_dims(y, x.shape, dim)
    return keep_dims(g, x.shape, dim) * (x / where(eq(y, 0), 1.0, y))


vector_norm.derivative(x=_norm_rule)


@op(promote=None)
def _power_norm(xp: Any, x: Any, /, p: float, dim: Dims = None, keepdim: bool = False) -> Any:
    """(sum of |x|^p)^(1/p) along dim;   d = sum of sign(x) (|x| / y)^(p-1) dx, 0 where x = 0 or y = 0"""
    return (xp.abs(x) ** p).sum(axis=axes(dim, keepdim), keepdims=keepdim) ** (1 / p)


def _power_norm_rule(g: Any, y: Any, x: Any, p: float, dim: Dims) -> Any:
    g, y = keep_dims(g, x.shape, dim), keep_dims(y, x.shape, dim)
    nothing = logical_or(eq(x, 0), eq(y, 0))
    share = where(nothing, 1.0, abs(x)) / where(nothing, 1.0, y)
    return where(nothing, 0.0, g * sign(x) * power(share, p - 1))


_power_norm.derivative(x=_power_norm_rule)


@numpy_names
def norm(input: Any, p: float | str | None = 2, dim: Dims = None, keepdim: bool = False) -> Any:
    """p-norm of the entries along ``dim``: (sum |x|^p)^(1/p), largest |x| for inf, number of non-zeros for 0.

    ``p="fro"``, the Frobenius norm, is the 2-norm of all entries.
    """
    if input.dtype.kind != "f":
        raise RuntimeError(f"norm: expected a floating tensor, got {input.dtype}; call x.float().norm()")
    if p in (2, None, "fro"):
        return vector_norm(input, dim, keepdim)
    if isinstance(p, str):
        raise NotImplementedError(f"norm: p={p!r} is not supported; use a number, inf or 'fro'")
    if p == math.inf:
        return amax(abs(input), dim, keepdim)
    if p == -math.inf:
        return amin(abs(input), dim, keepdim)
    if p == 1:
        return sum_(abs(input), dim, keepdim)
    if p == 0:
        return sum_(where(eq(input, 0), input * 0, input * 0 + 1), dim, keepdim)
    return _power_norm(input, p, dim, keepdim)


def dist(input: Any, other: Any, p: float = 2) -> Any:
    """p-norm of input - other."""
    return norm(input - other, p)


def renorm(input: Any, p: float, dim: int, maxnorm: float) -> Any:
    """Return ``input`` with each slice along ``dim`` scaled down to the p-norm ``maxnorm``, if it has a larger one."""
    at = wrap_dim(dim, len(input.shape))
    if len(input.shape) < 2 or p <= 0 or maxnorm < 0:
        raise RuntimeError(
            f"renorm: expected at least 2 dimensions, p > 0 and maxnorm >= 0, got shape {tuple(input.shape)}, p={p} "
            f"and maxnorm={maxnorm}"
        )
    size = norm(input, p, [d for d in range(len(input.shape)) if d != at], True)
    return input * where(gt(size, maxnorm), maxnorm / (size + 1e-7), 1.0)


@op(promote="float")
def logsumexp(xp: Any, x: Any, /, dim: Dims, keepdim: bool = False) -> Any:
    """log(sum of e^x) along dim, without overflow;   d = sum of softmax(x) dx"""
    dim = axes(dim, keepdim)
    top = row_tops(xp, x, dim) if isinstance(dim, int) else x.max(axis=dim, keepdims=True)
    top = xp.where(xp.isfinite(top), top, 0)  # all -inf: -inf - (-inf) would be NaN
    total = xp.exp(x - top)
    total = row_sums(xp, total, dim) if isinstance(dim, int) else total.sum(axis=dim, keepdims=True)
    y = xp.where(total > 0, xp.log(xp.where(total > 0, total, 1)), -xp.inf) + top
    return y if keepdim else y.squeeze(dim)


def _logsumexp_rule(g: Any, y: Any, x: Any, dim: Dims) -> Any:
    return keep_dims(g, x.shape, dim) * exp(x - keep_dims(y, x.shape, dim))


logsumexp.derivative(x=_logsumexp_rule)

# --------------------------------------------------------------------------------------------------------------
# Counting


@op(promote=None, name="all")
def all_(xp: Any, x: Any, /, dim: Dims = None, keepdim: bool = False) -> Any:
    """whether every entry along dim is true (not 0)"""
    return x.all(axis=axes(dim, keepdim, ()), keepdims=keepdim)


@op(promote=None, name="any")
def any_(xp: Any, x: Any, /, dim: Dims = None, keepdim: bool = False) -> Any:
    """whether some entry along dim is true (not 0)"""
    return x.any(axis=axes(dim, keepdim, ()), keepdims=keepdim)


@op(promote=None)
def count_nonzero(xp: Any, x: Any, /, dim: Dims = None) -> Any:
    """how many entries along dim are not 0"""
    return (x != 0).sum(axis=axes(dim))
