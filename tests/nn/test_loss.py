"""Losses beside PyTorch in every option, their warnings and refusals."""

from __future__ import annotations

import inspect
import itertools
import types
import warnings
from collections.abc import Callable
from typing import Any

import beside as loss_programs
import numpy as np
import pytest
import strict_cupy

import minigrad
from minigrad import Tensor, nn
from minigrad.nn import functional as F

Array = np.ndarray[Any, Any]
DRAW = np.random.default_rng(11)
REDUCTIONS = ["mean", "sum", "none"]
PAIRS = [  # losses of two tensors of one shape
    *(nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss, nn.BCELoss, nn.BCEWithLogitsLoss, nn.PoissonNLLLoss),
    *(nn.KLDivLoss, nn.SoftMarginLoss, nn.HingeEmbeddingLoss, nn.MultiLabelSoftMarginLoss),
]
WEIGHT = np.array([0.5, 2.0, 1.0, 3.0])


@pytest.fixture(scope="module")
def torch() -> types.ModuleType:
    return pytest.importorskip("torch")


def beside(torch: Any, f: Callable[[Any], tuple[Any, list[Any]]], second_too: bool = True) -> None:
    """Hold values, gradients and second derivatives of ``f(library) -> (loss, inputs)`` equal in both libraries."""
    results = []
    for library in (minigrad, torch):
        loss, inputs = f(library)
        cotangent = library.tensor(np.sin(1.0 + np.arange(loss.numel())).reshape(tuple(loss.shape)))
        first = library.autograd.grad(loss, inputs, cotangent, create_graph=True)
        total = sum((g * g).sum() for g in first)
        second = [library.zeros_like(x) for x in inputs]
        if second_too and total.requires_grad:  # or the loss is linear
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


@pytest.mark.parametrize("loss", [F.cross_entropy, F.nll_loss])
@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4)])
def test_nothing_of_what_is_ignored_shows(loss: Any, shape: tuple[int, ...]) -> None:
    logits = np.zeros(shape)
    logits[1, 0] = -np.inf  # impossible, as where another class is the only choice
    x = minigrad.tensor(logits, requires_grad=True)
    t = minigrad.full((2, *shape[2:]), 2)
    t[1] = -100
    for reduction in ("mean", "sum", "none"):
        y = loss(x, t, reduction=reduction)
        expected = loss(x[:1], t[:1], reduction=reduction)
        np.testing.assert_allclose(y[:1].tolist() if y.ndim else y.item(), expected.tolist(), rtol=1e-12)
        (dx,) = minigrad.autograd.grad(y.sum(), x)
        assert dx[0].abs().sum().item() > 0 and dx[1].abs().sum().item() == 0.0
    t[0] = -100
    with pytest.warns(RuntimeWarning, match="invalid value"):
        y = loss(x, t)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 1 / 0, times 0
        (dx,) = minigrad.autograd.grad(y, x)
    assert np.isnan(y.item()) and dx.tolist() == np.zeros(shape).tolist()  # an empty batch does not spoil a network


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


PROGRAMS = loss_programs.topics("loss.txt")


@pytest.mark.parametrize("topic", PROGRAMS)
def test_the_same_as_pytorch(topic: str, torch: types.ModuleType) -> None:
    assert not list(loss_programs.differences(PROGRAMS[topic], torch))


