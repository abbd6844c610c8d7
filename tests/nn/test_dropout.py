"""Dropout and its variants: what is dropped, how often, by what the rest is multiplied, and PyTorch's shape rules."""

import inspect
import math

import beside
import numpy as np
import pytest
import strict_cupy

import minigrad
from minigrad import nn
from minigrad.nn import functional as F

FUNCTIONS = F.regularization.__all__
KINDS = nn.dropout.__all__
SHAPES = {
    "Dropout": (400, 300),
    "Dropout1d": (400, 300, 2),
    "Dropout2d": (400, 300, 2, 3),
    "Dropout3d": (400, 300, 1, 2, 2),
    "AlphaDropout": (400, 300),
    "FeatureAlphaDropout": (400, 300, 2),
}


def test_the_same_as_pytorch():
    torch = pytest.importorskip("torch")
    assert not list(beside.differences(beside.topics("nn_utils.txt")["dropout"], torch))


@pytest.mark.parametrize("kind", KINDS)
def test_signatures_are_pytorchs(kind):
    torch = pytest.importorskip("torch")
    ours, theirs = (inspect.signature(getattr(lib, kind)).parameters for lib in (nn, torch.nn))
    assert [(p.name, p.default) for p in ours.values()] == [(p.name, p.default) for p in theirs.values()]
    assert repr(getattr(nn, kind)(0.25, True)) == repr(getattr(torch.nn, kind)(0.25, True))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_signatures_of_functions_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    *ours, generator = inspect.signature(getattr(F, name)).parameters.values()
    theirs = inspect.signature(getattr(torch.nn.functional, name)).parameters.values()
    assert [(p.name, p.default) for p in ours] == [(p.name, p.default) for p in theirs]
    assert generator.name == "generator"
    assert generator.kind is generator.KEYWORD_ONLY


@pytest.mark.parametrize("p", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("kind", KINDS)
def test_how_often_and_by_what(kind, p):
    x = minigrad.full(SHAPES[kind], 3.0, requires_grad=True)
    y = getattr(nn, kind)(p)(x)
    y.sum().backward()
    values, slopes = y.detach().numpy(), x.grad.numpy()
    per_channel = values.reshape(400, 300, -1)
    if kind == "AlphaDropout":
        low = -1.7580993408473766
        a = 1 / math.sqrt((1 - p) * (1 + p * low**2))
        expected = {0.0: a * low * (1 - p), a: 3 * a - a * p * low}  # by slope
    elif kind == "FeatureAlphaDropout":
        low = -1.7580993408473766
        a = 1 / math.sqrt((1 - p) * (1 + p * low**2))
        expected = {0.0: a * low * (1 - p), a: 3 * a - a * p * low}
    else:
        expected = {0.0: 0.0, 1 / (1 - p): 3 / (1 - p)}
    for slope, value in expected.items():
        here = np.isclose(slopes, slope, rtol=1e-6)
        np.testing.assert_allclose(values[here], value, rtol=1e-6)
    assert set(np.unique(slopes)) == {np.float32(slope) for slope in expected}
    assert (per_channel == per_channel[..., :1]).all()  # a channel is dropped as a whole
    dropped = (slopes.reshape(400, 300, -1)[..., 0] == 0).astype(float)
    spread = math.sqrt(p * (1 - p) / dropped.size)
    assert abs(dropped.mean() - p) < 5 * spread
    assert abs((dropped[1:] * dropped[:-1]).mean() - p * p) < 5 * spread  # neighbours know nothing of each other
    assert abs((dropped[:, 1:] * dropped[:, :-1]).mean() - p * p) < 5 * spread


def test_alpha_dropout_keeps_mean_and_variance():
    x = minigrad.randn(400, 500, generator=minigrad.Generator().manual_seed(0))
    for f in (F.alpha_dropout, F.feature_alpha_dropout):
        y = f(x, 0.3, True, generator=minigrad.Generator().manual_seed(1))
        assert abs(y.mean().item()) < 5 / math.sqrt(200_000)
        assert abs(y.var().item() - 1) < 5 * math.sqrt(3 / 200_000)


@pytest.mark.parametrize("kind", KINDS)
def test_evaluation_and_the_ends(kind):
    x = minigrad.randn(*(min(n, 4) for n in SHAPES[kind]), requires_grad=True)
    layer = getattr(nn, kind)(0.5)
    assert layer.eval()(x) is x
    assert getattr(nn, kind)(0.0)(x) is x
    y = getattr(nn, kind)(1.0)(x)
    assert not y.detach().numpy().any()
    y.sum().backward()
    assert not x.grad.numpy().any()
    for p in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match=f"{kind}: expected a probability between 0 and 1, got {p}"):
            getattr(nn, kind)(p)


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_repeats_it_in_place_or_not(kind):
    x = minigrad.randn(*(min(n, 8) for n in SHAPES[kind]))
    layer, writing = getattr(nn, kind)(0.4), getattr(nn, kind)(0.4, inplace=True)
    minigrad.manual_seed(3)
    first, second = layer(x), layer(x)
    assert not minigrad.equal(first, second)
    minigrad.manual_seed(3)
    copy = x.clone()
    assert writing(copy) is copy
    assert minigrad.equal(copy, first)
    leaf = x.clone().requires_grad_()
    with pytest.raises(RuntimeError, match="a leaf that requires grad cannot be changed in place"):
        writing(leaf)
    minigrad.manual_seed(3)
    y = writing(leaf * 1)
    y.sum().backward()
    assert minigrad.allclose(y, first, atol=1e-6)
    assert (leaf.grad == 0).any()


