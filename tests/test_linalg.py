"""Linear algebra: PyTorch beside, properties of every decomposition, batches, gradients at hard places, refusals."""

from __future__ import annotations

import math
import types
from collections.abc import Callable
from typing import Any

import beside
import numpy as np
import pytest

import minigrad
from minigrad import linalg, ops
from minigrad.autograd import grad, gradcheck, gradgradcheck

PROGRAMS = beside.topics("linalg.txt")
Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def torch() -> types.ModuleType:
    return pytest.importorskip("torch")


@pytest.mark.parametrize("topic", PROGRAMS)
def test_the_same_as_pytorch(topic: str, torch: types.ModuleType) -> None:
    assert not list(beside.differences(PROGRAMS[topic], torch))


def drawn(*shape: int, seed: int = 0) -> Any:
    return minigrad.from_numpy(np.random.default_rng(seed).normal(size=shape))


def close(a: Any, b: Any, rtol: float = 1e-12) -> None:
    a, b = (x.detach().array if isinstance(x, minigrad.Tensor) else x for x in (a, b))
    np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


# ----------------------------------------------------------------------------------------------------------------
# What each decomposition promises

SHAPES = [(3, 3), (4, 2), (2, 4), (2, 3, 3), (2, 1, 5, 3), (1, 1), (3, 0), (0, 2), (0, 3, 2)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("full", [True, False])
def test_svd(shape: tuple[int, ...], full: bool) -> None:
    A = drawn(*shape)
    U, S, Vh = linalg.svd(A, full_matrices=full)
    k = min(shape[-2:])
    assert U.shape[-1] == (shape[-2] if full else k) and Vh.shape[-2] == (shape[-1] if full else k)
    close((U[..., :k] * S.unsqueeze(-2)) @ Vh[..., :k, :], A)
    close(U.mT @ U, np.broadcast_to(np.eye(U.shape[-1]), (*shape[:-2], U.shape[-1], U.shape[-1])))
    close(Vh @ Vh.mT, np.broadcast_to(np.eye(Vh.shape[-2]), (*shape[:-2], Vh.shape[-2], Vh.shape[-2])))
    assert (S.array >= 0).all() and (np.diff(S.array) <= 0).all()
    close(linalg.svdvals(A), S)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mode", ["reduced", "complete"])
def test_qr(shape: tuple[int, ...], mode: str) -> None:
    A = drawn(*shape)
    Q, R = linalg.qr(A, mode)
    close(Q @ R, A)
    close(Q.mT @ Q, np.broadcast_to(np.eye(Q.shape[-1]), (*shape[:-2], Q.shape[-1], Q.shape[-1])))
    close(R, np.triu(R.array))
    if mode == "reduced":
        close(linalg.qr(A, "r").R, R)


@pytest.mark.parametrize("shape", [(3, 3), (2, 3, 3), (1, 1), (0, 0), (0, 2, 2)])
def test_eigh_and_cholesky(shape: tuple[int, ...]) -> None:
    A = drawn(*shape)
    A = A @ A.mT + 0.1 * minigrad.eye(shape[-1], dtype=A.dtype)
    values, V = linalg.eigh(A)
    close((V * values.unsqueeze(-2)) @ V.mT, A)
    assert (np.diff(values.array) >= 0).all()
    close(linalg.eigvalsh(A), values)
    L, U = linalg.cholesky(A), linalg.cholesky(A, upper=True)
    close(L @ L.mT, A)
    close(U.mT @ U, A)
    close(L, np.tril(L.array))
    close(A @ minigrad.cholesky_inverse(L), np.broadcast_to(np.eye(shape[-1]), shape), rtol=1e-10)
    sign, logabsdet = linalg.slogdet(A)
    close(sign * logabsdet.exp(), linalg.det(A))
    close(minigrad.logdet(A), np.log(linalg.det(A).array))


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 3, 2)])
def test_pinv_has_the_four_properties_of_penrose(shape: tuple[int, ...]) -> None:
    A = drawn(*shape)
    P = linalg.pinv(A)
    close(A @ P @ A, A)
    close(P @ A @ P, P)
    close(A @ P, (A @ P).mT)
    close(P @ A, (P @ A).mT)


