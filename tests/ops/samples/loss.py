"""Samples of the sheet ``loss``."""

from __future__ import annotations

from typing import Any

import numpy as np

from .table import F, I, T, call, np_softmax, row, torch


def np_cross_entropy(x: Any, target: Any) -> Any:
    return -np.log(np_softmax(x, 1)[np.arange(len(x)), target]).mean()


# fmt: off
ROWS = [
    row("softmax_cross_entropy", np_cross_entropy, call(T(3, 4), I([0, 3, 3])), call(T(1, 2), I([1])),
        torch="nn.functional.cross_entropy"),
    row("one_hot_like", lambda x, target: np.eye(x.shape[1])[target], call(T(3, 4), I([0, 3, 3])), gradient=False,
        torch=lambda x, target: x.new_ones(x.shape[1]).diag()[target]),
    row("binary_cross_entropy", lambda x, t: -(t * np.log(x) + (1 - t) * np.log1p(-x)),
        call(T(2, 3, low=0.1, high=0.9), T(2, 3, low=0.1, high=0.9)), call(T(low=0.1, high=0.9), T(low=0.1, high=0.9)),
        torch=lambda x, t: torch("nn.functional.binary_cross_entropy")(x, t.double(), reduction="none"),
        kinks=[call(F([0.0, 1.0, 0.0, 1.0, 0.5]), I([0, 0, 1, 1, 1]))]),
]
# fmt: on
