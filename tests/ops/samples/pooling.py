"""Samples of the sheet ``pooling``."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from minigrad.ops.window import Window

from .convolution import triples, window
from .table import F, I, T, call, row, torch


def np_max_pool(x: Any, window: Window) -> Any:
    y = np.full((*x.shape[: x.ndim - len(window.size)], *window.out), -math.inf)
    for o, _, i in triples(window):
        y[(..., *o)] = np.maximum(y[(..., *o)], x[(..., *i)])
    return y


def np_max_pool_indices(x: Any, window: Window) -> Any:
    y = np_max_pool(x, window)
    places = np.arange(np.prod(window.size)).reshape(window.size)
    found = np.full(y.shape, -1)
    for o, _, i in triples(window):
        first = (found[(..., *o)] < 0) & (x[(..., *i)] == y[(..., *o)])
        found[(..., *o)] = np.where(first, places[i], found[(..., *o)])
    return found


def np_flat(x: Any, dims: int) -> Any:
    return x.reshape(*x.shape[: x.ndim - dims], -1)


def np_max_unpool(v: Any, index: Any, size: Any) -> Any:
    x = np.zeros((*v.shape[: v.ndim - len(size)], math.prod(size)))
    np.put_along_axis(x, np_flat(index, len(size)), np_flat(v, len(size)), -1)
    return x.reshape(*x.shape[:-1], *size)


def np_adaptive_max_indices(x: Any, out: Any) -> Any:
    size = x.shape[x.ndim - len(out) :]
    places = np.arange(math.prod(size)).reshape(size)
    found = np.zeros((*x.shape[: x.ndim - len(out)], *out), int)
    for o in itertools.product(*map(range, out)):
        box = tuple(slice(i * n // m, math.ceil((i + 1) * n / m)) for i, n, m in zip(o, size, out))
        best = np_flat(x[(..., *box)], len(out)).argmax(-1)
        found[(..., *o)] = places[box].ravel()[best]
    return found


def np_sum_pool(x: Any, window: Window) -> Any:
    y = np.zeros((*x.shape[: x.ndim - len(window.size)], *window.out))
    for o, _, i in triples(window):
        y[(..., *o)] += x[(..., *i)]
    return y


def np_sum_unpool(v: Any, window: Window) -> Any:
    x = np.zeros((*v.shape[: v.ndim - len(window.size)], *window.size))
    for o, _, i in triples(window):
        x[(..., *i)] += v[(..., *o)]
    return x


def torch_max_pool(which: int) -> Any:
    def f(x: Any, window: Window) -> Any:
        pool = torch(f"nn.functional.max_pool{len(window.size)}d")
        ceil = window.out != tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, _, k, s, p, d in zip(*window))
        return pool(x, window.kernel, window.stride, window.padding, window.dilation, ceil, True)[which]

    return f


def torch_sum_pool(x: Any, window: Window) -> Any:
    d = len(window.size)
    x = x.reshape(-1, 1, *x.shape[x.dim() - d :])
    weight = x.new_ones(1, 1, *window.kernel)
    return torch(f"nn.functional.conv{d}d")(x, weight, None, window.stride, window.padding).reshape(2, 3, *window.out)


def torch_sum_unpool(v: Any, window: Window) -> Any:
    d = len(window.size)
    v = v.reshape(-1, 1, *v.shape[v.dim() - d :])
    smallest = [s * (o - 1) - 2 * p + k for _, o, k, s, p, _ in zip(*window)]
    extra = [n - m for n, m in zip(window.size, smallest)]
    weight = v.new_ones(1, 1, *window.kernel)
    x = torch(f"nn.functional.conv_transpose{d}d")(v, weight, None, window.stride, window.padding, extra)
    return x.reshape(2, 3, *window.size)


HALVES = window((4, 4), 2, 2)
OVERLAP = window((5, 4), (3, 2), (2, 1), (1, 0))
DILATED = window((5, 5), 2, 1, 1, (2, 1))
CEIL = window((5,), 2, 2, 0, 1, True)
LINE = window((4,), 3, 1, 1)
CUBE = window((2, 3, 2), (2, 2, 1), 1, (1, 0, 0))
POINT = window((2, 3), 1)
TIES = F([[[1.0, 1.0, 0.0, -math.inf], [1.0, 1.0, 0.0, -math.inf], [0.0, 2.0, 5.0, 5.0], [2.0, 0.0, 4.0, 5.0]]])

# fmt: off
ROWS = [
    row("max_pool", np_max_pool, call(T(2, 3, 4, 4), HALVES), call(T(2, 5, 4), OVERLAP), call(T(1, 5, 5), DILATED),
        call(T(2, 3, 5), CEIL), call(T(2, 4), LINE), call(T(1, 2, 3, 2), CUBE), call(T(2, 2, 3), POINT),
        call(T(0, 3, 4, 4), HALVES), ints="int64",
        torch=torch_max_pool(0), kinks=[
            call(TIES, HALVES), call(TIES, window((4, 4), 3, 1, 1)), call(TIES, window((4, 4), 4))]),
    row("max_pool_indices", np_max_pool_indices, call(T(2, 3, 4, 4), HALVES), call(T(2, 5, 4), OVERLAP),
        call(T(1, 5, 5), DILATED), call(T(2, 3, 5), CEIL), call(TIES, HALVES), gradient=False, dtype="int64",
        torch=torch_max_pool(1), kinks=[call(TIES, window((4, 4), 3, 1, 1)), call(F([[-math.inf] * 4]), LINE),
                                        call(F([[1.0, math.nan, 3.0, math.nan]]), LINE)]),
    row("max_pool_at", lambda x, index, dims: np.take_along_axis(np_flat(x, dims), np_flat(index, dims), -1).reshape(
            index.shape), call(T(2, 3, 2), I([[[0, 5]], [[4, 4]]]), 2), call(T(2, 3), I([[0], [2]]), 1),
        torch=lambda x, index, dims: x.flatten(-dims).gather(-1, index.flatten(-dims)).reshape(index.shape)),
    row("max_unpool", np_max_unpool, call(T(2, 1, 2), I([[[0, 5]], [[4, 3]]]), (3, 2)),
        call(T(1, 2), I([[3, 0]]), (4,)), torch=lambda v, index, size: v.new_zeros(len(v), math.prod(size)).scatter(
            -1, index.flatten(1), v.flatten(1)).reshape(len(v), *size)),
    row("adaptive_max_indices", np_adaptive_max_indices, call(T(2, 5, 4), (3, 2)), call(T(2, 7), (4,)),
        call(T(2, 3), (5,)), gradient=False, dtype="int64",
        torch=lambda x, out: torch(f"nn.functional.adaptive_max_pool{len(out)}d")(x, out, True)[1]),
    row("sum_pool", np_sum_pool, call(T(2, 3, 4, 4), HALVES), call(T(2, 3, 5, 4), OVERLAP), call(T(2, 3, 4), LINE),
        call(T(2, 3, 2, 3), POINT), ints="int64", torch=torch_sum_pool),
    row("sum_unpool", np_sum_unpool, call(T(2, 3, 2, 2), HALVES), call(T(2, 3, 3, 3), OVERLAP), call(T(2, 3, 4), LINE),
        ints="int64", torch=torch_sum_unpool),
]
# fmt: on
