"""Op sheet: linear algebra: inverses, linear equations, determinants.

All functions take batches, (..., n, n), as PyTorch's do. NumPy hands the work to LAPACK, CuPy to cuSOLVER. The
derivatives are derived in Giles, "An extended collection of matrix derivative results" (2008).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad.ops.diagonals import set_diagonal, tril, triu
from minigrad.ops.elementwise import lt, where
from minigrad.ops.op import op
from minigrad.ops.product import matmul
from minigrad.ops.reduction import sum_
from minigrad.ops.shape import cat, movedim, reshape, squeeze, transpose, unsqueeze


class LinAlgError(RuntimeError):
    """A matrix is singular, or not positive definite, or an iteration did not converge."""


@contextlib.contextmanager
def failing(message: str) -> Iterator[None]:
    """Turn NumPy's error about a matrix into ours."""
    try:
        yield
    except np.linalg.LinAlgError as error:
        raise LinAlgError(message) from error


def check_matrices(name: str, x: Any, square: bool = True) -> None:
    """Refuse what is not a batch of matrices of floats, square ones if they have to be."""
    if x.ndim < 2:
        raise RuntimeError(f"{name}: expected a matrix or a batch of them, (..., m, n), got shape {tuple(x.shape)}")
    if square and x.shape[-1] != x.shape[-2]:
        raise RuntimeError(f"{name}: expected square matrices, got shape {tuple(x.shape)}")
    if x.dtype.kind != "f":
        raise RuntimeError(f"{name}: expected a floating tensor, got {x.dtype}; call x.float()")


def mT(x: Any) -> Any:
    """Return the transpose of each matrix."""
    return transpose(x, -1, -2)


def with_diagonal(x: Any, v: Any) -> Any:
    """Return each matrix with ``v`` on its diagonal."""
    return set_diagonal(x, v, 0, -2, -1)


# --------------------------------------------------------------------------------------------------------------
# Inverse, linear equations


@op(promote=None)
def inv(xp: Any, A: Any, /) -> Any:
    """A^-1;   dA = -y^T d y^T"""
    check_matrices("linalg.inv", A)
    with failing(
        f"linalg.inv: expected matrices with an inverse, got a singular one in {tuple(A.shape)}; see linalg.pinv"
    ):
        return xp.linalg.inv(A)


inv.derivative(A=lambda g, y: -matmul(matmul(mT(y), g), mT(y)))


@op(promote="exact")
def solve_matrices(xp: Any, A: Any, B: Any, /) -> Any:
    """the X with A X = B;   dB = A^-T d, dA = -A^-T d X^T"""
    batch = np.broadcast_shapes(A.shape[:-2], B.shape[:-2])  # NumPy broadcasts, CuPy does not
    A, B = (xp.broadcast_to(x, (*batch, *x.shape[-2:])) for x in (A, B))
    with failing(f"linalg.solve: expected matrices with an inverse, got a singular one in {A.shape}; see linalg.lstsq"):
        return xp.linalg.solve(A, B)


solve_matrices.derivative(
    A=lambda g, y, A: -matmul(solve_matrices(mT(A), g), mT(y)),
    B=lambda g, A: solve_matrices(mT(A), g),
)


def solve(A: Any, B: Any, *, left: bool = True) -> Any:
    """Return the X with A X = B, or with ``left=False`` X A = B.

    Parameters
    ----------
    A : (..., n, n)
        Invertible matrices.
    B : (..., n, k), (..., n) or (n,)
        Right-hand sides: matrices; or vectors, if it has the shape of A without the last dimension.

    Raises
    ------
    LinAlgError
        If a matrix is singular.

    Examples
    --------
    >>> import minigrad
    >>> A = minigrad.tensor([[2.0, 1.0], [1.0, 3.0]])
    >>> minigrad.linalg.solve(A, minigrad.tensor([3.0, 4.0]))
    tensor([1., 1.])
    """
    check_matrices("linalg.solve", A)
    vectors = B.ndim == 1 or (B.ndim == A.ndim - 1 and B.shape == A.shape[:-1])
    if vectors:
        B = unsqueeze(B, -1)
    n = B.shape[-2 if left else -1]
    if n != A.shape[-1] or (vectors and not left):
        equation = "A X = B" if left else "X A = B"
        raise RuntimeError(f"linalg.solve: {equation} does not fit A {tuple(A.shape)} and B {tuple(B.shape)}")
    X = solve_matrices(A, B) if left else mT(solve_matrices(mT(A), mT(B)))
    return squeeze(X, -1) if vectors else X


