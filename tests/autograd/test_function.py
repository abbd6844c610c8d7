"""Functions of the user's own: what forward and backward are given, what is refused, and that nothing is kept alive."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import minigrad
from minigrad import nn
from minigrad.autograd import Function, grad, gradcheck, gradgradcheck
from minigrad.autograd.function import once_differentiable


class Cube(Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return 3 * x**2 * g


class Exp(Function):
    """Saves its output."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (y,) = ctx.saved_tensors
        return g * y


class Polar(Function):
    """Two inputs, two outputs, and an option in between."""

    @staticmethod
    def forward(ctx: Any, r: Any, scale: float, angle: Any) -> Any:
        ctx.save_for_backward(r, angle)
        ctx.scale = scale
        return scale * r * angle.cos(), scale * r * angle.sin()

    @staticmethod
    def backward(ctx: Any, gx: Any, gy: Any) -> Any:
        r, angle = ctx.saved_tensors
        dr = ctx.scale * (gx * angle.cos() + gy * angle.sin())
        da = ctx.scale * r * (gy * angle.cos() - gx * angle.sin())
        return dr, None, da


def leaf(*values: float) -> Any:
    return minigrad.tensor(list(values), dtype=minigrad.float64, requires_grad=True)


@pytest.mark.parametrize("function", [Cube, Exp])
def test_derivatives_of_all_orders(function: Any) -> None:
    x = leaf(0.5, -1.5)
    assert gradcheck(function.apply, x)
    assert gradgradcheck(function.apply, x)
    (first,) = grad(function.apply(x).sum(), x, create_graph=True)
    (second,) = grad(first.sum(), x, create_graph=True)
    (third,) = grad(second.sum(), x)
    expected = [6.0, 6.0] if function is Cube else np.exp(x.detach().numpy())
    np.testing.assert_allclose(third.numpy(), expected)


def test_several_outputs() -> None:
    r, angle = leaf(1.0, 2.0), leaf(0.3, -0.7)
    assert gradcheck(lambda r, angle: Polar.apply(r, 2.0, angle), [r, angle])
    assert gradgradcheck(lambda r, angle: Polar.apply(r, 2.0, angle), [r, angle])
    x, y = Polar.apply(r, 2.0, angle)
    assert x.grad_fn is not y.grad_fn and x.grad_fn.name() == "PolarBackward"
    y.sum().backward()  # one output unused: its gradient is zeros
    np.testing.assert_allclose(r.grad.numpy(), 2 * np.sin(angle.detach().numpy()))


def test_several_outputs_used_several_times() -> None:
    r, angle = leaf(1.5), leaf(0.4)
    x, y = Polar.apply(r, 1.0, angle)
    (x * x + y * y + x * y + y).sum().backward()
    c, s = np.cos(0.4), np.sin(0.4)
    np.testing.assert_allclose(r.grad.numpy(), [3.0 + 2 * 1.5 * c * s + s])


def test_what_forward_and_backward_are_given() -> None:
    seen: dict[str, Any] = {}

    class Look(Function):
        @staticmethod
        def forward(ctx: Any, a: Any, word: str, b: Any, c: Any) -> Any:
            seen["needs"] = ctx.needs_input_grad
            seen["recording"] = minigrad.is_grad_enabled()
            seen["same"] = a is x and word == "hello"
            return a * b, a.argmax(), a + c

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            seen["grads"] = grads
            seen["recording in backward"] = minigrad.is_grad_enabled()
            return grads[0], None, None, grads[2]

    x = leaf(1.0, 2.0)
    c = leaf(1.0, 1.0)
    y, index, z = Look.apply(x, "hello", minigrad.tensor([1.0, 1.0]), c)
    assert seen["needs"] == (True, False, False, True)
    assert not seen["recording"] and seen["same"]
    assert not index.requires_grad and index.dtype == minigrad.int64
    (y.sum() + z.sum()).backward()
    assert not seen["recording in backward"]
    assert [tuple(g.shape) for g in seen["grads"]] == [(2,), (), (2,)]
    grad(Look.apply(x, "hello", minigrad.tensor([1.0, 1.0]), c)[0].sum(), x, create_graph=True)
    assert seen["recording in backward"]


