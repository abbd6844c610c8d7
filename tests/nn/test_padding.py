"""Padding, unfolding and shuffling beside PyTorch, their layers, and what is said about misuse."""

from __future__ import annotations

import inspect
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

PROGRAMS = beside.topics("padding.txt")


@pytest.fixture(scope="module")
def torch() -> types.ModuleType:
    return pytest.importorskip("torch")


@pytest.mark.parametrize("topic", PROGRAMS)
def test_the_same_as_pytorch(topic: str, torch: types.ModuleType) -> None:
    assert not list(beside.differences([IMAGES + program for program in PROGRAMS[topic]], torch))


MAPS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "constant": (lambda F, x: F.pad(x, (1, 2, 0, 3), value=2.0), (2, 3, 4, 5)),
    "constant, cut": (lambda F, x: F.pad(x, (-1, 2, 1, -2)), (2, 3, 4, 5)),
    "reflect": (lambda F, x: F.pad(x, (1, 2, 0, 3), "reflect"), (2, 3, 4, 5)),
    "reflect 1d": (lambda F, x: F.pad(x, (3, 2), "reflect"), (3, 4)),
    "reflect 3d": (lambda F, x: F.pad(x, (1, 2, 0, 1, 1, 0), "reflect"), (1, 2, 3, 4, 3)),
    "reflect, cut": (lambda F, x: F.pad(x, (-2, 3, 1, -1), "reflect"), (2, 3, 4, 5)),
    "replicate": (lambda F, x: F.pad(x, (1, 2, 0, 3), "replicate"), (2, 3, 4, 5)),
    "replicate, cut": (lambda F, x: F.pad(x, (-2, 3, 1, -1), "replicate"), (2, 3, 4, 5)),
    "circular": (lambda F, x: F.pad(x, (1, 2, 0, 3), "circular"), (2, 3, 4, 5)),
    "circular, cut": (lambda F, x: F.pad(x, (-2, 3, 1, -1), "circular"), (2, 3, 4, 5)),
    "circular 3d": (lambda F, x: F.pad(x, (1, 2, 0, 1, 1, 0), "circular"), (1, 2, 3, 4, 3)),
    "unfold": (lambda F, x: F.unfold(x, (2, 3), (2, 1), 1, (1, 2)), (2, 3, 4, 5)),
    "fold": (lambda F, x: F.fold(x, (4, 5), 2, 1, 1, 2), (2, 8, 9)),
    "pixel_shuffle": (lambda F, x: F.pixel_shuffle(x, 2), (2, 8, 3, 2)),
    "pixel_unshuffle": (lambda F, x: F.pixel_unshuffle(x, 2), (2, 2, 4, 6)),
    "channel_shuffle": (lambda F, x: F.channel_shuffle(x, 3), (2, 6, 2, 2)),
}


@pytest.mark.parametrize("name", MAPS)
def test_derivatives_beside_pytorch(name: str, torch: types.ModuleType) -> None:
    f, shape = MAPS[name]
    assert_same_derivatives(torch, lambda F, x: f(F, x) ** 2, drawn(shape), name)


@pytest.mark.parametrize("name", MAPS)
def test_derivatives_without_pytorch(name: str) -> None:
    f, shape = MAPS[name]
    x = minigrad.tensor(drawn(shape)[0][:1], requires_grad=True)
    assert gradcheck(lambda x: f(F, x) ** 2, [x])
    assert gradgradcheck(lambda x: f(F, x[..., :4]) ** 2, [x]) if name == "reflect 1d" else True


def test_borders_by_hand() -> None:
    x = minigrad.tensor([[1.0, 2.0, 3.0]])
    assert F.pad(x, (2, 1), "reflect").tolist() == [[3, 2, 1, 2, 3, 2]]
    assert F.pad(x, (2, 1), "replicate").tolist() == [[1, 1, 1, 2, 3, 3]]
    assert F.pad(x, (2, 1), "circular").tolist() == [[2, 3, 1, 2, 3, 1]]
    assert F.pad(x, (2, -1), value=9).tolist() == [[9, 9, 1, 2]]
    assert F.pad(x.long(), (0, 1)).dtype == "int64"
    assert F.pad(x > 1, (0, 1), value=1).tolist() == [[False, True, True, True]]


def test_a_convolution_is_a_product_with_unfolded_windows() -> None:
    x, w = (minigrad.tensor(a) for a in drawn((2, 3, 5, 4), (4, 3, 2, 2)))
    product = w.reshape(4, -1) @ F.unfold(x, 2)
    np.testing.assert_allclose(product.reshape(2, 4, 4, 3).numpy(), F.conv2d(x, w).numpy(), rtol=1e-12)


