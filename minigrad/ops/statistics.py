"""Op sheet: quantiles, histograms and covariances."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.backend import array_module
from minigrad.ops.diagonals import diagonal
from minigrad.ops.elementwise import ceil, clamp, floor, isnan, lerp, mul, round_, sqrt, sub, where
from minigrad.ops.indexing import gather, getitem, plain_index, raw
from minigrad.ops.op import op
from minigrad.ops.product import matmul
from minigrad.ops.promotion import INT64
from minigrad.ops.reduction import any_, mean, sum_
from minigrad.ops.shape import atleast_2d, movedim, numpy_names, ravel, reshape, transpose, unsqueeze, wrap_dim
from minigrad.ops.sorting import sort

# --------------------------------------------------------------------------------------------------------------
# Quantiles


INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantile(name: str, x: Any, q: Any, dim: int | None, keepdim: bool, interpolation: str, ignore_nan: bool) -> Any:
    if x.dtype.kind != "f":
        raise RuntimeError(f"{name}: expected a floating tensor, got {x.dtype}; call x.float()")
    if interpolation not in INTERPOLATIONS:
        raise RuntimeError(f"{name}: expected interpolation {', '.join(INTERPOLATIONS)}, got {interpolation!r}")
    number = isinstance(q, (int, float))
    if not number and (q.dtype != x.dtype or len(q.shape) > 1):
        raise RuntimeError(f"{name}: expected q as a number or a vector of {x.dtype}, got {tuple(q.shape)} {q.dtype}")
    if number and not 0 <= q <= 1:
        raise RuntimeError(f"{name}: expected q from 0 to 1, got {q}")
    # 1. The entries in order along a last dimension, NaN behind all others.
    ndim = len(x.shape)
    at = wrap_dim(dim, ndim) if dim is not None else 0
    rows = ravel(x) if dim is None or not ndim else movedim(x, at, -1)
    rows = sort(rows, -1).values
    n = rows.shape[-1]
    if n == 0:
        raise RuntimeError(f"{name}: expected at least one entry, got shape {tuple(x.shape)}")
    # 2. How far along: q (n - 1), for each row (its number of entries may be its own) and each q.
    qs = array_module(raw(rows)).full((1,), q, x.dtype) if number else reshape(q, (-1,))
    missing = isnan(rows)
    if ignore_nan:
        last = clamp(n - 1 - sum_(missing, -1, True), 0)
        rank = mul(qs, last)
    else:
        rank = where(any_(missing, -1, True), n - 1.0, qs * (n - 1.0))  # straight to the NaN
    # 3. The entries before and behind, and what lies between.
    below, above = floor(rank), ceil(rank)
    if interpolation == "nearest":
        below = above = round_(rank)
    elif interpolation == "lower":
        above = below
    elif interpolation == "higher":
        below = above
    y = gather(rows, -1, raw(below).astype(INT64))
    if above is not below:
        y = lerp(
            y, gather(rows, -1, raw(above).astype(INT64)), 0.5 if interpolation == "midpoint" else sub(rank, below)
        )
    # 4. The dimensions where PyTorch has them: those of q in front.
    y = movedim(y, -1, 0)
    rest = () if dim is None else (*x.shape[:at], *x.shape[at + 1 :])
    if keepdim:
        rest = (1,) * ndim if dim is None else (*rest[:at], 1, *rest[at:]) if ndim else ()
    return reshape(y, (() if number else tuple(q.shape)) + tuple(rest))


@numpy_names
def quantile(
    input: Any, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Any:
    """Return the value below which a share ``q`` of the entries lies, along ``dim`` or of all; several q come first.

    It stands q (n - 1) places from the smallest; between two entries ``interpolation`` decides: "linear", "lower",
    "higher", "midpoint" or "nearest". NaN where there is one.

    >>> import minigrad
    >>> minigrad.quantile(minigrad.tensor([1.0, 2.0, 4.0]), 0.75)
    tensor(3.)
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, False)


