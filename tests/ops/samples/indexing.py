"""Samples of the sheet ``indexing``."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import ops

from .table import SQUARE_MASK, I, M, T, call, row


def np_place(v: Any, index: Any, shape: tuple[int, ...]) -> Any:
    out = np.zeros(shape)
    np.add.at(out, index, v)
    return out


def np_setitem(x: Any, value: Any, index: Any) -> Any:
    out = x.copy()
    out[index] = value
    return out


def np_spread(v: Any, index: Any, dim: int, shape: tuple[int, ...]) -> Any:
    out = np.zeros(shape)
    for at in np.ndindex(*index.shape):
        to = list(at)
        to[dim] = index[at]
        out[tuple(to)] += v[at]
    return out


def torch_setitem(x: Any, value: Any, index: Any) -> Any:
    out = x.clone()
    out[index] = value
    return out


# fmt: off
ROWS = [
    row("getitem", lambda x, index: x[index], call(T(4, 3), 1), call(T(4, 3), (1, 2)), call(T(4, 3), ...),
        call(T(4, 3), (slice(None, None, 2), -1)), call(T(4, 3), (None, ..., 0)), call(T(4, 3), I([0, 2, 2])),
        call(T(4, 3), I([-1, 3])), call(T(4, 3), (I([0, 2, 2]), I([1, 0, 0]))), call(T(4, 3), (slice(1, 3), I([2, 2]))),
        call(T(4, 3), (I([[0], [3]]), I([1, 1]))), call(T(2, 4, 3), (0, I([1, 1]))), call(T(4, 3), I(2)),
        run=lambda x, index: x[index], torch=lambda x, index: x[index], ints="int64"),
    row("getitem", lambda x, index: x[index], call(T(2, 2), SQUARE_MASK), call(T(3, 2), M([True, False, True])),
        call(T(3, 2), (slice(None), M([False, True]))), call(T(3), M([False, False, False])), note="mask", reads=True,
        run=lambda x, index: x[index], torch=lambda x, index: x[index], ints="int64"),
    row("place", np_place, call(T(3), I([0, 2, 2]), (4,)), call(T(3, 2), I([0, 2, 2]), (4, 2)),
        call(T(3), (I([0, 2, 2]), I([1, 0, 0])), (4, 2)),
        run=lambda v, index, shape: ops.registry["place"](v, ops.plain_index(index), shape),
        torch=lambda v, index, shape: v.new_zeros(shape).index_put(
            index if isinstance(index, tuple) else (index,), v, accumulate=True)),
    row("setitem", np_setitem, call(T(4, 3), T(3), 1), call(T(4, 3), T(), slice(0, 2)), call(T(2), T(1), ...),
        call(T(4, 3), 0.0, (slice(None), 1)), torch=torch_setitem),
    row("gather", lambda x, index, dim: np.take_along_axis(x, index, dim), call(T(3, 2), I([[0, 2], [2, 2]]), 0),
        call(T(3, 4), I([[0, 3, 3], [1, 1, 0], [2, 0, 3]]), -1), call(T(3), I([2, 2]), 0),
        torch=lambda x, index, dim: x.gather(dim, index)),
    row("spread", np_spread, call(T(2, 2), I([[0, 2], [2, 2]]), 0, (3, 2)), call(T(3), I([2, 2, 0]), 0, (4,)),
        torch=lambda v, index, dim, shape: v.new_zeros(shape).scatter_add(dim, index, v)),
    row("take_along_dim", np.take_along_axis, call(T(3, 2), I([[0, 2], [2, 2]]), 0), call(T(2, 3), I([[2], [0]]), -1)),
    row("index_select", lambda x, dim, index: np.take(x, index, dim), call(T(4, 3), 0, I([0, 2, 2])),
        call(T(4, 3), -1, I([2, 0]))),
    row("masked_select", lambda x, mask: x[mask], call(T(2, 2), SQUARE_MASK), reads=True),
]
# fmt: on
