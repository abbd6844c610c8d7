"""Random tensors: the same seed gives the same numbers, and they follow the distribution they are named after."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import strict_cupy

import minigrad
from minigrad import Tensor

DRAWS = {
    "rand": lambda **options: minigrad.rand(4, **options),
    "randn": lambda **options: minigrad.randn(4, **options),
    "randint": lambda **options: minigrad.randint(1000, (4,), **options),
    "randperm": lambda **options: minigrad.randperm(20, **options),
    "normal": lambda **options: minigrad.normal(0.0, 1.0, (4,), **options),
    "normal of tensors": lambda **options: minigrad.normal(minigrad.zeros(4), minigrad.ones(4), **options),
    "bernoulli": lambda **options: minigrad.bernoulli(minigrad.full((40,), 0.5), **options),
    "rand_like": lambda **options: minigrad.rand_like(minigrad.zeros(4), **options),
    "uniform_": lambda **options: minigrad.zeros(4).uniform_(**options),
    "normal_": lambda **options: minigrad.zeros(4).normal_(**options),
    "randint_like": lambda **options: minigrad.randint_like(minigrad.zeros(4), 1000, **options),
    "poisson": lambda **options: minigrad.poisson(minigrad.full((40,), 5.0), **options),
    "multinomial": lambda **options: minigrad.multinomial(minigrad.ones(40), 20, **options),
    "multinomial again": lambda **options: minigrad.multinomial(minigrad.ones(40), 20, True, **options),
    "exponential_": lambda **options: minigrad.zeros(4).exponential_(**options),
    "log_normal_": lambda **options: minigrad.zeros(4).log_normal_(**options),
    "cauchy_": lambda **options: minigrad.zeros(4).cauchy_(**options),
    "geometric_": lambda **options: minigrad.zeros(40).geometric_(0.2, **options),
    "random_": lambda **options: minigrad.zeros(4).random_(**options),
    "bernoulli_": lambda **options: minigrad.zeros(40).bernoulli_(**options),
}


@pytest.mark.parametrize("name", DRAWS)
def test_same_seed_same_numbers(name: str) -> None:
    draw = DRAWS[name]
    minigrad.manual_seed(3)
    first, second = draw(), draw()
    np.random.seed(1)  # noqa: NPY002
    np.random.rand(10)  # noqa: NPY002
    minigrad.manual_seed(3)
    assert draw().tolist() == first.tolist() and draw().tolist() == second.tolist() != first.tolist()
    generator = minigrad.Generator().manual_seed(3)
    assert draw(generator=generator).tolist() == first.tolist()
    before = minigrad.rand(1).item()
    minigrad.manual_seed(3)
    draw(), draw()
    draw(generator=generator)
    assert minigrad.rand(1).item() == before  # a generator of one's own leaves the default one alone


def test_numpy_random_state_is_left_alone() -> None:
    np.random.seed(5)  # noqa: NPY002
    expected = np.random.rand()  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    minigrad.manual_seed(1)
    minigrad.randn(100)
    assert np.random.rand() == expected  # noqa: NPY002


def check_moments(x: Tensor, mean: float, std: float) -> None:
    n = x.numel()
    array = x.numpy().astype(np.float64)
    assert abs(array.mean() - mean) < 5 * std / n**0.5
    assert abs(array.std() / std - 1) < 5 * n**-0.5


@pytest.mark.parametrize("dtype", [minigrad.float32, minigrad.float64])
def test_moments(dtype: Any) -> None:
    n = 100_000
    check_moments(minigrad.rand(n, dtype=dtype), 0.5, 12**-0.5)
    check_moments(minigrad.randn(n, dtype=dtype), 0.0, 1.0)
    check_moments(minigrad.normal(3.0, 2.0, (n,), dtype=dtype), 3.0, 2.0)
    check_moments(minigrad.bernoulli(minigrad.full((n,), 0.3, dtype=dtype)), 0.3, 0.21**0.5)
    check_moments(minigrad.zeros(n, dtype=dtype).uniform_(-2, 4), 1.0, 3**0.5)
    drawn = minigrad.rand(n, dtype=dtype)
    assert drawn.dtype == dtype and drawn.min() >= 0 and drawn.max() < 1


def test_normal_of_tensors_follows_each_entry() -> None:
    mean = minigrad.tensor([0.0, 100.0], requires_grad=True)
    drawn = minigrad.normal(mean.expand(5000, 2), minigrad.tensor([1.0, 0.1]))
    assert not drawn.requires_grad
    check_moments(drawn[:, 0], 0.0, 1.0)
    check_moments(drawn[:, 1], 100.0, 0.1)


def test_randint_reaches_each_value_alike() -> None:
    counts = np.bincount(minigrad.randint(3, 7, (70_000,)).numpy() - 3, minlength=4)
    assert len(counts) == 4 and abs(counts / 70_000 - 0.25).max() < 5 * (0.25 * 0.75 / 70_000) ** 0.5
    assert sorted(minigrad.randperm(50).tolist()) == list(range(50))


def test_bernoulli_at_the_ends() -> None:
    assert minigrad.bernoulli(minigrad.tensor([0.0, 1.0] * 500)).tolist() == [0.0, 1.0] * 500
    assert minigrad.bernoulli(minigrad.zeros(100), 1.0).sum().item() == 100


# ----------------------------------------------------------------------------------------------------------------
# Distributions: the share of draws up to a point is the distribution function there


def normal_share(t: float) -> float:
    return 0.5 + 0.5 * math.erf(t / 2**0.5)


CONTINUOUS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[float], float]]] = {
    "exponential_": (lambda x: x.exponential_(2.0), lambda t: 1 - math.exp(-2 * t)),
    "log_normal_": (
        lambda x: x.log_normal_(0.5, 0.8),
        lambda t: 0.5 + 0.5 * math.erf((math.log(t) - 0.5) / 0.8 / 2**0.5),
    ),
    "cauchy_": (lambda x: x.cauchy_(0.3, 0.5), lambda t: 0.5 + math.atan((t - 0.3) / 0.5) / math.pi),
    "uniform_": (lambda x: x.uniform_(0, 2), lambda t: t / 2),
    "normal_": (lambda x: x.normal_(0.4, 1.5), lambda t: normal_share((t - 0.4) / 1.5)),
}


@pytest.mark.parametrize("name", CONTINUOUS)
def test_distribution_functions(name: str) -> None:
    fill, share = CONTINUOUS[name]
    n = 50_000
    drawn = fill(minigrad.zeros(n)).numpy()
    assert drawn.dtype == np.float32 and np.isfinite(drawn).all()
    for t in (0.05, 0.2, 0.5, 1.0, 1.7):
        expected = share(t)
        assert abs((drawn <= t).mean() - expected) < 5 * (expected * (1 - expected) / n) ** 0.5


def test_geometric_counts_tries() -> None:
    drawn = minigrad.zeros(50_000).geometric_(0.3).numpy()
    assert drawn.min() == 1 and (drawn == drawn.round()).all()
    for k in (1, 2, 5):
        p = 0.3 * 0.7 ** (k - 1)
        assert abs((drawn == k).mean() - p) < 5 * (p * (1 - p) / 50_000) ** 0.5


def test_poisson_follows_each_rate() -> None:
    drawn = minigrad.poisson(minigrad.tensor([0.0, 0.5, 30.0]).expand(20_000, 3)).numpy()
    assert (drawn[:, 0] == 0).all()
    for column, rate in ((1, 0.5), (2, 30.0)):
        assert abs(drawn[:, column].mean() - rate) < 5 * (rate / 20_000) ** 0.5
        assert abs(drawn[:, column].var() / rate - 1) < 0.1


def test_multinomial_with_replacement() -> None:
    p = minigrad.tensor([[0.0, 1.0, 3.0, 0.0], [5.0, 0.0, 0.0, 5.0]])
    drawn = minigrad.multinomial(p, 40_000, replacement=True)
    assert drawn.shape == (2, 40_000) and drawn.dtype == minigrad.int64
    for row, shares in zip(drawn.numpy(), (p / p.sum(1, keepdim=True)).numpy(), strict=True):
        counts = np.bincount(row, minlength=4) / 40_000
        assert (counts[shares == 0] == 0).all()
        assert (abs(counts - shares) <= 5 * (shares * (1 - shares) / 40_000) ** 0.5).all()


def test_multinomial_without_replacement_draws_one_after_the_other() -> None:
    """First 0 with probability 1/2, then each of the others in proportion to what is left."""
    p = minigrad.tensor([2.0, 1.0, 1.0]).expand(40_000, 3)
    drawn = minigrad.multinomial(p, 3).numpy()
    assert (np.sort(drawn, 1) == [0, 1, 2]).all()
    for order, probability in (((0, 1, 2), 1 / 4), ((1, 0, 2), 1 / 4 * 2 / 3), ((2, 1, 0), 1 / 4 * 1 / 3)):
        found = (drawn == order).all(1).mean()
        assert abs(found - probability) < 5 * (probability * (1 - probability) / 40_000) ** 0.5
    rare = minigrad.multinomial(minigrad.tensor([0.0, 1.0, 0.0, 2.0]), 2).tolist()
    assert sorted(rare) == [1, 3]  # what has no chance comes last


def test_random_reaches_the_bounds() -> None:
    drawn = minigrad.zeros(2000, dtype=minigrad.int64).random_(3, 6)
    assert sorted(set(drawn.tolist())) == [3, 4, 5]
    assert sorted(set(minigrad.zeros(500, dtype=minigrad.bool).random_().tolist())) == [False, True]
    assert minigrad.zeros(2000, dtype=minigrad.uint8).random_().max() > 200
    wide = minigrad.zeros(2000).random_()
    assert wide.max() < 2**24 and wide.max() > 2**23 and (wide == wide.trunc()).all()


def test_what_is_drawn_does_not_depend_on_what_was_there() -> None:
    x = minigrad.ones(3, requires_grad=True)
    y = x * 2
    (y.exponential_() * y).sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, 0.0]
    assert not minigrad.zeros(3).exponential_().requires_grad


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: minigrad.multinomial(minigrad.zeros(2), 1), "nor all 0"),
    (lambda: minigrad.multinomial(minigrad.tensor([-1.0, 2.0]), 1), "not negative"),
    (lambda: minigrad.multinomial(minigrad.tensor([math.inf, 2.0]), 1), "finite"),
    (lambda: minigrad.multinomial(minigrad.ones(2), 3), "without replacement up to the number of entries"),
    (lambda: minigrad.multinomial(minigrad.tensor([1, 2]), 1), "expected a floating vector or matrix"),
    (lambda: minigrad.poisson(minigrad.tensor([-1.0])), "not negative"),
    (lambda: minigrad.poisson(minigrad.tensor([1])), "expected floating rates"),
    (lambda: minigrad.zeros(2).exponential_(0.0), "expected lambd > 0"),
    (lambda: minigrad.zeros(2).cauchy_(sigma=0.0), "expected sigma > 0"),
    (lambda: minigrad.zeros(2).geometric_(0.0), "expected p between 0 and 1"),
    (lambda: minigrad.zeros(2).random_(5, 5), "expected from_ < to"),
    (lambda: minigrad.zeros(2, dtype=minigrad.int64).exponential_(), "expected dtype float32 or float64"),
    (lambda: minigrad.zeros(2, dtype=minigrad.int64).log_normal_(), "expected dtype float32 or float64"),
]


@pytest.mark.parametrize(("call", "words"), REFUSED)
def test_refusals(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(RuntimeError, match=words):
        call()


def test_draws_on_the_gpu() -> None:
    with strict_cupy.installed() as cp:
        before = cp.syncs
        p = minigrad.tensor([0.0, 1.0, 3.0], device="cuda")
        draws = [
            minigrad.multinomial(p, 5, replacement=True),
            minigrad.multinomial(p, 2),
            minigrad.poisson(p),
            minigrad.bernoulli(p * 0.3),
            minigrad.randint_like(p, 4),
            *(getattr(minigrad.zeros(3, device="cuda"), name)() for name in ("exponential_", "cauchy_", "log_normal_")),
            minigrad.zeros(3, device="cuda").geometric_(0.5),
            minigrad.zeros(3, device="cuda").random_(7),
        ]
        assert all(isinstance(x.array, cp.ndarray) for x in draws)
        assert cp.syncs == before
        assert 0 not in draws[0].tolist()
