"""Samples of the sheet ``recurrent``."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad.ops.recurrent  # noqa: F401  (not among what `import minigrad` loads)

from .table import T, call, row, torch


def sigma(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def np_rnn(gates: Any, h: Any, weight: Any, nonlinearity: str = "tanh") -> Any:
    outputs = []
    for x in gates:
        z = x + h @ weight.T
        h = np.tanh(z) if nonlinearity == "tanh" else np.where(z > 0, z, 0)
        outputs.append(h)
    return np.stack(outputs)


def np_lstm(gates: Any, h: Any, c: Any, weight: Any) -> Any:
    outputs = []
    for x in gates:
        i, f, g, o = np.split(x + h @ weight.T, 4, axis=1)
        c = sigma(f) * c + sigma(i) * np.tanh(g)
        h = sigma(o) * np.tanh(c)
        outputs.append(h)
    return np.stack([*outputs, c])


def np_gru(gates: Any, h: Any, weight: Any, bias: Any = None) -> Any:
    outputs = []
    for x in gates:
        p = h @ weight.T + (0 if bias is None else bias)
        (r_x, z_x, n_x), (r_h, z_h, n_h) = np.split(x, 3, axis=1), np.split(p, 3, axis=1)
        r, z = sigma(r_x + r_h), sigma(z_x + z_h)
        h = (1 - z) * np.tanh(n_x + r * n_h) + z * h
        outputs.append(h)
    return np.stack(outputs)


def torch_sequence(kind: str) -> Any:
    """PyTorch's function of whole layers, given an identity as the input's weight."""

    def run(gates: Any, *rest: Any, nonlinearity: str = "tanh") -> Any:
        states, weights = rest[: (2 if kind == "lstm" else 1)], rest[(2 if kind == "lstm" else 1) :]
        n = gates.shape[-1]
        weight, bias = weights[0], weights[1] if len(weights) > 1 and weights[1] is not None else None
        bias = gates.new_zeros(n) if bias is None else bias
        parameters = [gates.new_ones(n).diag(), weight, gates.new_zeros(n), bias]
        states = [h[None] for h in states]
        name = f"rnn_{nonlinearity}" if kind == "rnn" else kind
        given = states if kind == "lstm" else states[0]
        y, *last = torch(name)(gates, given, parameters, True, 1, 0.0, False, False, False)
        return torch("cat")([y, last[1]]) if kind == "lstm" else y

    return run


# fmt: off
ROWS = [
    row("rnn", np_rnn, call(T(3, 2, 2), T(2, 2), T(2, 2)), call(T(1, 1, 3), T(1, 3), T(3, 3)),
        call(T(3, 1, 2), T(1, 2), T(2, 2), nonlinearity="relu"), call(T(2, 0, 3), T(0, 3), T(3, 3)),
        torch=torch_sequence("rnn")),
    row("lstm", np_lstm, call(T(2, 1, 8), T(1, 2), T(1, 2), T(8, 2)), call(T(1, 2, 4), T(2, 1), T(2, 1), T(4, 1)),
        call(T(2, 0, 8), T(0, 2), T(0, 2), T(8, 2)), torch=torch_sequence("lstm")),
    row("gru", np_gru, call(T(2, 1, 6), T(1, 2), T(6, 2), T(6)), call(T(1, 2, 3), T(2, 1), T(3, 1)),
        call(T(2, 0, 6), T(0, 2), T(6, 2), T(6)), torch=torch_sequence("gru")),
]
# fmt: on
