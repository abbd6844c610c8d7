"""Op sheet: decompositions of matrices, by Cholesky, QR, singular values and eigenvalues, and their uses.

All functions take batches, (..., m, n), as PyTorch's do. NumPy hands the work to LAPACK, CuPy to cuSOLVER.

An op has one output, a decomposition has two or three. So its forward lays the factors out one behind the other in one
long row per matrix (``_pack``), and what the caller gets are views of it (``_unpack``). In a rule, ``y`` and ``g`` are
taken apart in the same way: the factors, and the gradient of each, which is 0 where it was not used.

The derivatives of the QR decomposition are derived in Walter and Lehmann, "Algorithmic differentiation of linear
algebra functions" (2010); those of the singular values in Townsend, "Differentiating the singular value decomposition"
(2016); the others in Giles, "An extended collection of matrix derivative results" (2008). Seeger et al., "Auto-
differentiating linear algebra" (2017), has them in the form they have here.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from minigrad.ops.diagonals import diag_embed, diagonal, tril
from minigrad.ops.elementwise import absolute, eq, gt, logical_and, maximum, square, where
from minigrad.ops.linalg import check_matrices, failing, mT, solve_matrices, solve_triangular, with_diagonal
from minigrad.ops.op import op
from minigrad.ops.product import matmul
from minigrad.ops.reduction import sum_
from minigrad.ops.shape import cat, reshape, squeeze, unsqueeze


def _pack(xp: Any, batch: tuple[int, ...], *parts: Any) -> Any:
    return xp.concatenate([p.reshape(*batch, math.prod(p.shape[len(batch) :])) for p in parts], axis=-1)


def _unpack(row: Any, *shapes: tuple[int, ...]) -> list[Any]:
    parts, start = [], 0
    for shape in shapes:
        end = start + math.prod(shape)
        parts.append(reshape(row[..., start:end], (*row.shape[:-1], *shape)))
        start = end
    return parts


def _ratio(a: Any, b: Any) -> Any:
    """Return a / b, and 0 for 0 / 0: where two eigenvalues are equal and nobody asks which vector is whose."""
    return a / where(logical_and(eq(a, 0), eq(b, 0)), 1.0, b)


# --------------------------------------------------------------------------------------------------------------
# Cholesky


@op(promote=None)
def _cholesky(xp: Any, A: Any, /) -> Any:
    """the lower L with L L^T = A;   dA = L^-T h L^-1, where h is L^T d below the diagonal and half of it on it"""
    check_matrices("linalg.cholesky", A)
    with failing(
        f"linalg.cholesky: expected positive definite matrices, got one in {A.shape} with an eigenvalue <= 0; adding "
        "1e-6 to the diagonal helps where rounding made it so"
    ):
        return xp.linalg.cholesky(A)


def _cholesky_rule(g: Any, y: Any) -> Any:
    h = matmul(mT(y), g)
    h = tril(h) - 0.5 * diag_embed(diagonal(h, 0, -2, -1))
    half = mT(solve_matrices(mT(y), mT(solve_matrices(mT(y), h))))
    return 0.5 * (half + mT(half))  # A is symmetric, and so is its gradient


_cholesky.derivative(A=_cholesky_rule)


def cholesky(A: Any, *, upper: bool = False) -> Any:
    """Return the lower triangular L with L L^T = A, or with ``upper`` the upper U with U^T U = A.

    Only that triangle of the symmetric, positive definite A is looked at.
    """
    return mT(_cholesky(mT(A))) if upper else _cholesky(A)


def cholesky_solve(B: Any, L: Any, upper: bool = False) -> Any:
    """Return the X with A X = B from the Cholesky factor of A."""
    if upper:
        L = mT(L)
    return solve_triangular(mT(L), solve_triangular(L, B, upper=False), upper=True)


def cholesky_inverse(L: Any, upper: bool = False) -> Any:
    """Return A^-1 from the Cholesky factor of A."""
    check_matrices("cholesky_inverse", L)
    return cholesky_solve(with_diagonal(L * 0, 1.0), L, upper)


# --------------------------------------------------------------------------------------------------------------
# QR


class QR(NamedTuple):
    """What ``qr`` returns: A = Q R."""

    Q: Any
    R: Any


def _qr_shapes(shape: tuple[int, ...], mode: str) -> tuple[tuple[int, int], tuple[int, int]]:
    m, n = shape[-2:]
    k = m if mode == "complete" else min(m, n)
    return (m, k), (k, n)


@op(promote=None)
def _qr(xp: Any, A: Any, /, mode: str) -> Any:
    """Q with orthonormal columns and R upper triangular, A = Q R;   dA = (dQ + Q s) R^-T

    s is the symmetric matrix whose lower half is that of R dR^T - dQ^T Q. Where A is wider than high, the columns
    behind the square part are Y = Q V and give theirs to dQ first.
    """
    check_matrices("linalg.qr", A, square=False)
    return _pack(xp, A.shape[:-2], *xp.linalg.qr(A, mode))


def _qr_rule(g: Any, y: Any, A_shape: Any, mode: str) -> Any:
    m, n = A_shape[-2:]
    Q, R = _unpack(y, *_qr_shapes(A_shape, mode))
    gQ, gR = _unpack(g, *_qr_shapes(A_shape, mode))
    if mode == "complete" and m > n:
        raise RuntimeError(
            f"linalg.qr: with mode='complete' and {m} rows for {n} columns the last columns of Q can be chosen freely, "
            "so they have no derivative; use mode='reduced'"
        )
    if m >= n:
        return _qr_square_rule(Q, R, gQ, gR)
    V, gV = R[..., m:], gR[..., m:]
    first = _qr_square_rule(Q, R[..., :m], gQ + matmul(matmul(Q, V), mT(gV)), gR[..., :m])
    return cat([first, matmul(Q, gV)], -1)


def _qr_square_rule(Q: Any, R: Any, gQ: Any, gR: Any) -> Any:
    s = matmul(R, mT(gR)) - matmul(mT(gQ), Q)
    s = tril(s) + mT(tril(s, -1))
    return mT(solve_matrices(R, mT(gQ + matmul(Q, s))))


_qr.derivative(A=_qr_rule)


def qr(A: Any, mode: str = "reduced") -> QR:
    """Return Q with orthonormal columns and R upper triangular such that A = Q R.

    For A of shape (..., m, n) and k = min(m, n), they are (..., m, k) and (..., k, n), with ``mode="complete"``
    (..., m, m) and (..., m, n). ``mode="r"`` leaves Q empty. The signs are LAPACK's: R may have a negative diagonal.
    """
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(f"linalg.qr: expected mode 'reduced', 'complete' or 'r', got {mode!r}")
    both = "reduced" if mode == "r" else mode
    Q, R = _unpack(_qr(A, both), *_qr_shapes(A.shape, both))
    return QR(Q.reshape(-1)[:0], R) if mode == "r" else QR(Q, R)


def qr_some(input: Any, some: bool = True) -> QR:
    """Return :func:`qr` by its older name, where ``some=False`` stands for mode "complete"."""
    return qr(input, "reduced" if some else "complete")


# --------------------------------------------------------------------------------------------------------------
# Singular values


class SVD(NamedTuple):
    """What ``linalg.svd`` returns: A = U diag(S) Vh."""

    U: Any
    S: Any
    Vh: Any


class USV(NamedTuple):
    """What the older ``svd`` returns: A = U diag(S) V^T."""

    U: Any
    S: Any
    V: Any


def _svd_shapes(shape: tuple[int, ...], full: bool) -> tuple[tuple[int, ...], ...]:
    m, n = shape[-2:]
    k = min(m, n)
    return ((m, m), (k,), (n, n)) if full else ((m, k), (k,), (k, n))


@op(promote=None)
def _svd(xp: Any, A: Any, /, full: bool) -> Any:
    """U, S >= 0 and V^T with A = U S V^T;   dA = U (F[U^T dU] S + S F[V^T dV] + dS) V^T + what lies outside U, V

    F[x]_ij = (x_ij - x_ji) / (S_j^2 - S_i^2). Outside: (1 - U U^T) dU S^-1 V^T, where A is higher than wide, and
    U S^-1 dV^T (1 - V V^T), where it is wider than high.
    """
    check_matrices("linalg.svd", A, square=False)
    with failing("linalg.svd: no convergence; does the matrix hold NaN or inf?"):
        return _pack(xp, A.shape[:-2], *xp.linalg.svd(A, full_matrices=full))


def _svd_rule(g: Any, y: Any, A_shape: Any, full: bool) -> Any:
    m, n = A_shape[-2:]
    k = min(m, n)
    U, S, Vh = _unpack(y, *_svd_shapes(A_shape, full))
    gU, gS, gVh = _unpack(g, *_svd_shapes(A_shape, full))
    if full:  # the columns behind the first k can be chosen freely
        U, Vh, gU, gVh = U[..., :k], Vh[..., :k, :], gU[..., :k], gVh[..., :k, :]
    row, column = unsqueeze(S, -2), unsqueeze(S, -1)
    gaps = square(row) - square(column)
    u, v = matmul(mT(U), gU), matmul(Vh, mT(gVh))
    core = _ratio(u - mT(u), gaps) * row + column * _ratio(v - mT(v), gaps)
    dA = matmul(matmul(U, core + diag_embed(gS)), Vh)
    if m > k:
        dA = dA + matmul(_ratio(gU - matmul(U, u), row), Vh)
    if n > k:
        dA = dA + matmul(U, _ratio(gVh - matmul(mT(v), Vh), column))
    return dA


_svd.derivative(A=_svd_rule)


@op(promote=None)
def svdvals(xp: Any, A: Any, /) -> Any:
    """the singular values, the largest first;   dA = U d V^T"""
    check_matrices("linalg.svdvals", A, square=False)
    with failing("linalg.svdvals: no convergence; does the matrix hold NaN or inf?"):
        return xp.linalg.svd(A, compute_uv=False)


def _svdvals_rule(g: Any, A: Any) -> Any:
    U, _, Vh = svd(A, False)
    return matmul(U * unsqueeze(g, -2), Vh)


svdvals.derivative(A=_svdvals_rule)


def svd(A: Any, full_matrices: bool = True) -> SVD:
    """Return U, S and Vh with A = U diag(S) Vh: orthonormal columns in U, rows in Vh, and S >= 0, the largest first.

    For A of shape (..., m, n) and k = min(m, n), they are (..., m, m), (..., k) and (..., n, n), or with
    ``full_matrices=False`` (..., m, k), (..., k) and (..., k, n). The gradient of a function of U or Vh makes sense if
    the function does not change with the signs of the vectors and no two singular values are equal.

    >>> import minigrad
    >>> minigrad.linalg.svd(minigrad.tensor([[3.0, 0.0], [0.0, 4.0]])).S
    tensor([4., 3.])
    """
    return SVD(*_unpack(_svd(A, full_matrices), *_svd_shapes(A.shape, full_matrices)))


def svd_v(input: Any, some: bool = True, compute_uv: bool = True) -> USV:
    """Return the singular value decomposition by its older name, with V in place of its transpose."""
    if not compute_uv:
        raise NotImplementedError("svd: compute_uv=False is not supported; use linalg.svdvals(A)")
    U, S, Vh = svd(input, not some)
    return USV(U, S, mT(Vh))


# --------------------------------------------------------------------------------------------------------------
# Eigenvalues of symmetric matrices


class Eigh(NamedTuple):
    """What ``eigh`` returns: A = V diag(eigenvalues) V^T."""

    eigenvalues: Any
    eigenvectors: Any


@op(promote=None)
def _eigh(xp: Any, A: Any, /, UPLO: str) -> Any:
    """l and V with A = V diag(l) V^T;   dA = V (dl on the diagonal, (t_ij - t_ji) / 2 (l_j - l_i) elsewhere) V^T

    with t = V^T dV. It is symmetric, as A is.
    """
    check_matrices("linalg.eigh", A)
    if UPLO not in ("L", "U"):
        raise RuntimeError(f"linalg.eigh: expected UPLO 'L' or 'U', the triangle that is looked at, got {UPLO!r}")
    with failing("linalg.eigh: no convergence; does the matrix hold NaN or inf?"):
        return _pack(xp, A.shape[:-2], *xp.linalg.eigh(A, UPLO))


def _eigh_rule(g: Any, y: Any, A_shape: Any) -> Any:
    n = A_shape[-1]
    values, V = _unpack(y, (n,), (n, n))
    g_values, gV = _unpack(g, (n,), (n, n))
    t = matmul(mT(V), gV)
    core = with_diagonal(0.5 * _ratio(t - mT(t), unsqueeze(values, -2) - unsqueeze(values, -1)), g_values)
    return matmul(matmul(V, core), mT(V))


_eigh.derivative(A=_eigh_rule)


@op(promote=None)
def eigvalsh(xp: Any, A: Any, /, UPLO: str = "L") -> Any:
    """the eigenvalues of a symmetric matrix, the smallest first;   dA = V d V^T"""
    check_matrices("linalg.eigvalsh", A)
    with failing("linalg.eigvalsh: no convergence; does the matrix hold NaN or inf?"):
        return xp.linalg.eigvalsh(A, UPLO)


def _eigvalsh_rule(g: Any, A: Any, UPLO: str) -> Any:
    V = eigh(A, UPLO).eigenvectors
    return matmul(V * unsqueeze(g, -2), mT(V))


eigvalsh.derivative(A=_eigvalsh_rule)


def eigh(A: Any, UPLO: str = "L") -> Eigh:
    """Return the eigenvalues of a symmetric matrix, the smallest first, and its eigenvectors as columns.

    Only the lower triangle of A is looked at, or with ``UPLO="U"`` the upper one. The gradient of a function of the
    eigenvectors makes sense if the function does not change with their signs and no two eigenvalues are equal.
    """
    return Eigh(*_unpack(_eigh(A, UPLO), (A.shape[-1],), tuple(A.shape[-2:])))


# --------------------------------------------------------------------------------------------------------------
# What singular values are good for: rank, pseudo-inverse, least squares


def _symmetric(A: Any) -> Any:
    """Return the symmetric matrix that has A's lower triangle."""
    return tril(A) + mT(tril(A, -1))


