"""Pooling beside PyTorch over a grid of options, its layers, ties and NaN, and what is said about misuse."""

from __future__ import annotations

import inspect
import math
import types
from typing import Any

import beside
import numpy as np
import pytest
import strict_cupy
from beside.derivatives import IMAGES, assert_same_derivatives, assert_same_layer, drawn

import minigrad
from minigrad import nn
from minigrad.autograd import gradcheck, gradgradcheck
from minigrad.nn import functional as F

PROGRAMS = beside.topics("pooling.txt")


@pytest.fixture(scope="module")
def torch() -> types.ModuleType:
    return pytest.importorskip("torch")


@pytest.mark.parametrize("topic", PROGRAMS)
def test_the_same_as_pytorch(topic: str, torch: types.ModuleType) -> None:
    assert not list(beside.differences([IMAGES + program for program in PROGRAMS[topic]], torch))


# ----------------------------------------------------------------------------------------------------------------
# Values, gradients and second derivatives

POOLS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "max": (lambda F, x: F.max_pool2d(x, 2), (2, 3, 6, 5)),
    "max, overlapping": (lambda F, x: F.max_pool2d(x, 3, 2, 1), (2, 3, 6, 5)),
    "max, dilated": (lambda F, x: F.max_pool2d(x, (2, 3), 1, 1, (3, 1)), (3, 6, 5)),
    "max, ceil": (lambda F, x: F.max_pool2d(x, 3, 2, 0, 1, True), (2, 3, 6, 5)),
    "max, with indices": (lambda F, x: F.max_pool2d(x, 3, 2, 1, return_indices=True)[0], (2, 3, 6, 5)),
    "max 1d": (lambda F, x: F.max_pool1d(x, 3, 1, 1), (2, 3, 6)),
    "max 3d": (lambda F, x: F.max_pool3d(x, (1, 2, 3), 2, (0, 1, 1)), (2, 1, 3, 4, 5)),
    "unpool": (lambda F, x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2) ** 2, (2, 3, 6, 4)),
    "unpool 1d": (lambda F, x: F.max_unpool1d(*F.max_pool1d(x, 2, 1, 0, 1, False, True), 2, 1) ** 2, (3, 6)),
    "mean": (lambda F, x: F.avg_pool2d(x, 2) ** 2, (2, 3, 6, 5)),
    "mean, overlapping": (lambda F, x: F.avg_pool2d(x, 3, 2, 1) ** 2, (2, 3, 6, 5)),
    "mean, ceil": (lambda F, x: F.avg_pool2d(x, (3, 2), 2, 1, True) ** 2, (2, 3, 6, 4)),
    "mean, without padding": (lambda F, x: F.avg_pool2d(x, 3, 2, 1, True, False) ** 2, (3, 6, 5)),
    "mean, divisor": (lambda F, x: F.avg_pool2d(x, 3, 2, 1, divisor_override=4) ** 2, (2, 3, 6, 5)),
    "mean 1d": (lambda F, x: F.avg_pool1d(x, 3, 2, 1, False, False) ** 2, (2, 3, 6)),
    "mean 3d": (lambda F, x: F.avg_pool3d(x, (1, 2, 3), 2, (0, 1, 1)) ** 2, (2, 1, 3, 4, 5)),
    "lp": (lambda F, x: F.lp_pool2d(x, 2, 2), (2, 3, 6, 5)),
    "lp of another power": (lambda F, x: F.lp_pool2d(x.abs(), 3.5, (3, 2), 1), (2, 3, 6, 5)),
    "lp 1d": (lambda F, x: F.lp_pool1d(x, 4, 3, 1), (2, 3, 6)),
    "adaptive mean": (lambda F, x: F.adaptive_avg_pool2d(x, (4, 3)) ** 2, (2, 3, 6, 5)),
    "adaptive mean, even": (lambda F, x: F.adaptive_avg_pool2d(x, (3, 5)) ** 2, (2, 3, 6, 5)),
    "adaptive mean of all": (lambda F, x: F.adaptive_avg_pool2d(x, 1) ** 2, (2, 3, 6, 5)),
    "adaptive mean 1d": (lambda F, x: F.adaptive_avg_pool1d(x, 4) ** 2, (2, 3, 6)),
    "adaptive mean 3d": (lambda F, x: F.adaptive_avg_pool3d(x, (2, 3, 4)) ** 2, (2, 1, 3, 4, 5)),
    "adaptive max": (lambda F, x: F.adaptive_max_pool2d(x, (4, 3)), (2, 3, 6, 5)),
    "adaptive max, even": (lambda F, x: F.adaptive_max_pool2d(x, (3, 1)), (2, 3, 6, 5)),
    "adaptive max 3d": (lambda F, x: F.adaptive_max_pool3d(x, (2, 3, 4), True)[0], (1, 3, 4, 5)),
}


