"""Samples of the sheet ``embedding``."""

from __future__ import annotations

from typing import Any

import numpy as np

from .table import I, T, call, row, torch


def np_sum_rows(v: Any, index: Any, rows: int) -> Any:
    out = np.zeros((rows, *v.shape[index.ndim :]))
    for at in np.ndindex(*index.shape):
        out[index[at]] += v[at]
    return out


def torch_embedding(weight: Any, index: Any, padding_idx: Any = None, scale_grad_by_freq: bool = False) -> Any:
    if weight.ndim != 2:
        return weight[index]
    return torch("nn.functional.embedding")(index, weight, padding_idx, scale_grad_by_freq=scale_grad_by_freq)


def torch_sum_rows(v: Any, index: Any, rows: int) -> Any:
    return v.new_zeros(rows, *v.shape[index.ndim :]).index_put((index,), v, accumulate=True)


# fmt: off
ROWS = [
    row("embedding", lambda weight, index: weight[index], call(T(4, 3), I([0, 2, 2])), call(T(4, 3), I(1)),
        call(T(4, 3), I([[0, 3], [3, 3]])), call(T(4), I([1, 1])), call(T(3, 2, 2), I([2, 0, 2])),
        call(T(4, 3), I(np.zeros((0,)))), torch=torch_embedding,
        kinks=[call(T(4, 3), I([0, 2, 2]), padding_idx=2), call(T(4, 3), I([[0, 2, 2]]), scale_grad_by_freq=True),
               call(T(3, 2), I([0, 0, 1]), 1, True)]),
    row("sum_rows", np_sum_rows, call(T(3, 2), I([0, 2, 2]), 4), call(T(2, 2, 3), I([[0, 1], [1, 1]]), 2),
        call(T(3), I([2, 2, 0]), 3), call(T(2), I(1), 3), call(T(0, 2), I(np.zeros((0,))), 2),
        call(T(2, 2, 2), I([1, 0]), 2), torch=torch_sum_rows),
]
# fmt: on
