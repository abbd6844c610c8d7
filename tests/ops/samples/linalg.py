"""Samples of the sheets ``linalg``, ``decomposition`` and ``norms``.

A decomposition is unique only up to signs, so what is compared are functions that do not change with them, made by
``run``. Symmetric matrices are made of the samples in front of the op, for it looks at one triangle only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.ops import decomposition, linalg, norms

from .table import F, T, call, row, torch

Array = np.ndarray[Any, Any]

# Matrices far from singular, so that small steps stay small.
A2 = F([[2.0, 1.0], [-0.5, 3.0]])
A3 = F([[2.0, 0.3, -0.5], [0.4, -1.5, 0.75], [0.1, 0.6, 1.2]])
BATCH = F([[[2.0, 1.0], [-0.5, 3.0]], [[0.5, -1.0], [1.5, 1.2]]])
TALL = F([[2.0, 0.3], [0.4, -1.5], [0.1, 0.6]])
WIDE = F([[2.0, 0.3, -0.5], [0.4, -1.5, 0.7]])
TALLS = F([[[2.0, 0.3], [0.4, -1.5], [0.1, 0.6]], [[1.0, 0.2], [0.5, 1.5], [-2.0, 0.3]]])
SINGULAR = F([[1.0, 2.0], [2.0, 4.0]])
SQUARES = [call(A2), call(A3), call(BATCH), call(T(0, 2, 2)), call(T(2, 0, 0))]
RECTANGLES = [call(A3), call(TALL), call(WIDE), call(TALLS), call(T(0, 3, 2))]


def mT(x: Any) -> Any:
    return x.swapaxes(-1, -2)


def through(f: Callable[..., Any], before: Callable[[Any], Any] = lambda x: x, after: Any = lambda x: x) -> Any:
    """Return f with something done to its first argument, and to its result."""
    return lambda x, *args, **kwargs: after(f(before(x), *args, **kwargs))


def both(f: str, ours: Callable[..., Any], before: Any = lambda x: x, after: Any = lambda x: x) -> dict[str, Any]:
    """Return the columns ``run`` and ``torch`` of one function in the two libraries."""
    return dict(
        run=through(ours, before, after),
        torch=lambda *args, **kwargs: through(torch(f), before, after)(*args, **kwargs),
    )


def symmetric(x: Any) -> Any:
    return x + mT(x)


def positive(x: Any) -> Any:
    return x @ mT(x) + 0.5 * x * x + 0.5 * mT(x * x)


def np_cholesky(x: Any) -> Any:
    return np.linalg.cholesky(positive(x))


def rebuilt_svd(result: Any) -> tuple[Any, Any, Any]:
    """Signless views of a decomposition: the values, and two projections weighted by powers of 2."""
    U, S, Vh = result
    k = S.shape[-1]
    U, V = U[..., :k], mT(Vh[..., :k, :])
    return S, (U * S[..., None, :]) @ mT(U), (V * (S * S)[..., None, :]) @ mT(V)


def rebuilt_eigh(result: Any) -> tuple[Any, Any]:
    values, V = result
    return values, (V * (values * values)[..., None, :]) @ mT(V)


def rebuilt_qr(result: Any) -> tuple[Any, Any]:
    Q, R = result
    return (Q * Q, R * R) if Q.shape[-1] else (R * R, R * R)


def packed(f: Callable[..., Any], count: int = 1) -> Callable[..., Any]:
    """Return the factors as one row, as the ops do."""

    def reference(x: Any, *args: Any) -> Any:
        parts = f(x, *args)
        return np.concatenate([p.reshape(*x.shape[:-2], -1) for p in parts], -1)

    return reference


def np_lstsq(A: Any, B: Any, **options: Any) -> Any:
    return np.linalg.pinv(A) @ B


def np_cofactors(x: Any) -> Any:
    return np.linalg.det(x)[..., None, None] * mT(np.linalg.inv(x))


def np_vector_norm(x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False) -> Any:
    if dim is None and not keepdim:
        return np.linalg.norm(x.ravel(), ord)
    if isinstance(dim, (list, tuple)):
        return (np.abs(x) ** ord).sum(tuple(dim), keepdims=keepdim) ** (1 / ord)
    return np.linalg.norm(x, ord, dim, keepdim)


def np_cdist(a: Any, b: Any, p: float = 2.0, compute_mode: str = "") -> Any:
    return np.linalg.norm(a[..., :, None, :] - b[..., None, :, :], p, -1)


def np_pdist(x: Any, p: float = 2) -> Any:
    return np.array([np.linalg.norm(x[i] - x[j], p) for i in range(len(x)) for j in range(i + 1, len(x))])


def np_solve(A: Any, B: Any, left: bool = True) -> Any:
    if B.ndim == 1 or B.shape == A.shape[:-1]:
        return np.linalg.solve(A, B[..., None])[..., 0]
    return np.linalg.solve(A, B) if left else B @ np.linalg.inv(A)


def np_solve_triangular(A: Any, B: Any, upper: bool, left: bool = True, unitriangular: bool = False) -> Any:
    A = np.triu(A) if upper else np.tril(A)
    if unitriangular:
        A = A - A * np.eye(A.shape[-1]) + np.eye(A.shape[-1])
    return np_solve(A, B, left)


def np_logdet(A: Any) -> Any:
    sign, logabsdet = np.linalg.slogdet(A)
    return np.where(sign < 0, np.nan, logabsdet)


LOOSE = dict(rtol=1e-10)  # rounding is a matrix' condition number larger

# fmt: off
ROWS = [
    row("inv", np.linalg.inv, *SQUARES, torch="linalg.inv", **LOOSE),
    row("solve_matrices", np.linalg.solve, call(A2, T(2, 3)), call(BATCH, T(2, 3)), call(A3, T(4, 3, 1)),
        torch="linalg.solve", **LOOSE),
    row("solve", np_solve, call(A3, T(3)), call(BATCH, T(2, 2)), call(BATCH, T(2)), call(A2, T(5, 2, 3)),
        call(A2, T(3, 2), left=False), call(BATCH, T(2, 3, 2), left=False), run=linalg.solve, torch="linalg.solve",
        **LOOSE),
    row("solve_triangular", np_solve_triangular, call(A3, T(3, 2), upper=True), call(BATCH, T(2, 3), upper=False),
        call(A3, T(2, 3), upper=True, left=False), call(A3, T(3, 2), upper=False, unitriangular=True),
        run=linalg.solve_triangular, torch="linalg.solve_triangular", **LOOSE),
    row("matrix_power", np.linalg.matrix_power, call(A2, 0), call(A2, 1), call(A3, 5), call(BATCH, -2), call(A2, -1),
        torch="linalg.matrix_power", **LOOSE),

    row("det", np.linalg.det, *SQUARES, torch="linalg.det", **LOOSE),
    row("_cofactors", np_cofactors, call(A2), call(A3), call(BATCH), **LOOSE,
        torch=lambda x: torch("linalg.det")(x)[..., None, None] * mT(torch("linalg.inv")(x))),
    row("_slogdet", lambda x: np.stack(np.linalg.slogdet(x), -1), call(A2), call(A3), call(BATCH), **LOOSE,
        torch=lambda x: torch("stack")(tuple(torch("linalg.slogdet")(x)), -1)),
    row("slogdet", lambda x: tuple(np.linalg.slogdet(x)), *SQUARES, torch="linalg.slogdet", **LOOSE),
    row("logdet", np_logdet, call(A2), call(BATCH), **LOOSE),

    row("_cholesky", np_cholesky, *SQUARES[:3], **LOOSE,
        **both("linalg.cholesky", lambda x: ops.registry["_cholesky"](x), positive)),
    row("cholesky", np_cholesky, *SQUARES, **LOOSE, **both("linalg.cholesky", ops.cholesky, positive)),
    row("cholesky", lambda x, upper: mT(np_cholesky(x)), call(A3, upper=True), call(BATCH, upper=True), note="upper",
        **LOOSE, **both("linalg.cholesky", ops.cholesky, positive)),
    row("cholesky_solve", lambda B, L: np.linalg.solve(np.tril(L) @ np.tril(L).T, B), call(T(2, 3), A2), **LOOSE,
        run=lambda B, L: ops.cholesky_solve(B, ops.tril(L)),
        torch=lambda B, L: torch("cholesky_solve")(B, L.tril())),
    row("cholesky_solve", lambda B, L, upper: np.linalg.solve(np.triu(L).T @ np.triu(L), B), call(T(3, 2), A3, True),
        note="upper", **LOOSE, run=lambda B, L, upper: ops.cholesky_solve(B, ops.triu(L), upper),
        torch=lambda B, L, upper: torch("cholesky_solve")(B, L.triu(), upper)),
    row("cholesky_inverse", lambda L: np.linalg.inv(np.tril(L) @ np.tril(L).T), call(A2), call(A3), **LOOSE,
        **both("cholesky_inverse", ops.cholesky_inverse, lambda L: L.tril() if hasattr(L, "tril") else np.tril(L))),

    row("_qr", lambda x, mode: packed(np.linalg.qr)(x, mode), call(A3, "reduced"), call(WIDE, "reduced"),
        call(TALLS, "reduced"), call(WIDE, "complete"), **LOOSE,
        torch=lambda x, mode: torch("cat")([p.reshape(*x.shape[:-2], -1) for p in torch("linalg.qr")(x, mode)], -1)),
    row("qr", lambda x, mode="reduced": tuple(np.linalg.qr(x, mode)), *RECTANGLES, call(WIDE, "complete"), **LOOSE,
        run=decomposition.qr, torch="linalg.qr"),
    row("qr", lambda x, mode: (np.zeros(0), np.linalg.qr(x, mode)), call(TALL, mode="r"), note="r", **LOOSE,
        run=decomposition.qr, torch="linalg.qr", beside="values"),
    row("qr_some", lambda x, some=True: tuple(np.linalg.qr(x, "reduced" if some else "complete")), call(TALL),
        call(A3, False), torch=lambda x, some=True: torch("linalg.qr")(x, "reduced" if some else "complete"), **LOOSE),

    row("_svd", lambda x, full: rebuilt_svd(np.linalg.svd(x, full)), call(A3, True), call(TALL, False),
        **LOOSE, run=lambda x, full: rebuilt_svd(decomposition.svd(x, full)),
        torch=lambda x, full: rebuilt_svd(torch("linalg.svd")(x, full))),
    row("svd", lambda x, full_matrices=True: rebuilt_svd(np.linalg.svd(x, full_matrices)), *RECTANGLES,
        call(TALL, full_matrices=False), call(WIDE, full_matrices=False), **LOOSE,
        **both("linalg.svd", decomposition.svd, after=rebuilt_svd)),
    row("svd_v", lambda x, some=True: rebuilt_svd(np.linalg.svd(x, not some)), call(TALL), call(WIDE, some=False),
        **LOOSE, **both("svd", ops.svd_v, after=lambda r: rebuilt_svd((r[0], r[1], mT(r[2]))))),
    row("svdvals", lambda x: np.linalg.svd(x, compute_uv=False), *RECTANGLES, torch="linalg.svdvals", **LOOSE),

    row("_eigh", lambda x, UPLO: rebuilt_eigh(np.linalg.eigh(symmetric(x), UPLO)), call(A3, "L"), call(BATCH, "U"),
        **LOOSE, run=lambda x, UPLO: rebuilt_eigh(decomposition.eigh(symmetric(x), UPLO)),
        torch=lambda x, UPLO: rebuilt_eigh(torch("linalg.eigh")(symmetric(x), UPLO))),
    row("eigh", lambda x, UPLO="L": rebuilt_eigh(np.linalg.eigh(symmetric(x), UPLO)), *SQUARES, call(A3, UPLO="U"),
        **LOOSE, **both("linalg.eigh", decomposition.eigh, symmetric, rebuilt_eigh)),
    row("eigvalsh", lambda x, UPLO="L": np.linalg.eigvalsh(symmetric(x), UPLO), *SQUARES, call(A3, "U"), **LOOSE,
        **both("linalg.eigvalsh", decomposition.eigvalsh, symmetric)),

    row("_pinv", lambda x, atol, rtol: np.linalg.pinv(x), call(TALL, 0.0, 1e-12), call(WIDE, 0.0, 1e-12), **LOOSE,
        torch=lambda x, atol, rtol: torch("linalg.pinv")(x, atol=atol, rtol=rtol)),
    row("pinv", np.linalg.pinv, *RECTANGLES, run=decomposition.pinv, torch="linalg.pinv", **LOOSE),
    row("pinv", lambda x, hermitian: np.linalg.pinv(symmetric(x)), call(A3, hermitian=True), note="hermitian",
        **LOOSE, **both("linalg.pinv", decomposition.pinv, symmetric)),
    row("pinverse", np.linalg.pinv, call(TALL), call(BATCH), **LOOSE),
    row("matrix_rank", np.linalg.matrix_rank, call(A3), call(TALLS), call(SINGULAR), call(F([[0.0]])), gradient=False,
        dtype="int64", run=decomposition.matrix_rank, torch="linalg.matrix_rank"),
    row("matrix_rank", lambda x, **options: np.array(1), call(SINGULAR, hermitian=True), call(A2, atol=3.0),
        call(A2, rtol=0.8), note="options", gradient=False, dtype="int64", run=decomposition.matrix_rank,
        torch="linalg.matrix_rank"),
    row("_largest", lambda S: S.max(-1, keepdims=True), call(T(3)), call(T(2, 3)), gradient=False,
        torch=lambda S: S.amax(-1, keepdim=True)),
    row("lstsq", np_lstsq, call(TALL, T(3, 2)), call(TALL, T(3)), call(WIDE, T(2, 1)), call(TALLS, T(2, 3, 2)), **LOOSE,
        run=lambda *args: decomposition.lstsq(*args).solution, torch=lambda *args: torch("linalg.lstsq")(*args)[0]),

    row("tensorinv", np.linalg.tensorinv, call(T(4, 2, 2), ind=1), call(T(2, 1, 1, 2)), run=linalg.tensorinv,
        torch="linalg.tensorinv", **LOOSE),
    row("tensorsolve", np.linalg.tensorsolve, call(T(2, 2, 4), T(2, 2)), call(T(1, 2, 2), T(1, 2)),
        run=linalg.tensorsolve, torch="linalg.tensorsolve", **LOOSE),
    row("tensorsolve", lambda A, B, dims: np.linalg.tensorsolve(A, B, dims), call(T(4, 2, 2), T(2, 2), dims=(0,)),
        note="dims", run=linalg.tensorsolve, torch="linalg.tensorsolve", **LOOSE),
    row("vander", lambda x, N=None: np.vander(x, N, increasing=True), call(T(3)), call(T(3), N=2), call(T(2), N=4),
        note="linalg", run=linalg.vander, torch="linalg.vander"),

    row("_power_norm", lambda x, p, dim=None, keepdim=False: np_vector_norm(x, p, dim, keepdim), call(T(2, 3), 3.0),
        call(T(2, 3), 1.5, 1), call(T(2, 3), 0.5, -1, True), torch="linalg.vector_norm"),
    row("vector_norm", np_vector_norm, call(T(2, 3)), call(T(2, 3), 1, 0), call(T(2, 3), 3, dim=1, keepdim=True),
        call(T(2, 3), math.inf), call(T(2, 3), -math.inf, 1), call(T(2, 3), 0.5), call(T(2, 3, 2), 3, dim=[0, 2]),
        call(T(3), ord=4), note="linalg", run=norms.vector_norm, torch="linalg.vector_norm",
        kinks=[call(F([0.0, 0.0]), p) for p in (1, 1.5, 2, 3)] + [call(F([0.0, 2.0]), p) for p in (1, 1.5, 2, 3)]
        + [call(F([2.0, -2.0, 1.0]), math.inf), call(F([3.0, 0.0]), 0)]),
    row("matrix_norm", np.linalg.norm, call(A3), call(A3, "fro"), call(TALL, "nuc"), call(A3, 1), call(A3, -1),
        call(A3, 2), call(A3, -2), call(WIDE, math.inf), call(WIDE, -math.inf), run=norms.matrix_norm,
        torch="linalg.matrix_norm", **LOOSE),
    row("matrix_norm", lambda x, ord, dim, keepdim=False: np.linalg.norm(x, ord, dim, keepdim), call(TALLS, 1, (0, 2)),
        call(TALLS, "nuc", (1, 0)), call(TALLS, 2, (-1, 1), True), call(TALLS, math.inf, (2, 0), keepdim=True),
        note="dims", run=norms.matrix_norm, torch="linalg.matrix_norm", **LOOSE),
    row("norm", np.linalg.norm, call(T(3)), call(A3), call(T(3), 1), call(A3, 1), call(A3, "nuc"), call(T(2, 3, 2)),
        note="linalg", run=norms.norm, torch="linalg.norm", **LOOSE),
    row("norm", lambda x, ord, dim, keepdim=False: np.linalg.norm(x, ord, dim, keepdim), call(A3, 2, 1),
        call(TALLS, 1, (1, 2)), call(TALLS, None, 1, keepdim=True), note="linalg dims", run=norms.norm,
        torch="linalg.norm", **LOOSE),
    row("cond", lambda x, p=None: np.linalg.cond(x, p), call(A3), call(BATCH), call(A3, -2),
        run=norms.cond, torch="linalg.cond", **LOOSE),
    row("cond", np.linalg.cond, call(A3, 1), call(A3, "nuc"), call(BATCH, math.inf), note="inverse", run=norms.cond,
        torch="linalg.cond", beside="values", **LOOSE),

    row("_euclidean", lambda a, b, product: np_cdist(a, b), call(T(3, 2), T(4, 2), False),
        call(T(3, 2), T(2, 4, 2), True),
        torch=lambda a, b, product: torch("cdist")(a, b, compute_mode="donot_use_mm_for_euclid_dist"), beside="first"),
    row("cdist", np_cdist, call(T(3, 2), T(4, 2)), call(T(2, 3, 2), T(4, 2)), call(T(3, 2), T(2, 2), 1),
        call(T(3, 2), T(2, 2), p=3.0), call(T(3, 2), T(2, 2), math.inf), call(T(0, 2), T(2, 2)),
        call(T(3, 2), T(4, 2), compute_mode="use_mm_for_euclid_dist"), call(T(27, 2), T(2, 2)),
        beside="first", kinks=[call(F([[1.0, 2.0], [0.0, 1.0]]), F([[1.0, 2.0]]), p) for p in (1, 1.5, 2, 3)]),
    row("_pairs", lambda x: np.stack(np.triu_indices(len(x), 1)), call(T(4, 2)), gradient=False, dtype="int64",
        torch=lambda x: torch("triu_indices")(len(x), len(x), 1)),
    row("pdist", np_pdist, call(T(4, 2)), call(T(3, 3), 1), call(T(2, 2), p=3.0), call(T(3, 2), math.inf),
        call(T(1, 2)), beside="first", kinks=[call(F([[1.0, 2.0], [1.0, 2.0], [0.0, 1.0]]), p) for p in (1, 2, 3)]),
]
# fmt: on
