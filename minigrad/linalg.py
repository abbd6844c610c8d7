"""Linear algebra under the names of ``torch.linalg``, for matrices and batches of them, (..., m, n).

Values and derivatives are in the sheets ``minigrad/ops/linalg.py`` (inverse, equations, determinant),
``decomposition.py`` (Cholesky, QR, singular values, eigenvalues), ``norms.py`` and ``product.py``. What cannot be done
with a matrix, as inverting a singular one, raises :class:`LinAlgError`.
"""

from __future__ import annotations

from typing import Any

from minigrad import ops
from minigrad.ops.decomposition import cholesky, eigh, eigvalsh, lstsq, matrix_rank, pinv, qr, svd, svdvals
from minigrad.ops.linalg import (
    LinAlgError,
    det,
    inv,
    matrix_power,
    slogdet,
    solve,
    solve_triangular,
    tensorinv,
    tensorsolve,
    vander,
)
from minigrad.ops.norms import cond, matrix_norm, norm, vector_norm
from minigrad.ops.product import matmul, multi_dot, vecdot

__all__ = [
    "LinAlgError",
    "cholesky",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eigh",
    "eigvalsh",
    "inv",
    "lstsq",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "multi_dot",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_triangular",
    "svd",
    "svdvals",
    "tensorinv",
    "tensorsolve",
    "vander",
    "vecdot",
    "vector_norm",
]


def cross(input: Any, other: Any, *, dim: int = -1) -> Any:
    """Return the cross product of vectors of length 3 along ``dim``; the other dimensions broadcast."""
    return ops.cross(input, other, dim)


def diagonal(A: Any, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Return a view of the diagonal of each matrix as the last dimension."""
    return ops.diagonal(A, offset, dim1, dim2)


_REFUSED = {
    "eigenvalues of matrices that are not symmetric can be complex, which minigrad's numbers are not; use eigh or "
    "eigvalsh for symmetric ones": ("eig", "eigvals"),
    "use the name without _ex, which raises LinAlgError where this one would return an error code": (
        *("cholesky_ex", "inv_ex", "solve_ex", "ldl_factor_ex", "lu_factor_ex"),
    ),
    "solve, qr and cholesky are what is here": (
        *("lu", "lu_factor", "lu_solve", "ldl_factor", "ldl_solve", "householder_product", "matrix_exp"),
    ),
}


def __getattr__(name: str) -> Any:
    why = next((f": {reason}" for reason, names in _REFUSED.items() if name in names), "")
    raise AttributeError(f"minigrad.linalg has no {name!r}{why}")
