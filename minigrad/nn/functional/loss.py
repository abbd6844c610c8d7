"""Losses of classification: cross entropy in its forms."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.autograd.node import Node, TensorBase
from minigrad.backend import array_module
from minigrad.nn.functional.reduction import check_same_shape, nan_where, reduced, refuse_legacy
from minigrad.ops.promotion import INT64
from minigrad.tensor import Tensor

__all__ = ["binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "nll_loss"]

# --------------------------------------------------------------------------------------------------------------
# Labels
#
# A label out of range is an error that names it. To find one on a GPU, the program would have to wait for the device
# in every step; there, the loss of such a label is NaN instead.

_UNSIGNED = {np.dtype(f"i{size}"): np.dtype(f"u{size}") for size in (1, 2, 4, 8)}


def in_range(labels: Any, classes: int) -> bool:
    """Return whether all labels are 0 ... classes-1; of labels on a GPU this waits for the device."""
    # Viewed as unsigned a negative label is huge, so that one reduction checks both ends.
    return labels.size == 0 or bool(labels.view(_UNSIGNED.get(labels.dtype, labels.dtype)).max() < classes)


def wrong_labels(t: Any, classes: int, ignore_index: int | None = None) -> Any:
    """Return where labels are neither 0 ... classes-1 nor ``ignore_index``."""
    wrong = (t < 0) | (t >= classes)
    return wrong if ignore_index is None else wrong & (t != ignore_index)


def check_scores(name: str, input: Tensor, target: Tensor) -> tuple[Any, Any]:
    """Refuse what is no tensor of scores with something to compare them with; return the two arrays."""
    try:
        x, t = input.array, target.array
    except AttributeError:
        wrong = target if isinstance(input, TensorBase) else input
        raise TypeError(
            f"{name}: expected tensors, got {type(wrong).__name__}; wrap it in minigrad.tensor(...)"
        ) from None
    if x.dtype.kind != "f" or x.ndim == 0:
        raise RuntimeError(
            f"{name}: expected floating scores of shape (N, C), (C,) or (N, C, d1, ...), got {x.dtype} of shape "
            f"{tuple(x.shape)}"
        )
    return x, t


def class_weight(name: str, weight: Tensor, x: Any) -> Tensor:
    """Return the weights of the classes in the dtype of the scores ``x``; refuse another number of them."""
    classes = x.shape[1 if x.ndim > 1 else 0]
    if weight.shape != (classes,):
        raise RuntimeError(
            f"{name}: expected one weight for each of the {classes} classes, got shape {tuple(weight.shape)}"
        )
    return weight.to(x.dtype)


def _are_plain_labels(x: Any, t: Any, ignore_index: int) -> bool:
    """Return whether ``t`` holds one label for each row of ``x``, all in range and none to be ignored."""
    if x.ndim != 2 or t.ndim != 1 or t.dtype.kind not in "iu" or type(t) is not np.ndarray:
        return False
    rows, classes = x.shape
    return 0 < rows == len(t) and not 0 <= ignore_index < classes and in_range(t, classes)


def check_labels(name: str, x: Any, t: Any, ignore_index: int | None = None) -> None:
    """Refuse labels ``t`` that do not fit the scores ``x``; values only on the CPU."""
    expected = x.shape[:1] if x.ndim == 2 else x.shape[:1] + x.shape[2:] if x.ndim > 1 else ()
    if t.dtype.kind not in "iu":
        other = f", or probabilities of the input's shape {tuple(x.shape)}" if name == "cross_entropy" else ""
        raise RuntimeError(
            f"{name}: expected integer labels of shape {tuple(expected)}{other}; got {t.dtype} of shape "
            f"{tuple(t.shape)}. For labels, use target.long()"
        )
    if t.shape != expected:
        hint = "; use target.squeeze(1)" if t.ndim == 2 and t.shape[1] == 1 else ""
        if t.shape == x.shape:
            hint = "; of one-hot rows take target.argmax(1), or target.float() as probabilities"
        raise ValueError(f"{name}: expected labels of shape {tuple(expected)}, got {tuple(t.shape)}{hint}")
    classes = x.shape[1 if x.ndim > 1 else 0]
    if type(t) is not np.ndarray or in_range(t, classes):
        return
    wrong = wrong_labels(t, classes, ignore_index)
    if wrong.any():
        at = tuple(int(i[0]) for i in wrong.nonzero())
        place = "" if not at else f" at index {at[0] if len(at) == 1 else at}"
        raise IndexError(f"{name}: target {int(t[at])}{place}, but there are {classes} classes (0..{classes - 1})")


def _warn_of_softmax(node: Any) -> None:
    while type(node) is Node and node.plan.op.view:
        node = node.parents[0] if node.parents else None
    if type(node) is Node and node.plan.op is ops.softmax:
        warnings.warn(
            "cross_entropy: the input comes from softmax, but cross_entropy takes logits and applies softmax itself: "
            "twice trains slowly and badly. Leave the softmax out of the model, or use nll_loss(log(p), target)",
            stacklevel=3,
        )


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: None = None,
    ignore_index: int = -100,
    reduce: None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Take logits (scores before softmax) and return the mean of -log softmax(input)[target].

    Parameters
    ----------
    input : Tensor, shape (N, C), (C,) or (N, C, d1, ...)
        Logits of C classes. Not probabilities: the softmax is part of the loss.
    target : Tensor
        Labels 0 ... C-1, integers of shape (N,), () or (N, d1, ...); or probabilities of the shape of ``input``.
    weight : Tensor, shape (C,), optional
        Factor of each class. The mean is then weighted too.
    ignore_index : int
        Labels of this value count neither in the sum nor in the mean.
    reduction : {"mean", "sum", "none"}
    label_smoothing : float
        Take this share of the probability from the label and spread it over all classes (Szegedy et al., 2016).

    Raises
    ------
    IndexError
        A label is out of range; the message names it. On a GPU, where to look would mean to wait for the device, the
        loss is NaN instead.

    Examples
    --------
    >>> import minigrad
    >>> logits = minigrad.tensor([[2.0, 0.0, 0.0]])
    >>> cross_entropy(logits, minigrad.tensor([0]))
    tensor(0.2395)
    """
    if size_average is not None or reduce is not None:
        refuse_legacy("cross_entropy", size_average, reduce)
    x, t = check_scores("cross_entropy", input, target)
    node = input.node
    if node is not None and (node.plan.op is ops.softmax or node.plan.op.view):
        _warn_of_softmax(node)
    if weight is None and label_smoothing == 0.0 and reduction == "mean" and _are_plain_labels(x, t, ignore_index):
        return ops.softmax_cross_entropy(input, target, None)
    dim = 1 if x.ndim > 1 else 0
    if weight is not None:
        weight = class_weight("cross_entropy", weight, x)
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"cross_entropy: expected label_smoothing between 0 and 1, got {label_smoothing}")
    if t.dtype.kind == "f" and t.shape == x.shape:
        if ignore_index >= 0:
            raise RuntimeError("cross_entropy: ignore_index names a label, but the target holds probabilities")
        return _cross_entropy_of_probabilities(input, target, weight, reduction, label_smoothing, dim)
    check_labels("cross_entropy", x, t, ignore_index)
    if reduction == "mean" and label_smoothing == 0.0 and t.size:
        factors = _label_weights(x, t, weight, ignore_index).reshape(-1)
        rows = ops.reshape(ops.movedim(input, dim, -1), (-1, x.shape[dim]))
        return ops.softmax_cross_entropy(rows, array_module(t).where(t == ignore_index, 0, t).reshape(-1), factors)
    log_p = ops.log_softmax(input, dim)
    loss = nll_loss(log_p, target, weight, ignore_index=ignore_index, reduction=reduction)
    if label_smoothing == 0.0:
        return loss
    # What the label gave away goes to all classes alike, weighted and ignored as the label itself.
    uniform = -log_p if weight is None else -log_p * _over_classes(weight, x.ndim)
    spread = ops.sum_(uniform, dim) * (t != ignore_index)
    if reduction == "mean":
        spread = ops.sum_(spread) / _label_weights(x, t, weight, ignore_index).sum()
    elif reduction == "sum":
        spread = ops.sum_(spread)
    return (1 - label_smoothing) * loss + spread * (label_smoothing / x.shape[dim])


