"""Samples of the sheet ``activation``."""

from __future__ import annotations

import numpy as np

from .table import SIGNS, F, T, call, np_softmax, row, unary

# fmt: off
ROWS = [
    unary("relu", lambda x: np.maximum(x, 0), ints="int64", kinks=SIGNS),
    unary("leaky_relu", lambda x: np.where(x > 0, x, 0.01 * x), torch="nn.functional.leaky_relu", kinks=SIGNS),
    row("leaky_relu", lambda x, slope: np.where(x > 0, x, slope * x), call(T(2, 3), 0.2), note="slope",
        torch="nn.functional.leaky_relu"),
    unary("hardtanh", lambda x: np.clip(x, -1, 1), torch="nn.functional.hardtanh", kinks=[call(F([-1.0, 0.0, 1.0]))]),
    unary("relu6", lambda x: np.clip(x, 0, 6), -8.0, 8.0, torch="nn.functional.relu6",
        kinks=[call(F([0.0, 6.0, 7.0]))]),
    unary("sigmoid", lambda x: 1 / (1 + np.exp(-x)), -6.0, 6.0, ints="float32"),
    unary("softplus", lambda x: np.log1p(np.exp(x)), -6.0, 6.0, torch="nn.functional.softplus"),
    row("softplus", lambda x, beta, threshold: np.where(x * beta > threshold, x, np.log1p(np.exp(x * beta)) / beta),
        call(T(2, 3, low=-6.0, high=6.0), 2.0, 5.0), note="beta", torch="nn.functional.softplus"),
    unary("logsigmoid", lambda x: -np.log1p(np.exp(-x)), torch="nn.functional.logsigmoid"),
    unary("silu", lambda x: x / (1 + np.exp(-x)), torch="nn.functional.silu"),
    unary("elu", lambda x: np.where(x > 0, x, np.expm1(x)), torch="nn.functional.elu", kinks=SIGNS),
    row("elu", lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(x)), call(T(2, 3), 0.5), note="alpha",
        torch="nn.functional.elu", kinks=[call(F([-1.0, 0.0, 2.0]), 0.5)]),
    row("softmax", np_softmax, call(T(2, 3), dim=1), call(T(2, 3, 2), dim=0), call(T(3), dim=-1), call(T(), dim=0)),
    row("log_softmax", lambda x, dim: np.log(np_softmax(x, dim)), call(T(2, 3), dim=1), call(T(2, 3, 2), dim=0),
        call(T(3), dim=-1), call(T(), dim=0), rtol=1e-11),
]
# fmt: on
