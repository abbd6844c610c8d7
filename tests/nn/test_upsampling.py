"""Resizing and sampling beside PyTorch, the layers, and what is said about misuse."""

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

PROGRAMS = beside.topics("upsampling.txt")


@pytest.fixture(scope="module")
def torch() -> types.ModuleType:
    return pytest.importorskip("torch")


@pytest.mark.parametrize("topic", PROGRAMS)
def test_the_same_as_pytorch(topic: str, torch: types.ModuleType) -> None:
    assert not list(beside.differences([IMAGES + program for program in PROGRAMS[topic]], torch))


RESIZED: dict[str, tuple[Any, tuple[int, ...]]] = {
    "nearest": (lambda F, x: F.interpolate(x, scale_factor=2), (2, 3, 4, 5)),
    "nearest to any size": (lambda F, x: F.interpolate(x, (7, 3)), (2, 3, 4, 5)),
    "nearest, smaller": (lambda F, x: F.interpolate(x, scale_factor=0.5), (2, 3, 4, 6)),
    "nearest 1d": (lambda F, x: F.interpolate(x, 7), (2, 3, 4)),
    "nearest 3d": (lambda F, x: F.interpolate(x, (2, 6, 4)), (1, 2, 2, 3, 3)),
    "nearest-exact": (lambda F, x: F.interpolate(x, (7, 3), mode="nearest-exact"), (2, 3, 4, 5)),
    "linear": (lambda F, x: F.interpolate(x, 7, mode="linear"), (2, 3, 4)),
    "bilinear": (lambda F, x: F.interpolate(x, (7, 3), mode="bilinear"), (2, 3, 4, 5)),
    "bilinear, corners": (lambda F, x: F.interpolate(x, (7, 3), mode="bilinear", align_corners=True), (2, 3, 4, 5)),
    "bilinear by a factor": (lambda F, x: F.interpolate(x, scale_factor=(1.6, 2.3), mode="bilinear"), (2, 3, 4, 5)),
    "trilinear": (lambda F, x: F.interpolate(x, (4, 2, 5), mode="trilinear"), (1, 2, 2, 3, 3)),
    "bicubic": (lambda F, x: F.interpolate(x, (7, 3), mode="bicubic"), (2, 3, 4, 5)),
    "bicubic, corners": (lambda F, x: F.interpolate(x, (7, 3), mode="bicubic", align_corners=True), (2, 3, 4, 5)),
    "area": (lambda F, x: F.interpolate(x, (3, 2), mode="area"), (2, 3, 4, 5)),
}


@pytest.mark.parametrize("name", RESIZED)
def test_derivatives_beside_pytorch(name: str, torch: types.ModuleType) -> None:
    f, shape = RESIZED[name]
    assert_same_derivatives(torch, lambda F, x: f(F, x) ** 2, drawn(shape), name)


@pytest.mark.parametrize("name", RESIZED)
def test_derivatives_without_pytorch(name: str) -> None:
    f, shape = RESIZED[name]
    x = minigrad.tensor(drawn(shape)[0][:1, :1], requires_grad=True)
    assert gradcheck(lambda x: f(F, x) ** 2, [x]) and gradgradcheck(lambda x: f(F, x) ** 2, [x])


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic", "area"])
def test_all_sizes_beside_pytorch(mode: str, torch: types.ModuleType) -> None:
    for n in (1, 2, 3, 5, 8):
        for m in range(1, 14):
            (x,) = drawn((1, 2, n, 14 - m))
            for options in ({}, {"align_corners": True}) if mode.startswith("bi") else ({},):
                y = F.interpolate(minigrad.tensor(x), (m, n), mode=mode, **options)
                z = torch.nn.functional.interpolate(torch.tensor(x), (m, n), mode=mode, **options)
                np.testing.assert_allclose(y.numpy(), z.numpy(), rtol=1e-9, atol=1e-12, err_msg=f"{n} {m} {options}")


