"""Op sheet: pooling, windows over the last dimensions of which each becomes one entry: its largest, or its sum.

The walks are those of :mod:`minigrad.ops.window`. A window is a box, so its largest entry is the largest of its rows'
largest, and likewise for sums: the forward walks one dimension at a time, k + k steps instead of k k.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.ops.indexing import gather, refuse_outside, spread
from minigrad.ops.op import op
from minigrad.ops.promotion import INT64
from minigrad.ops.shape import reshape
from minigrad.ops.window import Sizes, Window


def _at(d: int, part: slice) -> tuple[Any, ...]:
    """Return the index of a slice along dimension d, which counts from the end."""
    return (..., part, *(slice(None),) * (-1 - d))


def _resized(shape: Any, d: int, n: int) -> Sizes:
    """Return a shape with n entries along dimension d, which counts from the end."""
    return (*shape[:d], n, *shape[len(shape) + d + 1 :])


def _lowest(dtype: Any) -> Any:
    return -math.inf if dtype.kind == "f" else np.iinfo(dtype).min


def _joined(xp: Any, x: Any, window: Window, join: Any, start: Any) -> Any:
    """Return ``start`` joined with all entries of each window."""
    dims = len(window.size)
    for d in range(dims):
        steps = window.along(d)
        d -= dims
        if window.inside(d):
            y = x[_at(d, steps[0][2])]
            if len(steps) > 1:
                y = join(y, x[_at(d, steps[1][2])])
            for _, _, inputs in steps[2:]:
                join(y, x[_at(d, inputs)], out=y)
        else:
            y = xp.full_like(x, start, shape=_resized(x.shape, d, window.out[d]))
            for _, outputs, inputs in steps:
                part = y[_at(d, outputs)]
                join(part, x[_at(d, inputs)], out=part)
        x = y
    return x.copy() if math.prod(window.kernel) == 1 else x  # all steps were slices


# --------------------------------------------------------------------------------------------------------------
# The largest


@op(promote=None)
def max_pool(xp: Any, x: Any, /, window: Window) -> Any:
    """the largest x in each window;   d = dx of the largest, of the first if there are several"""
    return _joined(xp, x, window, xp.maximum, _lowest(x.dtype))


@op(promote=None)
def max_pool_indices(xp: Any, x: Any, /, window: Window) -> Any:
    """where the largest x of each window is, counted through all of size: the first of equals, the last NaN"""
    places = xp.arange(math.prod(window.size)).reshape(window.size)
    shape = (*x.shape[: x.ndim - len(window.size)], *window.out)
    largest = xp.full(shape, _lowest(x.dtype), x.dtype)
    found = xp.zeros(shape, INT64)
    for _, outputs, inputs in reversed(window.steps()):
        seen, best = x[(..., *inputs)], largest[(..., *outputs)]
        better = (seen >= best) | ((seen != seen) & (best == best))
        largest[(..., *outputs)] = xp.where(better, seen, best)
        found[(..., *outputs)] = xp.where(better, places[inputs], found[(..., *outputs)])
    return found


def _flat(x: Any, dims: int) -> Any:
    """Return x with its last dims joined into one."""
    lead = len(x.shape) - dims
    return reshape(x, (*x.shape[:lead], math.prod(x.shape[lead:])))


def _max_pool_rule(g: Any, x: Any, window: Window) -> Any:
    dims = len(window.size)
    index = _flat(max_pool_indices(x, window), dims)
    return reshape(spread(_flat(g, dims), -1, index, (*index.shape[:-1], math.prod(window.size))), x.shape)


max_pool.derivative(x=_max_pool_rule)


@max_pool.raw_derivative
def _max_pool_raw(xp: Any, wanted: Any, g: Any, x: Any, y: Any, window: Window) -> Any:
    if window.kernel == window.size and window.inside():  # one window over everything
        flat = _flat(x, len(window.size))
        dx = xp.zeros_like(flat)
        xp.put_along_axis(dx, flat.argmax(axis=-1)[..., None], g.reshape(*flat.shape[:-1], 1), -1)
        return [dx.reshape(x.shape)]
    # The first entry that is not smaller than the largest gets g and closes its window: without any index. (Where the
    # largest is NaN nothing is smaller, and the first entry gets it; the plain rule gives it to the NaN.)
    if g.strides != y.strides:  # arrays that lie in memory in different orders are slow together
        g, given = xp.empty_like(y), g
        g[...] = given
    dx = xp.zeros_like(x)
    unclaimed = xp.ones_like(y, dtype=bool)
    apart = window.apart()
    for _, outputs, inputs in window.steps():
        share, waiting = dx[(..., *inputs)], unclaimed[(..., *outputs)]
        smaller = x[(..., *inputs)] < y[(..., *outputs)]
        if apart:
            xp.multiply(g[(..., *outputs)], waiting > smaller, out=share)
        else:
            share += g[(..., *outputs)] * (waiting > smaller)
        xp.logical_and(waiting, smaller, out=waiting)
    return [dx]


def max_pool_at(x: Any, index: Any, dims: int) -> Any:
    """Return the entries of ``x`` at ``index``, which counts through its last ``dims`` dimensions."""
    return reshape(gather(_flat(x, dims), -1, _flat(index, dims)), index.shape)


@op(promote=None)
def max_unpool(xp: Any, v: Any, index: Any, /, size: Sizes) -> Any:
    """zeros with v at index, which counts through all of size; of several v for one place one stays;   dv = d there"""
    lead = v.shape[: v.ndim - len(size)]
    n = math.prod(size)
    refuse_outside("max_unpool", index, n)
    x = xp.zeros((*lead, n), v.dtype)
    xp.put_along_axis(x, _flat(index, len(size)), _flat(v, len(size)), -1)
    return x.reshape(*lead, *size)


max_unpool.derivative(v=lambda g, index, size: max_pool_at(g, index, len(size)))


@op(promote=None)
def adaptive_max_indices(xp: Any, x: Any, /, out: Sizes) -> Any:
    """where the largest x is in each of out windows that cover x evenly, counted through all of its size"""
    dims = len(out)
    flat = xp.asarray(_adaptive_places(x.shape[x.ndim - dims :], out))  # (*out, entries of a window)
    seen = _flat(x, dims)[..., flat]
    which = seen.argmax(axis=-1)[..., None]
    return xp.take_along_axis(xp.broadcast_to(flat, seen.shape), which, -1)[..., 0]


def _adaptive_places(size: Sizes, out: Sizes) -> Any:
    """Return for each output the places in its window; a short window names its last place several times."""
    dims = len(size)
    places: Any = 0
    for d, (n, o) in enumerate(zip(size, out)):
        start = np.arange(o) * n // o
        stop = -(-(np.arange(o) + 1) * n // o)
        along = np.minimum(start[:, None] + np.arange((stop - start).max(initial=1)), stop[:, None] - 1)
        shape = [1] * (2 * dims)
        shape[d], shape[dims + d] = along.shape
        places = places * n + along.reshape(shape)
    return places.reshape(*out, -1)


# --------------------------------------------------------------------------------------------------------------
# The sum


@op(promote=None)
def sum_pool(xp: Any, x: Any, /, window: Window) -> Any:
    """the sum of x over each window;   dx_i = sum of d over the windows that i lies in"""
    return _joined(xp, x, window, xp.add, 0)


@op(promote=None)
def sum_unpool(xp: Any, v: Any, /, window: Window) -> Any:
    """for each entry of size the sum of v over the windows it lies in, sum_pool's adjoint;   dv = sum_pool(d)"""
    for d in range(-1, -1 - len(window.size), -1):
        x = xp.zeros_like(v, shape=_resized(v.shape, d, window.size[d]))
        for _, outputs, inputs in window.along(d):
            if window.apart(d):
                x[_at(d, inputs)] = v[_at(d, outputs)]
            else:
                x[_at(d, inputs)] += v[_at(d, outputs)]
        v = x
    return v


sum_pool.derivative(x=lambda g, window: sum_unpool(g, window))
sum_unpool.derivative(v=lambda g, window: sum_pool(g, window))
