"""Checkpoints: the same gradients with less memory."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from typing import Any

import numpy as np
import pytest

import minigrad
from minigrad import nn
from minigrad.autograd import grad, gradcheck, gradgradcheck
from minigrad.utils.checkpoint import checkpoint, checkpoint_sequential


def network() -> Any:
    minigrad.manual_seed(3)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))


def gradients(call: Any) -> list[Any]:
    net = network()
    x = minigrad.randn(5, 4).requires_grad_()
    minigrad.manual_seed(7)
    y = call(net, x)
    after = minigrad.rand(1).item()  # the generator is where it would be without
    y.square().sum().backward()
    return [y.detach().numpy(), x.grad.numpy(), *(p.grad.numpy() for p in net.parameters()), after]


@pytest.mark.parametrize(
    "call",
    [
        lambda net, x: checkpoint(net, x),
        lambda net, x: checkpoint(net, x, use_reentrant=False),
        lambda net, x: checkpoint(lambda x: net(x), x=x),
        lambda net, x: net[3:](checkpoint(net[:3], x)),
        lambda net, x: checkpoint(lambda x: net[3:](checkpoint(net[:3], x)), x),
        *(lambda net, x, n=n: checkpoint_sequential(net, n, x) for n in (1, 2, 3, 6)),
    ],
)
def test_the_same_values_gradients_and_random_numbers(call: Any) -> None:
    for a, b in zip(gradients(call), gradients(lambda net, x: net(x)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_derivatives_of_second_order() -> None:
    w = minigrad.tensor([[0.3, -0.4], [0.8, 0.1]]).double().requires_grad_()
    x = minigrad.tensor([0.5, -1.0]).double().requires_grad_()

    def f(w: Any, x: Any) -> Any:
        return checkpoint(lambda w, x: (w @ x).tanh() * x.exp(), w, x)

    assert gradcheck(f, [w, x])
    assert gradgradcheck(f, [w, x])


def test_what_the_function_closes_over_gets_its_gradient() -> None:
    w = minigrad.tensor(3.0, requires_grad=True)
    x = minigrad.tensor([1.0, 2.0])
    (found,) = grad(checkpoint(lambda x: (w * x).exp().sum(), x), w)
    np.testing.assert_allclose(found.item(), np.exp(3) + 2 * np.exp(6), rtol=1e-6)


def test_writing_in_place_inside() -> None:
    def f(x: Any) -> Any:
        h = x * 2
        h.relu_()
        h += 1
        return h * h

    x = minigrad.tensor([1.0, -2.0], requires_grad=True)
    checkpoint(f, x).sum().backward()
    assert x.grad.tolist() == [12.0, 0.0]


def test_several_outputs_and_retained_graphs() -> None:
    x = minigrad.tensor([1.0, 2.0], requires_grad=True)
    a, b = checkpoint(lambda x: (x.exp(), x.sin()), x)
    a.sum().backward(retain_graph=True)
    first = x.grad.numpy().copy()
    np.testing.assert_allclose(first, np.exp([1.0, 2.0]), rtol=1e-6)
    b.sum().backward()
    np.testing.assert_allclose(x.grad.numpy() - first, np.cos([1.0, 2.0]), rtol=1e-5)
    x.grad = None
    y = checkpoint(lambda x: (x * x).sum(), x)
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [4.0, 8.0]


def test_without_recording_nothing_is_done_twice() -> None:
    calls = []

    def f(x: Any) -> Any:
        calls.append(1)
        return x.exp()

    with minigrad.no_grad():
        checkpoint(f, minigrad.ones(2, requires_grad=True))
    checkpoint(f, minigrad.ones(2)).sum()
    assert len(calls) == 2
    checkpoint(f, minigrad.ones(2, requires_grad=True)).sum().backward()
    assert len(calls) == 4


def test_kept_arrays_are_given_back() -> None:
    x = minigrad.ones(200, 200, requires_grad=True)

    def held(call: Any) -> int:
        gc.collect()
        tracemalloc.start()
        y = call()
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        y.backward()
        return size

    def f(x: Any) -> Any:
        for _ in range(10):
            x = (x * 0.5).tanh()
        return x.sum()

    assert held(lambda: checkpoint(f, x)) < 0.05 * held(lambda: f(x))


def test_graphs_are_freed_without_the_collector() -> None:
    gc.disable()
    try:
        for walk in (False, True):
            y = checkpoint(lambda x: (x.exp() * x).sum(), minigrad.ones(3, requires_grad=True))
            node = weakref.ref(y.node)
            if walk:
                y.backward()
            del y
            assert node() is None
    finally:
        gc.enable()


def test_a_function_that_does_something_else_is_noticed() -> None:
    x = minigrad.ones(2, requires_grad=True)
    calls: list[int] = []

    def f(x: Any) -> Any:
        calls.append(1)
        return x.exp() if len(calls) == 1 else x.sin() * 2

    y = checkpoint(f, x).sum()
    with pytest.raises(RuntimeError, match=r"recorded 1 ops \(exp\) in the forward pass and 2 ops \(sin, mul\)"):
        y.backward()


def test_inputs_that_were_changed_are_noticed() -> None:
    x = minigrad.ones(2, requires_grad=True)
    y = checkpoint(lambda x: x.sin(), x).sum()
    with minigrad.no_grad():
        x += 1
    with pytest.raises(RuntimeError, match="has overwritten it since"):
        y.backward()


def test_bad_segments() -> None:
    with pytest.raises(ValueError, match="expected 1 to 6 segments"):
        checkpoint_sequential(network(), 7, minigrad.ones(1, 4))
