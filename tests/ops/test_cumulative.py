"""Running sums, products and extremes where it is delicate: zeros, overflow, nothing but -inf, long rows."""

from __future__ import annotations

import math

import numpy as np
import pytest
import strict_cupy

import minigrad
from minigrad.autograd import grad, gradcheck


def test_cumprod_past_zeros() -> None:
    """y = (2, 0, 0, 0): with ones coming in, each entry gets the products of the others, zeros or not."""
    x = minigrad.tensor([2.0, 0.0, 3.0, 0.0], requires_grad=True)
    x.cumprod(0).sum().backward()
    assert x.grad.tolist() == [1.0, 2.0 + 6.0, 0.0, 0.0]


def test_cumprod_of_a_long_row_is_differentiated_in_few_steps() -> None:
    n = 3000
    x = minigrad.from_numpy(np.random.default_rng(0).uniform(0.99, 1.01, n)).requires_grad_()
    (found,) = grad(x.cumprod(0).sum(), x)
    y = np.cumprod(x.numpy(force=True))
    expected = np.cumsum(y[::-1])[::-1] / x.numpy(force=True)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-11)


@pytest.mark.parametrize(
    "values", [[-1000.0, 1000.0, 0.0], [1000.0, -1000.0, 999.0], [-math.inf, -math.inf, -900.0, 3.0]]
)
def test_logcumsumexp_far_from_zero(values: list[float]) -> None:
    x = minigrad.tensor(values, dtype=minigrad.float64, requires_grad=True)
    y = x.logcumsumexp(0)
    expected = [np.logaddexp.reduce(values[: k + 1]) for k in range(len(values))]
    np.testing.assert_allclose(y.numpy(force=True), expected, rtol=1e-15)
    (found,) = grad(y.sum(), x, create_graph=True)
    shares = [sum(math.exp(v - e) for e in expected[k:]) if v > -math.inf else 0.0 for k, v in enumerate(values)]
    np.testing.assert_allclose(found.numpy(force=True), shares, rtol=1e-12)
    (second,) = grad(found.sum(), x)
    assert np.isfinite(second.numpy()).all()


def test_the_largest_so_far_sticks_to_nan() -> None:
    values, indices = minigrad.tensor([1.0, 3.0, 3.0, math.nan, 5.0]).cummax(0)
    assert values.tolist()[:3] == [1.0, 3.0, 3.0] and all(map(math.isnan, values.tolist()[3:]))
    assert indices.tolist() == [0, 1, 2, 3, 3]


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 8, 9, 31, 33])
def test_doubling_steps_on_the_gpu_reach_every_length(n: int) -> None:
    values = np.random.default_rng(n).normal(size=(2, n))
    on_cpu = minigrad.from_numpy(values)
    with strict_cupy.installed() as cp:
        x = minigrad.from_numpy(values).cuda()
        for name in ("cumsum", "cumprod", "logcumsumexp"):
            found, expected = getattr(x, name)(1), getattr(on_cpu, name)(1)
            np.testing.assert_allclose(cp.asnumpy(found.array), expected.array, rtol=1e-12)
        assert cp.asnumpy(x.cummax(1).indices.array).tolist() == on_cpu.cummax(1).indices.tolist()
    leaf = minigrad.from_numpy(values).requires_grad_()
    assert gradcheck(lambda x: x.cumprod(1), [leaf]) and gradcheck(lambda x: x.logcumsumexp(1), [leaf])


def test_products_sent_to_one_place_meet_in_any_number() -> None:
    for n in (1, 2, 3, 6, 17):
        src = minigrad.from_numpy(np.random.default_rng(n).uniform(0.5, 1.5, n)).requires_grad_()
        index = minigrad.tensor(np.arange(n) % 2)
        y = minigrad.ones(2, dtype=minigrad.float64).scatter_reduce(0, index, src, "prod")
        np.testing.assert_allclose(y.numpy(force=True), [src.numpy(force=True)[k::2].prod() for k in (0, 1)])
