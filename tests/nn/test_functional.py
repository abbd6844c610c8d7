"""Functions of ``nn.functional`` beside PyTorch: values, gradients, second derivatives, options and refusals."""

from __future__ import annotations

import types
import warnings
from collections.abc import Callable
from typing import Any

import beside
import numpy as np
import pytest

import minigrad
from minigrad import Tensor
from minigrad.nn import functional as F

PROGRAMS = beside.topics("functional.txt")
Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def torch() -> types.ModuleType:
    return pytest.importorskip("torch")


@pytest.mark.parametrize("topic", PROGRAMS)
def test_the_same_as_pytorch(topic: str, torch: types.ModuleType) -> None:
    assert not list(beside.differences(PROGRAMS[topic], torch))


def test_the_names_of_every_family_are_there() -> None:
    families = [family for family in vars(F).values() if isinstance(family, types.ModuleType)]
    assert len(families) >= 6
    for family in families:
        assert sorted(family.__all__) == family.__all__
        assert all(getattr(F, name) is getattr(family, name) for name in family.__all__)


# ----------------------------------------------------------------------------------------------------------------
# Values, gradients and second derivatives


def derivatives(library: Any, f: Callable[..., Any], arrays: list[Array]) -> list[Array]:
    """Return f of float64 inputs, its gradients under a fixed cotangent, and the gradients of their squares' sum."""
    xs = [library.tensor(a, requires_grad=True) for a in arrays]
    y = f(library.nn.functional, *xs)
    cotangent = library.tensor(np.cos(np.arange(y.numel())).reshape(tuple(y.shape)))
    first = library.autograd.grad(y, xs, cotangent, create_graph=True)
    total = sum((g * g).sum() for g in first)
    second = library.autograd.grad(total, xs, allow_unused=True) if total.requires_grad else [None] * len(xs)
    return [a if a is None else a.detach().numpy() for a in (y, *first, *second)]


def drawn(*shapes: tuple[int, ...]) -> list[Array]:
    draw = np.random.default_rng(4)
    return [draw.normal(size=shape) for shape in shapes]


SMOOTH: dict[str, tuple[Callable[..., Any], list[tuple[int, ...]]]] = {
    "softmax": (lambda F, x: F.softmax(x, 1), [(3, 4)]),
    "softmax dim 0": (lambda F, x: F.softmax(x, dim=0), [(3, 4)]),
    "log_softmax": (lambda F, x: F.log_softmax(x, -1), [(2, 3, 4)]),
    "softmin": (lambda F, x: F.softmin(x, 1), [(3, 4)]),
    "relu": (lambda F, x: F.relu(x), [(3, 4)]),
    "leaky_relu": (lambda F, x: F.leaky_relu(x, 0.2), [(3, 4)]),
    "elu": (lambda F, x: F.elu(x, 1.5), [(3, 4)]),
    "silu": (lambda F, x: F.silu(x), [(3, 4)]),
    "softplus": (lambda F, x: F.softplus(x, 2.0, 1.0), [(3, 4)]),
    "hardtanh": (lambda F, x: F.hardtanh(x, -0.5, 0.7), [(3, 4)]),
    "relu6": (lambda F, x: F.relu6(3 * x), [(3, 4)]),
    "logsigmoid": (lambda F, x: F.logsigmoid(x), [(3, 4)]),
    "in place": (lambda F, x: F.leaky_relu(x * 1, 0.1, inplace=True) * F.elu(x * 2, 0.5, inplace=True), [(3, 4)]),
    "relu in place": (lambda F, x: F.relu(x * 1, True) * x, [(3, 4)]),
    "linear": (lambda F, x, w, b: F.linear(x, w, b), [(5, 3), (4, 3), (4,)]),
    "linear without bias": (lambda F, x, w: F.linear(x, w), [(2, 5, 3), (4, 3)]),
    "linear of a vector": (lambda F, x, w, b: F.linear(x, w, b), [(3,), (4, 3), (4,)]),
    "batch_norm": (lambda F, x, w, b: F.batch_norm(x, None, None, w, b, training=True), [(6, 3), (3,), (3,)]),
    "batch_norm 3-d": (lambda F, x, w, b: F.batch_norm(x, None, None, w, b, True, eps=0.1), [(4, 3, 5), (3,), (3,)]),
    "batch_norm 4-d": (lambda F, x, w: F.batch_norm(x, None, None, w, None, True), [(3, 2, 2, 3), (2,)]),
    "batch_norm plain": (lambda F, x: F.batch_norm(x, None, None, training=True), [(6, 3)]),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives_beside_pytorch(name: str, torch: types.ModuleType) -> None:
    f, shapes = SMOOTH[name]
    arrays = drawn(*shapes)
    for ours, theirs in zip(derivatives(minigrad, f, arrays), derivatives(torch, f, arrays), strict=True):
        if theirs is None or ours is None:
            assert ours is None or not np.any(ours)
            assert theirs is None or not np.any(theirs)
        else:
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5), (2, 3, 2, 2)])
@pytest.mark.parametrize("momentum", [0.0, 0.1, 1.0])
def test_running_statistics_beside_pytorch(shape: tuple[int, ...], momentum: float, torch: types.ModuleType) -> None:
    arrays = drawn(shape, (3,), (3,))
    results = []
    for library in (minigrad, torch):
        x, mean, var = (library.tensor(a) for a in arrays)
        var = var * var
        normed = library.nn.functional.batch_norm
        out = [normed(x, mean, var, training=True, momentum=momentum), normed(x + 1, mean, var)]
        results.append([a.numpy() for a in (mean, var, *out)])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