def test_gradients_need_not_be_zeros() -> None:
    class Two(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.set_materialize_grads(False)
            return x * 1, x * 2

        @staticmethod
        def backward(ctx: Any, a: Any, b: Any) -> Any:
            assert a is None
            return 2 * b

    x = leaf(1.0)
    Two.apply(x)[1].sum().backward()
    assert x.grad.tolist() == [2.0]


def test_outputs_that_are_not_differentiable() -> None:
    class Sorted(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            values, ranks = x * 1, x * 0
            ctx.mark_non_differentiable(ranks)
            return values, ranks

        @staticmethod
        def backward(ctx: Any, g: Any, _: Any) -> Any:
            return g

    values, ranks = Sorted.apply(leaf(3.0, 1.0))
    assert values.requires_grad and not ranks.requires_grad


def test_the_other_form() -> None:
    class Square(Function):
        @staticmethod
        def forward(x: Any) -> Any:
            return x * x

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            (ctx.x,) = inputs

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return 2 * ctx.x * g

    assert gradcheck(Square.apply, leaf(3.0))


def test_an_input_returned_as_it_is() -> None:
    class Reverse(Function):
        """Identity whose gradient changes sign, as in domain-adversarial training."""

        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return -g

    x = leaf(1.0, 2.0)
    y = Reverse.apply(x)
    assert y is not x
    y.sum().backward()
    assert x.grad.tolist() == [-1.0, -1.0]


def test_without_history() -> None:
    x = leaf(2.0)
    with minigrad.no_grad():
        y = Cube.apply(x)
    assert not y.requires_grad and y.tolist() == [8.0]
    assert Cube.apply(x.detach()).tolist() == [8.0]


def test_broadcast_gradients_are_summed_and_converted() -> None:
    class Plus(Function):
        @staticmethod
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            return a + b

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g, g

    a, b = minigrad.zeros(2, 3, requires_grad=True), minigrad.zeros(3, dtype=minigrad.float64, requires_grad=True)
    Plus.apply(a, b).sum().backward()
    assert a.grad.dtype == minigrad.float32 and b.grad.tolist() == [2.0, 2.0, 2.0]


def test_inside_a_module() -> None:
    class Layer(nn.Module):
        def forward(self, x: Any) -> Any:
            return Cube.apply(x)

    net = nn.Sequential(nn.Linear(2, 2), Layer(), nn.Linear(2, 1))
    net.double()
    x = minigrad.ones(3, 2, dtype=minigrad.float64)
    assert gradcheck(lambda *_: net(x), list(net.parameters()))


# ----------------------------------------------------------------------------------------------------------------
# Refusals


def returning(value: Any) -> Any:
    class Bad(Function):
        @staticmethod
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            return a * b

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return value

    return Bad.apply(leaf(1.0, 2.0), leaf(3.0, 4.0)).sum()


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (minigrad.ones(2), RuntimeError, "Bad: backward returned 1 gradients, expected 2, one for each argument"),
        ((minigrad.ones(2),) * 3, RuntimeError, "Bad: backward returned 3 gradients, expected 2"),
        ((minigrad.ones(3), None), RuntimeError, r"gradient of shape \(3,\) for argument 0, expected \(2,\)"),
        ((None, minigrad.ones(1)), RuntimeError, r"gradient of shape \(1,\) for argument 1, expected \(2,\)"),
        ((None, minigrad.arange(2)), RuntimeError, "gradient of int64 for argument 1, expected float64"),
        ((1.0, None), TypeError, "Bad: backward returned float for argument 0, expected a Tensor"),
    ],
)
def test_what_backward_must_not_return(value: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        returning(value).backward()


def test_more_nones_than_arguments_are_fine() -> None:
    returning((None, None, None, None)).backward()


def test_refusals() -> None:
    with pytest.raises(RuntimeError, match=r"Cube: a Function is not instantiated; call Cube.apply"):
        Cube()

    class NoForward(Function):
        pass

    class Dirty(Cube):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.mark_dirty(x)

    class Text(Cube):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return "text"

    class KeepsNumber(Cube):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(3)

    class NoBackward(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

    for function, error, message in (
        (NoForward, NotImplementedError, "write forward"),
        (Dirty, NotImplementedError, "Dirty: mark_dirty is not supported; compute the output out of place"),
        (Text, TypeError, "Text: forward returned str, expected a Tensor or a tuple"),
        (KeepsNumber, TypeError, "takes tensors, got int; keep other things as attributes"),
    ):
        with pytest.raises(error, match=message):
            function.apply(leaf(1.0))
    with pytest.raises(NotImplementedError, match="NoBackward: write backward"):
        NoBackward.apply(leaf(1.0)).sum().backward()


def test_errors_inside_forward_are_the_users_own() -> None:
    class Picky(Cube):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            raise ValueError("only on Sundays")

    with pytest.raises(ValueError, match=r"^only on Sundays$"):
        Picky.apply(leaf(1.0))


def test_a_saved_tensor_that_is_changed_is_noticed() -> None:
    x = leaf(1.0, 2.0) * 1
    y = Cube.apply(x)
    with minigrad.no_grad():
        x += 1
    with pytest.raises(RuntimeError, match=r"CubeBackward needs an array of shape \(2,\) as it was"):
        y.sum().backward()
    y = Exp.apply(leaf(1.0))
    with minigrad.no_grad():
        y *= 2
    with pytest.raises(RuntimeError, match="ExpBackward needs an array"):
        y.sum().backward()


def test_walked_twice() -> None:
    y = Cube.apply(leaf(1.0)).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="walked before"):
        y.backward()


def test_once_differentiable() -> None:
    class Sine(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return minigrad.from_numpy(np.sin(x.detach().numpy()))

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return g * minigrad.from_numpy(np.cos(x.detach().numpy()))

    x = leaf(0.5, 1.5)
    assert gradcheck(Sine.apply, x)
    (first,) = grad(Sine.apply(x).sum(), x, create_graph=True)
    np.testing.assert_allclose(first.detach().numpy(), np.cos([0.5, 1.5]))
    with pytest.raises(RuntimeError, match="Sine: its backward is marked once_differentiable"):
        first.sum().backward()


# ----------------------------------------------------------------------------------------------------------------
# Memory


@pytest.mark.parametrize("create_graph", [False, True])
def test_nothing_is_left_to_the_cycle_collector(create_graph: bool) -> None:
    gc.disable()
    try:
        x = leaf(1.0, 2.0)
        a, b = Polar.apply(Exp.apply(x), 1.0, Cube.apply(x))
        y = (a * b).sum()
        nodes = [weakref.ref(a.node), weakref.ref(y.node)]
        found = grad(y, x, create_graph=create_graph)
        del a, b, y, found
        assert [node() for node in nodes] == [None, None]
        y = Exp.apply(x)
        node = weakref.ref(y.node)
        del y
        assert node() is None
    finally:
        gc.enable()


# ----------------------------------------------------------------------------------------------------------------
# Beside PyTorch


def test_beside_pytorch() -> None:
    torch = pytest.importorskip("torch")

    class TorchPolar(torch.autograd.Function):
        forward = staticmethod(Polar.forward)
        backward = staticmethod(Polar.backward)

    for values in ([1.0, 2.0], [0.5, -3.0]):
        ours, theirs = leaf(*values), torch.tensor(values, dtype=torch.float64, requires_grad=True)
        results = []
        for library, x, polar in ((minigrad, ours, Polar), (torch, theirs, TorchPolar)):
            a, b = polar.apply(x, 0.5, x * x)
            (first,) = library.autograd.grad((a * b + a).sum(), x, create_graph=True)
            (second,) = library.autograd.grad((first * first).sum(), x)
            results.append((first.detach().numpy(), second.numpy()))
        np.testing.assert_allclose(results[0], results[1], rtol=1e-12)
