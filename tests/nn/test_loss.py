"""Losses beside PyTorch in every option, their warnings and refusals."""

from __future__ import annotations

import itertools
import types
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import strict_cupy

import minigrad
from minigrad import Tensor, nn
from minigrad.nn import functional as F

Array = np.ndarray[Any, Any]
DRAW = np.random.default_rng(11)
REDUCTIONS = ["mean", "sum", "none"]
WEIGHT = np.array([0.5, 2.0, 1.0, 3.0])


@pytest.fixture(scope="module")
def torch() -> types.ModuleType:
    return pytest.importorskip("torch")


def beside(torch: Any, f: Callable[[Any], tuple[Any, list[Any]]]) -> None:
    """Hold values, gradients and second derivatives of ``f(library) -> (loss, inputs)`` equal in both libraries."""
    results = []
    for library in (minigrad, torch):
        loss, inputs = f(library)
        cotangent = library.tensor(np.sin(1.0 + np.arange(loss.numel())).reshape(tuple(loss.shape)))
        first = library.autograd.grad(loss, inputs, cotangent, create_graph=True)
        total = sum((g * g).sum() for g in first)
        second = [library.zeros_like(x) for x in inputs]
        if total.requires_grad:  # or the loss is linear
            second = library.autograd.grad(total, inputs, allow_unused=True, materialize_grads=True)
        results.append([x.numpy(force=True) for x in (loss, *first, *second)])
    for ours, theirs in zip(*results, strict=True):
        assert ours.dtype == theirs.dtype == np.float64 and ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def leaf(library: Any, array: Array) -> Any:
    return library.tensor(array, requires_grad=True)


# ----------------------------------------------------------------------------------------------------------------
# Cross entropy

SHAPES = [((5, 4), (5,)), ((4,), ()), ((3, 4, 2), (3, 2)), ((2, 4, 2, 3), (2, 2, 3))]


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("shape", "labels"), SHAPES)
def test_cross_entropy_of_labels(
    shape: tuple[int, ...], labels: tuple[int, ...], reduction: str, torch: types.ModuleType
) -> None:
    x, t = DRAW.normal(size=shape), DRAW.integers(0, 4, labels)
    for weight, smoothing, ignored in itertools.product((None, WEIGHT), (0.0, 0.2), (None, "some", "in range")):
        t_here = t.copy()
        if ignored == "some" and t.ndim:
            t_here.reshape(-1)[0] = -100

        def f(library: Any, weight: Any = weight, t: Array = t_here, s: float = smoothing, i: Any = ignored) -> Any:
            logits = leaf(library, x)
            options = dict(weight=None if weight is None else library.tensor(weight), reduction=reduction)
            if i == "in range":
                options["ignore_index"] = int(t.reshape(-1)[-1]) if t.ndim else 3 - int(t)
            loss = library.nn.CrossEntropyLoss(label_smoothing=s, **options)
            return loss(logits, library.tensor(t)), [logits]

        if not (ignored == "in range" and t.ndim and (t == t.reshape(-1)[-1]).all()):
            beside(torch, f)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [shape for shape, _ in SHAPES])
def test_cross_entropy_of_probabilities(shape: tuple[int, ...], reduction: str, torch: types.ModuleType) -> None:
    x, p = DRAW.normal(size=shape), DRAW.random(shape)
    p /= p.sum(axis=1 if len(shape) > 1 else 0, keepdims=True)
    for weight, smoothing in itertools.product((None, WEIGHT), (0.0, 0.2)):

        def f(library: Any, weight: Any = weight, smoothing: float = smoothing) -> Any:
            logits, target = leaf(library, x), leaf(library, p)
            weight = None if weight is None else library.tensor(weight)
            options = dict(weight=weight, reduction=reduction, label_smoothing=smoothing)
            return library.nn.functional.cross_entropy(logits, target, **options), [logits, target]

        beside(torch, f)


def test_labels_that_are_ignored_within_the_range() -> None:
    x = minigrad.tensor([[1.0, 2.0, 3.0], [4.0, 0.0, 0.0]], requires_grad=True)
    t = minigrad.tensor([0, 2])
    loss = F.cross_entropy(x, t, ignore_index=2)
    loss.backward()
    assert loss.item() == pytest.approx(F.cross_entropy(x[:1], t[:1]).item()) and x.grad[1].tolist() == [0.0] * 3


