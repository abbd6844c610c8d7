"""Recurrent cells and layers: beside PyTorch, by hand, and what they say about wrong inputs."""

from __future__ import annotations

import copy
import inspect
import math
import types
from typing import Any

import beside
import numpy as np
import pytest
import strict_cupy

import minigrad
from minigrad import nn
from minigrad.autograd import gradcheck

PROGRAMS = beside.topics("recurrent.txt")
Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def torch() -> types.ModuleType:
    return pytest.importorskip("torch")


@pytest.mark.parametrize("topic", PROGRAMS)
def test_the_same_as_pytorch(topic: str, torch: types.ModuleType) -> None:
    assert not list(beside.differences(PROGRAMS[topic], torch))


def numbers(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape)


def message(kind: type[Exception], call: Any, *args: Any) -> str:
    with pytest.raises(kind) as caught:
        call(*args)
    return str(caught.value)


# ----------------------------------------------------------------------------------------------------------------
# Beside PyTorch, in float64: outputs, states, gradients of everything, second derivatives


def flat(results: Any) -> list[Any]:
    return [x for part in results for x in flat(part)] if isinstance(results, (tuple, list)) else [results]


def derivatives(lib: Any, layer: Any, inputs: list[Array], second: bool) -> list[Array]:
    """Return all outputs of a layer, their gradients under fixed cotangents, and the gradients of these' squares."""
    xs = [lib.tensor(a, requires_grad=True) for a in inputs]
    state = xs[1] if len(xs) == 2 else tuple(xs[1:]) or None
    outputs = flat(layer(xs[0], state))
    leaves = [*xs, *layer.parameters()]
    given = [lib.tensor(np.cos(np.arange(y.numel()) + k).reshape(tuple(y.shape))) for k, y in enumerate(outputs)]
    first = lib.autograd.grad(outputs, leaves, given, create_graph=second)
    results = [*outputs, *first]
    if second:
        results += lib.autograd.grad(sum((g * g).sum() for g in first), leaves)
    return [x.detach().numpy() for x in results]


def compare(torch: types.ModuleType, kind: str, settings: dict[str, Any], inputs: list[Array], second: bool) -> None:
    theirs = getattr(torch.nn, kind)(3, 4, **settings, dtype=torch.float64)
    ours = getattr(nn, kind)(3, 4, **settings, dtype=minigrad.float64)
    assert repr(ours) == repr(theirs)
    ours.load_state_dict({key: minigrad.tensor(value.numpy()) for key, value in theirs.state_dict().items()})
    back = {key: torch.tensor(value.numpy()) for key, value in ours.state_dict().items()}
    theirs.load_state_dict(back)
    found, expected = derivatives(minigrad, ours, inputs, second), derivatives(torch, theirs, inputs, second)
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


