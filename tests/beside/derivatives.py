"""A function in both libraries: its values, its gradients, and the gradients of these, in float64."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad

Array = np.ndarray[Any, Any]

# What programs about images begin with: two images of two channels, three kernels, a vector, places in the images.
IMAGES = (
    "a, w = (torch.tensor(np.sin(1.7 * np.arange(n)).reshape(s).astype('float32')) "
    "for n, s in ((80, (2, 2, 5, 4)), (36, (3, 2, 3, 2))));"
    "c = torch.tensor([0.5, -1.0, 2.0]);"
    "g = torch.tensor(np.sin(2.3 * np.arange(48)).reshape(2, 4, 3, 2).astype('float32'));"
)


def drawn(*shapes: tuple[int, ...]) -> list[Array]:
    draw = np.random.default_rng(3)
    return [draw.normal(size=shape) for shape in shapes]


def derivatives(library: Any, f: Callable[..., Any], arrays: list[Array]) -> list[Array]:
    """Return f(functional, inputs), its gradients under a fixed cotangent, and those of the sum of their squares."""
    xs = [library.tensor(a, requires_grad=True) for a in arrays]
    y = f(library.nn.functional, *xs)
    cotangent = library.tensor(np.cos(np.arange(y.numel())).reshape(tuple(y.shape)))
    first = library.autograd.grad(y, xs, cotangent, create_graph=True)
    total = sum((g * g).sum() for g in first) + sum(x.sum() for x in xs)  # which has a history in any case
    second = library.autograd.grad(total, xs)
    return [a.detach().numpy() for a in (y, *first, *second)]


def assert_same_derivatives(
    torch: types.ModuleType, f: Callable[..., Any], arrays: list[Array], case: object = ""
) -> None:
    for ours, theirs in zip(derivatives(minigrad, f, arrays), derivatives(torch, f, arrays), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-10, err_msg=str(case))


def assert_same_layer(torch: types.ModuleType, make: Callable[[Any], Any], shape: tuple[int, ...]) -> None:
    """Compare a layer, made by ``make(nn)``: repr, attributes, state, outputs, gradients of input and parameters."""
    ours, theirs = make(minigrad.nn).double(), make(torch.nn).double()
    assert repr(ours) == repr(theirs)
    assert {k: tuple(v.shape) for k, v in ours.state_dict().items()} == {
        k: tuple(v.shape) for k, v in theirs.state_dict().items()
    }
    ours.load_state_dict({k: minigrad.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    (array,) = drawn(shape)
    a, b = minigrad.tensor(array, requires_grad=True), torch.tensor(array, requires_grad=True)
    y, z = ours(a), theirs(b)
    if isinstance(z, tuple):
        assert y[1].tolist() == z[1].tolist() and y[1].dtype == "int64"
        y, z = y[0], z[0]
    (y**3).sum().backward()
    (z**3).sum().backward()
    pairs = [(y, z), (a.grad, b.grad), *((p.grad, q.grad) for p, q in zip(ours.parameters(), theirs.parameters()))]
    for p, q in pairs:
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-9, atol=1e-10, err_msg=repr(ours))
    public = {k: v for k, v in vars(theirs).items() if not k.startswith("_") and k not in ("training", "name")}
    assert public == {k: getattr(ours, k) for k in public}
