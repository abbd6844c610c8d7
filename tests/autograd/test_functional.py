"""Derivatives as matrices and products, against PyTorch's, small steps and hand arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad
from minigrad import func, nn
from minigrad.autograd import functional

RNG = np.random.default_rng(0)


def f64(*shape: int) -> Any:
    return minigrad.tensor(RNG.normal(size=shape))


def arrays(nest: Any) -> Any:
    if isinstance(nest, (tuple, list)):
        return [arrays(x) for x in nest]
    return nest.detach().numpy()


def same(a: Any, b: Any, rtol: float = 1e-10) -> None:
    if isinstance(a, list):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y, rtol)
    else:
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-12)


FUNCTIONS = {
    "one": (lambda x: (x**3).sin(), [(3,)]),
    "matrix": (lambda w, x: (w @ x).tanh(), [(2, 3), (3,)]),
    "two outputs": (lambda x, y: (x * y, (x + y).exp().sum()), [(2,), (2,)]),
    "unused": (lambda x, y: x * 2, [(2,), (3,)]),
}
NUMBERS = {
    "cubic": (lambda x: (x**3).sum() * x.prod(), [(3,)]),
    "network": (lambda w, x: ((w @ x).tanh() ** 2).sum(), [(2, 3), (3,)]),
}


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch")


def inputs(shapes: list[tuple[int, ...]]) -> tuple[Any, Any]:
    ours = tuple(f64(*shape) for shape in shapes)
    return (ours[0], [x.numpy() for x in ours]) if len(ours) == 1 else (ours, [x.numpy() for x in ours])


def in_torch(torch: Any, numbers: list[Any]) -> Any:
    made = tuple(torch.from_numpy(x.copy()) for x in numbers)
    return made[0] if len(made) == 1 else made


@pytest.mark.parametrize("name", FUNCTIONS)
def test_jacobian_and_products_beside_pytorch(name: str, torch: Any) -> None:
    f, shapes = FUNCTIONS[name]
    ours, numbers = inputs(shapes)
    theirs = in_torch(torch, numbers)
    same(arrays(functional.jacobian(f, ours)), arrays(torch.autograd.functional.jacobian(f, theirs)))
    ys = f(*ours) if isinstance(ours, tuple) else f(ours)
    v = tuple(f64(*y.shape) for y in ys) if isinstance(ys, tuple) else f64(*ys.shape)
    v_torch = in_torch(torch, [x.numpy() for x in (v if isinstance(v, tuple) else (v,))])
    same(
        arrays(functional.vjp(f, ours, v)),
        arrays(torch.autograd.functional.vjp(f, theirs, v_torch)),
    )
    u = tuple(f64(*x.shape) for x in ours) if isinstance(ours, tuple) else f64(*ours.shape)
    u_torch = in_torch(torch, [x.numpy() for x in (u if isinstance(u, tuple) else (u,))])
    same(arrays(functional.jvp(f, ours, u)), arrays(torch.autograd.functional.jvp(f, theirs, u_torch)))


@pytest.mark.parametrize("name", NUMBERS)
def test_hessian_and_products_beside_pytorch(name: str, torch: Any) -> None:
    f, shapes = NUMBERS[name]
    ours, numbers = inputs(shapes)
    theirs = in_torch(torch, numbers)
    same(arrays(functional.hessian(f, ours)), arrays(torch.autograd.functional.hessian(f, theirs)))
    v = tuple(f64(*x.shape) for x in ours) if isinstance(ours, tuple) else f64(*ours.shape)
    v_torch = in_torch(torch, [x.numpy() for x in (v if isinstance(v, tuple) else (v,))])
    for product in ("hvp", "vhp"):
        ours_product = getattr(functional, product)(f, ours, v)
        same(arrays(ours_product), arrays(getattr(torch.autograd.functional, product)(f, theirs, v_torch)))


def test_hessian_by_hand() -> None:
    """f = x^2 y + sin y: H = [[2 y, 2 x], [2 x, -sin y]]."""
    h = functional.hessian(lambda p: p[0] ** 2 * p[1] + p[1].sin(), minigrad.tensor([3.0, 0.5]).double())
    np.testing.assert_allclose(h.numpy(), [[1.0, 6.0], [6.0, -np.sin(0.5)]])


def test_newtons_method_finds_the_minimum_of_rosenbrock() -> None:
    def rosenbrock(p: Any) -> Any:
        return (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2

    x = minigrad.tensor([-1.2, 1.0]).double()
    for _ in range(6):
        step = np.linalg.solve(functional.hessian(rosenbrock, x).numpy(), func.grad(rosenbrock)(x).numpy())
        x = x - minigrad.from_numpy(step)
    np.testing.assert_allclose(x.numpy(), [1.0, 1.0], atol=1e-6)


def test_results_are_constants_unless_asked_for() -> None:
    x = f64(3)
    assert not functional.jacobian(lambda x: x**2, x).requires_grad
    assert functional.jacobian(lambda x: x**2, x, create_graph=True).requires_grad
    w = f64(3).requires_grad_()
    j = functional.jacobian(lambda x: w * x**2, w, create_graph=True)
    (third,) = minigrad.autograd.grad(j.sum(), w)
    np.testing.assert_allclose(third.numpy(), (4 * w).detach().numpy() + 0 * third.numpy())


def test_the_inputs_are_left_alone() -> None:
    w = f64(3).requires_grad_()
    functional.hessian(lambda w: (w**3).sum(), w)
    functional.hvp(lambda w: (w**3).sum(), w, minigrad.ones(3).double())
    func.grad(lambda w: (w**3).sum())(w)
    assert w.grad is None


def test_refusals() -> None:
    x = minigrad.ones(2)
    for call, message in (
        (lambda: functional.hessian(lambda x: x * 2, x), r"single number, got \(2,\); sum\(\) it"),
        (lambda: functional.jacobian(lambda x: x, minigrad.tensor([1])), "input 0 is int64, which has no derivative"),
        (lambda: functional.jacobian(lambda x: 3.0, x), "outputs to be a Tensor or a tuple of them, entry 0 is float"),
        (lambda: functional.vjp(lambda x: x, x), "v can be left out for a single number only"),
        (lambda: functional.vjp(lambda x: x, x, minigrad.ones(3)), r"v\[0\] has shape \(3,\), expected \(2,\)"),
        (lambda: functional.jvp(lambda x: x, x, (x, x)), "got 2 tensors as v for 1 inputs"),
        (lambda: functional.jacobian(lambda x, y: x, (x, x), strict=True), "do not depend on input 1"),
        (lambda: functional.jacobian(lambda x: x, x, strategy="forward-mode"), "there is no forward mode"),
        (lambda: func.vmap(lambda x: x), "leading batch dimensions"),
        (lambda: func.grad(lambda x: x)(x), "single number"),
    ):
        with pytest.raises((RuntimeError, TypeError, NotImplementedError), match=message):
            call()


# ----------------------------------------------------------------------------------------------------------------
# func


def test_grad_composes() -> None:
    x = minigrad.tensor(0.7).double()
    derivative = minigrad.sin
    for expected in (np.cos, lambda v: -np.sin(v), lambda v: -np.cos(v), np.sin):
        derivative = func.grad(derivative)
        np.testing.assert_allclose(derivative(x).item(), expected(0.7))
    assert not derivative(x).requires_grad


def test_grad_of_chosen_arguments_and_nests() -> None:
    def loss(parameters: Any, x: Any) -> Any:
        return ((parameters["w"] @ x + parameters["b"][0]) ** 2).sum()

    parameters = {"w": f64(2, 3), "b": [f64(2)]}
    found, value = func.grad_and_value(loss)(parameters, f64(3))
    assert set(found) == {"w", "b"} and found["w"].shape == (2, 3) and found["b"][0].shape == (2,)
    assert not value.requires_grad
    a, b = func.grad(lambda x, y: (x * y).sum(), argnums=(0, 1))(minigrad.tensor([2.0]), minigrad.tensor([5.0]))
    assert (a.item(), b.item()) == (5.0, 2.0)
    value, gradient = func.value_and_grad(lambda x: (x**2).sum())(minigrad.tensor([3.0]))
    assert (value.item(), gradient.item()) == (9.0, 6.0)
    gradient, aux = func.grad(lambda x: ((x**2).sum(), "more"), has_aux=True)(minigrad.tensor([3.0]))
    assert (gradient.item(), aux) == (6.0, "more")


def test_what_the_function_closes_over_can_be_differentiated() -> None:
    w = minigrad.tensor(3.0, requires_grad=True)
    slope = func.grad(lambda x: w * x**2)(minigrad.tensor(2.0))
    slope.backward()
    assert slope.item() == 12.0 and w.grad.item() == 4.0


def test_a_function_that_ignores_its_argument_has_gradient_zero() -> None:
    assert func.grad(lambda x: minigrad.tensor(1.0))(minigrad.ones(2)).tolist() == [0.0, 0.0]


def test_functional_call() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    x = f64(5, 3)
    parameters = dict(net.named_parameters())
    before = {name: id(p) for name, p in parameters.items()}
    gradients = func.grad(lambda p: func.functional_call(net, p, (x,)).square().mean())(parameters)
    net(x).square().mean().backward()
    for name, p in net.named_parameters():
        assert id(p) == before[name]
        np.testing.assert_allclose(gradients[name].detach().numpy(), p.grad.numpy(), rtol=1e-12)
    with pytest.raises(KeyError, match=r"no '3.weight'; it has 0.weight, 0.bias"):
        func.functional_call(net, {"3.weight": x}, (x,))
    doubled = func.functional_call(net, {"2.bias": net[2].bias + 1}, x)
    np.testing.assert_allclose(doubled.detach().numpy(), net(x).detach().numpy() + 1)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # PyTorch's own
def test_func_beside_pytorch(torch: Any) -> None:
    f, _ = FUNCTIONS["matrix"]
    w, x = f64(2, 3), f64(3)
    w_torch, x_torch = torch.from_numpy(w.numpy()), torch.from_numpy(x.numpy())
    for argnums in (0, 1, (0, 1)):
        same(arrays(func.jacrev(f, argnums)(w, x)), arrays(torch.func.jacrev(f, argnums)(w_torch, x_torch)))
        same(arrays(func.jacfwd(f, argnums)(w, x)), arrays(torch.func.jacfwd(f, argnums)(w_torch, x_torch)))
    g, _ = NUMBERS["network"]
    same(arrays(func.hessian(g)(w, x)), arrays(torch.func.hessian(g)(w_torch, x_torch)))
    same(arrays(func.hessian(g, (0, 1))(w, x)), arrays(torch.func.hessian(g, (0, 1))(w_torch, x_torch)))
    v = f64(2)
    y, pull = func.vjp(f, w, x)
    y_torch, pull_torch = torch.func.vjp(f, w_torch, x_torch)
    same(arrays([y, *pull(v)]), arrays([y_torch, *pull_torch(torch.from_numpy(v.numpy()))]))
    tangents = (f64(2, 3), f64(3))
    torch_tangents = tuple(torch.from_numpy(t.numpy()) for t in tangents)
    same(
        arrays(func.jvp(f, (w, x), tangents)),
        arrays(torch.func.jvp(f, (w_torch, x_torch), torch_tangents)),
    )
