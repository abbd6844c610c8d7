"""Large and extreme inputs: the right value and gradient, and no overflow warning on the way (warnings are errors)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad
from minigrad import ops
from minigrad.nn import functional as F

inf, e = math.inf, math.e
FAR = [-1000.0, -100.0, 0.0, 100.0, 1000.0]
PAIRS = [[1000.0, -1000.0], [0.0, 0.0], [-1000.0, 1000.0]]
HALF = math.log(2.0)
SELU = 1.0507009873554805, 1.6732632423543772


def bce(target: float) -> Callable[[Any], Any]:
    return lambda x: F.binary_cross_entropy_with_logits(x, minigrad.full_like(x, target), reduction="none")


def first(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The first column only, whose gradient is worth looking at: those of a whole softmax sum to 0."""
    return lambda x: f(x)[..., 0]


# name: function, input, value, slope of the sum
TABLE: dict[str, tuple[Callable[[Any], Any], Any, Any, Any]] = {
    "sigmoid": (ops.sigmoid, FAR, [0, 0, 0.5, 1, 1], [0, 0, 0.25, 0, 0]),
    "tanh": (ops.tanh, FAR, [-1, -1, 0, 1, 1], [0, 0, 1, 0, 0]),
    "softplus": (ops.softplus, FAR, [0, 0, HALF, 100, 1000], [0, 0, 0.5, 1, 1]),
    "logsigmoid": (ops.logsigmoid, FAR, [-1000, -100, -HALF, 0, 0], [1, 1, 0.5, 0, 0]),
    "silu": (ops.silu, FAR, [0, 0, 0, 100, 1000], [0, 0, 0.5, 1, 1]),
    "elu": (ops.elu, FAR, [-1, -1, 0, 100, 1000], [0, 0, 1, 1, 1]),
    "selu": (ops.selu, [-1000, 0, 1000], [-SELU[0] * SELU[1], 0, 1000 * SELU[0]], [0, SELU[0] * SELU[1], SELU[0]]),
    "celu": (lambda x: ops.celu(x, 0.5), FAR, [-0.5, -0.5, 0, 100, 1000], [0, 0, 1, 1, 1]),
    "gelu": (ops.gelu, FAR, [0, 0, 0, 100, 1000], [0, 0, 0.5, 1, 1]),
    "gelu tanh": (lambda x: ops.gelu(x, "tanh"), FAR, [0, 0, 0, 100, 1000], [0, 0, 0.5, 1, 1]),
    "mish": (ops.mish, FAR, [0, 0, 0, 100, 1000], [0, 0, 0.6, 1, 1]),
    "softsign": (ops.softsign, FAR, [-1000 / 1001, -100 / 101, 0, 100 / 101, 1000 / 1001],
                 [1001**-2, 101**-2, 1, 101**-2, 1001**-2]),
    "tanhshrink": (ops.tanhshrink, FAR, [-999, -99, 0, 99, 999], [1, 1, 0, 1, 1]),
    "hardswish": (ops.hardswish, FAR, [0, 0, 0, 100, 1000], [0, 0, 0.5, 1, 1]),
    "hardsigmoid": (ops.hardsigmoid, FAR, [0, 0, 0.5, 1, 1], [0, 0, 1 / 6, 0, 0]),
    "soft margin": (lambda x: F.soft_margin_loss(x, minigrad.ones_like(x), reduction="none"), FAR,
                    [1000, 100, HALF, 0, 0], [-1, -1, -0.5, 0, 0]),
    "huber": (lambda x: F.huber_loss(x, minigrad.zeros_like(x), reduction="none"), FAR,
              [999.5, 99.5, 0, 99.5, 999.5], [-1, -1, 0, 1, 1]),
    "logaddexp": (lambda x: ops.logaddexp(x, -x), FAR, [1000, 100, HALF, 100, 1000], [-1, -1, 0, 1, 1]),
    "logsumexp": (lambda x: ops.logsumexp(x, 1), [[1000, 999], [-1000, -1000]],
                  [1000 + math.log1p(1 / e), -1000 + HALF], [[e / (1 + e), 1 / (1 + e)], [0.5, 0.5]]),
    "logsumexp inf": (lambda x: ops.logsumexp(x, 1), [[-inf, 5], [inf, 0]], [5, inf], None),
    "logsumexp of nothing": (lambda x: ops.logsumexp(x, 0), [-inf, -inf], -inf, None),
    "softmax": (first(lambda x: ops.softmax(x, 1)), PAIRS, [1, 0.5, 0], [[0, 0], [0.25, -0.25], [0, 0]]),
    "softmax inf": (first(lambda x: ops.softmax(x, 1)), [[-inf, 0], [0, -inf]], [0, 1], [[0, 0], [0, 0]]),
    "log_softmax": (
        first(lambda x: ops.log_softmax(x, 1)), PAIRS, [0, -HALF, -2000], [[0, 0], [0.5, -0.5], [1, -1]]),
    "cross_entropy": (
        lambda x: F.cross_entropy(x, minigrad.tensor([0, 0, 0])), PAIRS, (2000 + HALF) / 3,
        [[0, 0], [-1 / 6, 1 / 6], [-1 / 3, 1 / 3]]),
    "bce with logits, 0": (bce(0.0), FAR, [0, 0, HALF, 100, 1000], [0, 0, 0.5, 1, 1]),
    "bce with logits, 1": (bce(1.0), FAR, [1000, 100, HALF, 0, 0], [-1, -1, -0.5, 0, 0]),
    "bce with logits, 0.25": (bce(0.25), FAR, [250, 25, HALF, 75, 750], [-0.25, -0.25, 0.25, 0.75, 0.75]),
    "binary_cross_entropy": (
        lambda x: F.binary_cross_entropy(x, minigrad.tensor([0.0, 1.0, 1.0]), reduction="none"), [0, 1, 0],
        [0, 0, 100], [0, 0, -1e12]),
    "hypot": (lambda x: ops.hypot(x, x), [1e30, -1e30], [math.sqrt(2) * 1e30] * 2, [math.sqrt(2), -math.sqrt(2)]),
    "expm1": (ops.expm1, [1e-30, -1000], [1e-30, -1], [1, 0]),
    "log1p": (ops.log1p, [1e-30, 1e30], [1e-30, math.log(1e30)], [1, 1e-30]),
    "logaddexp2": (lambda x: ops.logaddexp2(x, -x), FAR, [1000, 100, 1, 100, 1000], [-1, -1, 0, 1, 1]),
    "erf": (ops.erf, FAR, [-1, -1, 0, 1, 1], [0, 0, 2 / math.sqrt(math.pi), 0, 0]),
    "erf of tiny": (ops.erf, [1e-30], [1.1283791670955126e-30], [1.1283791670955126]),
    "erfc": (ops.erfc, FAR, [2, 2, 1, 0, 0], [0, 0, -2 / math.sqrt(math.pi), 0, 0]),
    "erfcx": (ops.erfcx, [0, 100, 1000], [1, 0.005641613782989433, 0.0005641893014533876], None),
    "ndtr": (ops.ndtr, FAR, [0, 0, 0.5, 1, 1], [0, 0, 1 / math.sqrt(2 * math.pi), 0, 0]),
    "log_ndtr": (ops.log_ndtr, FAR, [-500007.82669481216, -5005.524208694205, -HALF, 0, 0],
                 [1000.000999998, 100.00999800099926, 0.7978845608028654, 0, 0]),
    "lgamma": (ops.lgamma, [1e-10, 1000, 1e30], [23.025850929882736, 5905.220423209181, 6.807755278982137e31],
               [-10000000000.577215, 6.907255195648812, 69.07755278982137]),
    "digamma": (ops.digamma, [1e-10, 1000, 1e30], [-10000000000.577215, 6.907255195648812, 69.07755278982137],
                [1e20, 0.0010005001666666333, 1e-30]),
    "i0e": (ops.i0e, [-1000, 100, 1000], [0.012617240455891257, 0.03994437929909668, 0.012617240455891257], None),
    "i1e": (ops.i1e, [-1000, 100, 1000], [-0.012610930256928629, 0.03974415302513025, 0.012610930256928629], None),
    "xlogy": (lambda x: ops.xlogy(ops.where(x > 0, x, 0.0), x), [0, 1e30], [0, 1e30 * math.log(1e30)], None),
    "logit": (ops.logit, [1e-30, 0.5], [math.log(1e-30), 0], [1e30, 4]),
    "sinc": (ops.sinc, [1e-30, 0], [1, 1], [-(math.pi**2) / 3 * 1e-30, 0]),
    "hypot of tiny": (lambda x: ops.hypot(x, x), [3e-30], [math.sqrt(2) * 3e-30], [math.sqrt(2)]),
    "where": (lambda x: ops.where(x > 0, ops.log(ops.where(x > 0, x, 1.0)), 0.0), [0, 2], [0, math.log(2)], [0, 0.5]),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", TABLE)
def test_far_out(name: str, dtype: str) -> None:
    f, points, value, slope = TABLE[name]
    x = minigrad.tensor(points, dtype=np.dtype(dtype), requires_grad=True)
    # Rounding of the largest input, which comes back as a factor where it stands in an exponent.
    rtol = np.finfo(dtype).eps * max([8.0, *(abs(v) for v in x.array.ravel() if abs(v) < 1e4)])
    y = f(x)
    np.testing.assert_allclose(y.array, value, rtol=rtol, atol=1e-30)
    assert y.dtype == dtype
    if slope is not None:
        y.sum().backward()
        assert x.grad.dtype == dtype
        np.testing.assert_allclose(x.grad.array, slope, rtol=rtol, atol=1e-30)


@pytest.mark.parametrize("name", [name for name in TABLE if TABLE[name][3] is not None])
def test_the_slope_can_be_differentiated_there(name: str) -> None:
    f, points, _, slope = TABLE[name]
    x = minigrad.tensor(points, dtype=minigrad.float64, requires_grad=True)
    (g,) = minigrad.autograd.grad(f(x).sum(), x, create_graph=True)
    np.testing.assert_allclose(g.array, slope, rtol=1e-12, atol=1e-30)
    if g.requires_grad:
        (h,) = minigrad.autograd.grad(g.sum(), x)
        assert not np.isnan(h.array).any()


@pytest.mark.parametrize("f", [lambda x: ops.where(x > 0, x, 0.0), lambda x: ops.clamp(x, 0.0)])
def test_an_infinite_gradient_does_not_leak_past_a_closed_gate(f: Callable[[Any], Any]) -> None:
    x = minigrad.tensor([-1.0, 1.0], requires_grad=True)
    f(x).backward(minigrad.tensor([inf, 2.0]))
    np.testing.assert_array_equal(x.grad.array, [0.0, 2.0])
