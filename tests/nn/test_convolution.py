"""Convolution beside PyTorch over a grid of options, its layers, blocks of columns, and what is said about misuse."""

from __future__ import annotations

import inspect
import itertools
import types
from concurrent.futures import ThreadPoolExecutor
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
from minigrad.ops import convolution as sheet
from minigrad.ops.window import window_over

Array = np.ndarray[Any, Any]

PROGRAMS = beside.topics("convolution.txt")


@pytest.fixture(scope="module")
def torch() -> types.ModuleType:
    return pytest.importorskip("torch")


@pytest.mark.parametrize("topic", PROGRAMS)
def test_the_same_as_pytorch(topic: str, torch: types.ModuleType) -> None:
    assert not list(beside.differences([IMAGES + program for program in PROGRAMS[topic]], torch))


# ----------------------------------------------------------------------------------------------------------------
# Values, gradients and second derivatives


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_convolution_beside_pytorch(groups: int, torch: types.ModuleType) -> None:
    grid = itertools.product([1, 2, 3], [0, 1, (2, 1), "same", "valid"], [1, 2, (1, 3)], [(3, 2), 1])
    for stride, padding, dilation, kernel in grid:
        if padding == "same" and stride != 1:
            continue
        kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
        arrays = drawn((2, 4, 7, 6), (4, 4 // groups, *kernel), (4,))

        def f(F: Any, x: Any, w: Any, b: Any, options: Any = (stride, padding, dilation, groups)) -> Any:
            return F.conv2d(x, w, b, *options)

        assert_same_derivatives(torch, f, arrays, (stride, padding, dilation, kernel))


@pytest.mark.parametrize("groups", [1, 2])
def test_transposed_convolution_beside_pytorch(groups: int, torch: types.ModuleType) -> None:
    grid = itertools.product([1, 2, (3, 2)], [0, 1, (1, 0)], [0, 1], [1, (2, 1)])
    for stride, padding, output_padding, dilation in grid:
        if output_padding and (stride == 1 or dilation == (2, 1)):
            continue
        arrays = drawn((2, 4, 3, 4), (4, 2, 3, 2), (2 * groups,))

        def f(
            F: Any, x: Any, w: Any, b: Any, options: Any = (stride, padding, output_padding, groups, dilation)
        ) -> Any:
            return F.conv_transpose2d(x, w, b, *options)

        assert_same_derivatives(torch, f, arrays, (stride, padding, output_padding, dilation))


@pytest.mark.parametrize("dims", [1, 3])
def test_other_dimensions_beside_pytorch(dims: int, torch: types.ModuleType) -> None:
    size = (5, 4, 3)[:dims]
    kernel = (3, 2, 2)[:dims]
    for stride, padding, batch in itertools.product([1, 2], [0, 1], [(2,), ()]):
        x, w, b, u = drawn((*batch, 2, *size), (3, 2, *kernel), (3,), (*batch, 3, *size))

        def f(F: Any, x: Any, w: Any, b: Any, options: Any = (stride, padding)) -> Any:
            return getattr(F, f"conv{dims}d")(x, w, b, *options)

        def back(F: Any, u: Any, w: Any, options: Any = (stride, padding)) -> Any:
            return getattr(F, f"conv_transpose{dims}d")(u, w, None, *options)

        assert_same_derivatives(torch, f, [x, w, b], (stride, padding, batch))
        assert_same_derivatives(torch, back, [u, w], (stride, padding, batch))


def test_a_kernel_by_hand() -> None:
    x = minigrad.arange(9.0).reshape(1, 1, 3, 3)
    edge = minigrad.tensor([[[[1.0, -1.0]]]])
    assert F.conv2d(x, edge).tolist() == [[[[-1.0, -1.0]] * 3]]
    assert F.conv_transpose2d(minigrad.tensor([[[[2.0, 3.0]]]]), edge).tolist() == [[[[2.0, 1.0, -3.0]]]]
    assert F.conv1d(minigrad.ones(1, 1, 5), minigrad.ones(1, 1, 3), padding="same").tolist() == [[[2, 3, 3, 3, 2]]]
    assert F.conv2d(x.long(), edge.long()).dtype == minigrad.int64


def test_without_pytorch_gradients_are_right_too() -> None:
    x, w, b = (minigrad.tensor(a, requires_grad=True) for a in drawn((2, 2, 5, 4), (4, 1, 3, 2), (4,)))
    f = lambda x, w, b: F.conv2d(x, w, b, 2, 1, (1, 2), 2)
    assert gradcheck(f, [x, w, b]) and gradgradcheck(f, [x, w, b])


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [((3, 2), 1, 1), ((3, 2), 2, 1), ((1, 1), 1, 0)])
def test_blocks_of_rows_give_the_same(
    kernel: tuple[int, int], stride: int, padding: int, groups: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large convolutions make their columns in blocks, forward and backward."""

    def step() -> list[Array]:
        arrays = drawn((3, 2, 9, 5), (4, 2 // groups, *kernel), (4,))
        x, w, b = (minigrad.tensor(a, requires_grad=True) for a in arrays)
        y = F.conv2d(x, w, b, stride, padding, 1, groups)
        back = F.conv_transpose2d(y, w, None, stride, padding, 0, groups)
        first = minigrad.autograd.grad((back * back).sum(), [x, w, b], create_graph=True)
        second = minigrad.autograd.grad(sum((g * g).sum() for g in first), [x, w, b], retain_graph=True)
        back.sum().backward()
        return [a.detach().numpy() for a in (y, back, *first, *second, x.grad, w.grad, b.grad)]

    whole = step()
    window = window_over("window", (9, 5), kernel, (stride, stride), (padding, padding), (1, 1))
    monkeypatch.setattr(sheet, "BLOCK", 800)
    blocks = list(sheet._blocks(window, np.zeros((2, 9, 5, 3))))
    assert len(blocks) > 2 and sum(block.out[0] for _, block in blocks) == window.out[0]
    for a, b in zip(whole, step(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_threads_do_not_share_the_memory_for_columns() -> None:
    xs = [minigrad.tensor(a) for a in drawn(*[(8, 3, 30, 30)] * 4)]
    (w,) = (minigrad.tensor(a) for a in drawn((5, 3, 3, 3)))
    expected = [F.conv2d(x, w).numpy() for x in xs]
    with ThreadPoolExecutor(4) as threads:
        for _ in range(5):
            for y, z in zip(threads.map(lambda x: F.conv2d(x, w), xs), expected, strict=True):
                np.testing.assert_array_equal(y.numpy(), z)


def test_float32_stays_float32_and_the_gpu_is_not_read() -> None:
    with strict_cupy.installed() as cp:
        model = nn.Sequential(
            nn.Conv2d(2, 4, 3, padding="same", bias=False), nn.MaxPool2d(2), nn.ConvTranspose2d(4, 2, 3, 2)
        )
        model.to("cuda")
        x = minigrad.randn(3, 2, 6, 6, device="cuda")
        before = cp.syncs
        y = model(x)
        y.sum().backward()
        assert cp.syncs == before
        assert y.dtype == "float32" and all(p.grad.dtype == "float32" for p in model.parameters())


# ----------------------------------------------------------------------------------------------------------------
# Layers

LAYERS: list[tuple[Any, tuple[int, ...]]] = [
    (lambda nn: nn.Conv2d(4, 6, 3), (2, 4, 7, 6)),
    (lambda nn: nn.Conv2d(4, 6, (3, 2), 2, (1, 0), (1, 2), 2, False), (2, 4, 7, 6)),
    (lambda nn: nn.Conv2d(4, 6, 3, padding=(2, 1), padding_mode="reflect"), (2, 4, 7, 6)),
    (lambda nn: nn.Conv2d(4, 6, (2, 4), padding="same", padding_mode="circular"), (2, 4, 7, 6)),
    (lambda nn: nn.Conv2d(4, 6, 3, padding=1, padding_mode="replicate", stride=2), (4, 7, 6)),
    (lambda nn: nn.Conv2d(4, 6, (2, 4), padding="same"), (4, 7, 6)),
    (lambda nn: nn.Conv2d(4, 6, 3, padding="valid", padding_mode="reflect"), (2, 4, 7, 6)),
    (lambda nn: nn.Conv1d(4, 2, 3, 2, 1), (3, 4, 9)),
    (lambda nn: nn.Conv1d(4, 4, 3, groups=4, padding=1, padding_mode="circular"), (4, 9)),
    (lambda nn: nn.Conv3d(2, 3, (1, 2, 3), 1, (0, 1, 1)), (2, 2, 3, 4, 5)),
    (lambda nn: nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, 2), (2, 4, 3, 4)),
    (lambda nn: nn.ConvTranspose2d(4, 6, 3, 2, dilation=2, bias=False), (4, 3, 4)),
    (lambda nn: nn.ConvTranspose1d(4, 2, 3, 2), (3, 4, 5)),
    (lambda nn: nn.ConvTranspose3d(2, 3, (1, 2, 3), 2), (2, 2, 3, 2, 2)),
]


@pytest.mark.parametrize(("make", "shape"), LAYERS)
def test_layers_beside_pytorch(make: Any, shape: tuple[int, ...], torch: types.ModuleType) -> None:
    assert_same_layer(torch, make, shape)


@pytest.mark.parametrize("output_size", [(7, 9), (8, 10), (2, 3, 8, 9)])
def test_output_size_beside_pytorch(output_size: tuple[int, ...], torch: types.ModuleType) -> None:
    ours, theirs = (library.nn.ConvTranspose2d(4, 3, 3, 2) for library in (minigrad, torch))
    ours.load_state_dict({k: minigrad.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    x = np.ones((2, 4, 3, 4), np.float32)
    y, z = ours(minigrad.tensor(x), output_size), theirs(torch.tensor(x), output_size)
    assert tuple(y.shape) == tuple(z.shape)
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_signatures_are_pytorchs(torch: types.ModuleType) -> None:
    def parameters(f: Any) -> list[tuple[str, Any]]:
        return [(p.name, p.default) for p in inspect.signature(f).parameters.values()]

    for name in ("Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"):
        assert parameters(getattr(nn, name)) == parameters(getattr(torch.nn, name)), name
    assert str(inspect.signature(F.conv2d)).count("=") == 5


def test_first_values() -> None:
    for layer, k in ((nn.Conv2d(8, 200, 3), 72**-0.5), (nn.ConvTranspose2d(200, 8, 3), 72**-0.5)):
        for parameter in (layer.weight, layer.bias):
            assert float(parameter.abs().max()) <= k
        assert abs(float(layer.weight.std()) - k / 3**0.5) < 0.02 * k  # a uniform distribution on [-k, k)
    minigrad.manual_seed(1)
    first = nn.Conv2d(2, 3, 3)
    minigrad.manual_seed(1)
    assert (nn.Conv2d(2, 3, 3).weight == first.weight).all() and nn.Conv2d(2, 3, 3, bias=False).bias is None
    assert nn.Conv2d(2, 3, 3, dtype=minigrad.float64).weight.dtype == "float64"


def message(kind: type[Exception], f: Any, *args: Any) -> str:
    with pytest.raises(kind) as caught:
        f(*args)
    return str(caught.value)


def test_what_is_said_about_wrong_inputs() -> None:
    net = nn.Sequential(nn.Identity(), nn.ReLU(), nn.Conv2d(3, 16, 3))
    path = "Sequential.2 (Conv2d 3 -> 16): "
    assert message(RuntimeError, net, minigrad.ones(8, 32, 32, 3)) == (
        path + "expected input (N, 3, H, W), got (8, 32, 32, 3).\n  Are the channels last? x.movedim(-1, 1)"
    )
    assert message(RuntimeError, net, minigrad.ones(32, 32, 3)) == (
        path + "expected input (3, H, W), got (32, 32, 3).\n  Are the channels last? x.movedim(-1, 0)"
    )
    assert message(RuntimeError, net, minigrad.ones(8, 4, 32, 32)) == (
        path + "expected input (N, 3, H, W), got (8, 4, 32, 32).\n  Has the previous layer 4 channels?"
    )
    assert message(RuntimeError, net, minigrad.ones(32, 32)) == (
        path + "expected input (N, C, H, W) or a single (C, H, W), got (32, 32).\n"
        "  A channel dimension is missing: x.unsqueeze(1)"
    )
    assert message(RuntimeError, net, minigrad.ones(8, 3, 2, 2)).startswith(
        path + "the kernel reaches over (3, 3), more than the input (2, 2).\n  Use a smaller kernel"
    )
    assert message(RuntimeError, net, minigrad.ones(8, 3, 5, 5).double()).startswith(
        path + "expected float32 input, as the weight is, got float64.\n  Convert the input: x.float()"
    )
    assert "expected a Tensor, got a NumPy array of shape (8, 3)" in message(TypeError, net, np.ones((8, 3)))
    mnist = nn.Sequential(nn.Conv2d(1, 6, 5))
    assert "of one channel needs a dimension for it: x.unsqueeze(1)" in message(
        RuntimeError, mnist, minigrad.ones(64, 28, 28)
    )
    circular = nn.Conv2d(3, 4, 3, padding=5, padding_mode="circular")
    assert message(RuntimeError, circular, minigrad.ones(1, 3, 4, 4)).startswith(
        "Conv2d 3 -> 4: mode 'circular' reaches 4 entries"
    )
    back = nn.ConvTranspose2d(3, 4, 3, stride=2)
    assert message(RuntimeError, back, minigrad.ones(1, 4, 4, 4)).startswith(
        "ConvTranspose2d 3 -> 4: expected input (N, 3"
    )
    assert "can become (9, 9) to (10, 10), got (30, 30)" in message(
        ValueError, back, minigrad.ones(1, 3, 4, 4), (30, 30)
    )
