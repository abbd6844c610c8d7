"""Op sheet: normalisation over a batch."""

from __future__ import annotations

import math
from typing import Any

from minigrad.ops.elementwise import rsqrt, square
from minigrad.ops.op import op
from minigrad.ops.reduction import mean, sum_
from minigrad.ops.shape import reshape


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
    dims = channels(x.ndim)
    n = x.size // x.shape[1]
    m = x.sum(axis=dims) / x.dtype.type(n)
    y = x - per_channel(m, x.ndim)
    v = xp.square(y).sum(axis=dims) / x.dtype.type(n)
    if running is not None:
        running[0][...] += momentum * (m - running[0])
        running[1][...] += momentum * (v * (n / (n - 1)) - running[1])
    r = 1 / xp.sqrt(v + eps)
    y *= per_channel(r if weight is None else r * weight, x.ndim)
    if bias is not None:
        y += per_channel(bias, x.ndim)
    return y, m, r


def _normalized(x: Any, eps: float) -> tuple[Any, Any]:
    """Return x^ and r as ops on x, which can be differentiated again."""
    dims = channels(x.ndim)
    centred = x - mean(x, dims, True)
    r = rsqrt(mean(square(centred), dims, True) + eps)
    return centred * r, r


def _rule_x(g: Any, x: Any, weight: Any, eps: float) -> Any:
    dims = channels(x.ndim)
    x_hat, r = _normalized(x, eps)
    if weight is not None:
        g = g * per_channel(weight, x.ndim)
    return r * (g - mean(g, dims, True) - x_hat * mean(g * x_hat, dims, True))


batch_norm.derivative(
    x=_rule_x,
    weight=lambda g, x, eps: sum_(g * _normalized(x, eps)[0], channels(x.ndim)),
    bias=lambda g: sum_(g, channels(g.ndim)),
)


@batch_norm.raw_derivative
def _batch_norm_raw(xp: Any, wanted: Any, g: Any, x: Any, weight: Any, m: Any, r: Any) -> Any:
    # The three shares need the same two sums, and w can wait: dx = w r (g - mean(g) - x^ mean(g x^)).
    dims = channels(x.ndim)
    x_hat = x - per_channel(m, x.ndim)
    x_hat *= per_channel(r, x.ndim)
    g_sum = g.sum(axis=dims)
    g_x_hat_sum = (g * x_hat).sum(axis=dims)
    if not wanted[0]:
        return [None, g_x_hat_sum, g_sum]
    n = x.dtype.type(math.prod(x.shape) // x.shape[1])
    dx = x_hat  # its memory is free to be used from here on
    dx *= per_channel(g_x_hat_sum / -n, x.ndim)
    dx += g
    dx -= per_channel(g_sum / n, x.ndim)
    dx *= per_channel(r if weight is None else r * weight, x.ndim)
    return [dx, g_x_hat_sum, g_sum]


def batch_norm_fixed(x: Any, m: Any, v: Any, weight: Any, bias: Any, eps: float) -> Any:
    """Normalise with given statistics, as in evaluation: an affine map of each channel."""
    scale = rsqrt(v + eps)
    if weight is not None:
        scale = scale * weight
    shift = -m * scale if bias is None else bias - m * scale
    return x * per_channel(scale, x.ndim) + per_channel(shift, x.ndim)
