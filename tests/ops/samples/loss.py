"""Samples of the sheet ``loss``."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import ops
from minigrad.ops.op import cast

from .table import F, I, M, T, call, np_softmax, row, torch


def np_nll(x: Any, target: Any, factors: Any = None) -> Any:
    return -np.average(x[np.arange(len(x)), target], weights=factors)


def np_cross_entropy(x: Any, target: Any, factors: Any = None) -> Any:
    return np_nll(np.log(np_softmax(x, 1)), target, factors)


def torch_mean(name: str) -> Any:
    def mean(x: Any, target: Any, factors: Any = None) -> Any:
        losses = torch(f"nn.functional.{name}")(x, target, reduction="none")
        return losses.mean() if factors is None else (losses * factors.to(x.dtype)).sum() / factors.sum()

    return mean


def np_huber(x: Any, t: Any, delta: float = 1.0) -> Any:
    d = np.abs(x - t)
    return np.where(d < delta, d * d / 2, delta * (d - delta / 2))


def np_ctc_paths(emit: Any, ways: Any) -> Any:
    a = np.full_like(emit, -1e30)
    a[0, :, :2] = emit[0, :, :2]
    for t, n, s in np.ndindex(emit.shape):
        if t:
            into = [a[t - 1, n, s - k] for k in range(3) if ways[k, n, s]]
            a[t, n, s] = np.log(np.exp(into).sum()) + emit[t, n, s] if max(into) > -1e29 else -1e30
    return a


def torch_ctc_paths(emit: Any, ways: Any) -> Any:
    low = emit.new_full(emit.shape[1:], -1e30)
    a = [torch("where")(torch("arange")(emit.shape[2]) < 2, emit[0], low)]
    for now in emit[1:]:
        into = torch("stack")([a[-1], a[-1].roll(1, -1), a[-1].roll(2, -1)])
        total = torch("where")(ways, into, low).logsumexp(0) + now
        a.append(torch("where")(total > -1e29, total, low))
    return torch("stack")(a)


# Two sequences of two labels: the first with two that differ, the second with the same twice.
WAYS = np.ones((3, 2, 5), bool)
WAYS[1, :, 0] = WAYS[2, :, [0, 1, 2, 4]] = WAYS[2, 1, 3] = False


# fmt: off
ROWS = [
    row("softmax_cross_entropy", np_cross_entropy, call(T(3, 4), I([0, 3, 3])), call(T(1, 2), I([1])),
        torch=torch_mean("cross_entropy")),
    row("softmax_cross_entropy", np_cross_entropy, call(T(3, 4), I([0, 3, 3]), I([2, 0, 1])), note="weighted",
        run=lambda x, t, factors: ops.softmax_cross_entropy(x, t, cast(factors, x.dtype)),
        torch=torch_mean("cross_entropy")),
    row("nll", np_nll, call(T(3, 4), I([0, 3, 3])), torch=torch_mean("nll_loss")),
    row("nll", np_nll, call(T(3, 4), I([0, 3, 3]), I([2, 0, 1])), note="weighted",
        run=lambda x, t, factors: ops.nll(x, t, cast(factors, x.dtype)), torch=torch_mean("nll_loss")),
    row("one_hot_like", lambda x, target: np.eye(x.shape[1])[target], call(T(3, 4), I([0, 3, 3])), gradient=False,
        torch=lambda x, target: x.new_ones(x.shape[1]).diag()[target]),
    row("binary_cross_entropy", lambda x, t: -(t * np.log(x) + (1 - t) * np.log1p(-x)),
        call(T(2, 3, low=0.1, high=0.9), T(2, 3, low=0.1, high=0.9)), call(T(low=0.1, high=0.9), T(low=0.1, high=0.9)),
        torch=lambda x, t: torch("nn.functional.binary_cross_entropy")(x, t.double(), reduction="none"),
        kinks=[call(F([0.0, 1.0, 0.0, 1.0, 0.5]), I([0, 0, 1, 1, 1]))]),
    row("binary_cross_entropy_with_logits", lambda x, t: np.log1p(np.exp(x)) - t * x, call(T(2, 3), T(2, 3)),
        call(T(), T()), call(T(0, 3), T(0, 3)), torch=lambda x, t:
        torch("nn.functional.binary_cross_entropy_with_logits")(x, t, reduction="none")),
    row("huber", np_huber, call(T(2, 3), T(2, 3)), call(T(2, 3), T(2, 3), 0.5), call(T(), T()), call(T(0, 3), T(0, 3)),
        torch=lambda x, t, delta=1.0: torch("nn.functional.huber_loss")(x, t, reduction="none", delta=delta),
        kinks=[call(F([-1.0, 0.0, 1.0]), F([0.0, 0.0, 0.0]))]),
    row("ctc_paths", np_ctc_paths, call(T(4, 2, 5), M(WAYS)), call(T(1, 2, 5), M(WAYS)), torch=torch_ctc_paths),
]
# fmt: on