@pytest.mark.parametrize("dtype", [minigrad.float32, minigrad.float64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_dtype_stays(name, dtype):
    x = minigrad.ones(4, 3, 2, 2, dtype=dtype, requires_grad=True)
    if name == "dropout1d":
        x = minigrad.ones(4, 3, 2, dtype=dtype, requires_grad=True)
    y = getattr(F, name)(x, 0.5, True)
    (y * y).sum().backward()
    assert y.dtype == x.grad.dtype == dtype


# ----------------------------------------------------------------------------------------------------------------
# Which dimensions are channels


def pattern(f, *shape):
    """Return along which dimensions the draws of f differ."""
    y = f(minigrad.ones(shape), 0.5, True, generator=minigrad.Generator().manual_seed(0)).numpy()
    return [d for d in range(len(shape)) if (y != y.take([0], axis=d)).any()]


def test_the_shape_of_the_draws_is_pytorchs():
    def quiet(f):
        return pytest.warns(UserWarning, match=f"^{f.__name__}: ")

    assert pattern(F.dropout, 6, 6, 6) == [0, 1, 2]
    assert pattern(F.dropout1d, 8, 6) == [0]
    assert pattern(F.dropout1d, 8, 6, 6) == [0, 1]
    assert pattern(F.dropout2d, 6, 6, 6, 6) == [0, 1]
    assert pattern(F.dropout3d, 6, 6, 6, 6, 6) == [0, 1]
    assert pattern(F.dropout3d, 8, 6, 6, 6) == [0]
    assert pattern(F.feature_alpha_dropout, 6, 6, 6) == [0, 1]
    assert pattern(F.feature_alpha_dropout, 6, 6) == [0, 1]
    with quiet(F.dropout2d):  # (N, C, L), and not (C, H, W)
        assert pattern(F.dropout2d, 6, 6, 6) == [0, 1]
    for shape in ((6, 6), (6, 6, 2, 2, 2)):
        with quiet(F.dropout2d):
            assert pattern(F.dropout2d, *shape) == [0, 1]
    for shape in ((8,), (8, 6), (8, 6, 6), (8, 2, 2, 2, 2, 2)):
        with quiet(F.dropout3d):
            assert pattern(F.dropout3d, *shape) == [0]


def test_warnings_point_at_the_caller():
    with pytest.warns(UserWarning, match=r"taken as \(N, C, L\) and not as \(C, H, W\)") as found:
        F.dropout2d(minigrad.ones(3, 4, 4), 0.5)
    assert found[0].filename == __file__


# ----------------------------------------------------------------------------------------------------------------
# The draws


def test_bernoulli_is_exact():
    """16 bits alone would draw 1e-5 as 0 or as 1.5e-5."""
    generator = minigrad.Generator().manual_seed(5)
    n = 4_000_003  # not a multiple of four
    for p in (0.0, 1e-5, 0.3, 0.5, 1 - 1e-5, 1.0):
        drawn = generator.bernoulli((n,), p)
        assert drawn.shape == (n,)
        assert drawn.dtype == bool
        assert abs(drawn.mean() - p) <= 5 * math.sqrt(p * (1 - p) / n)
    assert generator.bernoulli((), 0.5).shape == ()
    assert generator.bernoulli((0, 3), 0.5).shape == (0, 3)
    assert generator.bernoulli((2, 3), 0.25).shape == (2, 3)


def test_on_the_gpu():
    with strict_cupy.installed() as cp:
        x = minigrad.ones(50, 40, device="cuda", requires_grad=True)
        before = cp.syncs, cp.uploads
        for f in (F.dropout, F.dropout1d, F.alpha_dropout):
            y = f(x, 0.5, True)
            y.sum().backward()
            assert isinstance(y.array, cp.ndarray)
        assert (cp.syncs, cp.uploads) == before
        assert 0.3 < (y.detach() < 0).to(minigrad.float32).mean().item() < 0.7
