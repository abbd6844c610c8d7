"""Op sheet: norms of vectors and matrices, condition numbers, and distances between points."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.ops import reduction
from minigrad.ops.decomposition import svdvals
from minigrad.ops.elementwise import absolute, div, eq, where
from minigrad.ops.indexing import index_select
from minigrad.ops.linalg import LinAlgError, inv, mT
from minigrad.ops.op import cast, op
from minigrad.ops.product import matmul
from minigrad.ops.reduction import amax, amin, sum_
from minigrad.ops.shape import Dims, movedim, unsqueeze, wrap_dim

# --------------------------------------------------------------------------------------------------------------
# Norms


def _floating(name: str, x: Any, dtype: Any) -> Any:
    if x.dtype.kind != "f":
        raise RuntimeError(f"{name}: expected a floating tensor, got {x.dtype}; call x.float()")
    return x if dtype is None or x.dtype == dtype else cast(x, np.dtype(dtype))


def vector_norm(x: Any, ord: float = 2, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return the norm of vectors, (sum of |x|^ord)^(1/ord) along ``dim``, or of all entries as one vector.

    It is the largest |x| for ord = inf, the smallest for -inf, and the number of entries that are not 0 for 0.
    The gradient at the origin, where there is a kink, is 0.
    """
    x = _floating("linalg.vector_norm", x, dtype)
    if isinstance(ord, str):
        raise RuntimeError(f"linalg.vector_norm: expected a number, got {ord!r}; see linalg.matrix_norm")
    return reduction.norm(x, ord, dim, keepdim)


