"""Op sheet: convolution over any number of dimensions.

Three ops, and the derivative of each in either of its arguments is one of the other two:

=====================================  =================================================================
``conv(x, w)``                         y_o = sum over the window at o of w_k x_i
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
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from minigrad.ops.normalization import batch_first, batch_last, channels
from minigrad.ops.op import op
from minigrad.ops.reduction import sum_
from minigrad.ops.window import Sizes, Window

# --------------------------------------------------------------------------------------------------------------
# Windows as a matrix


def _inside(xp: Any, x: Any) -> Any:
    """Return x (N, C, ...) as it is in here: (C, ..., N), without gaps."""
    return xp.ascontiguousarray(batch_last(x))


BLOCK = 1 << 21  # bytes of columns at a time: they are used at once, while they are in the cache
_scratch = threading.local()


def _blocks(window: Window, x: Any) -> Iterator[tuple[slice, Window]]:
    """Cut the outputs into blocks of rows whose columns, windows over x, take about BLOCK bytes."""
    size = x.nbytes // max(math.prod(window.size), 1) * math.prod(window.kernel + window.out)
    return window.rows(max(1, window.out[0] * BLOCK // max(size, 1)))


def _room(xp: Any, shape: Sizes, dtype: Any) -> Any:
    """Return an array for columns: the same memory every time, as the system takes long to hand out more."""
    size = math.prod(shape) * dtype.itemsize
    if xp is not np or size > 2 * BLOCK:  # CuPy does this by itself
        return xp.empty(shape, dtype)
    if not hasattr(_scratch, "memory"):
        _scratch.memory = np.empty(2 * BLOCK, np.uint8)
    return _scratch.memory[:size].view(dtype).reshape(shape)


def _columns(xp: Any, x: Any, window: Window, groups: int = 1, room: Any = _room) -> Any:
    """Return the windows over x (C, *size, N) as matrices (groups, C / groups * kernel, out * N)."""
    c, n = x.shape[0], x.shape[-1]
    if window.is_slice() and room is _room:
        return _matrices(x[(slice(None), *window.steps()[0][2])], groups)
    columns = room(xp, (c, *window.kernel, *window.out, n), x.dtype)
    if not window.inside():
        columns.fill(0)
    for k, outputs, inputs in window.steps():
        columns[(slice(None), *k, *outputs)] = x[(slice(None), *inputs)]
    return columns.reshape(groups, c // groups * math.prod(window.kernel), math.prod(window.out) * n)


def _add_columns(columns: Any, x: Any, window: Window) -> None:
    """Add to every entry of x (C, *size, N) what the matrices of ``_columns`` have for it."""
    columns = columns.reshape(x.shape[0], *window.kernel, *window.out, x.shape[-1])
    for k, outputs, inputs in window.steps():
        x[(slice(None), *inputs)] += columns[(slice(None), *k, *outputs)]


@op(promote=None)
def im2col(xp: Any, x: Any, /, window: Window) -> Any:
    """the windows over x (N, C, *size) as columns (N, C * kernel, out);   d = those of dx"""
    columns = _columns(xp, _inside(xp, x), window, room=lambda xp, shape, dtype: xp.empty(shape, dtype))
    return batch_first(columns.reshape(-1, math.prod(window.out), x.shape[0]))


@op(promote=None)
def col2im(xp: Any, columns: Any, /, window: Window) -> Any:
    """each entry of x (N, C, *size) summed over the columns it stands in, im2col's adjoint;   d = that of dcolumns"""
    n = columns.shape[0]
    x = xp.zeros((columns.shape[1] // math.prod(window.kernel), *window.size, n), columns.dtype)
    _add_columns(_inside(xp, columns), x, window)
    return batch_first(x)


im2col.derivative(x=lambda g, window: col2im(g, window))
col2im.derivative(columns=lambda g, window: im2col(g, window))

# --------------------------------------------------------------------------------------------------------------
# Depthwise: a kernel for each channel
#
# As a product this would be a row times all columns, copies of x for a single sum. But if the windows step by 1, then
# for each kernel entry the inputs of all outputs follow each other in memory, and need no copy. (Where a row ends, as
# long as that of the padded x, so go on those of windows that reach over into the next row; they are cut off again.)


def _is_depthwise(x: Any, o: int, window: Window, groups: int) -> bool:
    """Whether x (C, *size, N) has a kernel for each channel whose windows overlap; N = 1 is faster as a product."""
    return x.shape[0] == o == groups and x.shape[-1] > 1 and not window.apart()


def _reach(window: Window) -> Sizes:
    """Return how far it is from the first entry of the kernel to the last one."""
    return tuple(d * (k - 1) for d, k in zip(window.dilation, window.kernel))


def _laid_out(xp: Any, x: Any, window: Window, out: Sizes, stride: Sizes, before: Sizes) -> Any:
    """Return zeros as large as ``out`` windows reach, and a row more, with entry i of x at stride i + before."""
    rows, *size = (n + m for n, m in zip(out, _reach(window)))
    y = xp.zeros((x.shape[0], rows + 1, *size, x.shape[-1]), x.dtype)
    ones = (1,) * len(out)
    lay = Window((rows, *size), x.shape[1:-1], ones, stride, tuple(-n for n in before), ones)
    for _, entries, places in lay.steps():
        y[(slice(None), *places)] = x[(slice(None), *entries)]
    return y


def _runs(xp: Any, x: Any, window: Window, rows: int) -> Any:
    """Return for each kernel entry as many rows of x as follow it: a view (C, *kernel, places)."""
    shape = (x.shape[0], *window.kernel, rows * math.prod(x.shape[2:]))
    steps = (d * step for d, step in zip(window.dilation, x.strides[1:-1]))
    return xp.lib.stride_tricks.as_strided(x, shape, (x.strides[0], *steps, x.itemsize))


def _slide(xp: Any, x: Any, weight: Any, window: Window, out: Sizes, stride: Sizes, before: Sizes) -> Any:
    """Slide the kernels by steps of 1 over x as it is laid out: y (C, *out, N), with gaps in memory."""
    x = _laid_out(xp, x, window, out, stride, before)
    k = "hwd"[: len(out)]
    y = xp.einsum(f"c{k}p,c{k}->cp", _runs(xp, x, window, out[0]), weight[:, 0])
    return y.reshape(len(x), out[0], *x.shape[2:])[(slice(None), slice(None), *map(slice, out[1:]))]


def _slide_weight(xp: Any, x: Any, u: Any, window: Window) -> Any:
    """Return the sum of x_i u_o for each kernel entry (C, *kernel), of windows that step by 1."""
    x = _laid_out(xp, x, window, window.out, window.stride, window.padding)
    u = _laid_out(xp, u, window, window.out, window.stride, (0,) * len(window.out))[:, : window.out[0]]
    k = "hwd"[: len(window.out)]
    return xp.einsum(f"c{k}p,cp->c{k}", _runs(xp, x, window, window.out[0]), u.reshape(len(u), -1))


# --------------------------------------------------------------------------------------------------------------
# Convolution


@op(promote="exact", name="convolution")
def conv(xp: Any, x: Any, weight: Any, bias: Any, /, window: Window, groups: int) -> Any:
    """y_o = b + sum_k w_k x_i;   dx = conv_transpose(g, w), dw = conv_weight(x, g), db = sum of g

    x (N, C, *size), weight (O, C / groups, *kernel), y (N, O, *out). With groups the channels of x and y are cut
    into as many parts, and each part of y sees one part of x.
    """
    x = _inside(xp, x)
    if _is_depthwise(x, len(weight), window, groups) and max(window.stride) == 1:
        y = _slide(xp, x, weight, window, window.out, window.stride, window.padding)
        return batch_first(xp.ascontiguousarray(y) if bias is None else y + _over(bias, y.ndim))
    y = xp.empty((weight.shape[0], *window.out, x.shape[-1]), x.dtype)
    w = _matrices(weight, groups)
    for rows, block in _blocks(window, x):
        part = _matrices(y[:, rows], groups)
        xp.matmul(w, _columns(xp, x, block, groups), out=part)
        if bias is not None:
            part += bias.reshape(groups, -1, 1)
    return batch_first(y)


@op(promote="exact")
def conv_transpose(xp: Any, u: Any, weight: Any, bias: Any, /, window: Window, groups: int) -> Any:
    """x_i = b + sum_k w_k u_o;   du = conv(g, w), dw = conv_weight(g, u), db = sum of g

    u (N, O, *out), weight (O, C / groups, *kernel), x (N, C, *size): back through a convolution.
    """
    u = _inside(xp, u)
    if _is_depthwise(u, weight.shape[1] * groups, window, groups):  # slide back over u with zeros between its entries
        turned = weight[(..., *(slice(None, None, -1),) * len(window.size))]
        before = tuple(n - m for n, m in zip(_reach(window), window.padding))
        x = _slide(xp, u, turned, window, window.size, window.stride, before)
        return batch_first(xp.ascontiguousarray(x) if bias is None else x + _over(bias, x.ndim))
    x = xp.zeros((weight.shape[1] * groups, *window.size, u.shape[-1]), u.dtype)
    w = _matrices(weight, groups).swapaxes(1, 2)
    for rows, block in _blocks(window, x):
        part = _matrices(u[:, rows], groups)
        columns = _room(xp, (groups, w.shape[1], part.shape[2]), u.dtype)
        # BLAS takes eight times as long as a multiplication for a column times a row.
        (xp.matmul if part.shape[1] > 1 else xp.multiply)(w, part, out=columns)
        _add_columns(columns, x, block)
    if bias is not None:
        x += _over(bias, x.ndim)
    return batch_first(x)


@op(promote="exact")
def conv_weight(xp: Any, x: Any, u: Any, /, window: Window, groups: int) -> Any:
    """w_k = sum_o x_i u_o;   dx = conv_transpose(u, g), du = conv(x, g)"""
    x, u = _inside(xp, x), _inside(xp, u)
    if _is_depthwise(x, len(u), window, groups) and max(window.stride) == 1:
        return _slide_weight(xp, x, u, window)[:, None]
    w: Any = 0  # transposed: BLAS is faster at a product with the longer side in front
    for rows, block in _blocks(window, x):
        w = w + xp.matmul(_columns(xp, x, block, groups), _matrices(u[:, rows], groups).swapaxes(1, 2))
    return w.swapaxes(1, 2).reshape(u.shape[0], x.shape[0] // groups, *window.kernel)


def _over(bias: Any, ndim: int) -> Any:
    """Return the bias in the shape in which it broadcasts over (C, ...)."""
    return bias.reshape(-1, *(1,) * (ndim - 1))


def _matrices(x: Any, groups: int) -> Any:
    """Return x (C, ...) as matrices (groups, C / groups, ...)."""
    return x.reshape(groups, x.shape[0] // groups, math.prod(x.shape[1:]))


conv.derivative(
    x=lambda g, weight, window, groups: conv_transpose(g, weight, None, window, groups),
    weight=lambda g, x, window, groups: conv_weight(x, g, window, groups),
    bias=lambda g: sum_(g, channels(g.ndim)),
)
conv_transpose.derivative(
    u=lambda g, weight, window, groups: conv(g, weight, None, window, groups),
    weight=lambda g, u, window, groups: conv_weight(g, u, window, groups),
    bias=lambda g: sum_(g, channels(g.ndim)),
)
conv_weight.derivative(
    x=lambda g, u, window, groups: conv_transpose(u, g, None, window, groups),
    u=lambda g, x, window, groups: conv(x, g, None, window, groups),
)
