"""Samples of the sheet ``recurrent``."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad.ops.recurrent  # noqa: F401  (not among what `import minigrad` loads)

from .table import T, call, row, torch


def sigma(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def np_rnn(x: Any, h: Any, weight_ih: Any, weight_hh: Any, bias: Any = 0, nonlinearity: str = "tanh") -> Any:
    outputs = []
    for x_t in x:
        z = x_t @ weight_ih.T + bias + h @ weight_hh.T
        h = np.tanh(z) if nonlinearity == "tanh" else np.where(z > 0, z, 0)
        outputs.append(h)
    return np.stack(outputs)


def np_lstm(x: Any, h: Any, c: Any, weight_ih: Any, weight_hh: Any, bias: Any = 0) -> Any:
    outputs = []
    for x_t in x:
        i, f, g, o = np.split(x_t @ weight_ih.T + bias + h @ weight_hh.T, 4, axis=1)
        c = sigma(f) * c + sigma(i) * np.tanh(g)
        h = sigma(o) * np.tanh(c)
        outputs.append(h)
    return np.stack([*outputs, c])


def np_gru(x: Any, h: Any, weight_ih: Any, weight_hh: Any, bias_ih: Any = 0, bias_hh: Any = 0) -> Any:
    outputs = []
    for x_t in x:
        r_x, z_x, n_x = np.split(x_t @ weight_ih.T + bias_ih, 3, axis=1)
        r_h, z_h, n_h = np.split(h @ weight_hh.T + bias_hh, 3, axis=1)
        r, z = sigma(r_x + r_h), sigma(z_x + z_h)
        h = (1 - z) * np.tanh(n_x + r * n_h) + z * h
        outputs.append(h)
    return np.stack(outputs)


def torch_sequence(kind: str) -> Any:
    """PyTorch's function of whole layers, which has two biases."""

    def run(x: Any, *rest: Any, nonlinearity: str = "tanh") -> Any:
        states, (weight_ih, weight_hh, *biases) = rest[: 1 + (kind == "lstm")], rest[1 + (kind == "lstm") :]
        none = x.new_zeros(len(weight_ih))
        parameters = [weight_ih, weight_hh, *biases, *[none] * (2 - len(biases))]
        given = [h[None] for h in states]
        name = f"rnn_{nonlinearity}" if kind == "rnn" else kind
        y, *last = torch(name)(x, given if kind == "lstm" else given[0], parameters, True, 1, 0.0, False, False, False)
        return torch("cat")([y, last[1]]) if kind == "lstm" else y

    return run


# fmt: off
ROWS = [
    row("rnn", np_rnn, call(T(3, 2, 3), T(2, 2), T(2, 3), T(2, 2), T(2)), call(T(1, 1, 2), T(1, 3), T(3, 2), T(3, 3)),
        call(T(3, 1, 2), T(1, 2), T(2, 2), T(2, 2), T(2), nonlinearity="relu"),
        call(T(2, 0, 3), T(0, 3), T(3, 3), T(3, 3)), torch=torch_sequence("rnn")),
    row("lstm", np_lstm, call(T(2, 1, 3), T(1, 2), T(1, 2), T(8, 3), T(8, 2), T(8)),
        call(T(3, 2, 1), T(2, 1), T(2, 1), T(4, 1), T(4, 1)),
        call(T(2, 0, 3), T(0, 2), T(0, 2), T(8, 3), T(8, 2), T(8)), torch=torch_sequence("lstm")),
    row("gru", np_gru, call(T(2, 1, 3), T(1, 2), T(6, 3), T(6, 2), T(6), T(6)),
        call(T(3, 2, 2), T(2, 1), T(3, 2), T(3, 1)),
        call(T(2, 0, 3), T(0, 2), T(6, 3), T(6, 2), T(6), T(6)), torch=torch_sequence("gru")),
]
# fmt: on
