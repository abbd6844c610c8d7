"""Op sheet: borders around an array, of a constant or of its own entries, resampling, and sampling anywhere."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from minigrad.backend import array_module
from minigrad.ops.elementwise import round_
from minigrad.ops.embedding import embedding, sum_rows
from minigrad.ops.indexing import getitem, raw
from minigrad.ops.op import op
from minigrad.ops.pooling import sum_unpool
from minigrad.ops.product import matmul
from minigrad.ops.reduction import sum_
from minigrad.ops.shape import movedim, reshape, stack, transpose, unsqueeze
from minigrad.ops.window import Window

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
    v = xp.array(v)  # a copy in the same order in memory
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
    array = raw(x)
    m = array_module(array).asarray(matrix, x.dtype)
    batch_last = x.ndim > 2 and array.strides[0] < array.strides[1]  # as a convolution leaves it
    if batch_last:
        x, dim = movedim(x, 0, -1), dim - 1
    if dim == -1:
        y = matmul(x, transpose(m, 0, 1))
    else:  # all dimensions behind it are columns
        before, behind = x.shape[: x.ndim + dim], x.shape[x.ndim + dim + 1 :]
        columns = reshape(x, (*before, matrix.shape[1], math.prod(behind)))
        y = reshape(matmul(m, columns), (*before, len(matrix), *behind))
    return movedim(y, -1, 0) if batch_last else y


def take_rising(x: Any, places: Any, dim: int) -> Any:
    """Return the entries of x at ``places``, a rising vector on the host, along ``dim`` (which counts from the end).

    Repeats of all alike spread each over a window, and regular steps are a slice; the gradients of both are fast.
    """
    n, out = x.shape[dim], len(places)
    times, step = out // n, n // max(out, 1)
    if times * n == out and (places == np.arange(out) // max(times, 1)).all():
        rest = x.shape[x.ndim + dim + 1 :]
        ones = (1,) * len(rest)
        steps = (times, *ones)
        return sum_unpool(x, Window((out, *rest), (n, *rest), steps, steps, (0,) * -dim, (1, *ones)))
    index: Any = array_module(getattr(x, "array", x)).asarray(places)
    if (places == np.arange(out) * step).all():
        index = slice(0, (out - 1) * step + 1, max(step, 1))
    return getitem(x, (..., index, *(slice(None),) * (-1 - dim)))


# --------------------------------------------------------------------------------------------------------------
# Sampling: images (N, C, H, W) read off at places (N, A, B, 2), counted in pixels, the column before the row


def _pixel_rows(x: Any) -> Any:
    """Return the channels of each pixel, of all images, as a row; the last row is 0, for what lies outside."""
    n, c, h, w = x.shape
    return constant_pad(reshape(movedim(x, 1, -1), (n * h * w, c)), ((0, 1), (0, 0)))


def _pixel_numbers(xp: Any, column: Any, row: Any, shape: Any) -> Any:
    """Return which of the rows of pixels of images of a shape are at whole columns and rows, both (..., N, A, B)."""
    n, _, h, w = shape
    across, down = (column >= 0) & (column < w), (row >= 0) & (row < h)
    column, row = (xp.where(inside, k, 0).astype(np.int64) for inside, k in ((across, column), (down, row)))
    row += xp.arange(n).reshape(n, 1, 1) * h
    return xp.where(across & down, row * w + column, n * h * w)


def nearest_pixel(x: Any, places: Any) -> Any:
    """Return for each place the pixel that is nearest, 0 outside."""
    at = round_(raw(places))
    numbers = _pixel_numbers(array_module(at), at[..., 0], at[..., 1], x.shape)
    return movedim(embedding(_pixel_rows(x), numbers), -1, 1)


def _around(places: Any, shape: Any) -> tuple[Any, Any, Any]:
    """Return the numbers (2, 2, N, A, B) of the four pixels around each place, two rows of two, and how near they are.

    Along each axis a place is t behind the first of two pixels: 1 - t is the weight of that one, t of the second.
    """
    array = raw(places)
    xp = array_module(array)
    first = xp.floor(array)
    both = xp.stack([first, first + 1])
    numbers = _pixel_numbers(xp, both[None, ..., 0], both[:, None, ..., 1], shape)
    t = places - first
    near = stack([1 - t, t])
    return numbers, near[None, ..., 0], near[:, None, ..., 1]


@op(promote="exact", keeps=("numbers", "across", "down"))
def bilinear(xp: Any, x: Any, places: Any, /) -> Any:
    """sum of (1 - s or s) (1 - t or t) x over the four pixels around;   dx collects these shares of d, and ds is
    (1 - t) (x_01 - x_00) + t (x_11 - x_10), dt (1 - s) (x_10 - x_00) + s (x_11 - x_01), each times d

    A place is s right of the left two pixels and t below the upper two; a mean along one axis, then the other.
    """
    rows = _pixel_rows(x)
    numbers, across, down = _around(places, x.shape)
    y: Any = 0
    for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
        part = rows.take(numbers[i, j], axis=0)
        part *= (down[i, 0] * across[0, j])[..., None]
        y = part if i + j == 0 else xp.add(y, part, out=y)
    return xp.moveaxis(y, -1, 1), numbers, across, down


def _to_pixels(g: Any, shape: Any, numbers: Any, across: Any, down: Any) -> Any:
    n, c, h, w = shape
    rows = sum_rows(unsqueeze(down * across, -1) * movedim(g, 1, -1), numbers, n * h * w + 1)
    return movedim(reshape(rows[:-1], (n, h, w, c)), -1, 1)


def _to_places(shares: Any, across: Any, down: Any) -> Any:
    ds = sum_((shares[:, 1] - shares[:, 0]) * down[:, 0], 0)
    dt = sum_((shares[1] - shares[0]) * across[0], 0)
    return stack([ds, dt], -1)


def _bilinear_places(g: Any, x: Any, places: Any) -> Any:
    numbers, across, down = _around(places, x.shape)
    shares = sum_(embedding(_pixel_rows(x), numbers) * movedim(g, 1, -1), -1)
    return _to_places(shares, across, down)


bilinear.derivative(
    x=lambda g, x_shape, places: _to_pixels(g, x_shape, *_around(places, x_shape)), places=_bilinear_places
)


@bilinear.raw_derivative
def _bilinear_raw(xp: Any, wanted: Any, g: Any, x: Any, numbers: Any, across: Any, down: Any) -> Any:
    dx = _to_pixels(g, x.shape, numbers, across, down) if wanted[0] else None
    if not wanted[1]:
        return [dx, None]
    shares = xp.einsum("klnabc,ncab->klnab", _pixel_rows(x).take(numbers, axis=0), g)
    return [dx, _to_places(shares, across, down)]