def test_all_ignored() -> None:
    x = minigrad.zeros(2, 3)
    t = minigrad.tensor([-100, -100])
    assert F.cross_entropy(x, t, reduction="sum").item() == 0.0
    assert F.cross_entropy(x, t, reduction="none").tolist() == [0.0, 0.0]
    with pytest.warns(RuntimeWarning, match="invalid value"):
        assert np.isnan(F.cross_entropy(x, t).item())  # the mean of no labels
    with pytest.warns(RuntimeWarning, match="invalid value"):
        assert np.isnan(F.cross_entropy(minigrad.zeros(0, 3), minigrad.zeros(0, dtype=minigrad.int64)).item())


@pytest.mark.parametrize("dtype", ["int64", "int32", "int16", "int8", "uint8"])
def test_labels_of_any_integer_dtype(dtype: str) -> None:
    x = minigrad.tensor([[1.0, 2.0], [3.0, 0.0]])
    t = minigrad.tensor([1, 0], dtype=dtype)
    assert F.cross_entropy(x, t).item() == F.cross_entropy(x, t.long()).item()
    assert F.nll_loss(x, t).item() == -2.5
    with pytest.raises(IndexError, match=r"cross_entropy: target 2 at index 1, but there are 2 classes \(0..1\)"):
        F.cross_entropy(x, minigrad.tensor([1, 2], dtype=dtype))


def test_uint8_labels_with_255_ignored() -> None:
    x = minigrad.tensor([[1.0, 2.0], [3.0, 0.0]])
    t = minigrad.tensor([1, 255], dtype=minigrad.uint8)
    assert F.cross_entropy(x, t, ignore_index=255).item() == F.cross_entropy(x[:1], t[:1]).item()
    with pytest.raises(IndexError, match="target 255 at index 1"):
        F.cross_entropy(x, t)


@pytest.mark.parametrize("scale", [1e3, 1e6, 1e30])
def test_extreme_logits(scale: float) -> None:
    with warnings.catch_warnings(action="error"):
        x = (minigrad.tensor([[1.0, -1.0, 0.0], [0.0, 1.0, -1.0]]) * scale).requires_grad_()
        t = minigrad.tensor([0, 2])
        for loss in (
            F.cross_entropy(x, t, reduction="none"),
            F.cross_entropy(x, t),
            F.cross_entropy(x, t, label_smoothing=0.1),
            F.cross_entropy(x, F.one_hot(t, 3).float()),
            F.binary_cross_entropy_with_logits(x, F.one_hot(t, 3).float()),
            F.binary_cross_entropy_with_logits(x, F.one_hot(t, 3).float(), pos_weight=minigrad.tensor([1.0, 2.0, 3.0])),
        ):
            loss.sum().backward()
            assert loss.isfinite().all() and x.grad.isfinite().all() and loss.dtype == x.grad.dtype == "float32"
            x.grad = None
        assert F.cross_entropy(x, t, reduction="none").tolist() == [0.0, np.float32(2 * scale)]


def test_impossible_logits_of_minus_infinity() -> None:
    x = minigrad.tensor([[0.0, -np.inf, 1.0]], requires_grad=True)
    loss = F.cross_entropy(x, minigrad.tensor([2]))
    loss.backward()
    assert loss.item() == pytest.approx(np.log(1 + np.e) - 1, rel=1e-6) and x.grad[0, 1].item() == 0.0


# ----------------------------------------------------------------------------------------------------------------
# Softmax before cross entropy


def views_of(p: Tensor) -> dict[str, Tensor]:
    return {
        "itself": p,
        "reshape": p.reshape(2, 3),
        "view": p.view(1, 2, 3).view(2, 3),
        "twice transposed": p.t().t(),
        "squeeze": p.unsqueeze(0).squeeze(0),
        "slice": p[:, :],
        "flatten": p.unflatten(1, (3, 1)).flatten(1),
    }


