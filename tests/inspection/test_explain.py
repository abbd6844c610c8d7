"""The backward pass in words: the numbers are those of backward, and the sentences say where they come from."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import minigrad
from minigrad import nn, ops
from minigrad.inspection import tracing
from minigrad.inspection.explanation import Contributions

PLUMBING = ("broadcast_to", "cast", "sum_to_size")  # of the door itself: what undoes broadcasting and promotion


def leaf(value: Any) -> Any:
    return minigrad.tensor(value, requires_grad=True)


def test_every_op_tells_its_formula() -> None:
    for name, op in ops.registry.items():
        if isinstance(op, ops.Op) and op.__module__.startswith("minigrad.") and not name.startswith("_"):
            assert op.formula, name
            assert bool(op.derivative_formula) == bool(op.rules) or name in PLUMBING, name
    assert ops.mul.formula == "a b" and ops.mul.derivative_formula == "d = b da + a db"


def test_the_steps_of_a_walk() -> None:
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    loss = (x * w).exp().sum()
    told = minigrad.explain(loss, names={"x": x, "w": w, "loss": loss})
    assert [step.op for step in told.steps] == ["sum", "exp", "mul"]
    assert [step.name for step in told.steps] == ["loss", "exp_2", "mul_1"]
    exp, mul = told.steps[1:]
    np.testing.assert_allclose(exp.shares[0].local, np.exp([3.0, 8.0]), rtol=1e-6)
    assert [share.parent for share in mul.shares] == ["x", "w"]
    for share in mul.shares:
        np.testing.assert_allclose(share.value, mul.g * share.local, rtol=1e-6)
    assert x.grad is None
    loss.backward()  # the graph is still there
    for name, g in told.leaves:
        np.testing.assert_allclose(g, {"x": x, "w": w}[name].grad.numpy(), rtol=1e-6)


def test_running_sums() -> None:
    x = leaf(3.0)
    y = x * x + x
    told = minigrad.explain(y)
    sums = [(share.parent, float(share.total), share.first) for step in told.steps for share in step.shares]
    assert sums == [("mul_1", 1.0, True), ("x", 1.0, True), ("x", 4.0, False), ("x", 7.0, False)]
    assert "now 7 at x, with what was there already" in str(told)
    assert "Backward from y = 12: 2 steps." in str(told)


def test_names_come_from_the_caller_and_from_modules() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    hidden = net[0](minigrad.ones(1, 2))
    out = net[2](hidden.relu()).sum()
    text = str(minigrad.explain(out))
    assert "net.0.weight" in text and "hidden = linear" in text and "out = sum" in text
    text = str(minigrad.explain(out, names=net))
    assert "-> 0.weight (weight)" in text


def test_ops_that_mix_entries_have_no_local_derivative() -> None:
    w = leaf([[1.0, 2.0], [3.0, 4.0]])
    told = minigrad.explain((w @ w).softmax(1).sum())
    assert all(share.local is None for step in told.steps for share in step.shares)
    text = str(minigrad.explain(minigrad.randn(50, 40).requires_grad_().sum()))
    assert "(50, 40) mean 1, from 1 to 1" in text


def test_lines_are_told_if_they_were_traced() -> None:
    x = leaf(2.0)
    with tracing():
        y = x.exp()
    assert "test_explain.py:" in str(minigrad.explain(y)) and "y = x.exp()" in str(minigrad.explain(y))
    z = x.exp()
    assert "test_explain.py" not in str(minigrad.explain(z))


def test_in_a_notebook() -> None:
    x = leaf([1.0, -1.0])
    page = minigrad.explain((x * x).sum())._repr_html_()
    assert page.count("<tr>") == 3 and "sum now" in page
    assert "&lt;" in minigrad.explain(x.relu().sum(), names={"<x>": x})._repr_html_()


def test_a_function_of_the_users_is_explained() -> None:
    class Double(minigrad.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return 2 * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return 2 * g

    x = leaf(1.0)
    told = minigrad.explain(Double.apply(x).exp())
    assert [step.op for step in told.steps] == ["exp", "Double"]


def test_refusals() -> None:
    x = leaf([1.0, 2.0])
    for call, error, message in (
        (lambda: minigrad.explain(x * 2), RuntimeError, r"single number, got shape \(2,\)"),
        (lambda: minigrad.explain(x), RuntimeError, r"of shape \(2,\) is a leaf; there is no graph behind it"),
        (lambda: minigrad.explain(x.detach()), RuntimeError, "has no history"),
        (lambda: minigrad.explain(3.0), TypeError, "expected a Tensor, got float"),
        (lambda: minigrad.explain_grad(x.sum(), 3.0), TypeError, "expected a Tensor, got float"),
    ):
        with pytest.raises(error, match=message):
            call()
    y = x.exp().sum()
    y.backward()
    with pytest.raises(RuntimeError, match="walked before"):
        minigrad.explain(y)


def test_nothing_is_kept_alive() -> None:
    gc.disable()
    try:
        y = leaf(2.0).exp().sin()
        node = weakref.ref(y.node)
        told = minigrad.explain(y, names={})  # looking at variables, Python 3.11 and 3.12 copy them into the frame
        del y
        assert node() is None and told.steps
    finally:
        gc.enable()


# ----------------------------------------------------------------------------------------------------------------
# Contributions


def test_the_sum_over_paths() -> None:
    x = leaf(2.0)
    q, h = x * 2, x.square()
    loss = q + h
    told = minigrad.explain_grad(loss, x)
    assert isinstance(told, Contributions)
    assert [(float(path.value), path.through) for path in told.paths] == [(2.0, ("loss", "q")), (4.0, ("loss", "h"))]
    assert str(told).splitlines()[0] == "d loss / d x = 6, the sum over 2 paths:"
    assert float(told.total) == 6.0
    assert str(minigrad.explain_grad(loss, q)) == "d loss / d q = 1, along one path: q <- loss"


def test_a_tensor_used_twice_by_one_op() -> None:
    x = leaf(3.0)
    y = x * x
    told = minigrad.explain_grad(y, x)
    assert isinstance(told, Contributions)
    assert len(told.paths) == 1 and told.paths[0].times == 2 and float(told.total) == 6.0
    assert "x <- y, 2 times" in str(told)


def test_many_paths_are_put_together() -> None:
    x = leaf(1.0)
    a, b = x * 0.5, x * 0.25
    y = a + b
    for _ in range(30):
        y = y + y
    told = minigrad.explain_grad(y, x)
    assert isinstance(told, Contributions) and told.merged
    assert [float(path.value) for path in told.paths] == [2.0**30 / 4, 2.0**30 / 2]
    assert "2 groups of paths" in str(told)


def test_totals_are_those_of_grad() -> None:
    minigrad.manual_seed(1)
    w, x = minigrad.randn(3, 3).requires_grad_(), minigrad.randn(3).requires_grad_()
    loss = ((w @ x).tanh() * (w @ x.exp())).sum() + (w * w).mean()
    for target in (w, x):
        told = minigrad.explain_grad(loss, target)
        assert isinstance(told, Contributions)
        (expected,) = minigrad.autograd.grad(loss, target, retain_graph=True)
        np.testing.assert_allclose(told.total, expected.numpy(), rtol=1e-5)


def test_why_there_is_no_gradient() -> None:
    x, w = leaf(2.0), leaf(3.0)
    loss = w * 2
    assert "was made from w" in str(minigrad.explain_grad(loss, x))
    assert "does not require grad" in str(minigrad.explain_grad(loss, minigrad.tensor(1.0)))
    assert "is int64" in str(minigrad.explain_grad(loss, minigrad.tensor(1)))
    with tracing():
        a = w * x.detach()
        with minigrad.no_grad():
            b = x * 2
        c = a * b
    told = str(minigrad.explain_grad(c, x))
    assert "was cut by mul, under no_grad(), at test_explain.py:" in told or "was cut by detach(), at" in told
    assert "test_explain.py:" in told
    with tracing():
        d = w * x.argmax()
    assert "argmax, which has no gradient" in str(minigrad.explain_grad(d, x))


# ----------------------------------------------------------------------------------------------------------------
# What is kept


def test_saved_for_backward() -> None:
    x = minigrad.randn(100, 10).requires_grad_()
    kept = minigrad.saved_for_backward(x.exp().sin().sum())
    assert [(k.op, k.shape, k.shared) for k in kept] == [("exp", (100, 10), False), ("sin", (100, 10), True)]
    assert kept.nbytes == 4000
    assert "4 kB" in str(kept) and "shared" in str(kept)
    assert not minigrad.saved_for_backward((x + 1).sum())
    with tracing():
        loss = (x * 2).square().sum()
    assert all("square().sum()" in k.line for k in minigrad.saved_for_backward(loss))


def test_a_cut_further_down_is_found_though_nobody_holds_the_tensor() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    x = minigrad.ones(4, 2)
    with tracing():
        loss = net[2](net[1](net[0](x)).detach()).sum()
    told = str(minigrad.explain_grad(loss, net[0].weight))
    assert "was cut by detach(), at test_explain.py:" in told
    assert isinstance(minigrad.explain_grad(loss, net[2].weight), Contributions)
