"""Op sheet: entries in order, and where in an order something stands.

The sorting itself only finds indices; the entries are then gathered there, and their gradients find the way back by the
same indices. NaN counts as larger than everything. Equals keep their order, also in falling order.
"""

from __future__ import annotations

import math
from typing import Any

from minigrad.autograd.node import TensorBase, tensor_of
from minigrad.backend import array_module
from minigrad.ops.cumulative import running
from minigrad.ops.elementwise import eq, isnan, logical_and, logical_or
from minigrad.ops.indexing import gather, index_select, raw
from minigrad.ops.op import cast, op
from minigrad.ops.promotion import INT32, INT64
from minigrad.ops.reduction import ValuesIndices, sum_
from minigrad.ops.shape import numpy_names, ravel, squeeze, wrap_dim

# --------------------------------------------------------------------------------------------------------------
# Sorting


@op(promote=None)
def argsort(xp: Any, x: Any, /, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """where along dim the smallest entry is, the next one, ... (or the largest, ...); equals in their order"""
    if not x.ndim:
        wrap_dim(dim, 0)
        return xp.zeros((), INT64)
    if not descending:
        return x.argsort(axis=dim, kind="stable")
    backwards = xp.flip(xp.flip(x, dim).argsort(axis=dim, kind="stable"), dim)
    return x.shape[dim] - 1 - backwards


@numpy_names
def sort(input: Any, dim: int = -1, descending: bool = False, *, stable: bool | None = False) -> ValuesIndices:
    """Return (values, indices) of the entries in rising order along ``dim``, or in falling order.

    Equals keep their order, whether ``stable`` says so or not.

    >>> import minigrad
    >>> minigrad.tensor([2.0, 3.0, 1.0]).sort(descending=True).indices
    tensor([1, 0, 2])
    """
    indices = argsort(input, dim, descending)
    return ValuesIndices(gather(input, dim, indices), indices)


def msort(input: Any) -> Any:
    """Return the entries in rising order along dimension 0."""
    return sort(input, 0).values


@op(promote=None)
def _argtop(xp: Any, x: Any, /, k: int, dim: int, largest: bool) -> Any:
    """where the k largest (or smallest) entries along dim are, the most extreme first"""
    dim = wrap_dim(dim, x.ndim)
    x, shape = x.reshape(x.shape or (1,)), x.shape and (*x.shape[:dim], k, *x.shape[dim + 1 :])
    n = x.shape[dim]
    if not 0 <= k <= n:
        raise ValueError(f"expected k from 0 to {n}, the number of entries along dim {dim}")
    ahead = (slice(None),) * dim
    if k in (0, n):
        found = xp.broadcast_to(xp.arange(n).reshape((-1,) + (1,) * (x.ndim - dim - 1)), x.shape)
    else:  # a partition puts them in front or behind without sorting the others
        found = xp.argpartition(x, n - k if largest else k - 1, dim)
        found = xp.sort(found[(*ahead, slice(n - k, None) if largest else slice(k))], dim)
    found = found[(*ahead, slice(k))]
    order = argsort(xp.take_along_axis(x, found, dim), dim, largest)
    return xp.take_along_axis(found, order, dim).reshape(shape)


@numpy_names
def topk(input: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> ValuesIndices:
    """Return (values, indices) of the ``k`` largest entries along ``dim``, or of the smallest; always in order.

    >>> import minigrad
    >>> minigrad.tensor([2.0, 3.0, 1.0]).topk(2).values
    tensor([3., 2.])
    """
    indices = _argtop(input, k, dim, largest)
    return ValuesIndices(gather(input, dim, indices), indices)


def picked(input: Any, dim: int, indices: Any, keepdim: bool) -> ValuesIndices:
    """Return (values, indices) of one entry for each row along ``dim``."""
    values = gather(input, dim, indices)
    if keepdim or not input.shape:
        return ValuesIndices(values, indices)
    return ValuesIndices(squeeze(values, dim), squeeze(indices, dim))


@op(promote=None)
def _argkth(xp: Any, x: Any, /, k: int, dim: int) -> Any:
    """where along dim the k-th smallest entry is"""
    dim = wrap_dim(dim, x.ndim)
    n = x.shape[dim] if x.ndim else 1
    if not 1 <= k <= n:
        raise ValueError(f"expected k from 1 to {n}, the number of entries along dim {dim}")
    if not x.ndim:
        return xp.zeros((), INT64)
    return xp.argpartition(x, k - 1, dim)[(slice(None),) * dim + (slice(k - 1, k),)]


@numpy_names
def kthvalue(input: Any, k: int, dim: int = -1, keepdim: bool = False) -> ValuesIndices:
    """Return (values, indices) of the ``k``-th smallest entries along ``dim``, counted from 1."""
    return picked(input, dim, _argkth(input, k, dim), keepdim)


# --------------------------------------------------------------------------------------------------------------
# Medians and the most frequent


@op(promote=None)
def _argmedian(xp: Any, x: Any, /, dim: int, ignore_nan: bool) -> Any:
    """where along dim the median is (the lower one of two); the first NaN, or the median of all that are not NaN"""
    if not x.ndim:
        return xp.zeros((), INT64)
    n = x.shape[dim]
    if n == 0:
        raise IndexError(f"expected at least one entry along dim {dim}")
    if x.dtype.kind != "f":
        return _argkth(x, (n + 1) // 2, dim)
    nan = xp.isnan(x)
    if ignore_nan:
        middle = xp.maximum((~nan).sum(axis=dim, keepdims=True) - 1, 0) // 2
        return xp.take_along_axis(argsort(x, dim), middle, dim)
    return xp.where(
        nan.any(axis=dim, keepdims=True), nan.argmax(axis=dim, keepdims=True), _argkth(x, (n + 1) // 2, dim)
    )


@op(promote=None)
def _shared_entry(xp: Any, x: Any, at: Any, /) -> Any:
    """x[at] of a vector;   d = mean of dx over all entries equal to it"""
    return x[at].reshape(())


def _shared_rule(g: Any, y: Any, x: Any) -> Any:
    equal = logical_or(eq(x, y), logical_and(isnan(x), isnan(y)))
    return g * equal / sum_(equal)


_shared_entry.derivative(x=_shared_rule)


def _median(input: Any, dim: int | None, keepdim: bool, ignore_nan: bool) -> Any:
    if dim is not None:
        return picked(input, dim, _argmedian(input, wrap_dim(dim, len(input.shape)), ignore_nan), keepdim)
    flat = ravel(input)
    if not flat.shape[0] and input.dtype.kind == "f":
        return sum_(flat) * math.nan
    return _shared_entry(flat, _argmedian(flat, 0, ignore_nan))


@numpy_names
def median(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the median of all entries, or (values, indices) of the medians along ``dim``; NaN where there is one.

    Of an even number it is the lower one of the two in the middle; :func:`quantile` takes their mean.
    """
    return _median(input, dim, keepdim, False)


@numpy_names
def nanmedian(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the median of the entries that are not NaN; all else as in :func:`median`."""
    return _median(input, dim, keepdim, True)


@op(promote=None)
def _argmode(xp: Any, x: Any, /, dim: int) -> Any:
    """where along dim the most frequent entry is for the last time; of several, the smallest"""
    if not x.ndim:
        return xp.zeros((), INT64)
    order = argsort(x, dim)
    x = xp.moveaxis(xp.take_along_axis(x, order, dim), dim, 0)
    at = xp.arange(x.shape[0]).reshape((-1,) + (1,) * (x.ndim - 1))
    begins = xp.ones(x.shape, bool)
    begins[1:] = x[1:] != x[:-1]
    length = at - running(xp, xp.maximum, xp.where(begins, at, 0), 0)  # of the run of equals so far
    return xp.take_along_axis(order, xp.expand_dims(length.argmax(axis=0), dim), dim)


@numpy_names
def mode(input: Any, dim: int = -1, keepdim: bool = False) -> ValuesIndices:
    """Return (values, indices) of the most frequent entries along ``dim``; of several, the smallest.

    >>> import minigrad
    >>> minigrad.tensor([3, 1, 3, 1, 2]).mode().values
    tensor(1)
    """
    return picked(input, dim, _argmode(input, wrap_dim(dim, len(input.shape))), keepdim)


# --------------------------------------------------------------------------------------------------------------
# Each value once


def _kept(results: list[Any], wanted: tuple[bool, ...]) -> Any:
    """Return the first result and those wanted of the others: alone, or as a tuple."""
    kept = [results[0], *(x for x, want in zip(results[1:], wanted, strict=True) if want)]
    return kept[0] if len(kept) == 1 else tuple(kept)


def unique(
    input: Any, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """Return each value once, or each slice along ``dim``, always in rising order.

    With ``return_inverse`` also where each entry of ``input`` is among them, with ``return_counts`` how often each
    occurs. Every NaN is a value of its own. A gradient goes to the first of equals.

    >>> import minigrad
    >>> minigrad.unique(minigrad.tensor([2, 1, 2]), return_counts=True)
    (tensor([1, 2]), tensor([1, 2]))
    """
    array = raw(input)
    xp = array_module(array)
    _, first, inverse, counts = xp.unique(array, True, True, True, dim, equal_nan=False)
    inverse = inverse.reshape(input.shape if dim is None else (-1,))
    made: Any = tensor_of if isinstance(input, TensorBase) else xp.asarray
    values = index_select(ravel(input) if dim is None else input, dim or 0, made(first))
    return _kept([values, made(inverse), made(counts)], (return_inverse, return_counts))


def unique_consecutive(
    input: Any, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """Return one entry, or slice along ``dim``, of each run of equals; the options are those of :func:`unique`.

    >>> import minigrad
    >>> minigrad.unique_consecutive(minigrad.tensor([2, 2, 1, 2]))
    tensor([2, 1, 2])
    """
    x, at = (ravel(input), 0) if dim is None else (input, wrap_dim(dim, len(input.shape)))
    array = raw(x)
    xp = array_module(array)
    rows = xp.moveaxis(array, at, 0).reshape(array.shape[at], -1)
    begins = xp.ones(rows.shape[0], bool)
    begins[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    first = xp.nonzero(begins)[0]
    inverse = (xp.cumsum(begins) - 1).reshape(input.shape if dim is None else (-1,))
    counts = xp.diff(first, append=xp.asarray([rows.shape[0]]))
    made: Any = tensor_of if isinstance(input, TensorBase) else xp.asarray
    return _kept([index_select(x, at, made(first)), made(inverse), made(counts)], (return_inverse, return_counts))


# --------------------------------------------------------------------------------------------------------------
# Looking up


@op(promote=None)
def _position(xp: Any, sequence: Any, values: Any, /, right: bool) -> Any:
    """how many entries of the sequence are < values, or <= values if right; of several sequences, each for its row"""
    values = xp.asarray(values)
    if sequence.ndim == 1:
        return xp.searchsorted(sequence, values, side="right" if right else "left")
    if values.shape[:-1] != sequence.shape[:-1]:
        raise ValueError("expected a sequence of one dimension, or one for each row of the values")
    n = sequence.shape[-1]
    low, high = xp.zeros(values.shape, INT64), xp.full(values.shape, n, INT64)
    for _ in range(n.bit_length()):  # halve what is left, for all values at once
        middle = (low + high) // 2
        entry = xp.take_along_axis(sequence, xp.minimum(middle, n - 1), -1)
        behind = ((entry <= values) if right else (entry < values)) & (low < high)
        low, high = xp.where(behind, middle + 1, low), xp.where(behind, high, middle)
    return low


def searchsorted(
    sorted_sequence: Any,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Any = None,
) -> Any:
    """Return where ``input`` would have to be inserted to keep the sequence in order: before its equals.

    ``right=True`` (or ``side="right"``) means behind them. Of several sequences, each is for a row of ``input``.
    ``sorter``, from argsort, is for a sequence that is not in order.

    >>> import minigrad
    >>> minigrad.searchsorted(minigrad.tensor([1, 3, 5]), minigrad.tensor([3, 6]))
    tensor([1, 3])
    """
    if side not in (None, "left", "right") or (right and side == "left"):
        raise RuntimeError(f"searchsorted: expected side 'left' or 'right', and not against right, got {side!r}")
    if sorter is not None:
        sorted_sequence = gather(sorted_sequence, -1, sorter)
    found = _position(sorted_sequence, input, right or side == "right")
    return cast(found, INT32) if out_int32 else found


def bucketize(input: Any, boundaries: Any, *, out_int32: bool = False, right: bool = False) -> Any:
    """Return in which of the buckets between the ``boundaries`` each entry lies: the first reaches up to the first.

    A boundary itself belongs to the bucket below, or with ``right=True`` to the one above.
    """
    if len(boundaries.shape) != 1:
        raise RuntimeError(f"bucketize: expected boundaries of one dimension, got {tuple(boundaries.shape)}")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


@op(promote=None)
def _isin(xp: Any, elements: Any, test_elements: Any, /, invert: bool) -> Any:
    """whether each of the elements is among the test elements"""
    return xp.isin(xp.asarray(elements), xp.asarray(test_elements), invert=invert)


def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Any:
    """Return for each entry of ``elements`` whether it is (or with ``invert`` is not) among ``test_elements``.

    >>> import minigrad
    >>> minigrad.isin(minigrad.tensor([1, 2, 3]), minigrad.tensor([3, 1]))
    tensor([ True, False,  True])
    """
    return _isin(elements, test_elements, invert)