@pytest.mark.parametrize("view", views_of(minigrad.zeros(2, 3)))
def test_softmax_before_cross_entropy_is_noticed(view: str) -> None:
    x = minigrad.randn(2, 3, requires_grad=True)
    t = minigrad.tensor([0, 1])
    for softmax in (lambda x: x.softmax(1), lambda x: F.softmax(x, 1), nn.Softmax(1)):
        with pytest.warns(UserWarning, match="takes logits and applies softmax itself") as caught:
            F.cross_entropy(views_of(softmax(x))[view], t)
        assert len(caught) == 1
        with pytest.warns(UserWarning, match=r"use nll_loss\(log\(p\), target\)"):
            nn.CrossEntropyLoss()(views_of(softmax(x))[view], t)


def test_softmax_elsewhere_is_not_complained_about() -> None:
    x, t = minigrad.randn(2, 3, requires_grad=True), minigrad.tensor([0, 1])
    with warnings.catch_warnings(action="error"):
        F.cross_entropy(x, t)
        F.cross_entropy(x, x.softmax(1))
        F.cross_entropy(x.softmax(1).log(), t)
        F.cross_entropy(x.softmax(1) * 5, t)  # attention weights as features, say
        F.cross_entropy(x.softmax(1) @ minigrad.eye(3), t)
        F.cross_entropy(x.log_softmax(1), t)
        F.cross_entropy(x.t().t(), t)
        F.nll_loss(x.softmax(1).log(), t)
        loss = F.cross_entropy(x.view(2, 3), t)
        loss.backward()


# ----------------------------------------------------------------------------------------------------------------
# The others


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("shape", "labels"), SHAPES)
def test_nll(shape: tuple[int, ...], labels: tuple[int, ...], reduction: str, torch: types.ModuleType) -> None:
    x, t = DRAW.normal(size=shape), DRAW.integers(0, 4, labels)
    for weight, ignore_index in itertools.product((None, WEIGHT), (-100, (int(t.max()) + 1) % 4)):

        def f(library: Any, weight: Any = weight, ignore_index: int = ignore_index) -> Any:
            scores = leaf(library, x)
            weight = None if weight is None else library.tensor(weight)
            loss = library.nn.NLLLoss(weight, ignore_index=ignore_index, reduction=reduction)
            return loss(scores, library.tensor(t)), [scores]

        beside(torch, f)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(), (4,), (3, 4), (2, 3, 4)])
def test_of_two_floats(shape: tuple[int, ...], reduction: str, torch: types.ModuleType) -> None:
    x, t, p = DRAW.normal(size=shape), DRAW.random(shape), DRAW.uniform(0.01, 0.99, shape)
    w = DRAW.uniform(0.5, 2.0, shape[-1:])

    def plain(name: str) -> Callable[[Any], Any]:
        def f(library: Any) -> Any:
            a, b = leaf(library, x), leaf(library, t)
            return getattr(library.nn, name)(reduction=reduction)(a, b), [a, b]

        return f

    def weighted(library: Any) -> Any:
        a = leaf(library, p)
        return library.nn.BCELoss(library.tensor(w), reduction=reduction)(a, library.tensor(t)), [a]

    def of_logits(library: Any, **options: Any) -> Any:
        a = leaf(library, x)
        options = {name: library.tensor(w) for name in options}
        return library.nn.BCEWithLogitsLoss(reduction=reduction, **options)(a, library.tensor(t)), [a]

    for f in (
        plain("MSELoss"),
        plain("L1Loss"),
        plain("BCEWithLogitsLoss"),
        weighted,
        of_logits,
        lambda library: of_logits(library, pos_weight=True),
        lambda library: of_logits(library, weight=True),
        lambda library: of_logits(library, weight=True, pos_weight=True),
    ):
        beside(torch, f)


def test_probabilities_of_exactly_0_and_1() -> None:
    x = minigrad.tensor([0.0, 1.0, 0.0, 1.0], requires_grad=True)
    with warnings.catch_warnings(action="error"):
        loss = F.binary_cross_entropy(x, minigrad.tensor([0.0, 1.0, 1.0, 0.0]), reduction="none")
        loss.sum().backward()
    assert loss.tolist() == [0.0, 0.0, 100.0, 100.0] and x.grad.isfinite().all()


