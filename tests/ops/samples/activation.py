"""Samples of the sheet ``activation``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .table import SIGNS, F, T, call, np_softmax, row, torch, unary


def np_erf(x: Any) -> Any:
    return np.vectorize(math.erf, otypes=[float])(x)


def np_selu(x: Any) -> Any:
    return 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x))


def np_glu(x: Any, dim: int = -1) -> Any:
    a, b = np.split(x, 2, dim)
    return a / (1 + np.exp(-b))


def np_gelu_tanh(x: Any, approximate: str) -> Any:
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def f(name: str) -> str:
    return f"nn.functional.{name}"


# fmt: off
ROWS = [
    unary("relu", lambda x: np.maximum(x, 0), ints="int64", kinks=SIGNS),
    unary("leaky_relu", lambda x: np.where(x > 0, x, 0.01 * x), torch=f("leaky_relu"), kinks=SIGNS),
    row("leaky_relu", lambda x, slope: np.where(x > 0, x, slope * x), call(T(2, 3), 0.2), call(T(2, 3), 1.5),
        call(T(2, 3), -0.5), call(T(2, 3), 0.0), note="slope", torch=f("leaky_relu"),
        kinks=[call(F([-1.0, 0.0, 2.0]), slope) for slope in (-0.5, 0.0, 1.0, 3.0)]),
    row("prelu", lambda x, w: np.where(x > 0, x, w * x), call(T(2, 3), T()), call(T(2, 3), T(1)), call(T(2, 3), T(3)),
        call(T(2, 3, 2), T(3, 1)), call(T(), T()), call(T(0, 3), T(3)),
        torch=lambda x, w: torch(f("prelu"))(x, w.reshape(-1)),
        kinks=[call(F([[-1.0], [0.0], [2.0]]), F([0.25])), call(F([[-1.0], [0.0], [2.0]]), F([-0.5]))]),
    unary("hardtanh", lambda x: np.clip(x, -1, 1), torch=f("hardtanh"), ints="int64",
        kinks=[call(F([-1.0, 0.0, 1.0]))]),
    row("hardtanh", lambda x, a, b: np.clip(x, a, b), call(T(2, 3), -0.3, 1.5), note="bounds", torch=f("hardtanh"),
        kinks=[call(F([-1.0, 0.1, 0.25, 1.0]), 0.1, 0.25)]),
    unary("relu6", lambda x: np.clip(x, 0, 6), -8.0, 8.0, torch=f("relu6"), ints="int64",
        kinks=[call(F([0.0, 6.0, 7.0]))]),
    # PyTorch's own hardsigmoid multiplies by 1/6 in float32, also where it computes in float64
    unary("hardsigmoid", lambda x: np.clip(x / 6 + 0.5, 0, 1), -5.0, 5.0,
        torch=lambda x: torch(f("relu6"))(x + 3) / 6, kinks=[call(F([-3.0, 0.0, 3.0]))]),
    unary("hardswish", lambda x: x * np.clip(x / 6 + 0.5, 0, 1), -5.0, 5.0, torch=f("hardswish"),
        kinks=[call(F([-3.0, -3.5, 0.0, 3.0, 3.5]))]),
    unary("hardshrink", lambda x: np.where(np.abs(x) > 0.5, x, 0), torch=f("hardshrink"),
        kinks=[call(F([-0.5, -0.2, 0.0, 0.5, 0.6]))]),
    row("hardshrink", lambda x, lambd: np.where(np.abs(x) > lambd, x, 0), call(T(2, 3), 1.0), note="lambd",
        torch=f("hardshrink")),
    unary("softshrink", lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0), torch=f("softshrink"),
        kinks=[call(F([-0.5, -0.2, 0.0, 0.5, 0.6]))]),
    row("softshrink", lambda x, lambd: np.sign(x) * np.maximum(np.abs(x) - lambd, 0), call(T(2, 3), 1.0),
        note="lambd", torch=f("softshrink"), kinks=[call(F([-1.0, 0.0, 2.0]), 0.0)]),
    row("threshold", lambda x, t, v: np.where(x > t, x, v), call(T(2, 3), 0.1, 20.0), call(T(), -0.5, -3.0),
        call(T(0, 3), 0.0, 1.0), torch=f("threshold"), kinks=[call(F([0.5, 0.6, 0.0, math.nan]), 0.5, 20.0)]),

    unary("sigmoid", lambda x: 1 / (1 + np.exp(-x)), -6.0, 6.0, ints="float32"),
    unary("logsigmoid", lambda x: -np.log1p(np.exp(-x)), torch=f("logsigmoid")),
    unary("softplus", lambda x: np.log1p(np.exp(x)), -6.0, 6.0, torch=f("softplus")),
    row("softplus", lambda x, beta, threshold: np.where(x * beta > threshold, x, np.log1p(np.exp(x * beta)) / beta),
        call(T(2, 3, low=-6.0, high=6.0), 2.0, 5.0), call(T(2, 3, low=-6.0, high=6.0), 1.0, -1.0),
        call(T(2, 3), -2.0, 1.0), note="beta", torch=f("softplus"), kinks=[call(F([2.4, 2.5, 2.6]), 2.0, 5.0)]),
    unary("silu", lambda x: x / (1 + np.exp(-x)), torch=f("silu")),
    unary("gelu", lambda x: x * (1 + np_erf(x / math.sqrt(2))) / 2, -5.0, 5.0, torch=f("gelu")),
    row("gelu", np_gelu_tanh, call(T(2, 3), "tanh"), call(T(), "tanh"), call(T(0, 3), "tanh"), note="tanh",
        torch=lambda x, approximate: torch(f("gelu"))(x, approximate=approximate)),
    unary("elu", lambda x: np.where(x > 0, x, np.expm1(x)), torch=f("elu"), kinks=SIGNS),
    row("elu", lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(x)), call(T(2, 3), 0.5), call(T(2, 3), -0.5),
        note="alpha", torch=f("elu"), kinks=[call(F([-1.0, 0.0, 2.0]), 0.5), call(F([-1.0, 0.0, 2.0]), -0.5)]),
    row("elu", lambda x, a, s, i: s * np.where(x > 0, x, a * np.expm1(i * x)), call(T(2, 3), 0.5, 2.0, 3.0),
        note="scales", torch=lambda x, a, s, i: s * torch("where")(x > 0, x, a * torch("expm1")(i * x))),
    unary("selu", np_selu, torch=f("selu"), kinks=SIGNS),
    unary("celu", lambda x: np.where(x > 0, x, np.expm1(x)), torch=f("celu"), kinks=SIGNS),
    row("celu", lambda x, a: np.where(x > 0, x, a * np.expm1(x / a)), call(T(2, 3), 0.5), call(T(2, 3), -2.0),
        note="alpha", torch=f("celu"), kinks=[call(F([-1.0, 0.0, 2.0]), 0.5)]),
    unary("mish", lambda x: x * np.tanh(np.log1p(np.exp(x))), torch=f("mish")),
    unary("softsign", lambda x: x / (1 + np.abs(x)), torch=f("softsign"), ints="float32", kinks=SIGNS),
    unary("tanhshrink", lambda x: x - np.tanh(x), torch=f("tanhshrink"), ints="float32"),
    row("glu", np_glu, call(T(2, 4)), call(T(4, 3), 0), call(T(2, 6, 2), dim=1), call(T(0, 4)), torch=f("glu")),

    row("softmax", np_softmax, call(T(2, 3), dim=1), call(T(2, 3, 2), dim=0), call(T(3), dim=-1), call(T(), dim=0)),
    row("log_softmax", lambda x, dim: np.log(np_softmax(x, dim)), call(T(2, 3), dim=1), call(T(2, 3, 2), dim=0),
        call(T(2, 3, 2), dim=-1), call(T(3), dim=-1), call(T(), dim=0), rtol=1e-11),
]
# fmt: on
