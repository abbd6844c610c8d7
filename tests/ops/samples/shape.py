"""Samples of the sheet ``shape``."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import ops

from .table import I, T, call, row, torch, tupled


def np_pieces(x: Any, sizes: list[int], dim: int) -> Any:
    return tuple(np.split(x, np.cumsum(sizes)[:-1], axis=dim))


def np_shift(x: Any, dim: int, by: int, fill: float = 1) -> Any:
    out = np.roll(x, by, dim)
    n = x.shape[dim]
    for k in range(by) if by > 0 else range(n + by, n):
        out[(slice(None),) * (dim % x.ndim) + (k,)] = fill
    return out


def torch_shift(x: Any, dim: int, by: int, fill: float = 1) -> Any:
    n = x.shape[dim]
    new = x.narrow(dim, 0, abs(by)) * 0 + fill
    return torch("cat")([new, x.narrow(dim, 0, n - by)] if by > 0 else [x.narrow(dim, -by, n + by), new], dim)


def np_windows(x: Any, dimension: int, size: int, step: int) -> Any:
    if not x.ndim:
        return x.reshape(1)
    dim = dimension % x.ndim
    starts = range(0, x.shape[dim] - size + 1, step)
    return np.stack([np.moveaxis(np.take(x, range(k, k + size), dim), dim, -1) for k in starts], dim)


def np_overlap_add(v: Any, dimension: int, size: int, step: int, shape: tuple[int, ...]) -> Any:
    out = np.zeros(shape or 1)
    dim = dimension % out.ndim
    for w in range(v.shape[dim] if shape else 1):
        for k in range(size):
            out[(slice(None),) * dim + (w * step + k,)] += np.take(v, w, dim)[..., k] if shape else v[0]
    return out.reshape(shape)


def torch_overlap_add(v: Any, dimension: int, size: int, step: int, shape: tuple[int, ...]) -> Any:
    x = v.new_zeros(shape).requires_grad_()
    return torch("autograd.grad")(x.unfold(dimension, size, step), x, v, create_graph=True)[0]


# fmt: off
ROWS = [
    row("reshape", lambda x, shape: x.reshape(shape), call(T(2, 6), (3, 4)), call(T(2, 3), [-1]), call(T(1), ()),
        call(T(0, 2), (2, 0)), ints="int64"),
    row("permute", np.transpose, call(T(2, 3, 4), (2, 0, 1)), call(T(2, 3), [-1, 0]), call(T(), ()), ints="int64"),
    row("transpose", lambda x, dim0, dim1: x.swapaxes(dim0, dim1) if x.ndim else x,
        call(T(2, 3), 0, 1), call(T(2, 3, 4), -1, 0), call(T(), 0, -1), ints="int64"),
    row("broadcast_to", np.broadcast_to, call(T(3), (2, 3)), call(T(2, 1, 3), (4, 2, 5, 3)), call(T(), (2,)),
        call(T(1), (0,)), ints="int64"),
    row("sum_to_size", lambda x, size: (x.sum(0) if 3 in size else x.sum()).reshape(size), call(T(2, 3), (3,)),
        call(T(2, 3), (1, 3)), call(T(2, 3), ()), call(T(2, 3), (1, 1)),
        torch=lambda x, size: x.sum_to_size(*size) if size else x.sum()),
    row("expand", lambda x, size: np.broadcast_to(x, [3 if n == -1 else n for n in size]), call(T(3, 1), (-1, 4)),
        call(T(3), (2, -1)), call(T(), (2,)), torch=lambda x, size: x.expand(*size)),
    row("squeeze", lambda x, dim=None: np.squeeze(x, tupled(dim)) if 1 in x.shape else x,
        call(T(1, 3, 1)), call(T(1, 3, 1), dim=0), call(T(1, 3, 1), dim=[0, -1]), call(T(2, 3), dim=1), call(T())),
    row("unsqueeze", np.expand_dims, call(T(2, 3), 0), call(T(2, 3), -1), call(T(2, 3), 1), call(T(), 0)),
    row("flatten", lambda x, *dims: x.reshape({(): -1, (1,): (2, 12), (0, 1): (6, 4), (-2, -1): (2, 12)}[dims]),
        call(T(2, 3, 4)), call(T(2, 3, 4), 1), call(T(2, 3, 4), 0, 1), call(T(2, 3, 4), -2, -1), call(T())),
    row("unflatten", lambda x, dim, sizes: x.reshape(2, 3, 2), call(T(2, 6), 1, [3, 2]), call(T(2, 6), -1, (-1, 2))),
    row("movedim", np.moveaxis, call(T(2, 3, 4), 0, -1), call(T(2, 3, 4), (0, 1), (2, 0)), call(T(2, 3, 4), -1, 0)),
    row("concatenate", lambda *x, dim, sizes: np.concatenate(x, dim), call(T(2, 3), T(1, 3), dim=0, sizes=(2, 1)),
        torch=lambda *x, dim, sizes: torch("cat")(x, dim)),
    row("cat", lambda x, dim=0: np.concatenate(x, dim), call([T(2, 3), T(1, 3)]), call([T(3)]),
        call([T(2, 1), T(2, 2), T(2, 3)], dim=-1), call([T(0, 3), T(2, 3)]), call([T(2), I([1])]), ints="int64"),
    row("stack", lambda x, dim=0: np.stack(x, dim), call([T(3), T(3)]), call([T(2, 3), T(2, 3)], dim=-1),
        call([T(), T()])),
    row("narrow", lambda x, dim, start, length: x[:, start:][:, :length] if dim else x[start:][:length],
        call(T(4, 3), 0, 1, 2), call(T(3, 4), 1, -2, 2)),
    row("split", lambda x, sizes, dim=0: np_pieces(x, [2, 2, 1] if sizes == 2 else sizes, dim),
        call(T(5, 2), 2), call(T(2, 5), 2, dim=1), call(T(5, 2), [1, 4])),
    row("chunk", lambda x, chunks, dim=0: np_pieces(x, [2, 2, 1], dim), call(T(5, 2), 3), call(T(2, 5), 4, dim=-1)),
    row("unbind", lambda x, dim=0: tuple(np.moveaxis(x, dim, 0)), call(T(3, 2)), call(T(2, 3), dim=-1)),
    row("flip", np.flip, call(T(2, 3), (0,)), call(T(2, 3), [0, -1])),
    row("shift", np_shift, call(T(4), 0, 1), call(T(2, 3), -1, -2, 0), call(T(3, 2), 0, 2, 5), torch=torch_shift,
        ints="int64"),
    row("t", lambda x: x.T, call(T(2, 3)), call(T(3)), call(T()), ints="int64"),
    row("ravel", np.ravel, call(T(2, 3)), call(T()), ints="int64"),
    row("rot90", np.rot90, call(T(2, 3)), call(T(2, 3), 2), call(T(2, 3), -1), call(T(2, 3, 2), 1, [1, 2]),
        call(T(2, 3), 4),
        call(T(2, 3, 2), 3, (-1, 0)), ints="int64"),
    row("fliplr", np.fliplr, call(T(2, 3)), call(T(2, 3, 2))),
    row("flipud", np.flipud, call(T(2, 3)), call(T(3))),
    row("atleast_1d", np.atleast_1d, call(T()), call(T(2))),
    row("atleast_1d", lambda *x: [np.atleast_1d(a) for a in x], call(T(), T(2)), note="several"),
    row("atleast_2d", np.atleast_2d, call(T()), call(T(2)), call(T(2, 3))),
    row("atleast_3d", np.atleast_3d, call(T()), call(T(2)), call(T(2, 3)), call(T(1, 2, 3))),
    row("broadcast_tensors", np.broadcast_arrays, call(T(2, 1), T(3)), call(T(), T(2))),
    row("broadcast_shapes", lambda x, *shapes: np.broadcast_to(x, np.broadcast_shapes(*shapes)),
        call(T(), (2, 1), (3,)), call(T(2), 2, (1, 2)), call(T(), ()),
        run=lambda x, *shapes: ops.expand(x, ops.broadcast_shapes(*shapes)),
        torch=lambda x, *shapes: x.expand(torch("broadcast_shapes")(*shapes))),
    row("tile", np.tile, call(T(2, 3), (2, 1)), call(T(2, 3), [2]), call(T(3), (2, 2)), call(T(), (3,)), call(T(2),
        (0,)),
        ints="int64"),
    row("repeat", np.tile, call(T(2, 3), (2, 1)), call(T(3), (2, 1, 2)), call(T(), ()), torch=lambda x, n: x.repeat(n),
        ints="int64"),
    row("windows", np_windows, call(T(7), 0, 3, 2), call(T(2, 5), -1, 2, 1), call(T(5, 2), 0, 2, 3), call(T(3),
        0, 3, 1),
        call(T(), 0, 1, 1), torch=lambda x, *at: x.unfold(*at), ints="int64"),
    row("unfold", np_windows, call(T(7), 0, 3, 2), call(T(2, 5), -1, 2, 1), torch=lambda x, *at: x.unfold(*at),
        ints="int64"),
    row("overlap_add", np_overlap_add, call(T(3, 3), 0, 3, 2, (7,)), call(T(2, 4, 2), 1, 2, 1, (2, 5)),
        call(T(2, 2, 2), 0, 2, 3, (5, 2)), call(T(1), 0, 1, 1, ()), torch=torch_overlap_add),
    row("hstack", np.hstack, call([T(2, 1), T(2, 2)]), call([T(2), T()]), ints="int64"),
    row("vstack", np.vstack, call([T(2), T(1, 2)]), call([T(), T()]), ints="int64"),
    row("dstack", np.dstack, call([T(2), T(2)]), call([T(2, 3), T(2, 3, 2)]), ints="int64"),
    row("column_stack", np.column_stack, call([T(2), T(2, 2)]), call([T(1), T()]), ints="int64"),
    row("tensor_split", np.array_split, call(T(7, 2), 3), call(T(2, 5), (1, 4), 1), call(T(3), (1, 7)), call(T(2), 3)),
    row("hsplit", np.hsplit, call(T(4), 2), call(T(2, 4), (1, 3))),
    row("vsplit", np.vsplit, call(T(4, 2), 2), call(T(4, 2), [1])),
    row("dsplit", np.dsplit, call(T(1, 2, 4), 2), call(T(1, 2, 4), [3])),
    row("select", lambda x, dim, index: np.take(x, index, dim), call(T(3, 2), 0, -1), call(T(2, 3), -1, 2),
        ints="int64"),
    row("roll", np.roll, call(T(2, 3), 1), call(T(2, 3), -1, 1), call(T(2, 3), [1, 2], [0, -1])),
]
# fmt: on
