"""Op sheet: activation functions, in forms that neither overflow nor lose digits at +-1000.

These run on whole layers in every step, so most have a fast rule beside the plain one. Three facts about NumPy shape
them: ``where`` on a random condition is thirty times slower than a multiplication, so that pieces are put together
from ``minimum(x, 0)`` and ``maximum(x, 0)``; ``clip`` is faster than both; and writing in place saves memory traffic.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.backend import constant_row, constants
from minigrad.ops.elementwise import absolute, clamp, exp, expm1, gt, le, logical_and, lt, tanh, where
from minigrad.ops.op import op
from minigrad.ops.promotion import FLOAT32, get_default_dtype
from minigrad.ops.reduction import row_sums, row_tops, sum_
from minigrad.ops.shape import chunk
from minigrad.ops.special import erf


def _check_floating(x: Any) -> None:
    if x.dtype.kind != "f":
        raise ValueError(f"expected a floating tensor, got {x.dtype}; use x.float()")


def _zero(xp: Any, x: Any) -> Any:
    """Return 0 in the form in which ``maximum(x, 0)`` is fast."""
    return 0 if x.size < 4096 else constant_row(xp, 0, x.shape[-1], x.dtype)


# --------------------------------------------------------------------------------------------------------------
# Piecewise linear


@op(promote=None)
def relu(xp: Any, x: Any, /) -> Any:
    """max(x, 0);   d = dx where x > 0, 0 at the kink"""
    zero = constants(xp, x.dtype, 0)[0] if x.size < 4096 else constant_row(xp, 0, x.shape[-1], x.dtype)
    return xp.maximum(x, zero)


@op(promote=None)
def leaky_relu(xp: Any, x: Any, /, negative_slope: float = 0.01) -> Any:
    """x for x > 0, else a x;   d = dx for x > 0, else a dx"""
    _check_floating(x)
    if 0 < negative_slope <= 1:
        return xp.maximum(x, x * negative_slope)  # of two lines the upper one
    return xp.maximum(x, 0) + xp.minimum(x, 0) * negative_slope


@op(promote="exact")
def prelu(xp: Any, x: Any, weight: Any, /) -> Any:
    """x for x > 0, else w x;   d = dx for x > 0, else w dx, and min(x, 0) dw"""
    return xp.maximum(x, 0) + xp.minimum(x, 0) * weight


@op(promote=None)
def hardtanh(xp: Any, x: Any, /, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """x held between min_val and max_val;   d = dx strictly between them, 0 at the kinks (where clamp has dx)"""
    return xp.clip(x, x.dtype.type(min_val), x.dtype.type(max_val))  # in x's dtype: integers stay integers


@op(promote=None)
def hardswish(xp: Any, x: Any, /) -> Any:
    """x hardsigmoid(x);   d = (x / 3 + 1/2) dx strictly between -3 and 3, 0 below, dx above"""
    _check_floating(x)
    y = xp.clip(x + 3, 0, 6)
    y *= x
    y /= 6
    return y


@op(promote=None)
def hardshrink(xp: Any, x: Any, /, lambd: float = 0.5) -> Any:
    """x where |x| > l, else 0;   d = dx where |x| > l, else 0"""
    _check_floating(x)
    y = x * ~(xp.abs(x) <= lambd)  # asked this way round, NaN stays NaN
    y += 0  # -0 becomes 0
    return y


@op(promote=None)
def softshrink(xp: Any, x: Any, /, lambd: float = 0.5) -> Any:
    """x - l for x > l, x + l for x < -l, else 0;   d = dx where |x| > l, else 0"""
    _check_floating(x)
    if not 0 <= lambd < math.inf:
        raise ValueError(f"expected lambd from 0 on, got {lambd}")
    return x - xp.clip(x, -lambd, lambd)


relu.derivative(x=lambda g, y: g * (y > 0))


@relu.raw_derivative
def _relu_raw(xp: Any, wanted: Any, g: Any, y: Any) -> Any:
    dx = (y > constants(xp, y.dtype, 0)[0]).astype(g.dtype)  # a number for each bit first: g * (y > 0) is slower
    dx *= g
    return [dx]


leaky_relu.derivative(x=lambda g, x, negative_slope: where(x > 0, g, g * negative_slope))
prelu.derivative(
    x=lambda g, x, weight: where(x > 0, g, g * weight),
    weight=lambda g, x: g * clamp(x, None, 0.0),
)
hardtanh.derivative(x=lambda g, y, min_val, max_val: g * logical_and(y > min_val, y < max_val))
hardswish.derivative(x=lambda g, x: g * ((clamp(x, -3.0, 3.0) * (1 + lt(absolute(x), 3)) + 3) / 6))
hardshrink.derivative(x=lambda g, x, lambd: g * gt(absolute(x), lambd))
softshrink.derivative(x=lambda g, x, lambd: g * gt(absolute(x), lambd))


@leaky_relu.raw_derivative
def _leaky_relu_raw(xp: Any, wanted: Any, g: Any, x: Any, negative_slope: float) -> Any:
    dx = (x <= 0).astype(g.dtype)  # 0 becomes 1 and 1 becomes the slope, both exactly
    positive = 1 - dx
    dx *= negative_slope
    dx += positive
    dx *= g
    return [dx]


@hardswish.raw_derivative
def _hardswish_raw(xp: Any, wanted: Any, g: Any, x: Any) -> Any:
    dx = xp.clip(x, -3, 3)
    dx += dx * (xp.abs(dx) < 3)
    dx += 3
    dx *= g
    dx /= 6
    return [dx]


def relu6(x: Any) -> Any:
    """Return min(max(x, 0), 6)."""
    return hardtanh(x, 0.0, 6.0)


def hardsigmoid(x: Any) -> Any:
    """Return x / 6 + 1/2 held between 0 and 1: straight lines in the place of sigmoid."""
    return hardtanh(x + 3, 0.0, 6.0) / 6


def threshold(x: Any, threshold: float, value: float) -> Any:
    """Return x where it is larger than ``threshold``, and ``value`` elsewhere."""
    return where(le(x, threshold), value, x)


# --------------------------------------------------------------------------------------------------------------
# Smooth


def _sigmoid(xp: Any, x: Any) -> Any:
    with np.errstate(over="ignore"):  # e^1000 is inf, and 1 / inf is the right 0
        y = xp.exp(-x)
    y += 1
    return 1 / y


@op(promote=None)
def sigmoid(xp: Any, x: Any, /) -> Any:
    """1 / (1 + e^-x);   d = y (1 - y) dx"""
    return _sigmoid(xp, x if x.dtype.kind == "f" else x.astype(get_default_dtype()))


@op(promote=None)
def logsigmoid(xp: Any, x: Any, /) -> Any:
    """log(sigmoid(x)) = -log(1 + e^-x);   d = sigmoid(-x) dx = (1 - e^y) dx"""
    _check_floating(x)
    return xp.minimum(x, _zero(xp, x)) - xp.log1p(xp.exp(-xp.abs(x)))


@op(promote=None)
def softplus(xp: Any, x: Any, /, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """log(1 + e^(b x)) / b, and x itself beyond the threshold;   d = sigmoid(b x) dx"""
    _check_floating(x)
    z = x if beta == 1 else x * beta
    y = xp.log1p(xp.exp(-xp.abs(z)))
    y *= z <= threshold
    y += xp.maximum(z, _zero(xp, z)) if threshold >= 0 else z * (z > threshold)
    return y if beta == 1 else y / beta


@op(promote=None, keeps=("s",))
def silu(xp: Any, x: Any, /) -> Any:
    """x sigmoid(x), also called swish;   d = (s + y (1 - s)) dx with s = sigmoid(x)"""
    _check_floating(x)
    s = _sigmoid(xp, x)
    return x * s, s


@op(promote=None, keeps=("h",))
def gelu(xp: Any, x: Any, /, approximate: str = "none") -> Any:
    """x h(x), where h(x) = P(X < x) of a normal X;   d = (h + x h') dx, with h' = e^(-x^2 / 2) / sqrt(2 pi)

    ``approximate="tanh"``: h = (1 + tanh(u)) / 2, u = sqrt(2 / pi) (x + 0.044715 x^3). Hendrycks and Gimpel, 2016.
    """
    _check_floating(x)
    if approximate == "tanh":
        h = xp.tanh(_odd(xp.clip(x, -10, 10), _TANH))  # further out it is -1 or 1, and x^3 might overflow
    elif approximate != "none":
        raise ValueError(f"expected approximate 'none' or 'tanh', got {approximate!r}")
    elif x.dtype == FLOAT32:
        h = xp.tanh(_odd(xp.clip(x, -7, 7), _NORMAL))
    else:
        h = erf(x * math.sqrt(0.5))
    h += 1
    h *= 0.5
    return x * h, h


# Coefficients of x, x^3, ...: of u above; and of the u with which that formula is P(X < x), to within 3e-8 and the
# rounding of float32. (A fit of atanh(erf(x / sqrt(2))) up to 5.6, where P is almost 1; u goes on growing to 40 at 7.)
_TANH = (math.sqrt(2 / math.pi), math.sqrt(2 / math.pi) * 0.044715)
_NORMAL = (
    *(0.7978849414600859, 0.03633308457550709, -3.2594977643916675e-05, -5.530619269505302e-05),
    *(3.964744205404886e-06, -1.3226332061194347e-07, 1.756170155232909e-09),
)


def _odd(x: Any, coefficients: tuple[float, ...]) -> Any:
    """Return c_0 x + c_1 x^3 + c_2 x^5 + ..., by Horner's rule in x^2."""
    square = x * x
    y = square * coefficients[-1]
    for c in coefficients[-2:0:-1]:
        y += c
        y *= square
    y += coefficients[0]
    y *= x
    return y


@op(promote=None)
def elu(xp: Any, x: Any, /, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Any:
    """s x for x > 0, else s a (e^(i x) - 1);   d = s dx for x > 0, else s a i e^(i x) dx

    One formula for three activations: ELU has scales s = i = 1, SELU has i = 1, and CELU i = 1/a.
    """
    _check_floating(x)
    zero = _zero(xp, x)
    y = xp.minimum(x, zero)
    if input_scale != 1:
        y *= input_scale
    y = xp.expm1(y)
    if alpha * scale != 1:
        y *= alpha * scale
    x = xp.maximum(x, zero)
    y += x if scale == 1 else x * scale
    return y


def _silu_rule(g: Any, x: Any) -> Any:
    s = sigmoid(x)
    return g * (s * (1 + x * (1 - s)))


def _gelu_rule(g: Any, x: Any, approximate: str) -> Any:
    if approximate == "tanh":
        z = clamp(x, -10.0, 10.0)
        h = 0.5 * (1 + tanh(z * (z * z * _TANH[1] + _TANH[0])))
        slope = 2 * h * (1 - h) * (z * z * (3 * _TANH[1]) + _TANH[0])
    else:
        h = 0.5 * (1 + erf(x * math.sqrt(0.5)))
        z = clamp(x, -40.0, 40.0)
        slope = exp(-0.5 * (z * z)) * (1 / math.sqrt(2 * math.pi))
    return g * (h + x * slope)


def _elu_rule(g: Any, x: Any, alpha: float, scale: float, input_scale: float) -> Any:
    return where(x > 0, g * scale, g * (alpha * scale * input_scale * exp(clamp(x, None, 0.0) * input_scale)))


sigmoid.derivative(x=lambda g, y: g * (y * (1 - y)))
logsigmoid.derivative(x=lambda g, y: -g * expm1(y))
softplus.derivative(x=lambda g, x, beta, threshold: where(x * beta > threshold, g, g * sigmoid(x * beta)))
silu.derivative(x=_silu_rule)
gelu.derivative(x=_gelu_rule)
elu.derivative(x=_elu_rule)


@sigmoid.raw_derivative
def _sigmoid_raw(xp: Any, wanted: Any, g: Any, y: Any) -> Any:
    dx = 1 - y
    dx *= y
    dx *= g
    return [dx]


@softplus.raw_derivative
def _softplus_raw(xp: Any, wanted: Any, g: Any, x: Any, y: Any, beta: float, threshold: float) -> Any:
    # sigmoid(b x) = 1 - e^(-b y), and 1 beyond the threshold.
    dx = xp.expm1(y * -beta)
    dx = xp.maximum(-dx, x * beta > threshold)
    dx *= g
    return [dx]


@silu.raw_derivative
def _silu_raw(xp: Any, wanted: Any, g: Any, y: Any, s: Any) -> Any:
    dx = 1 - s
    dx *= y
    dx += s
    dx *= g
    return [dx]


@gelu.raw_derivative
def _gelu_raw(xp: Any, wanted: Any, g: Any, x: Any, h: Any, approximate: str) -> Any:
    if approximate == "tanh":  # h' = 2 h (1 - h) u'
        x = xp.clip(x, -10, 10)
        dx = x * x
        dx *= 6 * _TANH[1]
        dx += 2 * _TANH[0]
        dx *= h
        dx *= 1 - h
    else:
        x = xp.clip(x, -40, 40)
        dx = x * x
        dx *= -0.5
        dx = xp.exp(dx)
        dx *= 1 / math.sqrt(2 * math.pi)
    dx *= x
    dx += h
    dx *= g
    return [dx]


@elu.raw_derivative
def _elu_raw(xp: Any, wanted: Any, g: Any, x: Any, alpha: float, scale: float, input_scale: float) -> Any:
    dx = xp.minimum(x, _zero(xp, x))
    if input_scale != 1:
        dx *= input_scale
    dx = xp.exp(dx)  # 1 for x > 0
    negative = alpha * scale * input_scale
    if negative != 1:
        dx *= negative
    if negative != scale:
        dx += (x > 0) * x.dtype.type(scale - negative)
    dx *= g
    return [dx]


def selu(x: Any) -> Any:
    """Return s x for x > 0, else s a (e^x - 1), with a and s chosen so that mean 0 and variance 1 are kept.

    Klambauer et al., "Self-normalizing neural networks", 2017, where the two numbers come from.
    """
    return elu(x, 1.6732632423543772, 1.0507009873554805)


def celu(x: Any, alpha: float = 1.0) -> Any:
    """Return x for x > 0, else a (e^(x / a) - 1), whose slope is 1 on both sides of 0 for every a."""
    if alpha == 0:
        raise RuntimeError("celu: expected an alpha other than 0, by which x is divided")
    return elu(x, alpha, 1.0, 1 / alpha)


def mish(x: Any) -> Any:
    """Return x tanh(softplus(x)) (Misra, 2019)."""
    return x * tanh(softplus(x))


def softsign(x: Any) -> Any:
    """Return x / (1 + |x|)."""
    return x / (1 + absolute(x))


def tanhshrink(x: Any) -> Any:
    """Return x - tanh(x)."""
    return x - tanh(x)


def glu(x: Any, dim: int = -1) -> Any:
    """Return a sigmoid(b), where a and b are the two halves of x along ``dim``: b is a gate for a (Dauphin, 2017)."""
    if not x.shape or x.shape[dim] % 2:
        raise RuntimeError(f"glu: expected an even size along dim {dim}, which is halved, got shape {tuple(x.shape)}")
    a, b = chunk(x, 2, dim)
    return a * sigmoid(b)


# --------------------------------------------------------------------------------------------------------------
# Softmax


@op(promote=None)
def softmax(xp: Any, x: Any, /, dim: int) -> Any:
    """e^x_i / sum_j e^x_j along dim;   d = y (dx - sum of y dx)"""
    _check_floating(x)
    y = xp.exp(x - row_tops(xp, x, dim))
    y /= row_sums(xp, y, dim)
    return y


@op(promote=None)
def log_softmax(xp: Any, x: Any, /, dim: int) -> Any:
    """x_i - log(sum_j e^x_j) along dim;   d = dx - sum of softmax(x) dx"""
    _check_floating(x)
    y = x - row_tops(xp, x, dim)
    y -= xp.log(row_sums(xp, xp.exp(y), dim))
    return y


softmax.derivative(x=lambda g, y, dim: y * (g - sum_(g * y, dim, True)))
log_softmax.derivative(x=lambda g, y, dim: g - exp(y) * sum_(g, dim, True))


@softmax.raw_derivative
def _softmax_raw(xp: Any, wanted: Any, g: Any, y: Any, dim: int) -> Any:
    dx = g * y
    dx -= y * row_sums(xp, dx, dim)
    return [dx]


@log_softmax.raw_derivative
def _log_softmax_raw(xp: Any, wanted: Any, g: Any, y: Any, dim: int) -> Any:
    dx = xp.exp(y)
    dx *= -row_sums(xp, g, dim)
    dx += g
    return [dx]
