"""Activations beside PyTorch: modules, derivatives of both orders, what is drawn, what is refused."""

from __future__ import annotations

import inspect
import types
import warnings
from typing import Any

import beside
import numpy as np
import pytest
import strict_cupy

import minigrad
from minigrad import nn
from minigrad.autograd import gradcheck
from minigrad.nn import activation
from minigrad.nn import functional as F

PROGRAMS = beside.topics("activation.txt")
MODULES = [
    "ReLU()", "ReLU(True)", "ReLU6()", "ReLU6(True)", "LeakyReLU()", "LeakyReLU(0.2)", "LeakyReLU(0.2,True)",
    "PReLU()", "PReLU(3)", "PReLU(3,0.1)", "RReLU()", "RReLU(0.1,0.3)", "RReLU(0.3,0.3,True)", "Hardtanh()",
    "Hardtanh(-2,0.5)", "Hardtanh(-1.,2.,True)", "Hardsigmoid()", "Hardsigmoid(True)", "Hardswish()",
    "Hardswish(True)", "Hardshrink()", "Hardshrink(1.0)", "Softshrink()", "Softshrink(0.25)", "Threshold(0.1,20)",
    "Threshold(0.1,-1.0,True)", "Sigmoid()", "LogSigmoid()", "Tanh()", "Tanhshrink()", "Softsign()", "Softplus()",
    "Softplus(2,1.5)", "Softplus(beta=0.5)", "ELU()", "ELU(0.5)", "ELU(2.0,True)", "CELU()", "CELU(0.5)",
    "CELU(2.0,True)", "SELU()", "SELU(True)", "GELU()", "GELU('tanh')", "GELU(approximate='none')", "SiLU()",
    "SiLU(True)", "Mish()", "Mish(True)", "GLU()", "GLU(0)", "Softmax(1)", "Softmax(dim=0)", "LogSoftmax(1)",
    "Softmin(1)", "Softmin(dim=0)", "Softmax2d()",
]  # fmt: skip

SHAPES = {"Softmax2d()": (2, 3, 2, 2), "GLU()": (3, 4)}  # the others get (4, 3)


@pytest.fixture(scope="module")
def torch() -> types.ModuleType:
    return pytest.importorskip("torch")


def made(program: str, library: Any) -> Any:
    return eval(program, vars(library.nn))


# ----------------------------------------------------------------------------------------------------------------
# Beside PyTorch


@pytest.mark.parametrize("topic", PROGRAMS)
def test_the_same_as_pytorch(topic: str, torch: types.ModuleType) -> None:
    assert not list(beside.differences(PROGRAMS[topic], torch))


@pytest.mark.parametrize("program", MODULES)
def test_values_and_derivatives_of_modules(program: str, torch: types.ModuleType) -> None:
    draw = np.random.default_rng(3)
    shape = SHAPES.get(program, (4, 3))
    array, cotangent = draw.normal(size=shape) * 2, draw.normal(size=shape)
    results = []
    for library in (minigrad, torch):
        module = made(program, library).to(library.float64)
        if program.startswith("RReLU") and "0.3,0.3" not in program:
            module.eval()  # else each draws numbers of its own
        x = library.tensor(array, requires_grad=True)
        y = module(x * 1)  # not a leaf, which could not be overwritten
        weights = [x, *module.parameters()]
        g = library.tensor(cotangent[tuple(map(slice, y.shape))])
        first = library.autograd.grad(y, weights, g, create_graph=True)
        total = sum((share * share * share).sum() for share in first)
        second = [library.zeros_like(w) for w in weights]
        if total.requires_grad and "Hardsigmoid" not in program:  # of which PyTorch has no second derivative
            second = library.autograd.grad(total, weights, allow_unused=True, materialize_grads=True)
        results.append([a.detach().numpy() for a in (y, *first, *second)])
    # PyTorch's hardsigmoid multiplies by 1/6 in float32, also where it computes in float64.
    rtol = 2e-7 if program.startswith("Hardsigmoid") else 1e-9
    for ours, theirs in zip(*results, strict=True):
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=1e-12)


@pytest.mark.parametrize("program", MODULES)
def test_repr_and_state_of_modules(program: str, torch: types.ModuleType) -> None:
    ours, theirs = made(program, minigrad), made(program, torch)
    assert repr(ours) == repr(theirs)
    state = {name: (tuple(value.shape), value.tolist()) for name, value in ours.state_dict().items()}
    assert state == {name: (tuple(value.shape), value.tolist()) for name, value in theirs.state_dict().items()}