SETTINGS: list[dict[str, Any]] = [
    {},
    {"bias": False, "batch_first": True},
    {"num_layers": 2, "bidirectional": True},
    {"num_layers": 3, "dropout": 0.0, "batch_first": True},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_layers_are_pytorchs(torch: types.ModuleType, kind: str, settings: dict[str, Any]) -> None:
    layers = settings.get("num_layers", 1) * (1 + settings.get("bidirectional", False))
    x = numbers(2, 5, 3) if settings.get("batch_first") else numbers(5, 2, 3)
    states = [numbers(layers, 2, 4, seed=k) for k in range(2 if kind == "LSTM" else 1)]
    second = layers == 1
    compare(torch, kind, settings, [x], second)
    compare(torch, kind, settings, [x, *states], second)
    compare(torch, kind, settings, [x[0], *(s[:, 0] for s in states)], False)
    if kind == "RNN":
        compare(torch, kind, settings | {"nonlinearity": "relu"}, [x, *states], second)


@pytest.mark.parametrize("settings", [{}, {"num_layers": 2, "bidirectional": True, "bias": False}], ids=str)
def test_lstm_with_a_projection_is_pytorchs(torch: types.ModuleType, settings: dict[str, Any]) -> None:
    layers = 4 if settings else 1
    states = [numbers(layers, 2, 2, seed=1), numbers(layers, 2, 4, seed=2)]
    compare(torch, "LSTM", settings | {"proj_size": 2}, [numbers(5, 2, 3), *states], not settings)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", ["RNNCell", "LSTMCell", "GRUCell"])
def test_cells_are_pytorchs(torch: types.ModuleType, kind: str, bias: bool) -> None:
    states = [numbers(5, 4, seed=k) for k in range(2 if kind == "LSTMCell" else 1)]
    compare(torch, kind, {"bias": bias}, [numbers(5, 3)], True)
    compare(torch, kind, {"bias": bias}, [numbers(5, 3), *states], True)
    compare(torch, kind, {"bias": bias}, [numbers(3), *(s[0] for s in states)], False)


@pytest.mark.parametrize("kind", nn.recurrent.__all__)
def test_signatures_are_pytorchs(torch: types.ModuleType, kind: str) -> None:
    theirs, ours = getattr(torch.nn, kind), getattr(nn, kind)
    if kind not in ("RNN", "LSTM", "GRU"):  # theirs take anything there, and document the rest
        expected = [(p.name, p.default) for p in inspect.signature(theirs).parameters.values()]
        assert [(p.name, p.default) for p in inspect.signature(ours).parameters.values()] == expected
        return
    for name in inspect.signature(ours).parameters:
        assert name in theirs.__doc__ or name in ("device", "dtype")


def test_training_follows_pytorchs(torch: types.ModuleType) -> None:
    x, target = numbers(6, 3, 2).astype(np.float32), numbers(3, 4, seed=1).astype(np.float32)
    losses = []
    theirs = torch.nn.LSTM(2, 4, 2)
    state = {key: minigrad.tensor(value.numpy().copy()) for key, value in theirs.state_dict().items()}
    ours = nn.LSTM(2, 4, 2)
    ours.load_state_dict(state)
    for lib, layer in ((torch, theirs), (minigrad, ours)):
        optimizer = lib.optim.Adam(layer.parameters(), lr=0.05)
        for _ in range(20):
            optimizer.zero_grad()
            _, (h, _) = layer(lib.tensor(x))
            loss = lib.nn.functional.mse_loss(h[-1], lib.tensor(target))
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    np.testing.assert_allclose(losses[20:], losses[:20], rtol=2e-4)
    assert losses[-1] < 0.8 * losses[20]


# ----------------------------------------------------------------------------------------------------------------
# By hand


def filled(layer: Any, value: float) -> Any:
    for parameter in layer.parameters():
        parameter.data.fill_(value)
    return layer


def test_one_step_of_each_by_hand() -> None:
    x, h, c = (minigrad.tensor([[v]], dtype=minigrad.float64) for v in (1.0, 0.5, -1.0))
    kind: dict[str, Any] = {"dtype": minigrad.float64}
    z = 0.1 * 1.0 + 0.1 + 0.1 * 0.5 + 0.1  # what every gate sees when all weights and biases are 0.1
    sigma = 1 / (1 + math.exp(-z))
    assert filled(nn.RNNCell(1, 1, **kind), 0.1)(x, h).item() == pytest.approx(math.tanh(z), rel=1e-12)
    cell = sigma * -1.0 + sigma * math.tanh(z)
    found_h, found_c = filled(nn.LSTMCell(1, 1, **kind), 0.1)(x, (h, c))
    assert found_c.item() == pytest.approx(cell, rel=1e-12)
    assert found_h.item() == pytest.approx(sigma * math.tanh(cell), rel=1e-12)
    n = math.tanh(0.2 + sigma * (0.1 * 0.5 + 0.1))  # the reset gate after the product, bias included
    found = filled(nn.GRUCell(1, 1, **kind), 0.1)(x, h).item()
    assert found == pytest.approx((1 - sigma) * n + sigma * 0.5, rel=1e-12)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_a_layer_is_its_cell_in_a_loop(kind: str) -> None:
    layer, cell = getattr(nn, kind)(3, 4), getattr(nn, kind + "Cell")(3, 4)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
    x = minigrad.randn(5, 2, 3)
    y, last = layer(x)
    state = None
    for t in range(5):
        state = cell(x[t], state)
        h = state[0] if kind == "LSTM" else state
        np.testing.assert_allclose(y[t].detach().numpy(), h.detach().numpy(), atol=1e-6)
    for a, b in zip(flat(last), flat(state), strict=True):
        np.testing.assert_allclose(a[0].detach().numpy(), b.detach().numpy(), atol=1e-6)
    np.testing.assert_array_equal(flat(last)[0][0].detach().numpy(), y[-1].detach().numpy())


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_the_way_back_reads_from_the_end(kind: str) -> None:
    both, one = getattr(nn, kind)(3, 4, bidirectional=True), getattr(nn, kind)(3, 4)
    one.load_state_dict({k.removesuffix("_reverse"): v for k, v in both.state_dict().items() if "_reverse" in k})
    x = minigrad.randn(5, 2, 3)
    np.testing.assert_allclose(
        both(x)[0][..., 4:].detach().numpy(), one(x.flip(0))[0].flip(0).detach().numpy(), atol=1e-6
    )


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_gradients_by_differences(kind: str) -> None:
    layer = getattr(nn, kind)(2, 2, 2, bidirectional=True, dtype=minigrad.float64)
    x = minigrad.tensor(numbers(3, 2, 2), requires_grad=True)
    assert gradcheck(lambda x, *_: flat(layer(x)), [x, *layer.parameters()])


def test_dropout_falls_between_layers_and_nowhere_else() -> None:
    x = minigrad.randn(5, 2, 3)
    layer = filled(nn.GRU(3, 4, 2, dropout=1.0), 0.3)
    silent = nn.GRU(4, 4)
    filled(silent, 0.3)
    np.testing.assert_allclose(layer(x)[0].detach().numpy(), silent(minigrad.zeros(5, 2, 4))[0].detach().numpy())
    assert (layer(x)[0] != 0).all()
    noisy = nn.LSTM(3, 4, 2, dropout=0.5)
    minigrad.manual_seed(3)
    first = noisy(x)[0]
    assert (noisy(x)[0] != first).any()
    minigrad.manual_seed(3)
    assert (noisy(x)[0] == first).all()
    noisy.eval()
    assert (noisy(x)[0] == noisy(x)[0]).all()


def test_dropout_of_a_single_layer_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="LSTM: dropout falls between layers, and there is one") as seen:
        nn.LSTM(3, 4, dropout=0.5)
    assert seen[0].filename == __file__


