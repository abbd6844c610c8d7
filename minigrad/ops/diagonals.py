"""Op sheet: diagonals and triangles of matrices, the last two dimensions or any two.

``offset`` names a diagonal: 0 is the main one, 1 the one above it, -1 the one below.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.ops.conversion import clone
from minigrad.ops.op import op
from minigrad.ops.shape import atleast_2d, cat, ravel, wrap_dims


def _diagonal_of(x: Any, offset: int, dim1: int, dim2: int) -> Any:
    """Return a view of the diagonal as the last dimension, to be written into wherever ``x`` is."""
    y = x.diagonal(offset, *wrap_dims((dim1, dim2), x.ndim))
    if isinstance(y, np.ndarray):
        y.flags.writeable = x.flags.writeable  # NumPy's is read-only, to warn of a change that never came
    return y


@op(promote=None, view=True)
def diagonal(xp: Any, x: Any, /, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """x[i, i + offset] of the dimensions dim1 and dim2, as the last one;   dx[i, i + offset] = d, all else 0"""
    return _diagonal_of(x, offset, dim1, dim2)


@op(promote=None)
def on_diagonal(xp: Any, v: Any, /, shape: tuple[int, ...], offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """zeros of a shape with v on a diagonal;   dv = the diagonal of d"""
    out = xp.zeros(shape, v.dtype)
    _diagonal_of(out, offset, dim1, dim2)[...] = v
    return out


@op(promote=None)
def set_diagonal(xp: Any, x: Any, src: Any, /, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """a copy of x with src on a diagonal;   dx = d with 0 there, dsrc = the diagonal of d"""
    out = xp.array(x)
    _diagonal_of(out, offset, dim1, dim2)[...] = src
    return out


@op(promote=None)
def tril(xp: Any, x: Any, /, diagonal: int = 0) -> Any:
    """x on and below a diagonal, 0 above it;   d = dx there"""
    if x.ndim < 2:
        raise ValueError("expected at least 2 dimensions")
    return xp.tril(x, diagonal)


@op(promote=None)
def triu(xp: Any, x: Any, /, diagonal: int = 0) -> Any:
    """x on and above a diagonal, 0 below it;   d = dx there"""
    if x.ndim < 2:
        raise ValueError("expected at least 2 dimensions")
    return xp.triu(x, diagonal)


diagonal.derivative(x=lambda g, x_shape, offset, dim1, dim2: on_diagonal(g, x_shape, offset, dim1, dim2))
on_diagonal.derivative(v=lambda g, offset, dim1, dim2: diagonal(g, offset, dim1, dim2))
set_diagonal.derivative(
    x=lambda g, offset, dim1, dim2: set_diagonal(g, 0.0, offset, dim1, dim2),
    src=lambda g, offset, dim1, dim2: diagonal(g, offset, dim1, dim2),
)
tril.derivative(x=lambda g, diagonal: tril(g, diagonal))
triu.derivative(x=lambda g, diagonal: triu(g, diagonal))


def diag_embed(input: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Make matrices, in the dimensions ``dim1`` and ``dim2`` of the result, with the last dimension on a diagonal."""
    n = input.shape[-1] + abs(offset)
    ndim = len(input.shape) + 1
    shape = list(input.shape[:-1])
    for d in sorted(wrap_dims((dim1, dim2), ndim)):
        shape.insert(d, n)
    return on_diagonal(input, tuple(shape), offset, *wrap_dims((dim1, dim2), ndim))


def diag(input: Any, diagonal: int = 0) -> Any:
    """Return the diagonal of a matrix, as a copy, or the matrix with a vector on its diagonal."""
    if len(input.shape) == 1:
        return diag_embed(input, diagonal)
    if len(input.shape) != 2:
        raise RuntimeError(f"diag: expected a vector or a matrix, got shape {tuple(input.shape)}; see diag_embed()")
    return clone(_diagonal(input, diagonal))


_diagonal = diagonal  # ``diagonal`` is an argument of PyTorch's in ``diag``


def diagflat(input: Any, offset: int = 0) -> Any:
    """Make a matrix with all entries of ``input``, in row-major order, on a diagonal."""
    return diag_embed(ravel(input), offset)


def diagonal_scatter(input: Any, src: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """Return a copy of ``input`` with ``src`` on a diagonal."""
    expected = _diagonal_of(np.broadcast_to(np.False_, input.shape), offset, dim1, dim2).shape
    if expected != tuple(src.shape):
        raise RuntimeError(f"diagonal_scatter: expected src of shape {expected}, got {tuple(src.shape)}")
    return set_diagonal(input, src, offset, dim1, dim2)


def block_diag(*tensors: Any) -> Any:
    """Make one matrix with the given ones along its diagonal and zeros elsewhere; vectors count as rows.

    >>> import minigrad
    >>> minigrad.block_diag(minigrad.ones(1, 2), minigrad.ones(2, 1)).tolist()
    [[1.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]
    """
    blocks = [atleast_2d(x) for x in tensors]
    if any(len(x.shape) > 2 for x in blocks):
        raise RuntimeError(f"block_diag: expected at most 2 dimensions, got {[tuple(x.shape) for x in tensors]}")
    width = sum(x.shape[1] for x in blocks)
    rows, left = [], 0
    for x in blocks:
        rows.append(_padded(x, left, width))
        left += x.shape[1]
    return cat(rows)


@op(promote=None)
def _padded(xp: Any, x: Any, /, left: int, width: int) -> Any:
    """zeros of a width with x from column left on;   dx = d from there"""
    out = xp.zeros((x.shape[0], width), x.dtype)
    out[:, left : left + x.shape[1]] = x
    return out


_padded.derivative(x=lambda g, x_shape, left: g[:, left : left + x_shape[1]])