def _tolerances(A: Any, atol: Any, rtol: Any) -> tuple[Any, Any]:
    """Return both tolerances; rtol is a rounding error times the size of the matrix, unless atol is given."""
    if rtol is None:
        rtol = max(A.shape[-2:]) * float(np.finfo(A.dtype).eps) if atol is None else 0.0
    return 0.0 if atol is None else atol, rtol


def matrix_rank(A: Any, *, atol: Any = None, rtol: Any = None, hermitian: bool = False) -> Any:
    """Return how many singular values are larger than atol and than rtol times the largest."""
    atol, rtol = _tolerances(A, atol, rtol)
    S = absolute(eigvalsh(A)) if hermitian else svdvals(A)
    if hermitian:
        return sum_(gt(S, maximum(_largest(S) * rtol, atol)), -1)
    return sum_(gt(S, maximum(S[..., :1] * rtol, atol)), -1)


@op(promote=None)
def _largest(xp: Any, S: Any, /) -> Any:
    return S.max(axis=-1, keepdims=True) if S.shape[-1] else S


@op(promote=None)
def _pinv(xp: Any, A: Any, /, atol: Any, rtol: Any) -> Any:
    """the pseudo-inverse P;   dA = P^T P d^T (1 - P A) + (1 - A P) d^T P P^T - P^T d P^T"""
    check_matrices("linalg.pinv", A, square=False)
    with failing("linalg.pinv: no convergence; does the matrix hold NaN or inf?"):
        U, S, Vh = xp.linalg.svd(A, full_matrices=False)
    s = S[..., None, :]
    kept = s > xp.maximum(s[..., :1] * rtol, atol)
    inverse = xp.where(kept, 1 / xp.where(kept, s, 1), 0).astype(A.dtype)
    return (Vh.swapaxes(-1, -2) * inverse) @ U.swapaxes(-1, -2)


