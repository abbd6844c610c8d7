"""Samples of the sheet ``cumulative``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .table import TIES, F, T, call, row

LINES = [call(T(2, 3), 0), call(T(2, 5, 2), -2), call(T(4), 0), call(T(), 0), call(T(1), 0), call(T(0, 3), 1)]
ZEROS = F([[0.0, 2.0, 3.0], [2.0, 0.0, 0.0], [4.0, 0.0, 5.0]])
FALLING = F([[-1000.0, -math.inf, 3.0, 1000.0], [1000.0, -1000.0, -math.inf, 2.0]])


def np_running(extreme: Any) -> Callable[..., Any]:
    def reference(x: Any, dim: int) -> Any:
        x = np.moveaxis(x.reshape(x.shape or (1,)), dim, 0)
        values = extreme.accumulate(x, axis=0)
        at = [[max(j for j in range(k + 1) if x[(j, *i)] == v) for k, v in enumerate(values[(slice(None), *i)])]
              for i in np.ndindex(x.shape[1:])]  # fmt: skip
        indices = np.moveaxis(np.array(at, dtype=int).reshape(*x.shape[1:], x.shape[0]), -1, 0)
        return np.moveaxis(values, 0, dim), np.moveaxis(indices, 0, dim)

    return lambda x, dim: tuple(y.reshape(x.shape) for y in reference(x, dim))


def np_diff(x: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    return np.diff(x, n, dim, **{k: v for k, v in dict(prepend=prepend, append=append).items() if v is not None})


def np_trapezoid(y: Any, x: Any = None, dx: Any = 1.0, dim: int = -1) -> Any:
    return np.trapezoid(y, x, dx, dim)


def np_cumulative_trapezoid(y: Any, x: Any = None, dx: Any = 1.0, dim: int = -1) -> Any:
    cut = [np.take(y, range(k), dim) for k in range(2, y.shape[dim] + 1)]
    return np.stack([np.trapezoid(p, None if x is None else x[: p.shape[dim]], dx, dim) for p in cut], dim)


AREAS = [call(T(2, 4)), call(T(3, 2), dim=0), call(T(4), T(4)), call(T(4), dx=0.5), call(T(3, 2), T(3), dim=0)]

# fmt: off
ROWS = [
    row("cumsum", lambda x, dim: np.cumsum(x, dim).reshape(x.shape), *LINES, ints="int64"),
    row("cumprod", lambda x, dim: np.cumprod(x, dim).reshape(x.shape), *LINES, call(ZEROS, 1), call(ZEROS, 0),
        ints="int64"),
    row("logcumsumexp", lambda x, dim: np.log(np.cumsum(np.exp(x), dim)).reshape(x.shape), *LINES,
        kinks=[call(FALLING, 1)]),
    row("_cumargmax", lambda x, dim: np_running(np.maximum)(x, dim)[1], *LINES[:-1], call(TIES, 1), gradient=False,
        dtype="int64", torch=lambda x, dim: x.cummax(dim).indices),
    row("_cumargmin", lambda x, dim: np_running(np.minimum)(x, dim)[1], *LINES[:-1], call(TIES, 1), gradient=False,
        dtype="int64", torch=lambda x, dim: x.cummin(dim).indices),
    row("cummax", np_running(np.maximum), *LINES[:-1], ints="int64",
        kinks=[call(TIES, 1), call(F([1.0, math.nan, 2.0, math.nan]), 0)]),
    row("cummin", np_running(np.minimum), *LINES[:-1], ints="int64",
        kinks=[call(TIES, 1), call(F([1.0, math.nan, 2.0, math.nan]), 0)]),
    row("diff", np_diff, call(T(4)), call(T(2, 4), 2), call(T(3, 2), dim=0), call(T(2), 5), call(T(2, 3),
        append=T(2, 1)),
        call(T(2, 3), prepend=T(1, 3), append=T(2, 3), dim=0), call(T(3), 0), ints="int64"),
    row("trapezoid", np_trapezoid, *AREAS, call(T(1))),
    row("cumulative_trapezoid", np_cumulative_trapezoid, *AREAS),
]
# fmt: on