def test_infinity_stays_where_it_was() -> None:
    x = minigrad.tensor([[[1.0, math.inf, 2.0]]])
    assert F.interpolate(x, 5).tolist() == [[[1.0, 1.0, math.inf, math.inf, 2.0]]]


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("padding_mode", ["zeros", "border"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_grid_sample_beside_pytorch(mode: str, padding_mode: str, align_corners: bool, torch: types.ModuleType) -> None:
    x, grid = drawn((2, 3, 4, 5), (2, 3, 4, 2))

    def f(F: Any, x: Any, *moving: Any) -> Any:
        library = torch if F is torch.nn.functional else minigrad
        places = moving[0] * 0.8 if moving else library.tensor(grid)
        return F.grid_sample(x, places, mode, padding_mode, align_corners) * x.sum()

    assert_same_derivatives(torch, f, [x, grid] if mode == "bilinear" else [x])  # the nearest stays the nearest


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_samples_lie_in_row_major_order(mode: str) -> None:
    y = F.grid_sample(minigrad.randn(2, 3, 4, 5), minigrad.zeros(2, 6, 7, 2), mode, align_corners=False)
    assert y.is_contiguous() and y.view(2, -1).shape == (2, 3 * 6 * 7)


def test_turned_images(torch: types.ModuleType) -> None:
    def f(F: Any, x: Any, theta: Any) -> Any:
        return F.grid_sample(x, F.affine_grid(theta * 0.5, (2, 3, 4, 3), False), align_corners=False)

    assert_same_derivatives(torch, f, drawn((2, 3, 4, 5), (2, 2, 3)))
    quarter = minigrad.tensor([[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]]])
    x = minigrad.arange(9.0).reshape(1, 1, 3, 3)
    turned = F.grid_sample(x, F.affine_grid(quarter, (1, 1, 3, 3)), "nearest")
    assert turned.tolist() == [[[[2, 5, 8], [1, 4, 7], [0, 3, 6]]]]


def test_the_gpu_is_not_read() -> None:
    with strict_cupy.installed() as cp:
        x = minigrad.randn(2, 3, 4, 5, device="cuda", requires_grad=True)
        before = cp.syncs
        for name, (f, shape) in RESIZED.items():
            if len(shape) == 4:
                f(F, x).sum().backward()
                assert cp.syncs == before, name
        theta = minigrad.ones(2, 2, 3, device="cuda", requires_grad=True)
        F.grid_sample(x, F.affine_grid(theta, (2, 3, 4, 4))).sum().backward()
        assert cp.syncs == before and isinstance(theta.grad.array, cp.ndarray)


# ----------------------------------------------------------------------------------------------------------------
# Layers

LAYERS: list[tuple[Any, tuple[int, ...]]] = [
    (lambda nn: nn.Upsample(scale_factor=2), (2, 3, 4)),
    (lambda nn: nn.Upsample((7, 3), mode="bilinear"), (2, 3, 4, 5)),
    (lambda nn: nn.Upsample(scale_factor=(1.6, 2), mode="bicubic", align_corners=True), (2, 3, 4, 5)),
    (lambda nn: nn.Upsample(scale_factor=1.7, mode="bilinear", recompute_scale_factor=True), (2, 3, 4, 5)),
    (lambda nn: nn.UpsamplingNearest2d(scale_factor=2), (2, 3, 4, 5)),
    (lambda nn: nn.UpsamplingNearest2d((3, 9)), (2, 3, 4, 5)),
    (lambda nn: nn.UpsamplingBilinear2d(scale_factor=2), (2, 3, 4, 5)),
]


@pytest.mark.parametrize(("make", "shape"), LAYERS)
def test_layers_beside_pytorch(make: Any, shape: tuple[int, ...], torch: types.ModuleType) -> None:
    assert_same_layer(torch, make, shape)


def test_signatures_are_pytorchs(torch: types.ModuleType) -> None:
    def parameters(f: Any) -> list[tuple[str, Any]]:
        return [(p.name, p.default) for p in inspect.signature(f).parameters.values()]

    for name in ("Upsample", "UpsamplingNearest2d", "UpsamplingBilinear2d"):
        assert parameters(getattr(nn, name)) == parameters(getattr(torch.nn, name)), name
    for name in ("interpolate", "grid_sample", "affine_grid"):
        assert parameters(getattr(F, name)) == parameters(getattr(torch.nn.functional, name)), name


def message(kind: type[Exception], f: Any, *args: Any, **options: Any) -> str:
    with pytest.raises(kind) as caught:
        f(*args, **options)
    return str(caught.value)


def test_what_is_said_about_wrong_inputs() -> None:
    net = nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"))
    assert message(NotImplementedError, net, minigrad.ones(1, 1, 3)) == (
        "Sequential.0 (Upsample): mode 'bilinear' takes inputs of 4 dimensions, got (1, 1, 3)"
    )
    x = minigrad.ones(1, 1, 3, 3)
    assert "antialias is not in minigrad" in message(NotImplementedError, F.interpolate, x, 2, antialias=True)
    grid = minigrad.zeros(1, 2, 2, 2)
    for options in ({"mode": "bicubic"}, {"padding_mode": "reflection"}):
        assert "are not in minigrad" in message(NotImplementedError, F.grid_sample, x, grid, **options)
