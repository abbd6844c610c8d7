"""Op sheet: normalisation. Entries are brought to mean 0 and variance 1, together with those they are measured with.

``batch_norm`` measures each channel over the batch, ``group_norm`` each sample over groups of channels, ``layer_norm``
each sample over its last dimensions. Instance norm is group norm with groups of one, RMS norm layer norm without the
mean.
"""

from __future__ import annotations

import math
from typing import Any

from minigrad.backend import constant_row
from minigrad.ops.elementwise import rsqrt, square
from minigrad.ops.op import op
from minigrad.ops.reduction import mean, row_sums, sum_
from minigrad.ops.shape import reshape


def batch_last(x: Any) -> Any:
    """Return x (N, C, ...) as (C, ..., N), the order in memory in which a convolution leaves it: a view."""
    return x.transpose((*range(1, x.ndim), 0))


def batch_first(x: Any) -> Any:
    """Return x (C, ..., N) as (N, C, ...): a view."""
    return x.transpose((x.ndim - 1, *range(x.ndim - 1)))


# --------------------------------------------------------------------------------------------------------------
# Sums by products: NumPy's x.sum(axis=...) takes two to five times as long as a product with a vector of ones


def _row_dots(x: Any, y: Any) -> Any:
    """Return the dot product of each row of ``x``, the last dimension, with the same row of ``y``, as a column."""
    return (x[..., None, :] @ y[..., None])[..., 0]


