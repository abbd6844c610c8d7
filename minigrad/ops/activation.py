"""Op sheet: activation functions, in forms that neither overflow nor lose digits at +-1000."""

from __future__ import annotations

from typing import Any

from minigrad.backend import constant_row
from minigrad.ops.elementwise import clamp, exp, logical_and, where
from minigrad.ops.op import op
from minigrad.ops.reduction import sum_

# --------------------------------------------------------------------------------------------------------------
# Piecewise linear


@op(promote=None)
def relu(xp: Any, x: Any, /) -> Any:
    """max(x, 0);   d = dx where x > 0, 0 at the kink"""
    return xp.maximum(x, 0 if x.size < 4096 else constant_row(xp, 0, x.shape[-1], x.dtype))


@op
def leaky_relu(xp: Any, x: Any, /, negative_slope: float = 0.01) -> Any:
    """x for x > 0, else a x;   d = dx for x > 0, else a dx"""
    return xp.where(x > 0, x, x * negative_slope)


@op
def hardtanh(xp: Any, x: Any, /, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """x held between min_val and max_val;   d = dx strictly between them, 0 at the kinks (where clamp has dx)"""
    return xp.minimum(xp.maximum(x, min_val), max_val)


relu.derivative(x=lambda g, y: g * (y > 0))
relu.raw_derivative(lambda xp, wanted, g, y: [g * (y > 0)])  # the same: no shape to compare, behind every layer
leaky_relu.derivative(x=lambda g, x, negative_slope: where(x > 0, g, g * negative_slope))
hardtanh.derivative(x=lambda g, y, min_val, max_val: g * logical_and(y > min_val, y < max_val))


def relu6(x: Any) -> Any:
    """Return min(max(x, 0), 6)."""
    return hardtanh(x, 0.0, 6.0)


# --------------------------------------------------------------------------------------------------------------
# Smooth


@op(promote="float")
def sigmoid(xp: Any, x: Any, /) -> Any:
    """1 / (1 + e^-x);   d = y (1 - y) dx"""
    e = xp.exp(-xp.abs(x))  # at most 1: e^-x itself overflows at x = -1000
    return xp.where(x >= 0, 1, e) / (1 + e)


@op(promote="float")
def softplus(xp: Any, x: Any, /, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """log(1 + e^(b x)) / b, and x itself beyond the threshold;   d = sigmoid(b x) dx"""
    z = x * beta
    return xp.where(z > threshold, x, (xp.maximum(z, 0) + xp.log1p(xp.exp(-xp.abs(z)))) / beta)


@op(promote="float")
def logsigmoid(xp: Any, x: Any, /) -> Any:
    """log(sigmoid(x)) = -log(1 + e^-x);   d = sigmoid(-x) dx"""
    return xp.minimum(x, 0) - xp.log1p(xp.exp(-xp.abs(x)))


@op(promote="float")
def silu(xp: Any, x: Any, /) -> Any:
    """x sigmoid(x), also called swish;   d = s (1 + x (1 - s)) dx with s = sigmoid(x)"""
    e = xp.exp(-xp.abs(x))
    return x * (xp.where(x >= 0, 1, e) / (1 + e))


@op(promote="float")
def elu(xp: Any, x: Any, /, alpha: float = 1.0) -> Any:
    """x for x > 0, else a (e^x - 1);   d = dx for x > 0, else a e^x dx"""
    return xp.where(x > 0, x, alpha * xp.expm1(xp.minimum(x, 0)))


def _silu_rule(g: Any, x: Any) -> Any:
    s = sigmoid(x)
    return g * (s * (1 + x * (1 - s)))


sigmoid.derivative(x=lambda g, y: g * (y * (1 - y)))
softplus.derivative(x=lambda g, x, beta, threshold: where(x * beta > threshold, g, g * sigmoid(x * beta)))
logsigmoid.derivative(x=lambda g, x: g * sigmoid(-x))
silu.derivative(x=_silu_rule)
elu.derivative(x=lambda g, x, alpha: where(x > 0, g, g * (alpha * exp(clamp(x, None, 0.0)))))

# --------------------------------------------------------------------------------------------------------------
# Softmax


@op(promote="float")
def softmax(xp: Any, x: Any, /, dim: int) -> Any:
    """e^x_i / sum_j e^x_j along dim;   d = y (dx - sum of y dx)"""
    y = xp.exp(x - x.max(axis=dim, keepdims=True))
    y /= y.sum(axis=dim, keepdims=True)
    return y


@op(promote="float")
def log_softmax(xp: Any, x: Any, /, dim: int) -> Any:
    """x_i - log(sum_j e^x_j) along dim;   d = dx - sum of softmax(x) dx"""
    z = x - x.max(axis=dim, keepdims=True)
    z -= xp.log(xp.exp(z).sum(axis=dim, keepdims=True))
    return z


softmax.derivative(x=lambda g, y, dim: y * (g - sum_(g * y, dim, True)))
log_softmax.derivative(x=lambda g, y, dim: g - exp(y) * sum_(g, dim, True))