def test_the_gpu_is_not_read() -> None:
    with strict_cupy.installed() as cp:
        x = minigrad.randn(2, 4, 4, 4, device="cuda", requires_grad=True)
        before = cp.syncs
        for name, (f, shape) in MAPS.items():
            if len(shape) == 4:
                f(F, minigrad.zeros(shape, device="cuda") + x.sum()).sum().backward()
                assert cp.syncs == before and isinstance(x.grad.array, cp.ndarray), name


# ----------------------------------------------------------------------------------------------------------------
# Layers

LAYERS: list[tuple[Any, tuple[int, ...]]] = [
    (lambda nn: nn.ConstantPad1d(2, 3.5), (2, 3, 4)),
    (lambda nn: nn.ConstantPad2d((1, -1, 0, 2), 3), (2, 3, 4, 5)),
    (lambda nn: nn.ConstantPad3d(1, 2.0), (2, 3, 4, 5)),
    (lambda nn: nn.ZeroPad1d((1, 2)), (2, 3, 4)),
    (lambda nn: nn.ZeroPad2d((1, 2, 3, 0)), (2, 3, 4, 5)),
    (lambda nn: nn.ZeroPad3d(1), (2, 3, 4, 5)),
    (lambda nn: nn.ReflectionPad1d((1, 2)), (2, 3, 4)),
    (lambda nn: nn.ReflectionPad2d(2), (2, 3, 4, 5)),
    (lambda nn: nn.ReflectionPad3d(1), (2, 3, 4, 5)),
    (lambda nn: nn.ReplicationPad1d((1, 2)), (3, 4)),
    (lambda nn: nn.ReplicationPad2d((1, 2, 3, 0)), (3, 4, 5)),
    (lambda nn: nn.ReplicationPad3d(1), (1, 2, 3, 4, 5)),
    (lambda nn: nn.CircularPad1d((1, 2)), (2, 3, 4)),
    (lambda nn: nn.CircularPad2d(2), (2, 3, 4, 5)),
    (lambda nn: nn.CircularPad3d(1), (2, 3, 4, 5)),
    (lambda nn: nn.Unfold((2, 3), dilation=(2, 1), padding=1, stride=2), (2, 3, 4, 5)),
    (lambda nn: nn.Fold((4, 5), 2), (2, 8, 12)),
    (lambda nn: nn.PixelShuffle(2), (2, 8, 3, 2)),
    (lambda nn: nn.PixelUnshuffle(3), (2, 2, 3, 6)),
    (lambda nn: nn.ChannelShuffle(2), (2, 4, 3, 2)),
]


@pytest.mark.parametrize(("make", "shape"), LAYERS)
def test_layers_beside_pytorch(make: Any, shape: tuple[int, ...], torch: types.ModuleType) -> None:
    assert_same_layer(torch, make, shape)


def test_signatures_are_pytorchs(torch: types.ModuleType) -> None:
    def parameters(f: Any) -> list[tuple[str, Any]]:
        return [(p.name, p.default) for p in inspect.signature(f).parameters.values()]

    kinds = ("Constant", "Zero", "Reflection", "Replication", "Circular")
    pads = [f"{kind}Pad{d}d" for kind in kinds for d in (1, 2, 3)]
    for name in (*pads, "Unfold", "Fold", "PixelShuffle", "PixelUnshuffle", "ChannelShuffle"):
        assert parameters(getattr(nn, name)) == parameters(getattr(torch.nn, name)), name
    for name in ("pad", "unfold", "fold"):
        assert parameters(getattr(F, name)) == parameters(getattr(torch.nn.functional, name)), name


def message(kind: type[Exception], f: Any, *args: Any) -> str:
    with pytest.raises(kind) as caught:
        f(*args)
    return str(caught.value)


def test_what_is_said_about_wrong_inputs() -> None:
    net = nn.Sequential(nn.ReflectionPad2d(3))
    assert message(RuntimeError, net, minigrad.ones(1, 1, 3, 3)).startswith(
        "Sequential.0 (ReflectionPad2d): mode 'reflect' reaches 2 entries of a dimension of 3, got widths (3, 3)"
    )
    assert message(RuntimeError, nn.PixelShuffle(3), minigrad.ones(1, 8, 3, 3)) == (
        "PixelShuffle: expected input (..., C * 9, H, W) for an upscale_factor of 3, got (1, 8, 3, 3)"
    )
    assert "expected a Tensor, got a NumPy array" in message(TypeError, nn.ZeroPad2d(1), np.ones((1, 1, 2, 2)))
