"""Samples of the sheet ``diagonals``."""

from __future__ import annotations

from typing import Any

import numpy as np

from .table import T, call, row, torch


def np_on_diagonal(v: Any, shape: tuple[int, ...], offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    return np_set_diagonal(np.zeros(shape), v, offset, dim1, dim2)


def np_set_diagonal(x: Any, src: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    out = x.copy()
    last = np.moveaxis(out, (dim1, dim2), (-2, -1))
    rows, columns = last.shape[-2:]
    at = [(i, i + offset) for i in range(rows) if 0 <= i + offset < columns]
    for k, (i, j) in enumerate(at):
        last[..., i, j] = src[..., k] if np.ndim(src) else src
    return out


def np_diag_embed(v: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    out = np.apply_along_axis(lambda row: np.diag(row, offset).ravel(), -1, v)
    n = v.shape[-1] + abs(offset)
    return np.moveaxis(out.reshape(*v.shape[:-1], n, n), (-2, -1), (dim1, dim2))


def np_block_diag(*blocks: Any) -> Any:
    blocks = tuple(np.atleast_2d(x) for x in blocks)
    out = np.zeros((sum(x.shape[0] for x in blocks), sum(x.shape[1] for x in blocks)))
    i = j = 0
    for x in blocks:
        out[i : i + x.shape[0], j : j + x.shape[1]] = x
        i, j = i + x.shape[0], j + x.shape[1]
    return out


DIAGONALS = [call(T(3, 3)), call(T(3, 4), 1), call(T(4, 2), -2), call(T(2, 3, 4), 1, -1, 0), call(T(2, 3), 5)]
TRIANGLES = [call(T(3, 3)), call(T(2, 3, 4), 1), call(T(4, 2), -2), call(T(2, 2), 5), call(T(0, 3))]

# fmt: off
ROWS = [
    row("diagonal", np.diagonal, *DIAGONALS, ints="int64"),
    row("on_diagonal", np_on_diagonal, call(T(3), (3, 4), 1), call(T(2, 3), (3, 2, 4), 0, 0, 2), call(T(0), (2, 3), 5),
        torch=lambda v, shape, *at: v.new_zeros(shape).diagonal_scatter(v, *at)),
    row("set_diagonal", np_set_diagonal, call(T(3, 4), T(3), 1), call(T(2, 3, 4), T(3, 2), 0, 0, 2),
        torch="diagonal_scatter"),
    row("diagonal_scatter", np_set_diagonal, call(T(3, 3), T(3)), call(T(4, 2), T(1), offset=-3)),
    row("tril", np.tril, *TRIANGLES, ints="int64"),
    row("triu", np.triu, *TRIANGLES, ints="int64"),
    row("diag_embed", np_diag_embed, call(T(3)), call(T(2, 3), 1), call(T(2, 3), -1, 0, 2), call(T(2, 3), 1, 2, 0),
        ints="int64"),
    row("diag", np.diag, call(T(3)), call(T(3), -1), call(T(3, 2)), call(T(3, 4), 2), ints="int64"),
    row("diagflat", np.diagflat, call(T(3)), call(T(2, 2), -1), call(T(), 1), ints="int64"),
    row("block_diag", np_block_diag, call(T(1, 2), T(2, 1)), call(T(2), T(), T(2, 2)), call(T(3)), ints="int64"),
    row("_padded", lambda x, left, width: np.pad(x, [(0, 0), (left, width - left - x.shape[1])]), call(T(2, 3), 1, 5),
        torch=lambda x, left, width: torch("nn.functional.pad")(x, (left, width - left - x.shape[1]))),
]
# fmt: on
