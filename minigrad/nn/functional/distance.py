"""Distances and similarities of vectors."""

from __future__ import annotations

import numpy as np

from minigrad import ops
from minigrad.autograd.node import tensor_of
from minigrad.backend import array_module
from minigrad.tensor import Tensor

__all__ = ["cosine_similarity", "pairwise_distance", "pdist"]


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Return x1 . x2 / (|x1| |x2|) along ``dim``: the cosine of the angle between them; norms count at least ``eps``.

    The two broadcast.

    >>> import minigrad
    >>> cosine_similarity(minigrad.tensor([[1.0, 0.0]]), minigrad.tensor([[1.0, 1.0]]))
    tensor([0.7071])
    """
    if x1.dtype.kind != "f" and x2.dtype.kind != "f":
        raise RuntimeError(
            f"cosine_similarity: expected floating tensors, got {x1.dtype} and {x2.dtype}; use x.float()"
        )
    dtype = ops.result_type(x1.array, x2.array)
    shape = np.broadcast_shapes(tuple(x1.shape), tuple(x2.shape))
    x1, x2 = (ops.broadcast_to(x.to(dtype), shape) for x in (x1, x2))
    a, b = (ops.clamp(ops.vector_norm(x, dim, True), eps) for x in (x1, x2))
    return ops.sum_((x1 / a) * (x2 / b), dim)


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """Return the p-norm of x1 - x2 + eps along the last dimension; the two broadcast.

    >>> import minigrad
    >>> pairwise_distance(minigrad.tensor([[0.0, 0.0]]), minigrad.tensor([[3.0, 4.0]]))
    tensor([5.0000])
    """
    return ops.norm(x1 - x2 + eps, p, -1, keepdim)


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """Return the p-norm distances of rows i < j of a matrix: of 0 to 1, 0 to 2, ..., 1 to 2, ...

    >>> import minigrad
    >>> pdist(minigrad.tensor([[0.0], [1.0], [3.0]])).tolist()
    [1.0, 3.0, 2.0]
    """
    if input.ndim != 2 or input.dtype.kind != "f":
        raise RuntimeError(f"pdist: expected a floating matrix, got {input.dtype} of shape {tuple(input.shape)}")
    if p < 0:
        raise RuntimeError(f"pdist: expected p >= 0, got {p}")
    xp = array_module(input.array)
    i, j = (tensor_of(xp.asarray(index)) for index in np.triu_indices(input.shape[0], 1))
    return ops.norm(ops.embedding(input, i) - ops.embedding(input, j), p, 1)
