import math

import numpy as np
import pytest

import minigrad
from minigrad import datasets
from minigrad.datasets import make_blobs, make_circles, make_moons, make_regression, make_sine, make_spirals

CLASSES = [make_moons, make_circles, make_spirals, make_blobs]
ALL = [*CLASSES, make_regression, make_sine]


@pytest.mark.parametrize("make", ALL)
def test_seeds_repeat_and_types(make):
    a, b = make(30, seed=3), make(30, seed=3)
    assert all((p == q).all() for p, q in zip(a, b))
    assert any((p != q).any() for p, q in zip(a, make(30, seed=4)))
    minigrad.manual_seed(3)
    c = make(30)
    d = make(30, generator=minigrad.Generator().manual_seed(3))
    assert all((p == q).all() and (p == r).all() for p, q, r in zip(a, c, d))
    x, y = a
    assert x.dtype == minigrad.float32 and len(x) == len(y) == 30
    assert y.dtype == (minigrad.int64 if make in CLASSES else minigrad.float32)


@pytest.mark.parametrize("make", CLASSES)
def test_classes_are_even_and_mixed(make):
    _, y = make(100, seed=0)
    counts = y.bincount()
    assert counts.max() - counts.min() <= 1
    assert (y[1:] != y[:-1]).sum().item() > 0 and (y[:10] != y[0]).any()
    _, y = make(100, seed=0, shuffle=False)
    assert (y[1:] >= y[:-1]).all()


@pytest.mark.parametrize("make", [make_moons, make_circles])
@pytest.mark.parametrize("n", [10, 11, (3, 8)])
def test_as_sklearn(make, n):
    sk = pytest.importorskip("sklearn.datasets")
    x, y = make(n, shuffle=False)
    theirs, labels = getattr(sk, make.__name__)(n, shuffle=False)
    assert (x.numpy() == theirs.astype(np.float32)).all()
    assert (y.numpy() == labels).all()


def test_noise_has_its_size():
    quiet, _ = make_moons(2000, shuffle=False)
    noisy, _ = make_moons(2000, shuffle=False, noise=0.2, seed=0)
    assert (noisy - quiet).std().item() == pytest.approx(0.2, rel=0.05)
    x, y = make_sine(5000, noise=0.3, periods=2, seed=0)
    assert (y - (2 * x).sin()).std().item() == pytest.approx(0.3, rel=0.05)


def test_circles_and_spirals():
    x, y = make_circles(50, factor=0.3, seed=0)
    np.testing.assert_allclose((x**2).sum(1).sqrt().numpy(), np.where(y.numpy() == 1, 0.3, 1.0), rtol=1e-6)
    x, y = make_spirals(99, arms=3, turns=0.5, seed=0)
    radius, angle = (x**2).sum(1).sqrt(), minigrad.atan2(x[:, 1], x[:, 0])
    expected = 2 * math.pi * (0.5 * radius + y / 3)
    np.testing.assert_allclose((angle - expected).cos().numpy(), 1, atol=1e-5)
    assert radius.max().item() == pytest.approx(1.0)


def test_blobs():
    centers = [[0.0, 0.0, 5.0], [9.0, 0.0, 0.0]]
    x, y = make_blobs(4000, centers=centers, cluster_std=[0.5, 2.0], seed=0)
    for k in range(2):
        np.testing.assert_allclose(x[y == k].mean(0).numpy(), centers[k], atol=0.2)
        np.testing.assert_allclose(x[y == k].std(0).numpy(), [0.5, 2.0][k], rtol=0.1)
    x, y = make_blobs((5, 6, 7, 8), 4, seed=0)
    assert (tuple(x.shape), y.bincount().tolist()) == ((26, 4), [5, 6, 7, 8])


def test_regression():
    x, y, w = make_regression(50, 8, n_informative=3, bias=2.0, coef=True, seed=0)
    np.testing.assert_allclose(y.numpy(), (x @ w + 2).numpy(), rtol=1e-4, atol=1e-3)
    assert ((w != 0).sum().item(), tuple(y.shape)) == (3, (50,))
    x, y = make_regression(50, 8, n_targets=2, seed=0)
    assert tuple(y.shape) == (50, 2)
    x, y, w = make_regression(5000, 3, noise=4.0, coef=True, seed=0)
    assert (y - x @ w).std().item() == pytest.approx(4.0, rel=0.05)


def test_sine():
    x, y = make_sine(7, shuffle=False)
    assert tuple(x.shape) == tuple(y.shape) == (7, 1)
    np.testing.assert_allclose(x.numpy()[:, 0], np.linspace(-math.pi, math.pi, 7), rtol=1e-6)
    np.testing.assert_allclose(y.numpy(), np.sin(x.numpy()), atol=1e-6)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: make_moons(10, seed=1, generator=minigrad.Generator()), "make_moons: expected seed or generator"),
        (lambda: make_moons((1, 2, 3)), "one number or 2, one for each class"),
        (lambda: make_moons(-1), "at least 0, got -1"),
        (lambda: make_moons(4, noise=-1.0), "noise of at least 0"),
        (lambda: make_circles(4, factor=1.0), "from 0 to below 1, got 1.0"),
        (lambda: make_spirals(4, arms=0), "at least one arm"),
        (lambda: make_blobs(4, centers=0), "at least one centre"),
    ],
)
def test_refusals(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_unknown_name():
    with pytest.raises(AttributeError, match=r"minigrad.datasets has no 'ImageNet'"):
        datasets.ImageNet  # noqa: B018
