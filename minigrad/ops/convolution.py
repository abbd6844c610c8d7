"""Op sheet: convolution over any number of dimensions.

Three ops, and the derivative of each in either of its arguments is one of the other two:

=====================================  =================================================================
``convolution(x, w)``                  y_o = sum over the window at o of w_k x_i
``conv_transpose(u, w)``               x_i = sum over the windows that i lies in of w_k u_o: its adjoint
``conv_weight(x, u)``                  w_k = sum over all o of x_i u_o
=====================================  =================================================================

Here i = stride o + dilation k - padding, which a :class:`~minigrad.ops.window.Window` knows; the channels of x and y
are summed as in a matrix product. So that they *are* one, ``_columns`` writes all windows side by side into a matrix
(im2col), and ``_add_columns`` adds such a matrix back (col2im).

Inside, the batch is the *last* dimension, (C, *size, N): whatever a step of the walk copies are then long runs of
memory, however small the images. Results are views of such arrays in the usual order (N, C, *size). The next layer
finds them as it wants them, and nobody else need know.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from minigrad.ops.normalization import channels
from minigrad.ops.op import op
from minigrad.ops.reduction import sum_
from minigrad.ops.window import Window

# Columns of up to KEPT bytes are made at once and kept for the backward pass. Larger ones are made again there, and
# in blocks that stay in the cache.
KEPT, BLOCK = 1 << 22, 1 << 20

# --------------------------------------------------------------------------------------------------------------
# Windows as a matrix


def _batch_last(xp: Any, x: Any) -> Any:
    return xp.ascontiguousarray(x.transpose((*range(1, x.ndim), 0)))


def _batch_first(x: Any) -> Any:
    return x.transpose((x.ndim - 1, *range(x.ndim - 1)))


def _columns(xp: Any, x: Any, window: Window, groups: int = 1) -> Any:
    """Return the windows over x (C, *size, N) as matrices (groups, C / groups * kernel, out * N)."""
    c, n = x.shape[0], x.shape[-1]
    shape = groups, c // groups * math.prod(window.kernel), math.prod(window.out) * n
    if window.is_identity():
        return x.reshape(shape)
    columns = (xp.empty if window.inside() else xp.zeros)((c, *window.kernel, *window.out, n), x.dtype)
    for k, outputs, inputs in window.steps():
        columns[(slice(None), *k, *outputs)] = x[(slice(None), *inputs)]
    return columns.reshape(shape)


def _add_columns(columns: Any, x: Any, window: Window) -> None:
    """Add to every entry of x (C, *size, N) what the matrices of ``_columns`` have for it."""
    columns = columns.reshape(x.shape[0], *window.kernel, *window.out, x.shape[-1])
    for k, outputs, inputs in window.steps():
        x[(slice(None), *inputs)] += columns[(slice(None), *k, *outputs)]


def _blocks(window: Window, x: Any) -> Iterator[tuple[slice, Window]]:
    """Cut the outputs into blocks for whose columns, windows over x, there is room."""
    size = x.nbytes // max(math.prod(window.size), 1) * math.prod(window.kernel + window.out)
    if size <= KEPT or window.is_identity():
        return iter([(slice(0, window.out[0]), window)])
    return window.rows(max(1, window.out[0] * BLOCK // size))


@op(promote=None)
def im2col(xp: Any, x: Any, /, window: Window) -> Any:
    """the windows over x (N, C, *size) as columns (N, C * kernel, out);   d = those of dx"""
    columns = _columns(xp, _batch_last(xp, x), window)
    return _batch_first(columns.reshape(-1, math.prod(window.out), x.shape[0]))


@op(promote=None)
def col2im(xp: Any, columns: Any, /, window: Window) -> Any:
    """each entry of x (N, C, *size) summed over the columns it stands in, im2col's adjoint;   d = that of dcolumns"""
    n = columns.shape[0]
    x = xp.zeros((columns.shape[1] // math.prod(window.kernel), *window.size, n), columns.dtype)
    _add_columns(_batch_last(xp, columns), x, window)
    return _batch_first(x)


im2col.derivative(x=lambda g, window: col2im(g, window))
col2im.derivative(columns=lambda g, window: im2col(g, window))

# --------------------------------------------------------------------------------------------------------------
# Convolution


@op(promote="exact", keeps=("columns",))
def convolution(xp: Any, x: Any, weight: Any, bias: Any, /, window: Window, groups: int) -> Any:
    """y_o = b + sum_k w_k x_i;   dx = conv_transpose(g, w), dw = conv_weight(x, g), db = sum of g

    x (N, C, *size), weight (O, C / groups, *kernel), y (N, O, *out). With groups the channels of x and y are cut
    into as many parts, and each part of y sees one part of x.
    """
    x = _batch_last(xp, x)
    y = xp.empty((weight.shape[0], *window.out, x.shape[-1]), x.dtype)
    w = _matrices(weight, groups)
    for rows, block in _blocks(window, x):
        columns = _columns(xp, x, block, groups)
        part = _flat(y[:, rows], groups)
        xp.matmul(w, columns, out=part)
        if bias is not None:
            part += bias.reshape(groups, -1, 1)
    return _batch_first(y), columns if block is window else None


@op(promote="exact")
def conv_transpose(xp: Any, u: Any, weight: Any, bias: Any, /, window: Window, groups: int) -> Any:
    """x_i = b + sum_k w_k u_o;   du = convolution(g, w), dw = conv_weight(g, u), db = sum of g

    u (N, O, *out), weight (O, C / groups, *kernel), x (N, C, *size): back through a convolution.
    """
    u = _batch_last(xp, u)
    x = xp.zeros((weight.shape[1] * groups, *window.size, u.shape[-1]), u.dtype)
    w = _matrices(weight, groups).swapaxes(1, 2)
    for rows, block in _blocks(window, x):
        _add_columns(_product(xp, w, _flat(u[:, rows], groups)), x, block)
    if bias is not None:
        x += bias.reshape(-1, *(1,) * (x.ndim - 1))
    return _batch_first(x)


@op(promote="exact")
def conv_weight(xp: Any, x: Any, u: Any, /, window: Window, groups: int) -> Any:
    """w_k = sum_o x_i u_o;   dx = conv_transpose(u, g), du = convolution(x, g)"""
    return _weight(xp, _batch_last(xp, x), _batch_last(xp, u), window, groups)


def _matrices(weight: Any, groups: int) -> Any:
    return weight.reshape(groups, weight.shape[0] // groups, math.prod(weight.shape[1:]))


def _flat(y: Any, groups: int) -> Any:
    """Return y (O, *out, N) as matrices (groups, O / groups, out * N)."""
    return y.reshape(groups, y.shape[0] // groups, math.prod(y.shape[1:]))


def _product(xp: Any, a: Any, b: Any) -> Any:
    return a * b if a.shape[2] == 1 else xp.matmul(a, b)  # BLAS takes eight times as long for a column times a row


def _weight(xp: Any, x: Any, u: Any, window: Window, groups: int) -> Any:
    w: Any = 0  # transposed: BLAS is faster at a product with the longer side in front
    for rows, block in _blocks(window, x):
        w = w + xp.matmul(_columns(xp, x, block, groups), _flat(u[:, rows], groups).swapaxes(1, 2))
    return w.swapaxes(1, 2).reshape(u.shape[0], x.shape[0] // groups, *window.kernel)


convolution.derivative(
    x=lambda g, weight, window, groups: conv_transpose(g, weight, None, window, groups),
    weight=lambda g, x, window, groups: conv_weight(x, g, window, groups),
    bias=lambda g: sum_(g, channels(g.ndim)),
)
conv_transpose.derivative(
    u=lambda g, weight, window, groups: convolution(g, weight, None, window, groups),
    weight=lambda g, u, window, groups: conv_weight(g, u, window, groups),
    bias=lambda g: sum_(g, channels(g.ndim)),
)
conv_weight.derivative(
    x=lambda g, u, window, groups: conv_transpose(u, g, None, window, groups),
    u=lambda g, x, window, groups: convolution(x, g, None, window, groups),
)


@convolution.raw_derivative
def _convolution_raw(
    xp: Any, wanted: Any, g: Any, x: Any, weight: Any, columns: Any, window: Window, groups: int
) -> Any:
    # The three shares in one pass over the blocks, with the columns of the forward if it kept them.
    g = _batch_last(xp, g)
    dx = xp.zeros((*x.shape[1:], x.shape[0]), x.dtype) if wanted[0] else None
    if columns is None:
        x = _batch_last(xp, x)
    w = _matrices(weight, groups).swapaxes(1, 2)
    dw: Any = 0
    for rows, block in _blocks(window, x):
        part = _flat(g[:, rows], groups)
        if wanted[1]:
            seen = _columns(xp, x, block, groups) if columns is None else columns
            dw = dw + xp.matmul(seen, part.swapaxes(1, 2))
        if wanted[0]:
            _add_columns(_product(xp, w, part), dx, block)
    return [
        None if dx is None else _batch_first(dx),
        dw.swapaxes(1, 2).reshape(weight.shape) if wanted[1] else None,
        g.sum(axis=tuple(range(1, g.ndim))) if wanted[2] else None,
    ]
