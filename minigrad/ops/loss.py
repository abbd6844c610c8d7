"""Op sheet: losses that deserve a rule of their own. The others are compositions, in ``nn/functional.py``."""

from __future__ import annotations

from typing import Any

from minigrad.backend import constant_row
from minigrad.ops.activation import softmax
from minigrad.ops.elementwise import clamp, log
from minigrad.ops.op import op


@op(promote="exact", apart=("target",), keeps=("e", "total", "at"))
def softmax_cross_entropy(xp: Any, x: Any, target: Any, /) -> Any:
    """mean over the rows of -log softmax(x)[target];   dx = g (softmax(x) - one_hot(target)) / n

    Softmax, logarithm and choice in one op: the derivative of the three together is a subtraction.
    """
    n, classes = x.shape
    if not x.flags.c_contiguous:
        x = xp.ascontiguousarray(x)  # in the order in which ``at`` counts: a transposed x would be one in columns
    row = xp.arange(0, n * classes, classes)  # where each row starts in memory
    # Less its largest entry, so that nothing overflows. x.max(axis=1) finds it too, in three times the time.
    z = x - x.take(row + x.argmax(axis=1))[:, None]
    at = row + target
    z_target = z.take(at)
    e = xp.exp(z, out=z)
    total = e.dot(constant_row(xp, 1, classes, x.dtype))
    loss = (xp.log(total) - z_target).dot(constant_row(xp, 1 / n, n, x.dtype))
    return loss, e, total, at


def _softmax_cross_entropy_rule(g: Any, x: Any, target: Any) -> Any:
    return (softmax(x, 1) - one_hot_like(x, target)) * (g / x.shape[0])


@op(promote=None)
def one_hot_like(xp: Any, x: Any, target: Any, /) -> Any:
    """1 where the column is the row's target, else 0"""
    return (target[:, None] == xp.arange(x.shape[1])).astype(x.dtype)


softmax_cross_entropy.derivative(x=_softmax_cross_entropy_rule)


@softmax_cross_entropy.raw_derivative
def _softmax_cross_entropy_raw(xp: Any, wanted: Any, g: Any, e: Any, total: Any, at: Any) -> Any:
    scale = g / len(e)
    dx = e * (scale / total)[:, None]
    dx.reshape(-1)[at] -= scale
    return [dx, None]


TINY = 1e-44  # below e^-100, and above 0 in float32 too: its logarithm is finite


@op
def binary_cross_entropy(xp: Any, x: Any, target: Any, /) -> Any:
    """-(t log x + (1 - t) log(1 - x)), logarithms held above -100;   dx = (x - t) / (x (1 - x))"""
    log_x = xp.maximum(xp.log(xp.maximum(x, TINY)), -100)
    log_rest = xp.maximum(xp.log(xp.maximum(1 - x, TINY)), -100)
    return -(target * log_x + (1 - target) * log_rest)


def _held_log(x: Any) -> Any:
    return clamp(log(clamp(x, TINY)), -100.0)


binary_cross_entropy.derivative(
    x=lambda g, x, target: g * ((x - target) / clamp(x * (1 - x), 1e-12)),
    target=lambda g, x: g * (_held_log(1 - x) - _held_log(x)),
)