@pytest.mark.parametrize("name", POOLS)
def test_derivatives_beside_pytorch(name: str, torch: types.ModuleType) -> None:
    f, shape = POOLS[name]
    assert_same_derivatives(torch, lambda F, x: f(F, x) * 1.5, drawn(shape), name)


@pytest.mark.parametrize("name", ["max, overlapping", "mean, ceil", "adaptive mean", "adaptive max"])
def test_derivatives_without_pytorch(name: str) -> None:
    f, _ = POOLS[name]
    (x,) = drawn((1, 2, 5, 4))
    leaf = minigrad.tensor(x, requires_grad=True)
    assert gradcheck(lambda x: f(F, x), [leaf]) and gradgradcheck(lambda x: f(F, x), [leaf])


@pytest.mark.parametrize("kernel", [2, 3, 4])
def test_sizes_beside_pytorch(kernel: int, torch: types.ModuleType) -> None:
    """With ceil_mode a window must start in the input or the padding before it."""
    for n in range(kernel, 9):
        for stride in range(1, 5):
            for padding in range(kernel // 2 + 1):
                for ceil_mode in (False, True):
                    x = np.random.default_rng(n).normal(size=(1, 2, n))
                    options = kernel, stride, padding, 1, ceil_mode, True
                    y, at = F.max_pool1d(minigrad.tensor(x), *options)
                    z, places = torch.nn.functional.max_pool1d(torch.tensor(x), *options)
                    case = f"{n=} {options}"
                    np.testing.assert_array_equal(y.numpy(), z.numpy(), err_msg=case)
                    np.testing.assert_array_equal(at.numpy(), places.numpy(), err_msg=case)
                    for counted in (False, True):
                        y = F.avg_pool1d(minigrad.tensor(x), kernel, stride, padding, ceil_mode, counted)
                        z = torch.nn.functional.avg_pool1d(torch.tensor(x), kernel, stride, padding, ceil_mode, counted)
                        np.testing.assert_allclose(y.numpy(), z.numpy(), rtol=1e-12, err_msg=case)


def test_the_first_of_equals_gets_the_gradient() -> None:
    for windows, expected in ((F.max_pool1d, [[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]]),):
        x = minigrad.tensor([[2.0, 2.0, 1.0, 5.0, 5.0, 5.0]], requires_grad=True)
        y = windows(x, 3)
        y.sum().backward(retain_graph=True)
        assert x.grad.tolist() == expected
        x.grad = None
        y.sum().backward(create_graph=True)
        assert x.grad.tolist() == expected
    x = minigrad.zeros(1, 3, 3, requires_grad=True)  # as ReLU leaves it
    F.max_pool2d(x, 2, 1).sum().backward()
    assert x.grad.tolist() == [[[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]]


def test_nan_comes_through() -> None:
    x = minigrad.tensor([[1.0, math.nan, 3.0, 4.0, 5.0, 6.0]], requires_grad=True)
    y, at = F.max_pool1d(x, 2, return_indices=True)
    assert math.isnan(y.tolist()[0][0]) and y.tolist()[0][1:] == [4.0, 6.0] and at.tolist() == [[1, 3, 5]]
    y.sum().backward()
    assert x.grad.sum() == 3.0 and x.grad[0, :2].sum() == 1.0
    assert math.isnan(F.adaptive_max_pool1d(x, 4).tolist()[0][0])
    assert math.isnan(F.avg_pool1d(x, 2).tolist()[0][0])


def test_windows_of_one_entry_are_copies() -> None:
    x = minigrad.ones(1, 2, 2)
    y = F.max_pool2d(x, 1)
    y[0, 0, 0] = 5.0
    assert x.sum() == 4.0


def test_the_gpu_is_not_read() -> None:
    with strict_cupy.installed() as cp:
        x = minigrad.randn(2, 3, 6, 6, device="cuda", requires_grad=True)
        before = cp.syncs
        values, indices = F.max_pool2d(x, 2, return_indices=True)
        y = F.max_unpool2d(values, indices, 2) + F.adaptive_avg_pool2d(x, 4).sum() + F.adaptive_max_pool2d(x, 4).sum()
        (y + F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)).sum().backward()
        assert cp.syncs == before and isinstance(x.grad.array, cp.ndarray)


# ----------------------------------------------------------------------------------------------------------------
# Layers

LAYERS: list[tuple[Any, tuple[int, ...]]] = [
    (lambda nn: nn.MaxPool1d(2), (2, 3, 6)),
    (lambda nn: nn.MaxPool2d((3, 2), 2, (1, 0), ceil_mode=True), (2, 3, 6, 5)),
    (lambda nn: nn.MaxPool2d(2, return_indices=True), (3, 6, 5)),
    (lambda nn: nn.MaxPool3d(2, 1, dilation=2), (2, 3, 4, 5, 3)),
    (lambda nn: nn.AvgPool1d(2, 1), (2, 3, 6)),
    (lambda nn: nn.AvgPool2d(3, 2, 1, True, False), (2, 3, 6, 5)),
    (lambda nn: nn.AvgPool3d(2, divisor_override=3), (2, 3, 4, 5, 3)),
    (lambda nn: nn.LPPool1d(2, 2), (2, 3, 6)),
    (lambda nn: nn.LPPool2d(2, 3, 1), (2, 3, 6, 5)),
    (lambda nn: nn.LPPool3d(2, 2), (2, 3, 4, 5, 3)),
    (lambda nn: nn.AdaptiveAvgPool1d(4), (2, 3, 6)),
    (lambda nn: nn.AdaptiveAvgPool2d((None, 3)), (2, 3, 6, 5)),
    (lambda nn: nn.AdaptiveAvgPool3d(2), (2, 3, 4, 5, 3)),
    (lambda nn: nn.AdaptiveMaxPool1d(4), (2, 3, 6)),
    (lambda nn: nn.AdaptiveMaxPool2d((2, 3), return_indices=True), (2, 3, 6, 5)),
    (lambda nn: nn.AdaptiveMaxPool3d(2), (2, 3, 4, 5, 3)),
]


@pytest.mark.parametrize(("make", "shape"), LAYERS)
def test_layers_beside_pytorch(make: Any, shape: tuple[int, ...], torch: types.ModuleType) -> None:
    assert_same_layer(torch, make, shape)


def test_signatures_are_pytorchs(torch: types.ModuleType) -> None:
    def parameters(f: Any) -> list[tuple[str, Any]]:
        return [(p.name, p.default) for p in inspect.signature(f).parameters.values()]

    for kind in ("MaxPool", "MaxUnpool", "AvgPool", "LPPool", "AdaptiveAvgPool", "AdaptiveMaxPool"):
        for d in (1, 2, 3):
            name = f"{kind}{d}d"
            assert parameters(getattr(nn, name)) == parameters(getattr(torch.nn, name)), name
    for name in ("max_unpool2d", "lp_pool2d", "adaptive_avg_pool2d"):
        assert parameters(getattr(F, name)) == parameters(getattr(torch.nn.functional, name)), name


def message(kind: type[Exception], f: Any, *args: Any) -> str:
    with pytest.raises(kind) as caught:
        f(*args)
    return str(caught.value)


def test_what_is_said_about_wrong_inputs() -> None:
    net = nn.Sequential(nn.MaxPool2d(2), nn.MaxPool2d(2))
    assert message(RuntimeError, net, minigrad.ones(1, 1, 3, 3)) == (
        "Sequential.1 (MaxPool2d): the kernel reaches over (2, 2), more than the input (1, 1).\n"
        "  Use a smaller kernel or more padding, or is the input pooled too often before?"
    )
    assert message(RuntimeError, nn.AvgPool2d(2), minigrad.ones(4, 4)) == (
        "AvgPool2d: expected input (N, C, H, W) or a single (C, H, W), got (4, 4)"
    )
    assert "expected a Tensor, got list" in message(TypeError, nn.AdaptiveAvgPool2d(1), [1.0])
    assert "expected a floating input, got int64" in message(RuntimeError, nn.AvgPool1d(2), minigrad.ones(1, 4).long())
    for make in (nn.FractionalMaxPool2d, nn.FractionalMaxPool3d, F.fractional_max_pool3d):
        assert "not in minigrad" in message(NotImplementedError, make, 2)