def test_triangles_that_are_not_looked_at() -> None:
    A = drawn(3, 3)
    S = A @ A.mT
    for function in (linalg.cholesky, linalg.eigvalsh):
        close(function(S.tril()), function(S))
    close(linalg.cholesky(S.triu(), upper=True), linalg.cholesky(S, upper=True))
    close(linalg.eigvalsh(S.triu(), "U"), linalg.eigvalsh(S))
    close(linalg.pinv(S.tril(), hermitian=True), linalg.pinv(S), rtol=1e-9)


def test_a_large_determinant() -> None:
    A = 100 * minigrad.eye(500)
    sign, logabsdet = linalg.slogdet(A)
    assert sign.item() == 1 and math.isclose(logabsdet.item(), 500 * math.log(100), rel_tol=1e-6)


def test_multi_dot_multiplies_in_the_cheapest_order(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[tuple[Any, Any]] = []

    def noted(a: Any, b: Any) -> Any:
        shapes.append((tuple(a.shape), tuple(b.shape)))
        return ops.matmul(a, b)

    monkeypatch.setattr("minigrad.ops.product.matmul", noted)
    linalg.multi_dot([drawn(10, 100), drawn(100, 5), drawn(5, 50)])
    assert shapes == [((10, 100), (100, 5)), ((10, 5), (5, 50))]  # 7,500 multiplications; the other order needs 75,000
    del shapes[:]
    linalg.multi_dot([drawn(50, 5), drawn(5, 100), drawn(100, 10)])
    assert shapes[0] == ((5, 100), (100, 10))


def test_cdist_by_a_product_and_by_differences() -> None:
    a, b = drawn(30, 4), drawn(7, 4, seed=1)
    exact = np.sqrt(((a.array[:, None] - b.array[None]) ** 2).sum(-1))
    for mode in ("use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist", "use_mm_for_euclid_dist_if_necessary"):
        close(minigrad.cdist(a, b, compute_mode=mode), exact)
    far = a + 1e6  # far from 0 a product without centring would leave 4 digits
    close(minigrad.cdist(far, far[:5]), minigrad.cdist(far, far[:5], compute_mode="donot_use_mm_for_euclid_dist"), 1e-6)


# ----------------------------------------------------------------------------------------------------------------
# Gradients at hard places


def slope(f: Callable[[Any], Any], x: Any) -> Any:
    x = minigrad.tensor(x, dtype=minigrad.float64, requires_grad=True)
    f(x).backward()
    return x.grad.array


def test_det_of_a_singular_matrix_has_a_gradient() -> None:
    np.testing.assert_allclose(slope(linalg.det, [[1.0, 2.0], [2.0, 4.0]]), [[4, -2], [-2, 1]], rtol=1e-12)
    three = slope(linalg.det, np.diag([2.0, 3.0, 0.0]))
    np.testing.assert_allclose(three, np.diag([0.0, 0.0, 6.0]), atol=1e-15)
    np.testing.assert_array_equal(slope(linalg.det, np.zeros((3, 3))), 0)
    almost = np.arange(1.0, 10.0).reshape(3, 3)  # rounding leaves a determinant of 7e-16
    np.testing.assert_allclose(slope(linalg.det, almost), [[-3, 6, -3], [6, -12, 6], [-3, 6, -3]], rtol=1e-12)
    both = slope(lambda x: linalg.det(x).sum(), [[[1.0, 2.0], [2.0, 4.0]], [[1.0, 2.0], [3.0, 4.0]]])
    np.testing.assert_allclose(both, [[[4, -2], [-2, 1]], [[4, -3], [-2, 1]]], rtol=1e-12)


def test_equal_singular_values_and_eigenvalues() -> None:
    eye = np.eye(3)
    np.testing.assert_allclose(slope(lambda x: linalg.svd(x).S.sum(), eye), eye, atol=1e-15)
    np.testing.assert_allclose(slope(lambda x: linalg.matrix_norm(x, "nuc"), eye), eye, atol=1e-15)
    np.testing.assert_allclose(slope(lambda x: linalg.eigh(x).eigenvalues.sum(), eye), eye, atol=1e-15)
    np.testing.assert_allclose(slope(lambda x: linalg.eigvalsh(x).sum(), eye), eye, atol=1e-15)


def test_where_the_vectors_are_not_unique_the_gradient_says_so() -> None:
    with np.errstate(divide="ignore", invalid="ignore"):
        assert not np.isfinite(slope(lambda x: linalg.eigh(x).eigenvectors[0, 1], np.eye(2))).all()


def test_norms_at_the_origin_and_cdist_at_distance_0() -> None:
    for p in (0.5, 1, 1.5, 2, 3, math.inf):
        np.testing.assert_array_equal(slope(lambda x, p=p: linalg.vector_norm(x, p), np.zeros(3)), 0)
        np.testing.assert_array_equal(slope(lambda x, p=p: minigrad.cdist(x, x.detach(), p).sum(), np.ones((1, 2))), 0)


def test_gradients_of_the_products_of_factors() -> None:
    """A = f(A) for every decomposition f that is multiplied out again, so the gradient is the one that comes in."""
    A, g = drawn(4, 3), drawn(4, 3, seed=1)
    A.requires_grad_()
    for f in (
        lambda x: linalg.qr(x).Q @ linalg.qr(x).R,
        lambda x: (linalg.svd(x, False).U * linalg.svd(x, False).S) @ linalg.svd(x, False).Vh,
        lambda x: linalg.lstsq(minigrad.eye(4, dtype=x.dtype), x).solution,
        lambda x: linalg.pinv(linalg.pinv(x)),
    ):
        (found,) = grad(f(A), A, g)
        close(found, g, rtol=1e-9)


def test_only_some_of_the_factors_are_used() -> None:
    A = drawn(3, 3).requires_grad_()
    for f in (
        lambda x: linalg.svd(x).U[:, 0].abs(),
        lambda x: linalg.svd(x).Vh.abs(),
        lambda x: linalg.qr(x).R,
        lambda x: linalg.qr(x).Q,
        lambda x: linalg.eigh(x + x.mT).eigenvectors.abs(),
        lambda x: linalg.slogdet(x).logabsdet,
        lambda x: linalg.cholesky(x @ x.mT + minigrad.eye(3, dtype=x.dtype)),
    ):
        assert gradcheck(f, A) and gradgradcheck(f, A)


def test_factors_of_float32_are_float32() -> None:
    A = drawn(3, 3).float().requires_grad_()
    S = A @ A.mT + minigrad.eye(3)
    results = [*linalg.svd(A), *linalg.qr(A), *linalg.eigh(S), *linalg.slogdet(A), linalg.pinv(A), linalg.cholesky(S)]
    assert {str(x.dtype) for x in results} == {"float32"}
    (g,) = grad(sum(x.sum() for x in results), A)
    assert g.dtype == "float32"


def test_the_sign_of_a_determinant_has_no_gradient() -> None:
    A = drawn(3, 3).requires_grad_()
    (g,) = grad(linalg.slogdet(A).sign, A)
    np.testing.assert_array_equal(g.array, 0)


def test_lstsq_returns_what_the_driver_computes() -> None:
    A, B = drawn(5, 2), drawn(5, 3, seed=1)
    X, residuals, rank, S = linalg.lstsq(A, B, driver="gelsd")
    expected = np.linalg.lstsq(A.array, B.array)
    for ours, theirs in zip((X, residuals, rank, S), expected, strict=True):
        close(ours, theirs)
    assert linalg.lstsq(A, B).residuals.shape == (0,) and linalg.lstsq(A, B).rank.item() == 2


# ----------------------------------------------------------------------------------------------------------------
# Names, methods, refusals


def test_names(torch: types.ModuleType) -> None:
    assert sorted(linalg.__all__) == linalg.__all__
    assert set(linalg.__all__) <= set(dir(torch.linalg))
    assert issubclass(linalg.LinAlgError, RuntimeError) and issubclass(torch.linalg.LinAlgError, RuntimeError)


def test_field_names(torch: types.ModuleType) -> None:
    d = np.eye(2)
    for name in ("svd", "qr", "eigh", "slogdet"):
        ours = getattr(linalg, name)(minigrad.from_numpy(d))
        theirs = getattr(torch.linalg, name)(torch.from_numpy(d))
        for field in ours._fields:
            assert getattr(theirs, field).shape == tuple(getattr(ours, field).shape)
    ours, theirs = minigrad.svd(minigrad.from_numpy(d)), torch.svd(torch.from_numpy(d))
    assert all(hasattr(theirs, field) for field in ours._fields)


METHODS = (
    "addbmm addmm addmv addr baddbmm bmm cholesky cholesky_inverse cholesky_solve cross det dot ger inner inverse kron "
    "logdet matmul matrix_power mm mv outer pinverse qr slogdet svd trace vdot"
)


@pytest.mark.parametrize("name", METHODS.split())
def test_methods_are_functions_too(name: str, torch: types.ModuleType) -> None:
    assert hasattr(torch.Tensor, name) and hasattr(torch, name)
    assert callable(getattr(minigrad.Tensor, name)) and callable(getattr(minigrad, name))


def test_eigenvalues_that_could_be_complex_are_refused() -> None:
    for name in ("eig", "eigvals"):
        with pytest.raises(AttributeError, match=r"complex.*use eigh or eigvalsh"):
            getattr(linalg, name)
    with pytest.raises(AttributeError, match="raises LinAlgError"):
        linalg.inv_ex  # noqa: B018
    with pytest.raises(AttributeError, match="has no 'lu': solve, qr and cholesky"):
        linalg.lu  # noqa: B018
    assert not hasattr(linalg, "invert")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: linalg.inv(minigrad.ones(3, 3)), r"linalg.inv: .* singular one in \(3, 3\); see linalg.pinv"),
        (lambda: linalg.solve(minigrad.zeros(2, 2), minigrad.ones(2)), "linalg.solve: .*singular.*see linalg.lstsq"),
        (lambda: linalg.cholesky(-minigrad.eye(2)), r"positive definite matrices, got one in \(2, 2\) with an eigen"),
        (lambda: linalg.svd(minigrad.full((2, 2), math.nan)), "linalg.svd: no convergence; does the matrix hold NaN"),
    ],
)
def test_what_cannot_be_done_with_a_matrix(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(linalg.LinAlgError, match=words) as caught:
        call()
    assert isinstance(caught.value, RuntimeError)


def test_the_last_columns_of_a_complete_q_have_no_gradient() -> None:
    A = drawn(4, 2).requires_grad_()
    Q, _ = linalg.qr(A, "complete")
    with pytest.raises(RuntimeError, match=r"4 rows for 2 columns .* use mode='reduced'"):
        Q.sum().backward()
    Q, _ = linalg.qr(A.T, "complete")
    Q.sum().backward()
    assert A.grad is not None


def test_condition_of_singular_matrices() -> None:
    with np.errstate(divide="ignore"):
        assert linalg.cond(minigrad.ones(2, 2), 1).item() == math.inf
        assert linalg.cond(minigrad.zeros(2, 2) + minigrad.diag(minigrad.tensor([1.0, 0.0]))).item() == math.inf


def test_products_refuse_what_does_not_fit() -> None:
    x = minigrad.ones(2, 3)
    with pytest.raises(RuntimeError, match=r"addmm: the input of shape \(5,\) does not broadcast .* \(2, 2\)"):
        minigrad.addmm(minigrad.ones(5), x, x.T)
    with pytest.raises(RuntimeError, match="one dtype, got float64 and float32"):
        minigrad.addmm(minigrad.ones(2, dtype=minigrad.float64), x, x.T)
    with pytest.raises(RuntimeError, match=r"dims \[1\] of \(2, 3\) and \[0\] of \(2, 3\) have different sizes"):
        minigrad.tensordot(x, x, 1)
    with pytest.raises(RuntimeError, match="no dimension of size 3"):
        minigrad.cross(x[:, :2], x[:, :2])
    with pytest.raises(RuntimeError, match="at the ends matrices or vectors"):
        linalg.multi_dot([x, x[0], x])