def solve_triangular(A: Any, B: Any, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Any:
    """Return the X with A X = B (``left=False``: X A = B) for a triangular A, whose other triangle is not looked at.

    With ``unitriangular`` its diagonal is taken to be 1 and not looked at either.
    """
    check_matrices("linalg.solve_triangular", A)
    check_matrices("linalg.solve_triangular", B, square=False)
    A = triu(A) if upper else tril(A)
    return solve(with_diagonal(A, 1.0) if unitriangular else A, B, left=left)


def matrix_power(A: Any, n: int) -> Any:
    """Return A A ... A, n times; the inverse's power for n < 0, ones on the diagonal for n = 0."""
    check_matrices("linalg.matrix_power", A)
    if n < 0:
        return matrix_power(inv(A), -n)
    result = None
    while n:  # A^13 = A^8 A^4 A^1: a product for each binary digit
        if n % 2:
            result = A if result is None else matmul(result, A)
        n //= 2
        A = matmul(A, A) if n else A
    return with_diagonal(A * 0, 1.0) if result is None else result


# --------------------------------------------------------------------------------------------------------------
# Determinants


@op(promote=None)
def det(xp: Any, A: Any, /) -> Any:
    """the determinant;   dA = d cofactors(A), which is d y A^-T where A has an inverse"""
    check_matrices("linalg.det", A)
    return xp.linalg.det(A)


@op(promote=None)
def _cofactors(xp: Any, A: Any, /) -> Any:
    """det(A) A^-T, also where A has no inverse;   dA = det(A) ((sum of d B) B - B d^T B) with B = A^-T"""
    if xp is np:
        with contextlib.suppress(np.linalg.LinAlgError):  # by one elimination, whose smallest pivot cancels out
            return xp.linalg.det(A)[..., None, None] * mT(xp.linalg.inv(A))
    # A = U S V^T: each singular value is replaced by the product of the others, which needs no division.
    U, S, Vh = xp.linalg.svd(A)
    others = xp.where(xp.eye(A.shape[-1], dtype=bool), 1, S[..., None, :]).astype(A.dtype).prod(-1)
    handed = xp.linalg.det(U) * xp.linalg.det(Vh)
    return handed[..., None, None] * ((U * others[..., None, :]) @ Vh)


def _cofactors_rule(g: Any, A: Any) -> Any:
    B = mT(inv(A))
    return det(A)[..., None, None] * (sum_(g * B, (-2, -1), True) * B - matmul(matmul(B, mT(g)), B))


det.derivative(A=lambda g, A: g[..., None, None] * _cofactors(A))
_cofactors.derivative(A=_cofactors_rule)


class Slogdet(NamedTuple):
    """What ``slogdet`` returns: det = sign * e^logabsdet."""

    sign: Any
    logabsdet: Any


@op(promote=None)
def _slogdet(xp: Any, A: Any, /) -> Any:
    """the sign of the determinant and the logarithm of its size, side by side;   dA = dlogabsdet A^-T"""
    check_matrices("linalg.slogdet", A)
    return xp.stack(tuple(xp.linalg.slogdet(A)), axis=-1)


_slogdet.derivative(A=lambda g, A: g[..., 1][..., None, None] * mT(inv(A)))


def slogdet(A: Any) -> Slogdet:
    """Return the sign and log |det A|, which neither overflows nor underflows as the determinant of a large A does."""
    both = _slogdet(A)
    return Slogdet(both[..., 0], both[..., 1])


def logdet(input: Any) -> Any:
    """Return log(det A): -inf for a singular matrix, NaN where the determinant is negative."""
    sign, logabsdet = slogdet(input)
    return where(lt(sign, 0), math.nan, logabsdet)


# --------------------------------------------------------------------------------------------------------------
# Tensors as matrices


def tensorinv(A: Any, ind: int = 2) -> Any:
    """Return the inverse of A taken as a matrix from its dimensions from ``ind`` on to the first ``ind``."""
    n = math.prod(A.shape[:ind])
    if ind < 1 or n != math.prod(A.shape[ind:]):
        raise RuntimeError(f"linalg.tensorinv: a {tuple(A.shape)} split at ind={ind} is not a square matrix")
    return reshape(inv(reshape(A, (n, n))), (*A.shape[ind:], *A.shape[:ind]))


def tensorsolve(A: Any, B: Any, dims: Sequence[int] | None = None) -> Any:
    """Return the X with tensordot(A, X, X.ndim) = B; ``dims`` of A are moved to its end first."""
    if dims is not None:
        A = movedim(A, tuple(dims), tuple(range(len(A.shape) - len(dims), len(A.shape))))
    unknown = tuple(A.shape[len(B.shape) :])
    n = math.prod(B.shape)
    if math.prod(unknown) != n:
        raise RuntimeError(f"linalg.tensorsolve: A {tuple(A.shape)} and B {tuple(B.shape)} make no square matrix")
    return reshape(solve(reshape(A, (n, n)), reshape(B, (n,))), unknown)


def vander(x: Any, N: int | None = None) -> Any:
    """Return the matrices of powers x_i^j, j from 0 to N - 1; N is the number of entries if not given."""
    n = x.shape[-1] if N is None else N
    powers = [x * 0 + 1]
    for _ in range(n - 1):
        powers.append(powers[-1] * x)
    return cat([unsqueeze(p, -1) for p in powers[:n]], -1)