def test_bce_with_logits_is_bce_of_the_sigmoid() -> None:
    x, t = minigrad.randn(50, dtype=minigrad.float64), minigrad.rand(50, dtype=minigrad.float64)
    ours, composed = F.binary_cross_entropy_with_logits(x, t), F.binary_cross_entropy(x.sigmoid(), t)
    assert ours.item() == pytest.approx(composed.item(), rel=1e-12)


@pytest.mark.parametrize("loss", [nn.MSELoss, nn.L1Loss, nn.BCELoss, nn.BCEWithLogitsLoss])
def test_column_against_row_is_refused(loss: Any) -> None:
    x, t = minigrad.full((4, 1), 0.5), minigrad.full((4,), 0.5)
    with pytest.raises(ValueError, match=r"input has shape \(4, 1\) and target \(4,\); use target.unsqueeze\(1\)"):
        loss()(x, t)
    with pytest.raises(ValueError, match=r"input has shape \(4,\) and target \(4, 1\); use target.squeeze\(-1\)"):
        loss()(t, x)
    with pytest.raises(ValueError, match="the two must be equal"):
        loss()(minigrad.full((2, 3), 0.5), minigrad.full((3, 2), 0.5))


@pytest.mark.parametrize("loss", [nn.MSELoss, nn.L1Loss, nn.BCELoss, nn.CrossEntropyLoss, nn.NLLLoss])
def test_legacy_arguments_and_unknown_reductions_are_refused(loss: Any) -> None:
    with pytest.raises(TypeError, match=f"{loss.__name__}: size_average and reduce are gone; use reduction='mean'"):
        loss(size_average=False)
    with pytest.raises(ValueError, match=f"{loss.__name__}: expected reduction 'mean', 'sum' or 'none', got 'avg'"):
        loss(reduction="avg")


def test_weights_are_converted_and_checked() -> None:
    x, t = minigrad.randn(5, 3), minigrad.tensor([0, 1, 2, 0, 1])
    weight = minigrad.tensor([1.0, 2.0, 3.0], dtype=minigrad.float64)
    for f in (F.cross_entropy, F.nll_loss):
        assert f(x, t, weight).dtype == "float32"
        with pytest.raises(RuntimeError, match=r"expected one weight for each of the 3 classes, got shape \(2,\)"):
            f(x, t, weight[:2])


def test_weights_are_buffers() -> None:
    weight = minigrad.tensor([1.0, 2.0])
    for loss in (nn.CrossEntropyLoss(weight), nn.NLLLoss(weight), nn.BCELoss(weight)):
        assert list(loss.state_dict()) == ["weight"] and not list(loss.parameters())
        assert loss.double().weight.dtype == "float64"
    assert list(nn.BCEWithLogitsLoss(weight, pos_weight=weight).state_dict()) == ["weight", "pos_weight"]
    assert not nn.CrossEntropyLoss().state_dict()


def test_losses_on_the_gpu_are_those_on_the_cpu() -> None:
    with strict_cupy.installed() as cp:
        x, t = minigrad.randn(6, 3), minigrad.tensor([0, 1, 2, 0, -100, 1])
        p, w = minigrad.rand(6, 3), minigrad.tensor([1.0, 2.0, 3.0])
        for f in (
            lambda x, t, p, w: F.cross_entropy(x[:4], t[:4]),
            lambda x, t, p, w: F.cross_entropy(x, t, w, label_smoothing=0.1),
            lambda x, t, p, w: F.cross_entropy(x, p, w),
            lambda x, t, p, w: F.nll_loss(x, t, w),
            lambda x, t, p, w: F.binary_cross_entropy_with_logits(x, p, pos_weight=w),
            lambda x, t, p, w: F.binary_cross_entropy(x.sigmoid(), p),
            lambda x, t, p, w: F.mse_loss(x, p) + F.l1_loss(x, p),
            lambda x, t, p, w: F.one_hot(t[:4]).float() * x[:4],
        ):
            results = []
            for device in ("cpu", "cuda"):
                given = [a.to(device) for a in (x, t, p, w)]
                given[0].requires_grad_()
                f(*given).sum().backward()
                results.append(given[0].grad)
                given[0].grad = None
                given[0].requires_grad = False
            assert isinstance(results[1].array, cp.ndarray)
            np.testing.assert_allclose(results[1].cpu().numpy(), results[0].numpy(), rtol=1e-5, atol=1e-7)