def test_evaluation_leaves_the_running_statistics_alone() -> None:
    mean, var = minigrad.zeros(3), minigrad.ones(3)
    F.batch_norm(minigrad.randn(5, 3), mean, var)
    assert mean.tolist() == [0.0] * 3 and var.tolist() == [1.0] * 3 and mean._version == 0


def test_refused_batch_norm_changes_nothing() -> None:
    mean, var = minigrad.zeros(3), minigrad.ones(3)
    for options in (dict(weight=minigrad.ones(2)), dict(bias=minigrad.ones(4))):
        with pytest.raises(RuntimeError, match=r"vectors with one entry per channel, got \(5, 3\) and a vector"):
            F.batch_norm(minigrad.randn(5, 3), mean, var, training=True, **options)
    with pytest.raises(ValueError, match=r"drop_last=True in the DataLoader"):
        F.batch_norm(minigrad.randn(1, 3), mean, var, training=True)
    assert mean.tolist() == [0.0] * 3 and var.tolist() == [1.0] * 3


# ----------------------------------------------------------------------------------------------------------------
# Softmax


@pytest.mark.parametrize(("shape", "dim"), [((), 0), ((4,), 0), ((2, 3), 1), ((2, 3, 2), 0), ((2, 3, 2, 2), 1)])
def test_leaving_out_dim_is_deprecated(shape: tuple[int, ...], dim: int) -> None:
    x = minigrad.randn(shape)
    for f in (F.softmax, F.log_softmax, F.softmin):
        with pytest.warns(
            UserWarning, match=f"{f.__name__}: pass dim=; leaving it out .* took dim={dim} here"
        ) as found:
            y = f(x)
        assert found[0].filename == __file__ and y.tolist() == f(x, dim).tolist()


def test_softmax_in_another_dtype() -> None:
    x = minigrad.tensor([1.0, 2.0], requires_grad=True)
    y = F.softmax(x, 0, dtype=minigrad.float64)
    assert y.dtype == "float64"
    y[0].backward()
    assert x.grad.dtype == "float32"


# ----------------------------------------------------------------------------------------------------------------
# Dropout


def test_dropout_statistics() -> None:
    x = minigrad.ones(200_000)
    for p in (0.1, 0.5, 0.9):
        y = F.dropout(x, p).numpy()
        assert set(np.unique(y)) == {0.0, np.float32(1 / (1 - p))}
        assert abs((y == 0).mean() - p) < 5 * (p * (1 - p) / x.numel()) ** 0.5
        assert abs(y.mean() - 1) < 5 * (p / (1 - p) / x.numel()) ** 0.5


