"""Samples of the sheet ``scattering``."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from .table import F, I, T, call, row, torch

COMBINE: dict[str, Callable[..., Any]] = dict(
    sum=np.sum, prod=np.prod, mean=np.mean, amax=np.max, amin=np.min, add=np.sum, multiply=np.prod
)


def np_scatter(x: Any, dim: int, index: Any, src: Any, reduce: str | None = None, include_self: bool = True) -> Any:
    """Send the values one by one, and combine what has gathered at each place."""
    there: dict[tuple[int, ...], list[Any]] = {}
    for at in np.ndindex(*index.shape):
        to = list(at)
        if to:
            to[dim] = index[at]
        there.setdefault(tuple(to), []).append(src[at] if np.ndim(src) else src)
    out = x.copy()
    for to, values in there.items():
        out[to] = values[-1] if reduce is None else COMBINE[reduce]([x[to], *values] if include_self else values)
    return out


def np_index(x: Any, dim: int, index: Any, source: Any, add: bool, alpha: float = 1) -> Any:
    out = np.moveaxis(x.copy(), dim, 0)
    for k, to in enumerate(index):
        value = np.moveaxis(source, dim, 0)[k] if np.ndim(source) else source
        out[to] = out[to] + alpha * value if add else value
    return np.moveaxis(out, 0, dim)


ONCE = I([[2, 0, 1], [0, 1, 2]])
OFTEN = I([[0, 0, 2], [2, 0, 2]])
MANY = [
    call(T(3, 3), 0, OFTEN, T(2, 3)), call(T(2, 4), 1, OFTEN, T(2, 3)), call(T(4), 0, I([1, 1, 3, 1, 1]), T(5)),
    call(T(2, 3, 2), -2, I([[[1], [1], [2], [1]]]), T(1, 4, 1)), call(T(), 0, I(0), T()),
]  # fmt: skip
PARTIAL = [call(T(2, 3, 2), -2, I([[[1], [1], [2], [1]]]), T(2, 4, 2)), call(T(3), 0, I([]), T(2))]
TIES = F([3.0, 2.0, 5.0, 5.0, 1.0])
TIED = [call(F([3.0, 1.0, 2.0]), 0, I([0, 0, 1, 1, 1]), TIES, reduce) for reduce in ("amax", "amin")]
ZEROS = F([0.0, 2.0, 0.0, 0.0, 3.0, 4.0])
SLICES = [call(T(4, 3), 0, I([2, 0]), T(2, 3)), call(T(2, 4), -1, I([3]), T(2, 1)), call(T(3), 0, I([1, 2]), T(2))]


def reduced(**options: Any) -> list[Any]:
    names = ("sum", "prod", "mean", "amax", "amin")
    return [call(*c.args, reduce, **options) for c, reduce in itertools.product(MANY, names)]


# fmt: off
ROWS = [
    row("scatter", np_scatter, call(T(3, 3), 0, ONCE, T(2, 3)), call(T(2, 4), -1, ONCE, T(2, 3)), call(T(3),
        0, I([1]), 7.0),
        call(T(2, 3), 1, I([[2], [0]]), 2.5), call(T(2), 0, I([0, 0]), F([5.0, 5.0]), reduce="add"),
        call(T(3), 0, I([1, 1]), 2.0, reduce="multiply"), call(T(3), 0, I([1, 1]), 0.5, reduce="add"), ints="int64",
        # PyTorch has no gradients of scatter(reduce=)
        torch=lambda x, dim, index, src, reduce=None: x.scatter(dim, index, src) if reduce is None else
        x.scatter_reduce(dim, index, src if hasattr(src, "shape") else x.new_full(index.shape, src),
                         {"add": "sum", "multiply": "prod"}[reduce])),
    row("scatter_add", lambda x, dim, index, src: np_scatter(x, dim, index, src, "sum"), *MANY, ints="int64"),
    row("scatter_reduce", np_scatter, *reduced(), *reduced(include_self=False), ints="int64",
        torch=lambda x, *args, **options: torch("scatter_reduce")(x, *args, **options),
        kinks=TIED),
    row("scatter_reduce", np_scatter, call(F([1.0, 0.0, 2.0]), 0, I([0, 0, 1, 1, 1, 2]), ZEROS, "prod"),
        call(F([1.0, 0.0, 2.0]), 0, I([0, 0, 1, 1, 1, 2]), ZEROS, "prod", include_self=False), note="zeros",
        beside="values"),  # where PyTorch refuses second derivatives
    row("_scatter_extreme", lambda *args: np_scatter(*args[:4], "amax" if args[4] else "amin"),
        *(call(*c.args, largest) for c in MANY for largest in (True, False)),
        torch=lambda x, dim, index, src, largest: x.scatter_reduce(dim, index, src, "amax" if largest else "amin")),
    row("scatter", np_scatter, call(T(2, 4), -1, ONCE, T(3, 4)), PARTIAL[1], note="partial",
        beside="values"),  # where PyTorch has no gradients
    row("scatter_add", lambda x, dim, index, src: np_scatter(x, dim, index, src, "sum"), *PARTIAL, note="partial",
        beside="values"),
    row("index_add", lambda x, dim, index, source, alpha=1: np_index(x, dim, index, source, True, alpha),
        *SLICES, call(T(3, 2), 0, I([1, 1, 2, 1]), T(4, 2)), call(T(3), 0, I([1, 1]), T(2), alpha=2), ints="int64"),
    row("index_add", lambda x, dim, index, source, alpha: np_index(x, dim, index, source, True, alpha),
        call(T(3), 0, I([1, 1]), T(2), alpha=0.5), note="alpha"),
    row("index_copy", lambda x, dim, index, source: np_index(x, dim, index, source, False), *SLICES, ints="int64"),
    row("index_fill", lambda x, dim, index, value: np_index(x, dim, index, value, False), call(T(3, 2), 0, I([2, 0]),
        1.5),
        call(T(3, 2), -1, I([1]), T()), ints="int64"),
]
# fmt: on