@pytest.mark.parametrize("name", activation.__all__)
def test_arguments_of_modules(name: str, torch: types.ModuleType) -> None:
    def arguments(library: Any) -> list[tuple[str, Any]]:
        parameters = inspect.signature(getattr(library.nn, name)).parameters.values()
        return [(p.name, p.default) for p in parameters if p.name not in ("args", "kwargs")]

    assert arguments(minigrad) == arguments(torch)


@pytest.mark.parametrize("name", [name for name in F.activation.__all__ if not name.endswith("_")])
def test_arguments_of_functions(name: str, torch: types.ModuleType) -> None:
    try:
        theirs = inspect.signature(getattr(torch.nn.functional, name)).parameters
    except ValueError:  # written in C++
        return
    ours = inspect.signature(getattr(F, name)).parameters
    theirs = {key: p.default for key, p in theirs.items() if key != "_stacklevel"}
    found = {key: p.default for key, p in ours.items() if p.kind is not p.KEYWORD_ONLY}
    assert list(found.values()) == list(theirs.values())
    assert list(found)[1:] == list(theirs)[1:]  # an op calls its first argument x, and takes it as ``input`` too


# ----------------------------------------------------------------------------------------------------------------
# By themselves


def test_every_module_is_in_nn_and_has_an_example_call_here() -> None:
    assert all(getattr(nn, name) is getattr(activation, name) for name in activation.__all__)
    assert {program.partition("(")[0] for program in MODULES} == set(activation.__all__)


def test_known_values() -> None:
    x = minigrad.tensor([-1.0, 0.0, 1.0], dtype=minigrad.float64)
    known = {
        "gelu": [-0.15865525393145707, 0.0, 0.8413447460685429],  # x times the normal distribution's P(X < x)
        "selu": [-1.1113307378125625, 0.0, 1.0507009873554805],
        "mish": [-0.3034014613741089, 0.0, 0.8650983882673103],
        "silu": [-0.2689414213699951, 0.0, 0.7310585786300049],
        "hardswish": [-1 / 3, 0.0, 2 / 3],
        "softsign": [-0.5, 0.0, 0.5],
    }
    for name, values in known.items():
        np.testing.assert_allclose(getattr(F, name)(x).numpy(), values, rtol=1e-14, err_msg=name)


def test_gelu_of_float32_keeps_the_digits_of_float32() -> None:
    x = minigrad.linspace(-8, 8, 100_001)
    exact = F.gelu(x.double())
    assert float((F.gelu(x) - exact).abs().max()) < 6e-7  # at 8 half a unit in the last place is 4.8e-7
    assert F.gelu(minigrad.tensor([-1e30, -1000.0, -7.0, 7.0, 1e30])).tolist() == [0, 0, 0, 7, float(np.float32(1e30))]
    x = x.requires_grad_()
    F.gelu(x).sum().backward()
    wide = x.detach().double().requires_grad_()
    F.gelu(wide).sum().backward()
    assert float((x.grad - wide.grad).abs().max()) < 1e-6


def test_large_arrays_take_the_same_values() -> None:
    """From 4096 entries on, maximum and minimum are given a row of zeros in place of the number."""
    x = minigrad.randn(64, 128, dtype=minigrad.float64)
    for f in (F.relu, F.elu, F.selu, F.softplus, F.logsigmoid, F.celu):
        np.testing.assert_array_equal(f(x)[:2].array, f(x[:2]).array, err_msg=f.__name__)


def test_prelu_learns_its_slopes() -> None:
    x = minigrad.tensor([[-2.0, 4.0], [1.0, -3.0]])
    layer = nn.PReLU(2)
    layer(x).sum().backward()
    assert layer.weight.grad.tolist() == [-2.0, -3.0]
    layer.weight.data.fill_(1.0)
    layer.reset_parameters()
    assert layer.weight.tolist() == [0.25, 0.25]


def test_rrelu_draws_a_slope_for_each_negative_entry() -> None:
    minigrad.manual_seed(0)
    x = minigrad.full((100_000,), -1.0, requires_grad=True)
    y = nn.RReLU(0.2, 0.4)(x)
    y.sum().backward()
    assert 0.2 <= float((-y).min()) < 0.2001 and 0.3999 < float((-y).max()) <= 0.4
    assert float(y.mean()) == pytest.approx(-0.3, abs=0.001)
    np.testing.assert_array_equal(x.grad.array, -y.array)  # the slope that was drawn
    assert F.rrelu(minigrad.tensor([2.0]), training=True).tolist() == [2.0]
    first = F.rrelu(x, training=True, generator=minigrad.Generator().manual_seed(1)).tolist()
    assert F.rrelu(x, training=True, generator=minigrad.Generator().manual_seed(1)).tolist() == first


