"""Op sheet: rows picked by number, and rows summed by number. Each is the other's derivative.

``getitem`` and ``place`` do this for any index; for whole rows there is a quicker way back, and the gradient of a table
of embeddings is wanted in every step.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.ops.elementwise import eq, ne, where
from minigrad.ops.op import cast, op
from minigrad.ops.shape import reshape


@op(promote=None)
def embedding(
    xp: Any, weight: Any, index: Any, /, padding_idx: int | None = None, scale_grad_by_freq: bool = False
) -> Any:
    """y[i] = weight[index[i]], rows;   dweight[k] adds up d[i] wherever index[i] = k

    Row ``padding_idx`` gets no gradient. With ``scale_grad_by_freq`` a row gets the mean of its d[i] instead of the
    sum. An index out of range, which the CPU refuses, gives a row of NaN on a GPU: to find it there one would have
    to wait.
    """
    rows = weight.take(index, axis=0)  # weight[index] takes twice as long
    if xp is not np and rows.dtype.kind == "f":
        rows = xp.where(((index >= 0) & (index < len(weight)))[(..., *(None,) * (weight.ndim - 1))], rows, xp.nan)
    return rows


@op(promote=None)
def sum_rows(xp: Any, v: Any, index: Any, /, rows: int) -> Any:
    """y[k] = sum of v[i] over index[i] = k, for k < rows;   dv[i] = d[index[i]]"""
    shape = v.shape[index.ndim :]
    width = math.prod(shape)
    out = xp.zeros(rows * width, v.dtype)
    # Entry by entry: NumPy adds single numbers five times as fast as it adds rows.
    places = index.reshape(-1, 1).astype(np.int64) * width + xp.arange(width)
    xp.add.at(out, places.reshape(-1), v.reshape(-1))
    return out.reshape(rows, *shape)


def _embedding_weight(g: Any, weight_shape: Any, index: Any, padding_idx: int | None, scale_grad_by_freq: bool) -> Any:
    column = (*index.shape, *(1,) * (len(weight_shape) - 1))
    if padding_idx is not None:
        g = where(reshape(ne(index, padding_idx), column), g, 0.0)
    if scale_grad_by_freq:
        times = sum_rows(cast(eq(index, index), g.dtype), index, weight_shape[0])
        g = g / reshape(embedding(times, index), column)
    return sum_rows(g, index, weight_shape[0])


embedding.derivative(weight=_embedding_weight)
sum_rows.derivative(v=lambda g, index: embedding(g, index))