def matrix_norm(A: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return the norm of matrices, which lie in the two dimensions ``dim``.

    ======== ==========================================
    ``ord``  norm
    ======== ==========================================
    "fro"    square root of the sum of squares
    "nuc"    sum of the singular values
    2, -2    largest, smallest singular value
    1, -1    largest, smallest sum of a column's sizes
    inf -inf largest, smallest sum of a row's sizes
    ======== ==========================================
    """
    A = _floating("linalg.matrix_norm", A, dtype)
    if A.ndim < 2:
        raise RuntimeError(f"linalg.matrix_norm: expected at least 2 dimensions, got shape {tuple(A.shape)}")
    if isinstance(dim, int) or len(dim) != 2:
        raise RuntimeError(f"linalg.matrix_norm: expected two dims, got dim={dim}")
    row, column = (wrap_dim(d, A.ndim) for d in dim)
    if row == column:
        raise RuntimeError(f"linalg.matrix_norm: expected two different dims, got dim={tuple(dim)}")
    if ord == "fro":
        return reduction.vector_norm(A, (row, column), keepdim)
    if ord in ("nuc", 2, -2):
        S = svdvals(movedim(A, (row, column), (-2, -1)))
        y = sum_(S, -1) if ord == "nuc" else amax(S, -1) if ord == 2 else amin(S, -1)
    elif ord in (1, -1, math.inf, -math.inf):
        if abs(ord) == math.inf:
            row, column = column, row
        sums = sum_(absolute(A), row, True)
        extreme = amax if ord > 0 else amin
        return extreme(sums, (row, column), keepdim)
    else:
        raise RuntimeError(f"linalg.matrix_norm: expected ord 'fro', 'nuc', 1, -1, 2, -2, inf or -inf, got {ord!r}")
    if keepdim:
        for d in sorted((row, column)):
            y = unsqueeze(y, d)
    return y


def norm(A: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return a norm of vectors or of matrices, whichever the arguments speak of.

    With one dim, or none and a vector, it is :func:`vector_norm`; with two dims, or none and a matrix, it is
    :func:`matrix_norm`. Without ``ord`` it is the square root of the sum of squares, of any number of dimensions.
    """
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    if dim is None:
        if A.ndim not in (1, 2):
            raise RuntimeError(
                f"linalg.norm: ord={ord!r} without dim needs 1 or 2 dimensions, got shape {tuple(A.shape)}; pass dim"
            )
        dim = tuple(range(A.ndim))
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    if len(dims) == 2 or isinstance(ord, str):
        return matrix_norm(A, ord, dims, keepdim, dtype=dtype)
    return vector_norm(A, ord, dims, keepdim, dtype=dtype)


def cond(A: Any, p: Any = None) -> Any:
    """Return the condition number: how much a relative error in b can grow in the x with A x = b.

    It is the norm of A times that of its inverse, in the norm ``p`` (see :func:`matrix_norm`); by default 2, where it
    is the largest singular value divided by the smallest.
    """
    if p in (None, 2, -2):
        S = svdvals(A)
        return div(S[..., -1], S[..., 0]) if p == -2 else div(S[..., 0], S[..., -1])
    try:
        inverse = inv(A)
    except LinAlgError:
        if A.ndim > 2:
            raise
        return sum_(A) * 0 + math.inf
    return matrix_norm(A, p) * matrix_norm(inverse, p)


# --------------------------------------------------------------------------------------------------------------
# Distances


@op(promote="exact")
def _euclidean(xp: Any, a: Any, b: Any, /, product: bool) -> Any:
    """y_ij = |a_i - b_j|;   da_i = sum over j of w_ij (a_i - b_j), db_j the other way, where w = d / y, 0 at y = 0

    With ``product`` by way of |a|^2 - 2 a b + |b|^2, which is faster for many points and less exact for close ones.
    """
    if not product:
        return xp.sqrt(xp.square(a[..., :, None, :] - b[..., None, :, :]).sum(-1))
    middle = b.sum(axis=-2, keepdims=True) / b.shape[-2]  # distances from here are smaller, and so is their rounding
    a, b = a - middle, b - middle
    y = -2 * (a @ b.swapaxes(-1, -2))
    y += xp.square(a).sum(-1)[..., :, None]
    y += xp.square(b).sum(-1)[..., None, :]
    return xp.sqrt(xp.maximum(y, 0))


def _weights(g: Any, y: Any) -> Any:
    zero = eq(y, 0)
    return where(zero, 0.0, g / where(zero, 1.0, y))


def _pull(w: Any, a: Any, b: Any) -> Any:
    return sum_(w, -1, True) * a - matmul(w, b)


_euclidean.derivative(
    a=lambda g, y, a, b: _pull(_weights(g, y), a, b),
    b=lambda g, y, a, b: _pull(mT(_weights(g, y)), b, a),
)

_MODES = {
    "use_mm_for_euclid_dist_if_necessary": None,
    "use_mm_for_euclid_dist": True,
    "donot_use_mm_for_euclid_dist": False,
}


def cdist(x1: Any, x2: Any, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary") -> Any:
    """Return the distances, in the p-norm, of every row of ``x1`` from every row of ``x2``.

    Parameters
    ----------
    x1, x2 : (..., m, d) and (..., n, d)
        Points; the dimensions in front broadcast.
    p : float
        0 or more; the gradient at distance 0 is 0.
    compute_mode : str
        How Euclidean distances are found: by a matrix product ("use_mm_for_euclid_dist"), which is faster, by
        differences ("donot_use_mm_for_euclid_dist"), which is more exact for points that are close to each other, or
        by a product for more than 25 points ("use_mm_for_euclid_dist_if_necessary").

    Returns
    -------
    (..., m, n)

    Examples
    --------
    >>> import minigrad
    >>> minigrad.cdist(minigrad.tensor([[0.0, 0.0]]), minigrad.tensor([[3.0, 4.0], [0.0, 1.0]]))
    tensor([[5., 1.]])
    """
    for x in (x1, x2):
        if x.ndim < 2 or x.dtype.kind != "f":
            raise RuntimeError(f"cdist: expected floating tensors (..., points, d), got {x.dtype} {tuple(x.shape)}")
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(f"cdist: the points have different dimensions: {tuple(x1.shape)} and {tuple(x2.shape)}")
    if p < 0 or compute_mode not in _MODES:
        raise RuntimeError(f"cdist: expected p >= 0 and a mode in {list(_MODES)}, got p={p}, {compute_mode!r}")
    if p == 2 and x1.shape[-1]:
        product = _MODES[compute_mode]
        return _euclidean(x1, x2, max(x1.shape[-2], x2.shape[-2]) > 25 if product is None else product)
    return vector_norm(unsqueeze(x1, -2) - unsqueeze(x2, -3), p, -1)


def pdist(input: Any, p: float = 2) -> Any:
    """Return the distances of all pairs of rows, (0, 1), (0, 2), ..., (n - 2, n - 1), as a vector."""
    if input.ndim != 2:
        raise RuntimeError(f"pdist: expected a matrix with one point in each row, got shape {tuple(input.shape)}")
    if p < 0:
        raise RuntimeError(f"pdist: expected p >= 0, got {p}")
    pairs = _pairs(input)
    return vector_norm(index_select(input, 0, pairs[0]) - index_select(input, 0, pairs[1]), p, -1)


@op(promote=None)
def _pairs(xp: Any, x: Any, /) -> Any:
    """i and j of all pairs of rows with i < j, in two rows"""
    return xp.asarray(np.stack(np.triu_indices(len(x), 1)))
