"""Samples of the sheet ``reduction``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .table import (
    ALL_DIMS,
    LOGICAL,
    ONE_DIM,
    SOME_DIMS,
    SPREADS,
    SQUARE_MASK,
    TIES,
    TIES_ALONG,
    F,
    T,
    along,
    call,
    row,
    tupled,
)


def np_extreme(value: Callable[..., Any], where: Callable[..., Any]) -> Callable[..., Any]:
    def reference(x: Any, dim: int | None = None, keepdim: bool = False) -> Any:
        if dim is None:
            return value(x)
        return along(value)(x, dim, keepdim), along(where)(x, dim, keepdim)

    return reference


def np_var(x: Any, dim: Any = None, keepdim: bool = False, correction: float = 1) -> Any:
    return np.var(x, axis=tupled(dim), keepdims=keepdim, ddof=correction)


def np_norm(x: Any, p: Any = 2, dim: Any = None, keepdim: bool = False) -> Any:
    if p == 0:
        return along(np.sum)((x != 0).astype(float), dim, keepdim)
    if abs(p) == math.inf:
        return along(np.max if p > 0 else np.min)(abs(x), dim, keepdim)
    return along(np.sum)(abs(x) ** p, dim, keepdim) ** (1 / p)


def np_renorm(x: Any, p: float, dim: int, maxnorm: float) -> Any:
    others = tuple(d for d in range(x.ndim) if d != dim % x.ndim)
    size = (abs(x) ** p).sum(others, keepdims=True) ** (1 / p)
    return x * np.where(size > maxnorm, maxnorm / (size + 1e-7), 1)


def np_spread(f: Callable[..., Any]) -> Callable[..., Any]:
    def reference(x: Any, dim: Any = None, keepdim: bool = False, correction: float = 1) -> Any:
        return f(np_var(x, dim, keepdim, correction)), x.mean(axis=tupled(dim), keepdims=keepdim)

    return reference


HOLES = F([[1.0, math.nan, 3.0], [math.nan, 4.0, 2.0]])

# fmt: off
ROWS = [
    row("sum", along(np.sum), *ALL_DIMS, *SOME_DIMS, call(T(0, 3), dim=0), ints="int64"),
    row("mean", along(np.mean), *ALL_DIMS, *SOME_DIMS),
    row("var", np_var, *SPREADS),
    row("std", lambda *args, **kwargs: np.sqrt(np_var(*args, **kwargs)), *SPREADS),
    row("prod", along(np.prod), *ALL_DIMS, *ONE_DIM, call(F([0.0, 2.0])), call(T(0)),
        call(F([[0.0, 2.0, 3.0], [0.0, 0.0, 4.0]]), dim=1), ints="int64"),
    row("_diagonal_mask", lambda x, n: np.eye(n, dtype=bool), call(T(2), 3), **LOGICAL,
        torch=lambda x, n: x.new_ones(n).diag().bool()),
    row("amax", along(np.max), *ALL_DIMS, *SOME_DIMS, ints="int64", kinks=[*TIES_ALONG, call(TIES, dim=(0, 1))]),
    row("amin", along(np.min), *ALL_DIMS, *SOME_DIMS, ints="int64", kinks=[*TIES_ALONG, call(TIES, dim=(0, 1))]),
    row("argmax", along(np.argmax), *ALL_DIMS, *ONE_DIM, *TIES_ALONG, gradient=False, ints="int64", dtype="int64"),
    row("argmin", along(np.argmin), *ALL_DIMS, *ONE_DIM, *TIES_ALONG, gradient=False, ints="int64", dtype="int64"),
    row("max_", np_extreme(np.max, np.argmax), *ALL_DIMS, *ONE_DIM, torch="max", ints="int64", kinks=TIES_ALONG),
    row("min_", np_extreme(np.min, np.argmin), *ALL_DIMS, *ONE_DIM, torch="min", ints="int64", kinks=TIES_ALONG),
    row("vector_norm", lambda x, dim=None, keepdim=False: np_norm(x, 2, dim, keepdim), *ALL_DIMS, *SOME_DIMS,
        torch="linalg.vector_norm", kinks=[call(F([0.0, 0.0])), call(F([[0.0, 0.0], [3.0, 4.0]]), dim=1)]),
    row("norm", np_norm, call(T(2, 3)), call(T(2, 3), 1), call(T(2, 3), 3, dim=1), call(T(2, 3), math.inf, dim=0),
        call(T(2, 3), 2.5, dim=(0, 1), keepdim=True), call(T(2, 3), -math.inf), call(T(2, 3), 0, dim=1),
        kinks=[call(F([0.0, 3.0]), 1), call(F([0.0, 0.0]), 2), call(F([2.0, -2.0]), math.inf)]),
    row("var_mean", np_spread(lambda v: v), *SPREADS),
    row("std_mean", np_spread(np.sqrt), *SPREADS),
    row("nansum", along(np.nansum), *ALL_DIMS, *SOME_DIMS, ints="int64", kinks=[call(HOLES), call(HOLES, 1)]),
    row("nanmean", along(np.nanmean), *ALL_DIMS, *SOME_DIMS, kinks=[call(HOLES), call(HOLES, 0), call(HOLES, 1, True)]),
    row("aminmax", lambda x, dim=None, keepdim=False: (along(np.min)(x, dim, keepdim), along(np.max)(x, dim, keepdim)),
        *ALL_DIMS, *ONE_DIM, ints="int64", kinks=TIES_ALONG),
    row("dist", lambda x, y, p=2: np_norm(x - y, p), call(T(2, 3), T(2, 3)), call(T(2, 3), T(3), 1), call(T(4), T(4),
        3.0)),
    row("renorm", np_renorm, call(T(3, 4), 2, 0, 1.5), call(T(2, 3, 2), 1, -2, 3.0), call(T(3, 2), 2.5, 1, 0.5)),
    row("logsumexp", lambda x, dim, keepdim=False: np.log(along(np.sum)(np.exp(x), dim, keepdim)), *SOME_DIMS,
        ints="float32"),
    row("all", along(np.all), call(SQUARE_MASK, dim=1), call(T(2, 3)), call(F([0.0, 1.0])), **LOGICAL),
    row("any", along(np.any), call(SQUARE_MASK, dim=1), call(T(2, 3)), call(F([0.0, 0.0])), **LOGICAL),
    row("count_nonzero", lambda x, dim=None: np.count_nonzero(x, axis=dim), call(F([[0.0, 2.0], [3.0, 1.0]])),
        call(F([[0.0, 2.0], [3.0, 1.0]]), dim=0), call(F([[0.0, 2.0]]), dim=(0, 1)),
        gradient=False, ints="int64", dtype="int64"),
]
# fmt: on
