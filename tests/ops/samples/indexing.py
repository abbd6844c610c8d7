"""Samples of the sheet ``indexing``."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import ops

from .table import SQUARE_MASK, F, I, M, T, call, row, torch


def np_place(v: Any, index: Any, shape: tuple[int, ...]) -> Any:
    out = np.zeros(shape)
    np.add.at(out, index, v)
    return out


def np_setitem(x: Any, value: Any, index: Any) -> Any:
    out = x.copy()
    out[index] = value
    return out


def np_spread(v: Any, dim: int, index: Any, shape: tuple[int, ...]) -> Any:
    out = np.zeros(shape)
    for at in np.ndindex(*index.shape):
        to = list(at)
        to[dim] = index[at]
        out[tuple(to)] += v[at]
    return out


def np_gather(x: Any, dim: int, index: Any) -> Any:
    cut = x[tuple(slice(None) if d == dim % x.ndim else slice(n) for d, n in enumerate(index.shape))]
    return np.take_along_axis(cut, index, dim) if x.ndim else x


def np_index_put(x: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    out = x.copy()
    if accumulate:
        np.add.at(out, indices, values)
    else:
        out[indices] = values
    return out


def np_put(x: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
    return np_index_put(x.ravel(), (index.ravel(),), source.ravel(), accumulate).reshape(x.shape)


def np_masked_scatter(x: Any, mask: Any, source: Any) -> Any:
    x, mask = (y.copy() for y in np.broadcast_arrays(x, mask))
    x[mask] = source.ravel()[: mask.sum()]
    return x


def np_slice_scatter(x: Any, src: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    return np_setitem(x, src, (slice(None),) * (dim % x.ndim) + (slice(start, end, step),))


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
    row("gather", np_gather, call(T(3, 2), 0, I([[0, 2], [2, 2]])), call(T(3), 0, I([2, 2])), call(T(), 0, I(0)),
        call(T(3, 4), -1, I([[0, 3, 3], [1, 1, 0], [2, 0, 3]])), call(T(3, 4), 1, I([[3, 3]])), ints="int64"),
    row("spread", np_spread, call(T(2, 2), 0, I([[0, 2], [2, 2]]), (3, 2)), call(T(3), 0, I([2, 2, 0]), (4,)),
        torch=lambda v, dim, index, shape: v.new_zeros(shape).scatter_add(dim, index, v)),
    row("take_along_dim", np.take_along_axis, call(T(3, 2), I([[0, 2], [2, 2]]), 0), call(T(2, 3), I([[2], [0]]), -1)),
    row("index_select", lambda x, dim, index: np.take(x, index, dim), call(T(4, 3), 0, I([0, 2, 2])),
        call(T(4, 3), -1, I([2, 0]))),
    row("take_along_dim", lambda x, indices: np.take_along_axis(x, indices, None), call(T(3, 2), I([5, 0, 0])),
        note="flat"),
    row("numbered", lambda repeats, size=None: np.repeat(np.arange(len(repeats)), repeats), call(I([2, 0, 3])),
        call(I([1, 2]), 3), torch=lambda x, size=None: torch("repeat_interleave")(x, output_size=size),
        gradient=False, reads=True),
    row("repeat_interleave", lambda x, repeats, dim=None: np.repeat(x, repeats, dim), call(T(2, 3), 2), call(T(2, 3),
        3, 0),
        call(T(2, 3), 2, -1), call(T(), 3), call(T(2, 3), 0, 1), ints="int64"),
    row("repeat_interleave", lambda x, repeats, dim=None, output_size=None: np.repeat(x, repeats, dim),
        call(T(2, 3), I([2, 0, 1]), 1), call(T(2, 2), I([1, 0, 2, 1])), call(T(2, 3), I([2]), 0),
        call(T(2, 3), I(2), 1), note="tensor", reads=True),
    row("repeat_interleave", lambda x, repeats, dim, output_size: np.repeat(x, repeats, dim),
        call(T(2, 3), I([2, 0, 1]), 1, output_size=3), note="size", ints="int64"),
    row("argwhere", np.argwhere, call(F([[0.0, 2.0], [3.0, 0.0]])), call(SQUARE_MASK), call(F(1.0)), call(F([0.0])),
        gradient=False, reads=True, dtype="int64"),
    row("nonzero", lambda x, as_tuple=False: np.nonzero(np.atleast_1d(x)) if as_tuple else np.argwhere(x),
        call(F([[0.0, 2.0], [3.0, 0.0]])), call(SQUARE_MASK, as_tuple=True), call(F(1.0), as_tuple=True),
        gradient=False, reads=True, dtype="int64"),
    row("where", np.where, call(SQUARE_MASK), note="condition", run=ops.where, gradient=False, reads=True),
    row("where", np.where, call(SQUARE_MASK, T(2, 2), 0.0), call(SQUARE_MASK, 1.0, T(2)), note="choice", run=ops.where,
        ints="int64"),
    row("masked_fill", lambda x, mask, value: np.where(mask, value, x), call(T(2, 2), SQUARE_MASK, 5.0),
        call(T(3, 2, 2), SQUARE_MASK, T()), call(T(2), M(True), 1), ints="int64"),
    row("masked_scatter", np_masked_scatter, call(T(2, 2), SQUARE_MASK, T(4)), call(T(2, 2), M([False, True]), T(3, 1)),
        call(T(2), M([False, False]), T(0)), call(T(2), SQUARE_MASK, T(3)), ints="int64"),
    row("take", np.take, call(T(2, 3), I([[5, 0], [0, -1]])), call(T(2, 3), I(4)), ints="int64"),
    row("put", np_put, call(T(2, 3), I([5, -6]), T(2)), call(T(2, 3), I([[1, 1], [0, 1]]), T(2, 2), True),
        ints="int64"),
    row("index_put", np_index_put, call(T(4, 3), (I([0, 2]),), T(2, 3)), call(T(4, 3), (I([0, 2, 0]), I([1, 1, 1])),
        T(3), True),
        call(T(3), (M([True, False, True]),), T()), reads=True, ints="int64"),
    row("select_scatter", lambda x, src, dim, index: np_setitem(x, src, (slice(None),) * dim + (index,)),
        call(T(2, 3), T(3), 0, 1), call(T(2, 3), T(2), 1, -1), ints="int64"),
    row("slice_scatter", np_slice_scatter, call(T(4, 2), T(2, 2), 0, 1, 3), call(T(2, 5), T(2, 2), -1, 1, None, 2),
        call(T(3), T(3)), ints="int64"),
    row("masked_select", lambda x, mask: x[mask], call(T(2, 2), SQUARE_MASK), reads=True),
]
# fmt: on