def test_float32_stays_float32_and_states_are_not_overwritten() -> None:
    for kind in ("RNN", "LSTM", "GRU"):
        layer = getattr(nn, kind)(3, 4, 2)
        x, h = minigrad.randn(5, 2, 3), minigrad.zeros(2, 2, 4)
        outputs = flat(layer(x, (h, h) if kind == "LSTM" else h))
        sum(y.sum() for y in outputs).backward()
        assert {y.dtype for y in outputs} == {p.grad.dtype for p in layer.parameters()} == {minigrad.float32}
        assert not h.any()


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_an_output_may_be_changed_before_the_way_back(kind: str, batch: int) -> None:
    layer, x = getattr(nn, kind)(3, 4), minigrad.randn(5, batch, 3)
    layer(x)[0].sum().backward()
    expected = [p.grad for p in layer.parameters()]
    layer.zero_grad()
    y = layer(x)[0]
    loss = y.sum()
    with minigrad.no_grad():
        y.zero_()
    loss.backward()
    for p, g in zip(layer.parameters(), expected, strict=True):
        np.testing.assert_array_equal(p.grad.numpy(), g.numpy())


def test_large_inputs_do_not_overflow() -> None:
    for kind in ("RNN", "LSTM", "GRU"):
        layer = filled(getattr(nn, kind)(1, 2), 1.0)
        x = minigrad.tensor([[1000.0], [-1000.0]], requires_grad=True)
        y = flat(layer(x))[0]
        y.sum().backward()
        assert y.isfinite().all() and x.grad.isfinite().all()


def test_nothing_is_read_back_from_the_gpu() -> None:
    with strict_cupy.installed() as cp:
        for kind in ("RNN", "LSTM", "GRU"):
            layer = getattr(nn, kind)(3, 4, 2, bidirectional=True, dropout=0.5).to("cuda")
            x = minigrad.randn(5, 2, 3, device="cuda").requires_grad_()
            before = cp.syncs
            y, last = layer(x)
            (y.sum() + flat(last)[0].sum()).backward()
            assert cp.syncs == before
            assert isinstance(x.grad.array, cp.ndarray)


def test_what_is_wrong_with_an_input_is_said_with_its_path() -> None:
    net = nn.ModuleDict({"memory": nn.LSTM(8, 4, batch_first=True)})

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = net

        def forward(self, *x: Any) -> Any:
            return self.parts["memory"](*x)

    wrong = (
        "Net.parts.memory (LSTM 8 -> 4): expected input (batch, sequence, 8), or (sequence, 8) without a batch, got "
    )
    assert message(RuntimeError, Net(), minigrad.ones(2, 3, 5)) == (
        wrong + "(2, 3, 5).\n  Does each entry have 5 features? Then it is LSTM(5, ...)."
    )
    assert message(RuntimeError, Net(), minigrad.ones(2, 8, 5)) == (
        wrong + "(2, 8, 5).\n  The features come last: move the dimension of size 8 there, x.movedim(k, -1)."
    )
    assert message(ValueError, Net(), minigrad.ones(5).long()) == (
        wrong + "(5,).\n  A sequence of class numbers goes through nn.Embedding first."
    )
    assert "expected a Tensor, got a NumPy array" in message(TypeError, Net(), np.ones((2, 3, 8)))
    assert "Pad the sequences" in message(TypeError, Net(), type("PackedSequence", (), {})())
    assert "expected a Tensor as the hidden state, got int. The LSTM's state is a pair" in message(
        TypeError, Net(), minigrad.ones(2, 3, 8), (0, 0)
    )
    assert "expected a mode of LSTM, GRU" in message(ValueError, nn.RNNBase, "SRU", 3, 4)


def test_a_copied_layer_is_its_own() -> None:
    layer = nn.GRU(3, 4, 2)
    other = copy.deepcopy(layer)
    filled(other, 0.0)
    assert all(p.any() for p in layer.parameters())
    assert not other(minigrad.randn(5, 2, 3))[0].any()