GIVEN = dict(
    **{name: DRAW.normal(size=(5, 4)) for name in ("x", "y", "z")},
    **dict(v=DRAW.uniform(0.2, 2.0, (5, 4)), p=DRAW.uniform(0.1, 3.0, (5, 4))),
    signs=np.sign(DRAW.normal(size=(5, 4))),
    row_signs=np.array([1.0, -1.0, 1.0, -1.0, 0.0]),
    labels=np.array([3, 0, 1, 1, 2]),
    lists=np.array([[3, 0, -1, 2], [-1, 0, 0, 0], [2, 2, -1, -1], [0, 1, 2, 3], [1, -1, -1, -1]]),
    weight=WEIGHT,
)
OTHERS = [  # a loss, what it is called with, and with respect to how many of these it is differentiated
    ("SmoothL1Loss(beta=0.3)", "x y", 2),
    ("SmoothL1Loss(beta=0)", "x y", 2),
    ("HuberLoss(delta=0.7)", "x y", 2),
    ("PoissonNLLLoss(full=True)", "x p", 1),
    ("PoissonNLLLoss(log_input=False, eps=0.1)", "v p", 2),
    ("GaussianNLLLoss(full=True)", "x y v", 3),
    ("GaussianNLLLoss(eps=0.5)", "x y v", 2),
    ("KLDivLoss()", "x p", 2),
    ("KLDivLoss(log_target=True)", "x y", 2),
    ("SoftMarginLoss()", "x signs", 1),
    ("HingeEmbeddingLoss(0.5)", "x signs", 1),
    ("MarginRankingLoss(0.2)", "x y signs", 2),
    ("CosineEmbeddingLoss(0.1)", "x y row_signs", 2),
    ("TripletMarginLoss()", "x y z", 3),
    ("TripletMarginLoss(2.0, p=1, swap=True)", "x y z", 3),
    ("TripletMarginLoss(p=3.0, eps=0.1)", "x y z", 3),
    ("TripletMarginWithDistanceLoss(distance_function=lambda a, b: ((a - b) ** 2).sum(-1), swap=True)", "x y z", 3),
    ("MultiMarginLoss()", "x labels", 1),
    ("MultiMarginLoss(p=2, margin=0.7)", "x labels", 1),
    ("MultiMarginLoss(weight=weight)", "x labels", 1),
    ("MultiLabelMarginLoss()", "x lists", 1),
    ("MultiLabelSoftMarginLoss()", "x v", 2),
    ("MultiLabelSoftMarginLoss(weight=weight)", "x v", 2),
]


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("loss", "given", "differentiated"), OTHERS)
def test_the_others(loss: str, given: str, differentiated: int, reduction: str, torch: types.ModuleType) -> None:
    def f(library: Any) -> Any:
        module = eval(loss, vars(library.nn) | dict(weight=library.tensor(WEIGHT)))
        module.reduction = reduction
        inputs = [library.tensor(GIVEN[name]) for name in given.split()]
        leaves = [x.requires_grad_() for x in inputs[:differentiated]]
        return module(*inputs), leaves

    twice = "Multi" not in loss or "Soft" in loss  # PyTorch cannot differentiate its multi-margin losses twice
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*batchmean|.*kl_div|.*KL")
        beside(torch, f, twice)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_ctc(reduction: str, torch: types.ModuleType) -> None:
    scores = DRAW.normal(size=(12, 4, 5))
    labels = np.array([[1, 2, 2, 4], [3, 3, 3, 1], [2, 1, 0, 0], [4, 0, 0, 0]])
    lengths = [12, 7, 9, 3], [4, 4, 2, 0]
    for zero_infinity in (False, True):
        results = []
        for library in (minigrad, torch):
            x = leaf(library, scores)
            loss = library.nn.CTCLoss(reduction=reduction, zero_infinity=zero_infinity)(
                x.log_softmax(2), library.tensor(labels), *map(library.tensor, lengths)
            )
            cotangent = library.tensor(np.sin(1.0 + np.arange(loss.numel())).reshape(tuple(loss.shape)))
            results += [loss.numpy(force=True), library.autograd.grad(loss, x, cotangent)[0].numpy()]
        for ours, theirs in zip(results[:2], results[2:], strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


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


def test_ctc_counts_every_alignment() -> None:
    """Against the sum over all ways to say the label sequence, one by one."""
    log_p = minigrad.randn(4, 3, dtype=minigrad.float64).log_softmax(1).requires_grad_()
    p = np.exp(log_p.numpy(force=True))
    for said in ([1, 2], [1, 1], [2], []):
        total = 0.0
        for path in itertools.product(range(3), repeat=4):
            joined = [label for label, _ in itertools.groupby(path) if label]
            total += np.prod(p[range(4), path]) * (joined == said)
        target = minigrad.tensor(said + [0], dtype=minigrad.int64)
        loss = F.ctc_loss(log_p, target, (4,), (len(said),), reduction="none")
        assert loss.shape == () and loss.item() == pytest.approx(-np.log(total), rel=1e-12)
        if said:
            n = len(said)
            assert minigrad.autograd.gradcheck(lambda x, t=target, n=n: F.ctc_loss(x, t, (4,), (n,)), (log_p,))


def test_ctc_of_probability_0_and_of_long_sequences() -> None:
    x = minigrad.tensor([[0.0, -np.inf], [0.0, -np.inf]], requires_grad=True)
    loss = F.ctc_loss(x, minigrad.tensor([1]), (2,), (1,))
    loss.backward()
    assert loss.item() == np.inf and x.grad.tolist() == [[0.0, 0.0], [0.0, 0.0]]
    x = (minigrad.randn(500, 2, 10) * 30).requires_grad_()
    loss = F.ctc_loss(x.log_softmax(2), minigrad.randint(1, 10, (2, 100)), (500, 400), (100, 80))
    loss.backward()
    assert loss.isfinite() and x.grad.isfinite().all() and x.grad.dtype == "float32"
    np.testing.assert_allclose(x.grad.sum(2).numpy(), 0.0, atol=1e-5)  # as of every loss of a log_softmax


def test_ctc_refuses_blanks_and_labels_out_of_range() -> None:
    x = minigrad.zeros(5, 1, 3).log_softmax(2)
    for wrong in (0, 3, -1):
        with pytest.raises(IndexError, match=f"target {wrong}; expected labels from 0 to 2 other than the blank 0"):
            F.ctc_loss(x, minigrad.tensor([[1, wrong]]), (5,), (2,))
    assert F.ctc_loss(x, minigrad.tensor([[1, -1]]), (5,), (1,)).isfinite()  # behind the end, anything goes


def test_kl_div_warns_of_the_mean_that_is_none() -> None:
    x, t = minigrad.randn(2, 3).log_softmax(1), minigrad.rand(2, 3)
    with pytest.warns(UserWarning, match="use reduction='batchmean', which divides by the size of the batch"):
        F.kl_div(x, t)
    with warnings.catch_warnings(action="error"):
        assert F.kl_div(x, t, reduction="batchmean").item() == pytest.approx(F.kl_div(x, t, reduction="sum").item() / 2)


def test_huber_and_smooth_l1_are_multiples_of_each_other() -> None:
    x, t = minigrad.randn(50), minigrad.randn(50)
    assert F.huber_loss(x, t, delta=0.5).item() == pytest.approx(0.5 * F.smooth_l1_loss(x, t, beta=0.5).item())
    x = minigrad.tensor([-3.0, -0.25, 0.25, 3.0], requires_grad=True)
    F.huber_loss(x, minigrad.zeros(4), "sum", 0.5).backward()
    assert x.grad.tolist() == [-0.5, -0.25, 0.25, 0.5]


def test_margin_losses_can_be_differentiated_twice() -> None:
    x = minigrad.randn(3, 4, dtype=minigrad.float64, requires_grad=True)
    t, lists = minigrad.tensor([0, 3, 1]), minigrad.tensor([[1, 2, -1, -1], [0, -1, -1, -1], [3, 1, 2, -1]])
    for f in (
        lambda x: F.multi_margin_loss(x, t),
        lambda x: F.multi_margin_loss(x, t, p=2, margin=0.5),
        lambda x: F.multilabel_margin_loss(x, lists, reduction="sum"),
    ):
        assert minigrad.autograd.gradcheck(f, (x,)) and minigrad.autograd.gradgradcheck(f, (x,))


def test_multilabel_margin_by_hand() -> None:
    x = minigrad.tensor([0.1, 0.2, 0.4, 0.8])
    # right are 3 and 0, wrong 1 and 2: (1 - (0.8 - 0.2)) + (1 - (0.8 - 0.4)) + (1 - (0.1 - 0.2)) + (1 - (0.1 - 0.4))
    assert F.multilabel_margin_loss(x, minigrad.tensor([3, 0, -1, 1])).item() == pytest.approx(3.4 / 4)


@pytest.mark.parametrize("loss", PAIRS)
def test_column_against_row_is_refused(loss: Any) -> None:
    x, t = minigrad.full((4, 1), 0.5), minigrad.full((4,), 0.5)
    with pytest.raises(ValueError, match=r"input has shape \(4, 1\) and target \(4,\); use target.unsqueeze\(1\)"):
        loss()(x, t)
    with pytest.raises(ValueError, match=r"input has shape \(4,\) and target \(4, 1\); use target.squeeze\(-1\)"):
        loss()(t, x)
    with pytest.raises(ValueError, match="the two must be equal"):
        loss()(minigrad.full((2, 3), 0.5), minigrad.full((3, 2), 0.5))


@pytest.mark.parametrize("loss", [*PAIRS[:3], *PAIRS[4:], nn.CrossEntropyLoss, nn.NLLLoss, nn.TripletMarginLoss])
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
            lambda x, t, p, w: F.multi_margin_loss(x[:4], t[:4], weight=w) + F.multi_margin_loss(x[:4], t[:4], 2),
            lambda x, t, p, w: F.multilabel_margin_loss(x[:4, :], (x[:4] > 0).long() - 1),
            lambda x, t, p, w: F.ctc_loss(x[:, None].log_softmax(2), t[None, 1:3], (6,), (2,)),
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


# ----------------------------------------------------------------------------------------------------------------
# On a GPU nothing waits: what would be an error on the CPU is NaN there

WITHOUT_READING = {
    "cross_entropy": lambda x, t, p: F.cross_entropy(x, t),
    "cross_entropy smoothed": lambda x, t, p: F.cross_entropy(x, t, label_smoothing=0.1),
    "cross_entropy weighted": lambda x, t, p: F.cross_entropy(x, t, p[0], reduction="sum"),
    "cross_entropy of probabilities": lambda x, t, p: F.cross_entropy(x, p),
    "nll_loss": lambda x, t, p: F.nll_loss(x, t),
    "multi_margin_loss": lambda x, t, p: F.multi_margin_loss(x, t.clamp(0)),
    "multilabel_margin_loss": lambda x, t, p: F.multilabel_margin_loss(x, (p > 0.5).long() - 1),
    "binary_cross_entropy": lambda x, t, p: F.binary_cross_entropy(p.requires_grad_() * x.sigmoid(), p.detach()),
    "binary_cross_entropy_with_logits": lambda x, t, p: F.binary_cross_entropy_with_logits(x, p, pos_weight=p),
    "gaussian_nll_loss": lambda x, t, p: F.gaussian_nll_loss(x, p, p),
    "ctc_loss": lambda x, t, p: F.ctc_loss(x[:, None].log_softmax(2), t[1:3][None], (4,), (2,)),
    "kl_div": lambda x, t, p: F.kl_div(x, p, reduction="batchmean"),
    "cosine_embedding_loss": lambda x, t, p: F.cosine_embedding_loss(x, p, t.sign()),
    "triplet_margin_loss": lambda x, t, p: F.triplet_margin_loss(x, p, p + 1, swap=True),
    "others": lambda x, t, p: F.mse_loss(x, p) + F.huber_loss(x, p) + F.poisson_nll_loss(x, p, full=True),
}


@pytest.mark.parametrize("name", WITHOUT_READING)
def test_losses_read_nothing_from_the_gpu(name: str) -> None:
    with strict_cupy.installed() as cp:
        x, p = minigrad.randn(4, 3).cuda().requires_grad_(), minigrad.rand(4, 3).cuda()
        t = minigrad.tensor([0, 1, 2, -100]).cuda()
        before = cp.syncs
        loss = WITHOUT_READING[name](x, t, p)
        loss.backward()
        assert cp.syncs == before
        assert loss.isfinite().item() and x.grad.isfinite().all().item()


OUT_OF_RANGE: dict[str, Callable[[Any, Any, Any], Any]] = {
    "cross_entropy": lambda x, t, p: F.cross_entropy(x, t),
    "cross_entropy sum": lambda x, t, p: F.cross_entropy(x, t, reduction="sum"),
    "cross_entropy smoothed": lambda x, t, p: F.cross_entropy(x, t, label_smoothing=0.1),
    "cross_entropy weighted": lambda x, t, p: F.cross_entropy(x, t, p[0], ignore_index=0),
    "nll_loss": lambda x, t, p: F.nll_loss(x, t),
    "multi_margin_loss": lambda x, t, p: F.multi_margin_loss(x, t),
    "multilabel_margin_loss": lambda x, t, p: F.multilabel_margin_loss(x, t.expand(3, 3).T),
    "binary_cross_entropy of logits": lambda x, t, p: F.binary_cross_entropy(x - 5, p),
    "binary_cross_entropy of labels": lambda x, t, p: F.binary_cross_entropy(p, p + 2),
    "gaussian_nll_loss": lambda x, t, p: F.gaussian_nll_loss(x, p, -p),
    "ctc_loss": lambda x, t, p: F.ctc_loss(x[:, None].log_softmax(2), t[None], (3,), (3,)),
}


@pytest.mark.parametrize("name", OUT_OF_RANGE)
@pytest.mark.parametrize("wrong", [3, -5])
def test_what_is_refused_on_the_cpu_is_nan_on_the_gpu(name: str, wrong: int) -> None:
    x, p, t = minigrad.randn(3, 3), minigrad.full((3, 3), 0.5), minigrad.tensor([0, wrong, 1])
    with pytest.raises((IndexError, RuntimeError, ValueError)):
        OUT_OF_RANGE[name](x, t, p)
    with strict_cupy.installed() as cp:
        x, p, t = (a.cuda() for a in (x, p, t))
        before = cp.syncs
        loss = OUT_OF_RANGE[name](x, t, p)
        assert cp.syncs == before
        assert loss.isnan().item()


def test_one_wrong_label_of_many_shows_in_the_entry_it_belongs_to() -> None:
    with strict_cupy.installed():
        x, t = minigrad.randn(4, 3).cuda(), minigrad.tensor([0, 7, -100, 2]).cuda()
        for options in ({}, {"weight": minigrad.ones(3).cuda()}, {"label_smoothing": 0.1}):
            loss = F.cross_entropy(x, t, reduction="none", **options)
            assert loss.isnan().tolist() == [False, True, False, False] and loss[2].item() == 0.0


def test_ctc_lengths_belong_on_the_cpu() -> None:
    with strict_cupy.installed():
        x = minigrad.zeros(3, 1, 3).cuda()
        with pytest.raises(RuntimeError, match=r"expected input_lengths on the CPU, got them on a GPU; use input_leng"):
            F.ctc_loss(x, minigrad.tensor([[1]]).cuda(), minigrad.tensor([3]).cuda(), (1,))


def test_adaptive_softmax_is_refused() -> None:
    with pytest.raises(AttributeError, match=r"has no 'AdaptiveLogSoftmaxWithLoss': CrossEntropyLoss on a Linear"):
        _ = nn.AdaptiveLogSoftmaxWithLoss


# ----------------------------------------------------------------------------------------------------------------
# Arguments


@pytest.mark.parametrize("name", nn.loss.__all__)
def test_arguments_are_those_of_pytorch(name: str, torch: types.ModuleType) -> None:
    def arguments(f: Any) -> list[tuple[str, Any, Any]]:
        return [(p.name, p.default, p.kind) for p in inspect.signature(f).parameters.values()]

    ours, theirs = getattr(nn, name), getattr(torch.nn, name)
    assert arguments(ours.__init__) == arguments(theirs.__init__)
    assert [a[0] for a in arguments(ours.forward)] == [a[0] for a in arguments(theirs.forward)]


@pytest.mark.parametrize("family", [F.loss, F.regression_loss, F.margin_loss, F.ctc])
def test_arguments_of_functions_are_those_of_pytorch(family: Any, torch: types.ModuleType) -> None:
    for name in family.__all__:
        ours, theirs = (
            [(p.name, p.default, p.kind) for p in inspect.signature(getattr(f, name)).parameters.values()]
            for f in (F, torch.nn.functional)
        )
        assert ours == theirs, name
