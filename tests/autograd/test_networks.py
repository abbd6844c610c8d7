"""Second and third derivatives through whole networks, beside PyTorch's and small steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad
from minigrad import func
from minigrad.autograd import functional, gradcheck, gradgradcheck


def cnn(nn: Any) -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.SiLU(), nn.MaxPool2d(2), nn.Conv2d(3, 2, 2), nn.Tanh(),
        nn.AvgPool2d(2), nn.Flatten(), nn.Linear(2, 3),
    )  # fmt: skip


def attention(nn: Any) -> Any:
    return nn.TransformerEncoderLayer(6, 2, 8, dropout=0.0, activation="gelu", batch_first=True)


def recurrent(kind: str) -> Any:
    def build(nn: Any) -> Any:
        return getattr(nn, kind)(3, 4, num_layers=2, bidirectional=True)

    return build


def normalized(nn: Any) -> Any:
    return nn.Sequential(
        nn.Linear(4, 6), nn.LayerNorm(6), nn.GELU(), nn.Linear(6, 4), nn.GroupNorm(2, 4), nn.Softplus()
    )


NETWORKS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "cnn": (cnn, (3, 1, 6, 6)),
    "attention": (attention, (2, 3, 6)),
    "lstm": (recurrent("LSTM"), (4, 2, 3)),
    "gru": (recurrent("GRU"), (4, 2, 3)),
    "normalized": (normalized, (3, 4)),
}


def dot(library: Any, some: Any) -> Any:
    """Return the product with a fixed vector."""
    return sum((g * library.tensor(np.cos(np.arange(g.numel())).reshape(tuple(g.shape)))).sum() for g in some)


def derivatives(library: Any, model: Any, x: Any) -> tuple[Any, Any]:
    """Return the gradient of all parameters, and the Hessian times a vector, both with a history."""
    y = model(x)
    y = y[0] if isinstance(y, tuple) else y
    parameters = list(model.parameters())
    loss = (y * y).sum() + y.sin().sum()
    first = library.autograd.grad(loss, parameters, create_graph=True)
    return first, library.autograd.grad(dot(library, first), parameters, create_graph=True)


@pytest.mark.parametrize("name", NETWORKS)
def test_two_orders_beside_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    build, shape = NETWORKS[name]
    torch.manual_seed(0)
    theirs = build(torch.nn).double()
    ours = build(minigrad.nn).double()
    ours.load_state_dict({key: minigrad.tensor(value.numpy()) for key, value in theirs.state_dict().items()})
    x = np.random.default_rng(0).normal(size=shape)
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):  # the fast one has no second derivative
        expected = derivatives(torch, theirs, torch.from_numpy(x))
    for a, b in zip(sum(derivatives(minigrad, ours, minigrad.tensor(x)), ()), sum(expected, ()), strict=True):
        b = b.detach().numpy()
        np.testing.assert_allclose(a.detach().numpy(), b, rtol=1e-7, atol=1e-9 * max(abs(b).max(), 1))


LONG = [pytest.param(name, marks=pytest.mark.slow) if name in ("lstm", "gru") else name for name in NETWORKS]


@pytest.mark.parametrize("name", LONG)
def test_the_third_order_by_small_steps(name: str) -> None:
    """PyTorch 2.13 is no help here: its third derivatives of layer norm and batch norm are wrong."""
    build, shape = NETWORKS[name]
    minigrad.manual_seed(0)
    model = build(minigrad.nn).double()
    x = minigrad.tensor(np.random.default_rng(0).normal(size=shape))
    parameters = list(model.parameters())

    def second(*_: Any) -> Any:
        return dot(minigrad, derivatives(minigrad, model, x)[1])

    assert gradcheck(second, parameters, fast_mode=True, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
def test_two_orders_by_small_steps(name: str) -> None:
    build, shape = NETWORKS[name]
    minigrad.manual_seed(0)
    model = build(minigrad.nn).double()
    x = minigrad.tensor(np.random.default_rng(1).normal(size=shape), requires_grad=True)

    def run(x: Any, *_: Any) -> Any:
        y = model(x)
        return y[0] if isinstance(y, tuple) else y

    inputs = [x, *model.parameters()]
    assert gradcheck(run, inputs, fast_mode=True, rtol=1e-4)
    assert gradgradcheck(run, inputs, fast_mode=True, rtol=1e-4)


def test_the_hessian_of_a_small_network() -> None:
    torch = pytest.importorskip("torch")
    x, t = np.random.default_rng(2).normal(size=(5, 3)), np.array([0, 1, 1, 0, 1])

    def loss(library: Any) -> Any:
        data, labels = library.tensor(x), library.tensor(t)

        def of_weights(w: Any, v: Any) -> Any:
            return library.nn.functional.cross_entropy(library.tanh(data @ w) @ v, labels)

        return of_weights

    w, v = np.random.default_rng(3).normal(size=(3, 4)), np.random.default_rng(4).normal(size=(4, 2))
    ours = functional.hessian(loss(minigrad), (minigrad.tensor(w), minigrad.tensor(v)))
    theirs = torch.autograd.functional.hessian(loss(torch), (torch.from_numpy(w), torch.from_numpy(v)))
    for row, torch_row in zip(ours, theirs, strict=True):
        for block, torch_block in zip(row, torch_row, strict=True):
            np.testing.assert_allclose(block.numpy(), torch_block.numpy(), rtol=1e-9, atol=1e-12)
    whole = functional.hessian(lambda w: loss(minigrad)(w, minigrad.tensor(v)), minigrad.tensor(w)).numpy()
    h = 1e-5
    slope = func.grad(lambda w: loss(minigrad)(w, minigrad.tensor(v)))
    step = np.zeros_like(w)
    step[1, 2] = h
    by_steps = (slope(minigrad.tensor(w + step)) - slope(minigrad.tensor(w - step))).numpy() / (2 * h)
    np.testing.assert_allclose(whole[:, :, 1, 2], by_steps, rtol=1e-6, atol=1e-9)