def _pinv_rule(g: Any, y: Any, A: Any) -> Any:
    # Golub and Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems" (1973)
    P, h = mT(y), mT(g)
    right = matmul(h, matmul(y, P))
    left = matmul(matmul(P, y), h)
    return right - matmul(A, matmul(y, right)) + left - matmul(matmul(left, y), A) - matmul(matmul(P, g), P)


_pinv.derivative(A=_pinv_rule)


def pinv(A: Any, *, atol: Any = None, rtol: Any = None, hermitian: bool = False) -> Any:
    """Return the pseudo-inverse of Moore and Penrose: the inverse on the space that A reaches, 0 outside.

    Singular values count as 0 up to atol and up to rtol times the largest one. Its derivative makes sense as long as
    the rank does not change.
    """
    return _pinv(_symmetric(A) if hermitian else A, *_tolerances(A, atol, rtol))


def pinverse(input: Any, rcond: float = 1e-15) -> Any:
    """Return :func:`pinv` by its older name."""
    return pinv(input, rtol=rcond)


class Lstsq(NamedTuple):
    """What ``lstsq`` returns; those that the driver does not compute are empty."""

    solution: Any
    residuals: Any
    rank: Any
    singular_values: Any


def lstsq(input: Any, b: Any, rcond: float | None = None, *, driver: str | None = None) -> Lstsq:
    """Return the X for which the sum of squares of A X - B is least; of several, the one with the least entries.

    ``driver`` names the LAPACK routine that PyTorch would call. Here all solve by the pseudo-inverse, and the name
    decides what comes with the solution: the rank ("gelsy", the default), the residuals, which are the sums of squares
    of a system with more equations than unknowns ("gels"), or all there is ("gelsd", "gelss").

    >>> import minigrad
    >>> A = minigrad.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])  # a line through three points
    >>> minigrad.linalg.lstsq(A, minigrad.tensor([1.0, 3.0, 5.0])).solution
    tensor([1.0000, 2.0000])
    """
    A, B, driver = input, b, driver or "gelsy"
    if driver not in ("gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(f"linalg.lstsq: expected driver 'gels', 'gelsy', 'gelsd' or 'gelss', got {driver!r}")
    check_matrices("linalg.lstsq", A, square=False)
    vectors = B.ndim == A.ndim - 1
    if vectors:
        B = unsqueeze(B, -1)
    m, n = A.shape[-2:]
    X = matmul(pinv(A, rtol=rcond), B)
    rest = sum_(square(matmul(A, X) - B), -2)
    nothing = reshape(rest, (-1,))[:0]
    S = svdvals(A)
    rank = matrix_rank(A, rtol=rcond)
    return Lstsq(
        squeeze(X, -1) if vectors else X,
        rest if m > n and driver != "gelsy" else nothing,
        reshape(rank, (-1,))[:0] if driver == "gels" else rank,
        S if driver in ("gelsd", "gelss") else nothing,
    )