def test_gumbel_softmax_draws_from_the_softmax() -> None:
    minigrad.manual_seed(0)
    logits = minigrad.tensor([0.0, 1.0, 2.0])
    n = 50_000
    y = F.gumbel_softmax(logits.expand(n, 3), hard=True)
    assert set(y.flatten().tolist()) == {0.0, 1.0} and y.sum(1).tolist() == [1.0] * n
    p = logits.softmax(0).numpy()
    assert np.all(np.abs(y.mean(0).numpy() - p) < 5 * np.sqrt(p * (1 - p) / n))
    soft = F.gumbel_softmax(logits.expand(n, 3), tau=0.1)
    assert float(soft.max(1).values.mean()) > 0.9
    np.testing.assert_allclose((soft == soft.amax(1, True)).float().mean(0).numpy(), p, atol=0.01)


def test_gumbel_softmax_hard_has_the_gradient_of_soft() -> None:
    grads = []
    for hard in (False, True):
        x = minigrad.tensor([[0.5, -1.0, 2.0]], dtype=minigrad.float64, requires_grad=True)
        y = F.gumbel_softmax(x, 0.7, hard, generator=minigrad.Generator().manual_seed(4))
        (y * minigrad.tensor([1.0, 2.0, 3.0])).sum().backward()
        grads.append(x.grad.numpy())
    np.testing.assert_array_equal(*grads)
    with pytest.raises(ValueError, match=r"expected a temperature above 0, got tau=0"):
        F.gumbel_softmax(x, tau=0)


def test_in_place_saves_nothing_that_is_needed() -> None:
    x = minigrad.tensor([-1.0, 2.0], requires_grad=True)
    y = nn.SiLU(inplace=True)(x * 2)
    y.sum().backward()
    z = minigrad.tensor([-1.0, 2.0], requires_grad=True)
    nn.SiLU()(z * 2).sum().backward()
    assert x.grad.tolist() == z.grad.tolist()
    h = (x * 2).exp()  # keeps its output, which the next line overwrites
    nn.ELU(inplace=True)(h)
    with pytest.raises(RuntimeError, match=r"elu_\(\) has overwritten it"):
        (h * 1).sum().backward()


def test_gradcheck_without_pytorch() -> None:
    x = minigrad.tensor([[-2.5, -0.3, 0.4, 3.7]], dtype=minigrad.float64, requires_grad=True)
    w = minigrad.tensor([0.1, 0.2, 0.3, 0.4], dtype=minigrad.float64, requires_grad=True)
    for f in (F.gelu, F.silu, F.mish, F.selu, F.celu, F.hardswish, F.hardsigmoid, F.softshrink, F.tanhshrink, F.glu):
        assert gradcheck(f, (x,))
    assert gradcheck(F.prelu, (x, w))


def test_errors_say_where_in_the_network() -> None:
    net = nn.Sequential(nn.Identity(), nn.Sequential(nn.GELU(), nn.Softmax2d()))
    with pytest.raises(TypeError, match=r"^Sequential\.1\.0 \(GELU\): expected a Tensor, got list"):
        net([1.0])
    with pytest.raises(ValueError, match=r"^Sequential\.1\.1 \(Softmax2d\): expected input \(N, C, H, W\)"):
        net(minigrad.zeros(2, 3))


def test_old_names_are_refused() -> None:
    with pytest.raises(TypeError, match=r"Hardtanh: min_value and max_value are gone; use min_val= and max_val="):
        nn.Hardtanh(min_value=-2)
    with pytest.raises(ValueError, match=r"GELU: expected approximate 'none' or 'tanh', got 'erf'"):
        nn.GELU("erf")


@pytest.mark.parametrize("program", [program for program in MODULES if "True" not in program])
def test_on_the_gpu_nothing_is_read(program: str) -> None:
    with strict_cupy.installed() as cp, warnings.catch_warnings(action="error"):
        module = made(program, minigrad).to("cuda")
        if program.startswith("RReLU"):
            module.eval()
        here = minigrad.randn(SHAPES.get(program, (4, 3)), generator=minigrad.Generator().manual_seed(1))
        x = here.to("cuda").requires_grad_()
        before = cp.syncs
        y = module(x)
        y.sum().backward()
        assert cp.syncs == before and isinstance(x.grad.array, cp.ndarray)
        np.testing.assert_allclose(y.detach().cpu().numpy(), module.to("cpu")(here).detach().numpy(), rtol=1e-6)


def test_random_activations_on_the_gpu_read_nothing() -> None:
    with strict_cupy.installed() as cp:
        x = minigrad.randn(4, 3).to("cuda").requires_grad_()
        before = cp.syncs
        (F.rrelu(x, training=True) + F.gumbel_softmax(x, hard=True)).sum().backward()
        assert cp.syncs == before and isinstance(x.grad.array, cp.ndarray)