@pytest.mark.parametrize("dtype", [minigrad.float32, minigrad.float64])
def test_dropout_gradient_is_its_mask(dtype: Any) -> None:
    x = minigrad.full((1000,), 3.0, dtype=dtype, requires_grad=True)
    y = F.dropout(x, 0.3)
    y.sum().backward()
    assert y.dtype == dtype and minigrad.equal(y != 0, x.grad != 0)
    assert set(x.grad.tolist()) == {0.0, float(dtype.type(1 / 0.7))}


def test_dropout_at_the_ends_and_in_evaluation() -> None:
    x = minigrad.randn(10, requires_grad=True)
    assert F.dropout(x, 0.5, training=False) is x and F.dropout(x, 0.0) is x
    y = F.dropout(x, 1.0)
    assert y.tolist() == [0.0] * 10
    y.sum().backward()
    assert x.grad.tolist() == [0.0] * 10


def test_dropout_in_place_and_by_a_generator() -> None:
    x = minigrad.ones(100)
    assert F.dropout(x, 0.5, inplace=True) is x and set(x.tolist()) == {0.0, 2.0}
    first = F.dropout(minigrad.ones(50), generator=minigrad.Generator().manual_seed(1)).tolist()
    assert F.dropout(minigrad.ones(50), generator=minigrad.Generator().manual_seed(1)).tolist() == first


# ----------------------------------------------------------------------------------------------------------------
# The rest


def test_one_hot_of_any_shape() -> None:
    x = F.one_hot(minigrad.tensor([[0, 2], [1, 1]]), 4)
    assert x.shape == (2, 2, 4) and x.dtype == "int64" and x.argmax(-1).tolist() == [[0, 2], [1, 1]]
    assert x.sum(-1).tolist() == [[1, 1], [1, 1]]
    assert F.one_hot(minigrad.tensor(1)).tolist() == [0, 1]


def test_in_place_activations_return_their_input() -> None:
    for f in (F.relu, F.leaky_relu, F.elu, F.hardtanh, F.relu6, F.silu):
        x = minigrad.tensor([-1.0, 2.0])
        expected = f(x).tolist()
        assert f(x, inplace=True) is x and x.tolist() == expected
        leaf = minigrad.tensor([-1.0], requires_grad=True)
        with pytest.raises(RuntimeError, match=f"{f.__name__}_: a leaf that requires grad cannot be changed in place"):
            f(leaf, inplace=True)


def test_float32_stays_float32_everywhere() -> None:
    x = minigrad.randn(4, 3, requires_grad=True)
    outputs: list[Tensor] = [
        *(f(x) for f in (F.relu, F.leaky_relu, F.elu, F.silu, F.softplus, F.hardtanh, F.relu6, F.logsigmoid, F.tanh)),
        *(f(x, 1) for f in (F.softmax, F.log_softmax, F.softmin)),
        F.dropout(x),
        F.linear(x, x),
        F.batch_norm(x, None, None, training=True),
        F.batch_norm(x, minigrad.zeros(3), minigrad.ones(3)),
    ]
    for y in outputs:
        (g,) = minigrad.autograd.grad(y.sum(), x)
        assert y.dtype == g.dtype == "float32"


def test_no_warnings_far_from_zero() -> None:
    with warnings.catch_warnings(action="error"):
        for scale in (1e2, 1e4, 1e30):
            x = (minigrad.tensor([[-1.0, 0.0, 1.0]]) * scale).requires_grad_()
            for f in (F.elu, F.silu, F.softplus, F.logsigmoid, F.sigmoid, F.tanh):
                y = f(x)
                y.sum().backward()
                assert y.isfinite().all() and x.grad.isfinite().all()
            for f in (F.softmax, F.log_softmax):
                f(x, 1).sum().backward()
            assert x.grad.isfinite().all()
