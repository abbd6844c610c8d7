"""Samples of the sheet ``statistics``."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from .table import POSITIVE, F, I, T, call, row

METHODS = ("linear", "lower", "higher", "midpoint", "nearest")
SHAPES = [call(T(2, 5), 0.3, 1), call(T(4, 2), 0.5, 0, True), call(T(2, 3), 0.25), call(T(2, 3), 0.8, keepdim=True),
          call(T(), 0.4), call(T(5), 1.0, 0), call(T(5), 0.0, 0)]  # fmt: skip
SEVERAL = F([0.1, 0.5, 0.93])
GAPS = F([[3.0, math.nan, 1.0, 2.0], [math.nan] * 4, [5.0, 2.0, 1.0, 7.0]])
HOLES = F([[3.0, math.nan, 1.0, 2.0], [5.0, 2.0, 1.0, 7.0]])


def np_quantile(x: Any, q: Any, dim: int | None = None, keepdim: bool = False, interpolation: str = "linear") -> Any:
    return np.quantile(x, q, axis=dim if x.ndim else None, keepdims=keepdim, method=interpolation)


def np_cov(x: Any, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Any:
    return np.cov(x, ddof=correction, fweights=fweights, aweights=aweights)


QUANTILES = [*SHAPES, *(call(T(2, 5), 0.3, 1, interpolation=method) for method in METHODS)]

# fmt: off
ROWS = [
    row("quantile", np_quantile, *QUANTILES, kinks=[
        *(call(T(3, 6), SEVERAL, 1, keepdim, interpolation=method)
          for method, keepdim in itertools.product(METHODS, (True, False))), call(T(2, 3), SEVERAL), call(T(),
        SEVERAL, 0),
        call(GAPS, 0.5, 1), call(GAPS, SEVERAL, 1), call(GAPS, 0.5, 0)]),
    row("nanquantile", np_quantile, *QUANTILES, kinks=[
        *(call(HOLES, SEVERAL, 1, interpolation=method) for method in METHODS), call(GAPS, 0.5),
        call(GAPS, 0.25, 0, True)]),
    row("bincount", lambda x, weights=None, minlength=0: np.bincount(x, weights, minlength), call(I([1, 3, 1])),
        call(I([]), minlength=2), call(I([0, 2]), minlength=5), gradient=False, reads=True),
    row("bincount", np.bincount, call(I([1, 3, 1]), T(3)), call(I([0, 2]), T(2), 5), note="weights", reads=True,
        beside="values"),
    row("histc", lambda x, bins=100, min=0, max=0: np.histogram(x, bins, (min, max) if max > min else None)[0],
        call(T(20), 4, -1, 1), call(T(2, 10), 3), call(F([0.0, 1.0, 2.0, 5.0, 2.0]), 5), call(F([3.0, 3.0]), 3),
        call(T(5)), gradient=False),
    row("cov", np_cov, call(T(3, 4)), call(T(4)), call(T(2, 4), correction=0), call(T(2, 3), fweights=I([1, 3, 2])),
        call(T(2, 4), aweights=T(4, **POSITIVE)), call(T(2, 3), fweights=I([1, 3, 2]), aweights=F([0.5, 1.0, 2.0]))),
    row("corrcoef", np.corrcoef, call(T(3, 5)), call(T(4)), rtol=1e-10),
]
# fmt: on