@numpy_names
def nanquantile(
    input: Any, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Any:
    """Return quantiles of the entries that are not NaN; all else as in :func:`quantile`."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, True)


# --------------------------------------------------------------------------------------------------------------
# Counts


@op(promote=None)
def bincount(xp: Any, x: Any, weights: Any = None, /, minlength: int = 0) -> Any:
    """how often 0, 1, 2, ... occur in x, or the sum of the weights where they do;   dweights = d[x]"""
    if x.ndim != 1 or x.dtype.kind not in "iu" or (isinstance(x, np.ndarray) and x.size and x.min() < 0):
        raise ValueError("expected a vector of integers that are not negative")
    if weights is None:
        return xp.bincount(x, minlength=minlength)
    if weights.shape != x.shape:
        raise ValueError("expected a weight for each entry")
    y = xp.bincount(x, weights=weights, minlength=minlength)
    return y.astype(weights.dtype) if weights.dtype.kind == "f" else y


bincount.derivative(weights=lambda g, x: getitem(g, plain_index(x)))


@op(promote=None)
def histc(xp: Any, x: Any, /, bins: int = 100, min: float = 0, max: float = 0) -> Any:
    """how many entries lie in each of so many bins of one width from min to max, both included

    If min and max are equal, they are those of x.
    """
    if x.dtype.kind != "f":
        raise TypeError("expected a floating tensor; call x.float()")
    if bins <= 0 or max < min:
        raise ValueError("expected bins > 0 and min <= max")
    x = x.ravel()
    low, high = xp.asarray(min, x.dtype), xp.asarray(max, x.dtype)
    if min == max and x.size:
        low, high = x.min(), x.max()
    flat = low == high
    low, high = low - flat, high + flat
    bin = xp.clip(xp.floor((x - low) * (bins / (high - low))), 0, bins - 1)  # the last one has both its ends
    inside = (x >= low) & (x <= high)
    counts = xp.zeros(bins, x.dtype)
    xp.add.at(counts, xp.where(inside, bin, 0).astype("int64"), inside)
    return counts


# --------------------------------------------------------------------------------------------------------------
# Covariances


def cov(input: Any, *, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Any:
    """Return the covariances of the rows, where columns are observations: sum (x - mean)(y - mean) / (n - correction).

    ``fweights`` says how often each was observed, ``aweights`` how much each counts.

    >>> import minigrad
    >>> minigrad.cov(minigrad.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]])).tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    if len(input.shape) > 2:
        raise RuntimeError(f"cov: expected at most 2 dimensions, got shape {tuple(input.shape)}")
    x = atleast_2d(input if input.dtype.kind == "f" else input * 1.0)
    given = [w for w in (fweights, aweights) if w is not None]
    if not given:
        centred = x - mean(x, 1, True)
        return _square_or_number(matmul(centred, transpose(centred, 0, 1)) / max(x.shape[1] - correction, 0))
    if any(tuple(w.shape) != (x.shape[1],) for w in given):
        raise RuntimeError(f"cov: expected weights of shape {(x.shape[1],)}, got {[tuple(w.shape) for w in given]}")
    w = given[0] if len(given) == 1 else fweights * aweights
    total = sum_(w)
    centred = x - sum_(x * w, 1, True) / total
    less = correction if aweights is None else correction * sum_(w * aweights) / total
    return _square_or_number(matmul(centred * w, transpose(centred, 0, 1)) / clamp(total - less, 0))


def _square_or_number(c: Any) -> Any:
    return reshape(c, ()) if tuple(c.shape) == (1, 1) else c


def corrcoef(input: Any) -> Any:
    """Return the correlation coefficients of the rows, where columns are observations: covariances over deviations."""
    c = atleast_2d(cov(input))
    deviation = sqrt(diagonal(c))
    return _square_or_number(clamp(c / unsqueeze(deviation, 1) / deviation, -1, 1))