def _cross_entropy_of_probabilities(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, label_smoothing: float, dim: int
) -> Tensor:
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / input.shape[dim]
    terms = ops.log_softmax(input, dim) * target
    if weight is not None:
        terms = terms * _over_classes(weight, input.ndim)
    loss = -ops.sum_(terms, dim)
    if reduction == "mean":
        return ops.sum_(loss) / max(loss.numel(), 1)
    return reduced(loss, reduction)


def _over_classes(weight: Tensor, ndim: int) -> Tensor:
    return ops.reshape(weight, (-1,) + (1,) * max(ndim - 2, 0))


def _label_weights(x: Any, t: Any, weight: Tensor | None, ignore_index: int) -> Any:
    """Return the factor of each label: its class's weight, 0 for those to be ignored, NaN for a wrong one on a GPU."""
    xp = array_module(t)
    counted = t != ignore_index
    if weight is None:
        factors = counted.astype(x.dtype)
    else:
        factors = weight.array[xp.where(counted, t, 0)] * counted
    if xp is np:
        return factors
    return xp.where(wrong_labels(t, x.shape[min(x.ndim, 2) - 1], ignore_index), x.dtype.type(math.nan), factors)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: None = None,
    ignore_index: int = -100,
    reduce: None = None,
    reduction: str = "mean",
) -> Tensor:
    """Negative log likelihood: mean of -input[target], for log probabilities such as ``log_softmax`` gives.

    Shapes, ``weight``, ``ignore_index`` and errors as in :func:`cross_entropy`. The mean is weighted:
    sum of w l / sum of w.
    """
    refuse_legacy("nll_loss", size_average, reduce)
    x, t = check_scores("nll_loss", input, target)
    if weight is None and reduction == "mean" and _are_plain_labels(x, t, ignore_index):
        return ops.nll(input, target, None)
    if weight is not None:
        weight = class_weight("nll_loss", weight, x)
    check_labels("nll_loss", x, t, ignore_index)
    dim = 1 if input.ndim > 1 else 0
    xp = array_module(t)
    labels = xp.where(t == ignore_index, 0, t).astype(INT64)
    weights = _label_weights(x, t, weight, ignore_index)
    if reduction == "mean" and x.ndim == 2 and x.size:
        return ops.nll(input, labels, weights)
    picked = ops.squeeze(ops.gather(input, dim, xp.expand_dims(labels, dim)), dim)
    loss = -ops.where(t == ignore_index, 0.0, picked) * weights  # times 0 would not do for an infinite score
    if reduction == "mean":
        return ops.sum_(loss) / weights.sum()
    return reduced(loss, reduction)


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Tensor:
    """Mean of -(t log x + (1 - t) log(1 - x)) for probabilities x; logarithms are held above -100, as in PyTorch.

    Prefer :func:`binary_cross_entropy_with_logits`, which loses no digits near 0 and 1.

    Raises
    ------
    RuntimeError
        A probability or a target is not between 0 and 1. On a GPU the loss is NaN instead, so that nothing waits.
    """
    refuse_legacy("binary_cross_entropy", size_average, reduce)
    check_same_shape("binary_cross_entropy", input, target)
    _check_float_target("binary_cross_entropy", target)
    loss = ops.binary_cross_entropy(input, target)
    for what, x in (("probabilities", input.array), ("targets", target.array)):
        outside = ~((x >= 0) & (x <= 1))
        if type(x) is not np.ndarray:
            loss = nan_where(outside, loss)
        elif outside.any():
            fix = "; apply sigmoid first, or use binary_cross_entropy_with_logits" if x is input.array else ""
            raise RuntimeError(
                f"binary_cross_entropy: expected {what} between 0 and 1, got values from {x.min()} to {x.max()}{fix}"
            )
    return reduced(loss if weight is None else loss * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Binary cross entropy of sigmoid(x), without computing the sigmoid: (1 - t) x - (1 + (p - 1) t) log sigmoid(x).

    ``pos_weight`` p multiplies the positive term: above 1 it raises recall, below 1 precision.
    """
    refuse_legacy("binary_cross_entropy_with_logits", size_average, reduce)
    check_same_shape("binary_cross_entropy_with_logits", input, target)
    _check_float_target("binary_cross_entropy_with_logits", target)
    if pos_weight is None:
        loss = ops.binary_cross_entropy_with_logits(input, target)
    else:
        loss = (1 - target) * input - ops.logsigmoid(input) * (1 + (pos_weight - 1) * target)
    return reduced(loss if weight is None else loss * weight, reduction)


def _check_float_target(name: str, target: Tensor) -> None:
    if target.array.dtype.kind != "f":
        raise RuntimeError(f"{name}: expected a floating target, got {target.dtype}; use target.float()")
