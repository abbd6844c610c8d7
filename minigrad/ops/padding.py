"""Op sheet: borders around an array, of a constant or of its own entries, and resampling."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minigrad.backend import array_module
from minigrad.ops.indexing import getitem
from minigrad.ops.op import broadcast_to, op
from minigrad.ops.product import matmul
from minigrad.ops.shape import movedim, reshape, unsqueeze

Pads = tuple[tuple[int, int], ...]  # entries before and behind, for each dimension


@op(promote=None)
def constant_pad(xp: Any, x: Any, /, pads: Pads, value: float = 0.0) -> Any:
    """x with a border of one value; a negative width cuts off;   d = dx without the border"""
    shape = tuple(n + before + behind for n, (before, behind) in zip(x.shape, pads))
    y = xp.full_like(x, value, shape=shape)
    inner = tuple(slice(max(before, 0), n - max(behind, 0)) for n, (before, behind) in zip(shape, pads))
    y[inner] = x[tuple(slice(max(-before, 0), n - max(-behind, 0)) for n, (before, behind) in zip(x.shape, pads))]
    return y


constant_pad.derivative(x=lambda g, pads: constant_pad(g, tuple((-before, -behind) for before, behind in pads)))


def _copies(shape: Any, pads: Pads, mode: str) -> Iterator[tuple[Any, Any]]:
    """Yield (border, where its entries are copied from) of a padded array of inner ``shape``, a pair for each border.

    A later border also copies corners that an earlier one has filled.
    """
    for d, (n, (before, behind)) in enumerate(zip(shape, pads)):
        end = before + n
        for width, border, circular, reflect, replicate in (
            (before, slice(0, before), slice(n, end), slice(2 * before, before, -1), slice(before, before + 1)),
            (
                behind,
                slice(end, end + behind),
                slice(before, before + behind),
                slice(end - 2, end - 2 - behind if end - 2 - behind >= 0 else None, -1),
                slice(end - 1, end),
            ),
        ):
            if width:
                source = {"circular": circular, "reflect": reflect, "replicate": replicate}[mode]
                yield (slice(None),) * d + (border,), (slice(None),) * d + (source,)


@op(promote=None)
def border_pad(xp: Any, x: Any, /, pads: Pads, mode: str) -> Any:
    """x with a border of its own entries: reflected, replicated or from the other end;   d = border_fold(dx)"""
    y = constant_pad.forward(xp, x, pads)
    for border, source in _copies(x.shape, pads, mode):
        y[border] = y[source]
    return y


@op(promote=None)
def border_fold(xp: Any, v: Any, /, pads: Pads, mode: str) -> Any:
    """the border added to the entries that it copies, and cut off, the adjoint of border_pad;   d = border_pad(dv)"""
    v = v.copy()
    shape = tuple(n - before - behind for n, (before, behind) in zip(v.shape, pads))
    for border, source in reversed(list(_copies(shape, pads, mode))):
        part = v[border]
        if mode == "replicate":  # one entry for the whole border
            d = len(border) - 1
            part = part.sum(axis=d, keepdims=True)
        v[source] += part
    return constant_pad.forward(xp, v, tuple((-before, -behind) for before, behind in pads))


border_pad.derivative(x=lambda g, pads, mode: border_fold(g, pads, mode))
border_fold.derivative(v=lambda g, pads, mode: border_pad(g, pads, mode))


# --------------------------------------------------------------------------------------------------------------
# Resampling: entries of the output from entries of the input, one dimension at a time


def resample(x: Any, matrix: Any, dim: int) -> Any:
    """Return matrix times x along ``dim``: each entry a weighted mean of some, as the rows of the matrix say.

    The matrix, on the host, is constant: no gradient goes to it.
    """
    m = array_module(getattr(x, "array", x)).asarray(matrix.T, x.dtype)
    return movedim(matmul(movedim(x, dim, -1), m), -1, dim)


def take_rising(x: Any, places: Any, dim: int) -> Any:
    """Return the entries of x at ``places``, a rising vector on the host, along ``dim`` (which counts from the end).

    Repeats of all entries alike are a broadcast, and regular steps are a slice; the gradients of both are fast.
    """
    n, out = x.shape[dim], len(places)
    times, step = out // n, n // max(out, 1)
    if times * n == out and (places == np.arange(out) // max(times, 1)).all():
        x = unsqueeze(x, dim)
        shape = list(x.shape)
        shape[dim] = times
        y = broadcast_to(x, tuple(shape))
        return reshape(y, (*y.shape[: y.ndim + dim - 1], out, *y.shape[y.ndim + dim + 1 :]))
    index: Any = array_module(getattr(x, "array", x)).asarray(places)
    if (places == np.arange(out) * step).all():
        index = slice(0, (out - 1) * step + 1, max(step, 1))
    return getitem(x, (..., index, *(slice(None),) * (-1 - dim)))