def _channel_sums(xp: Any, x: Any, y: Any = None) -> Any:
    """Return the sum of x, or of x y, over all dims but dim 1."""
    n, c = x.shape[:2]
    if x.ndim == 2:
        return constant_row(xp, 1, n, x.dtype).dot(x if y is None else x * y)
    if batch_last(x).flags.c_contiguous:  # each channel is one run of memory
        n, x, y = 1, batch_last(x), None if y is None else batch_last(y)
    rows = x.reshape(n * c, x.size // max(n * c, 1))
    if y is None:
        sums = rows.dot(constant_row(xp, 1, rows.shape[1], x.dtype))
    else:
        sums = _row_dots(rows, y.reshape(rows.shape))
    return sums.reshape(n, c).sum(axis=0)


# --------------------------------------------------------------------------------------------------------------
# Over a batch, each channel by itself


def channels(ndim: int) -> tuple[int, ...]:
    """Return all dims but dim 1, the channels: those over which a batch is normalised."""
    return (0, *range(2, ndim))


def per_channel(v: Any, ndim: int) -> Any:
    """Return a vector with one entry per channel in the shape in which it broadcasts over (N, C, ...)."""
    return v if ndim == 2 else reshape(v, (-1,) + (1,) * (ndim - 2))


@op(promote="exact", keeps=("m", "r"))
def batch_norm(
    xp: Any, x: Any, weight: Any, bias: Any, /, eps: float, momentum: float = 0.0, running: Any = None
) -> Any:
    """w x^ + b, where x^ = (x - m) r;   dx^ = w g, dx = r (dx^ - mean(dx^) - x^ mean(dx^ x^)), dw = sum g x^

    m and v are the mean and the biased variance of each channel over the batch and r = 1 / sqrt(v + eps). The
    means in dx are there because m and v depend on x too (Ioffe and Szegedy, 2015). ``running``, a pair of arrays,
    is moved towards m and v in place, ``running += momentum (batch - running)``; it takes the unbiased variance.
    """
    n = math.prod(x.shape[d] for d in channels(x.ndim))
    count = x.dtype.type(n)
    m = _channel_sums(xp, x) / count
    y = x - per_channel(m, x.ndim)
    v = _channel_sums(xp, y, y) / count
    if running is not None:
        running[0][...] += momentum * (m - running[0])
        running[1][...] += momentum * (v * (n / (n - 1)) - running[1])
    r = 1 / xp.sqrt(v + eps)
    y *= per_channel(r if weight is None else r * weight, x.ndim)
    if bias is not None:
        y += per_channel(bias, x.ndim)
    return y, m, r


def _standard(x: Any, dims: tuple[int, ...], eps: float, centred: bool = True) -> tuple[Any, Any]:
    """Return x^ and r as ops on x, which can be differentiated again."""
    if centred:
        x = x - mean(x, dims, True)
    r = rsqrt(mean(square(x), dims, True) + eps)
    return x * r, r


def _batch_norm_x(g: Any, x: Any, weight: Any, eps: float) -> Any:
    dims = channels(x.ndim)
    x_hat, r = _standard(x, dims, eps)
    if weight is not None:
        g = g * per_channel(weight, x.ndim)
    return r * (g - mean(g, dims, True) - x_hat * mean(g * x_hat, dims, True))


batch_norm.derivative(
    x=_batch_norm_x,
    weight=lambda g, x, eps: sum_(g * _standard(x, channels(x.ndim), eps)[0], channels(x.ndim)),
    bias=lambda g: sum_(g, channels(g.ndim)),
)


@batch_norm.raw_derivative
def _batch_norm_raw(xp: Any, wanted: Any, g: Any, x: Any, weight: Any, m: Any, r: Any) -> Any:
    # The three shares need the same two sums, and w can wait: dx = w r (g - mean(g) - x^ mean(g x^)). With the
    # centred c = x - m in place of x^ = c r, a factor for each entry becomes one for each channel.
    c = x - per_channel(m, x.ndim)
    g_sum = _channel_sums(xp, g)
    g_x_hat_sum = r * _channel_sums(xp, g, c)
    if not wanted[0]:
        return [None, g_x_hat_sum, g_sum]
    n = x.dtype.type(math.prod(x.shape[d] for d in channels(x.ndim)))
    dx = c  # its memory is free to be used from here on
    dx *= per_channel(r * g_x_hat_sum / -n, x.ndim)
    dx += g
    dx -= per_channel(g_sum / n, x.ndim)
    dx *= per_channel(r if weight is None else r * weight, x.ndim)
    return [dx, g_x_hat_sum, g_sum]


@op(promote="exact")
def channel_affine(xp: Any, x: Any, weight: Any, bias: Any, /) -> Any:
    """w x + b, with a w and a b for each channel, dim 1 of x;   dx = w g, dw = sum g x, db = sum g"""
    y = x.copy() if weight is None else x * per_channel(weight, x.ndim)
    if bias is not None:
        y += per_channel(bias, x.ndim)
    return y


channel_affine.derivative(
    x=lambda g, weight: g if weight is None else g * per_channel(weight, g.ndim),
    weight=lambda g, x: sum_(g * x, channels(x.ndim)),
    bias=lambda g: sum_(g, channels(g.ndim)),
)


@channel_affine.raw_derivative
def _channel_affine_raw(xp: Any, wanted: Any, g: Any, x: Any, weight: Any) -> Any:
    dx = None
    if wanted[0]:
        dx = g.copy() if weight is None else g * per_channel(weight, g.ndim)
    return [dx, _channel_sums(xp, g, x) if wanted[1] else None, _channel_sums(xp, g) if wanted[2] else None]


def batch_norm_fixed(x: Any, m: Any, v: Any, weight: Any, bias: Any, eps: float) -> Any:
    """Normalise with given statistics, as in evaluation: an affine map of each channel."""
    scale = rsqrt(v + eps)
    if weight is not None:
        scale = scale * weight
    return channel_affine(x, scale, -m * scale if bias is None else bias - m * scale)


# --------------------------------------------------------------------------------------------------------------
# Over groups of channels, each sample by itself
#
# Inside, x is (N, groups, C / groups, area), or (groups, C / groups, area, N) if the batch is last in memory, as a
# convolution leaves it. What was measured keeps the dimensions that it is the same along, with size 1.


def _grouping(x: Any, groups: int) -> tuple[bool, int, tuple[int, ...]]:
    """Return whether the batch is last in memory, the size of a group, and the shape of a vector over the channels."""
    last = x.ndim > 2 and batch_last(x).flags.c_contiguous
    return last, math.prod(x.shape[1:]) // groups, (groups, -1, 1, 1) if last else (groups, -1, 1)


def _grouped(x: Any, groups: int, last: bool) -> Any:
    n, c = x.shape[:2]
    shape = (groups, c // groups, math.prod(x.shape[2:]))
    return batch_last(x).reshape(*shape, n) if last else x.reshape(n, *shape)


def _area_sums(xp: Any, x: Any, y: Any, last: bool) -> Any:
    """Return the sums of x y, or of x where y is None, over the area."""
    if last:
        return (constant_row(xp, 1, x.shape[2], x.dtype) @ (x if y is None else x * y))[..., None, :]
    return row_sums(xp, x, -1) if y is None else _row_dots(x, y)


def _group_means(sums: Any, size: int, last: bool) -> Any:
    return sums.sum(axis=1 if last else 2, keepdims=True) / sums.dtype.type(size)


@op(promote="exact", keeps=("m", "r"))
def group_norm(xp: Any, x: Any, weight: Any, bias: Any, /, groups: int, eps: float) -> Any:
    """w x^ + b, where x^ = (x - m) r;   dx^ = w g, dx = r (dx^ - mean(dx^) - x^ mean(dx^ x^)), dw = sum g x^

    m, v and r are those of :func:`batch_norm`, of each of ``groups`` groups of channels in each sample, and there is a
    w and a b for each channel (Wu and He, 2018).
    """
    last, size, each = _grouping(x, groups)
    y = _grouped(x, groups, last)
    m = _group_means(_area_sums(xp, y, None, last), size, last)
    y = y - m
    r = 1 / xp.sqrt(_group_means(_area_sums(xp, y, y, last), size, last) + eps)
    y *= r if weight is None else r * weight.reshape(each)
    if bias is not None:
        y += bias.reshape(each)
    return _images(y, x.shape, last), m, r


def _images(y: Any, shape: Any, last: bool) -> Any:
    """Undo ``_grouped``."""
    if not last:
        return y.reshape(shape)
    return batch_first(y.reshape(*shape[1:], shape[0]))


def _in_groups(x: Any, groups: int) -> Any:
    return reshape(x, (x.shape[0], groups, math.prod(x.shape[1:]) // groups))


def _group_norm_x(g: Any, x: Any, weight: Any, groups: int, eps: float) -> Any:
    x_hat, r = _standard(_in_groups(x, groups), (2,), eps)
    g = _in_groups(g if weight is None else g * per_channel(weight, g.ndim), groups)
    return reshape(r * (g - mean(g, 2, True) - x_hat * mean(g * x_hat, 2, True)), x.shape)


def _group_norm_weight(g: Any, x: Any, groups: int, eps: float) -> Any:
    return sum_(g * reshape(_standard(_in_groups(x, groups), (2,), eps)[0], x.shape), channels(x.ndim))


group_norm.derivative(x=_group_norm_x, weight=_group_norm_weight, bias=lambda g: sum_(g, channels(g.ndim)))


@group_norm.raw_derivative
def _group_norm_raw(xp: Any, wanted: Any, g: Any, x: Any, weight: Any, m: Any, r: Any, groups: int) -> Any:
    # As in batch norm; the sums over single channels give dw and db and, times w, those over groups.
    last, size, each = _grouping(x, groups)
    c, g = _grouped(x, groups, last) - m, _grouped(g, groups, last)
    g_sums, g_x_hat_sums = _area_sums(xp, g, None, last), r * _area_sums(xp, g, c, last)
    dw, db = (sums.sum(axis=3 if last else 0).reshape(-1) for sums in (g_x_hat_sums, g_sums))
    if not wanted[0]:
        return [None, dw, db]
    scale = r
    if weight is not None:
        w = weight.reshape(each)
        g_sums, g_x_hat_sums, scale = g_sums * w, g_x_hat_sums * w, r * w
    dx = c
    dx *= r * r * _group_means(g_x_hat_sums, -size, last)
    dx -= r * _group_means(g_sums, size, last)
    dx += g * scale
    return [_images(dx, x.shape, last), dw, db]


# --------------------------------------------------------------------------------------------------------------
# Over the last dimensions, each sample by itself


@op(promote="exact", keeps=("m", "r"))
def layer_norm(xp: Any, x: Any, weight: Any, bias: Any, /, ndim: int, eps: float, centred: bool = True) -> Any:
    """w x^ + b, where x^ = (x - m) r;   dx^ = w g, dx = r (dx^ - mean(dx^) - x^ mean(dx^ x^)), dw = sum g x^

    m and v are the mean and the biased variance over the last ``ndim`` dimensions, the shape of w and b, and
    r = 1 / sqrt(v + eps) (Ba, Kiros and Hinton, 2016). Without ``centred`` m is 0, so that v is the mean square, and
    dx lacks mean(dx^): RMS norm (Zhang and Sennrich, 2019).
    """
    rows = _as_rows(x, ndim)
    n = x.dtype.type(max(rows.shape[1], 1))
    m = (rows.dot(constant_row(xp, 1, rows.shape[1], x.dtype)) / n)[:, None] if centred else None
    y = rows - m if centred else rows
    r = 1 / xp.sqrt(_row_dots(y, y) / n + eps)
    y = xp.multiply(y, r, out=y if centred else None)
    if weight is not None:
        y *= weight.reshape(-1)
    if bias is not None:
        y += bias.reshape(-1)
    return y.reshape(x.shape), m, r


def _as_rows(x: Any, ndim: int) -> Any:
    """Return a matrix with one sample per row, the last ``ndim`` dims joined."""
    at = x.ndim - ndim
    return x.reshape(math.prod(x.shape[:at]), math.prod(x.shape[at:]))


def _layer_norm_x(g: Any, x: Any, weight: Any, ndim: int, eps: float, centred: bool) -> Any:
    dims = tuple(range(x.ndim - ndim, x.ndim))
    x_hat, r = _standard(x, dims, eps, centred)
    if weight is not None:
        g = g * weight
    dx = g - x_hat * mean(g * x_hat, dims, True)
    return r * (dx - mean(g, dims, True) if centred else dx)


layer_norm.derivative(
    x=_layer_norm_x,
    weight=lambda g, x, ndim, eps, centred: g * _standard(x, tuple(range(x.ndim - ndim, x.ndim)), eps, centred)[0],
    bias=lambda g: g,
)


@layer_norm.raw_derivative
def _layer_norm_raw(xp: Any, wanted: Any, g: Any, x: Any, weight: Any, bias: Any, m: Any, r: Any, ndim: int) -> Any:
    # With c = x - m and p = g c all sums are products of a matrix and a vector: dw = sum r p, and along a row
    # mean(dx^) = g . w / n and mean(dx^ x^) = r p . w / n.
    rows, g = _as_rows(x, ndim), _as_rows(g, ndim)
    shape, (height, n) = x.shape[x.ndim - ndim :], rows.shape
    c = rows if m is None else rows - m
    p = g * c
    dw = r[:, 0].dot(p).reshape(shape) if wanted[1] else None
    db = constant_row(xp, 1, height, g.dtype).dot(g).reshape(shape) if wanted[2] else None
    if not wanted[0]:
        return [None, dw, db]
    w = constant_row(xp, 1, n, g.dtype) if weight is None else weight.reshape(-1)
    share = r * r * (r * (p.dot(w) / g.dtype.type(max(n, 1)))[:, None])
    c = xp.multiply(c, share, out=None if m is None else c)
    dx = xp.multiply(g, w, out=p)
    if m is not None:
        dx -= (g.dot(w) / g.dtype.type(max(n, 1)))[:, None]
    dx *= r
    dx -= c
    return [dx.reshape(x.shape), dw, db]
