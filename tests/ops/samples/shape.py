"""Samples of the sheet ``shape``."""

from __future__ import annotations

from typing import Any

import numpy as np

from .table import I, T, call, row, torch, tupled


def np_pieces(x: Any, sizes: list[int], dim: int) -> Any:
    return tuple(np.split(x, np.cumsum(sizes)[:-1], axis=dim))


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
    row("roll", np.roll, call(T(2, 3), 1), call(T(2, 3), -1, 1), call(T(2, 3), [1, 2], [0, -1])),
]
# fmt: on
