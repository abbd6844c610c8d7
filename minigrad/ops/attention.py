"""Op sheet: attention, a weighted mean of values whose weights say how well a query fits each key.

``masked_softmax`` turns scores into weights, ``attention`` does all of it in one op: the scores, as large as queries
times keys, are then written once and kept once, not once for each of scaling, mask, softmax and dropout.
"""

from __future__ import annotations

from typing import Any

from minigrad.ops.op import op, sum_to_size
from minigrad.ops.product import matmul
from minigrad.ops.reduction import row_sums, row_tops, sum_
from minigrad.ops.shape import transpose


@op(promote="exact")
def masked_softmax(xp: Any, x: Any, mask: Any = None, /) -> Any:
    """softmax(x + m) over the last dim, 0 where all is -inf;   d = y (dx + dm - sum of y (dx + dm))"""
    return _weights(xp, x.copy() if mask is None else x + mask)


def _weights(xp: Any, x: Any) -> Any:
    """Turn scores into weights, in place. A query that may look nowhere (all -inf) gets 0 everywhere, not 0 / 0."""
    if not x.size:
        return x
    top = row_tops(xp, x, -1)
    x -= xp.maximum(top, xp.finfo(x.dtype).min)
    xp.exp(x, out=x)
    total = row_sums(xp, x, -1)
    x /= xp.maximum(total, xp.finfo(x.dtype).tiny)
    return x


def _softmax_rule(g: Any, y: Any) -> Any:
    return y * (g - sum_(g * y, -1, True))


masked_softmax.derivative(x=_softmax_rule, mask=_softmax_rule)


@op(promote="exact", keeps=("weights",))
def attention(xp: Any, q: Any, k: Any, v: Any, mask: Any = None, drop: Any = None, /, scale: float = 1.0) -> Any:
    """w v with w = softmax(s q k^T + m);   dv = w^T g, dw = g v^T, dm = w (dw - sum w dw), dq = s dm k, dk = s dm^T q

    q (..., L, E), k (..., S, E), v (..., S, V) and m, to be added, (L, S) or as many dimensions as the scores
    (Vaswani et al., 2017). ``drop``, of the shape of the weights, multiplies them behind the softmax: dropout.
    """
    scores = xp.matmul(q, k.swapaxes(-1, -2))
    scores *= scale
    if mask is not None:
        scores += mask
    weights = _weights(xp, scores)
    return xp.matmul(weights if drop is None else weights * drop, v), weights


def _recomputed(q: Any, k: Any, mask: Any, scale: float) -> Any:
    return masked_softmax(matmul(q, transpose(k, -1, -2)) * scale, mask)


def _times(x: Any, drop: Any) -> Any:
    return x if drop is None else x * drop


def _rule_mask(g: Any, q: Any, k: Any, v: Any, mask: Any, drop: Any, scale: float) -> Any:
    dw = _times(matmul(g, transpose(v, -1, -2)), drop)
    return _softmax_rule(dw, _recomputed(q, k, mask, scale))


def _rule_q(g: Any, q: Any, k: Any, v: Any, mask: Any, drop: Any, scale: float) -> Any:
    return matmul(_rule_mask(g, q, k, v, mask, drop, scale), k) * scale


def _rule_k(g: Any, q: Any, k: Any, v: Any, mask: Any, drop: Any, scale: float) -> Any:
    return matmul(transpose(_rule_mask(g, q, k, v, mask, drop, scale), -1, -2), q) * scale


def _rule_v(g: Any, q: Any, k: Any, mask: Any, drop: Any, scale: float) -> Any:
    return matmul(transpose(_times(_recomputed(q, k, mask, scale), drop), -1, -2), g)


attention.derivative(q=_rule_q, k=_rule_k, v=_rule_v, mask=_rule_mask)


@attention.raw_derivative
def _attention_raw(
    xp: Any, wanted: Any, g: Any, q: Any, k: Any, v: Any, mask: Any, drop: Any, weights: Any, scale: float
) -> Any:
    dv = xp.matmul(_times(weights, drop).swapaxes(-1, -2), g)
    ds = xp.matmul(g, v.swapaxes(-1, -2))
    if drop is not None:
        ds *= drop
    ds -= row_sums(xp, ds * weights, -1)
    ds *= weights
    dm = sum_to_size(ds.copy(), mask.shape) if wanted[3] else None
    ds *= scale
    shares = [xp.matmul(ds, k), xp.matmul(ds.swapaxes(-1, -2), q), dv]
    return [*(sum_to_size(d, x.shape) for d, x in zip(shares, (q, k, v), strict=True)), dm, None]
